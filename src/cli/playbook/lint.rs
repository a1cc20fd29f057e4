//! `playbook lint`: every mistake with its line, its column and a way out.

use std::io::{self, Write};

use crate::config::spec::Config;
use crate::engine::run::{shelf, stage};
use crate::model::catalog::Catalog;
use crate::playbook::library;
use crate::playbook::lint::lint;
use crate::playbook::mistake::Severity;

/// Lints these, or all that are carried where none is named. Gives 1 when there is an error in one of them.
pub(super) fn write(config: &Config, catalog: &Catalog, names: &[String], out: &mut dyn Write) -> io::Result<u8> {
    let all: Vec<String> = if names.is_empty() { library::books().map(|(name, _)| name.to_owned()).collect() } else { names.to_vec() };
    let inventory = stage::inventory(config);
    // What is carried need not fit the hosts of this configuration.
    let inventory = (!names.is_empty()).then_some(&inventory);
    let (mut errors, mut warnings) = (0, 0);
    for name in &all {
        let found = match shelf::open(config, catalog, name) {
            Ok(found) => found,
            Err(why) => {
                writeln!(out, "{why}")?;
                errors += 1;
                continue;
            }
        };
        for mistake in lint(&found.parsed, catalog, inventory) {
            writeln!(out, "{mistake}")?;
            match mistake.severity {
                Severity::Error => errors += 1,
                Severity::Warning => warnings += 1,
            }
        }
    }
    writeln!(out, "{} playbooks: {errors} errors, {warnings} warnings", all.len())?;
    Ok(u8::from(errors > 0))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::playbook::schema::schema;

    fn catalog() -> Catalog {
        Catalog { actions: crate::action::specs(), ..Catalog::default() }
    }

    #[test]
    fn every_playbook_that_is_carried_has_nothing_to_excuse() {
        let mut out = Vec::new();
        let code = write(&Config::default(), &catalog(), &[], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(code, 0, "{text}");
        assert!(text.ends_with(" 0 errors, 0 warnings\n"), "{text}");
    }

    #[test]
    fn the_folder_and_the_program_carry_the_same() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|e| e.unwrap().file_name().to_str().and_then(|n| n.strip_suffix(".yaml")).map(ToOwned::to_owned))
            .collect();
        let mut carried: Vec<String> = library::books().map(|(name, _)| name.to_owned()).collect();
        there.sort();
        carried.sort();
        assert_eq!(there, carried);
    }

    /// As much of JSON Schema as the schema uses.
    fn fits(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
        if let Some(path) = schema["$ref"].as_str() {
            return fits(root, &root["definitions"][path.rsplit('/').next().unwrap()], value);
        }
        if let Some(any) = schema["anyOf"].as_array() {
            let wrong: Vec<String> = any.iter().filter_map(|s| fits(root, s, value).err()).collect();
            if wrong.len() == any.len() {
                return Err(wrong.join(" | "));
            }
        }
        let is = |name: &str| match name {
            "string" => value.is_string(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("{other}"),
        };
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !types.is_empty() && !types.iter().any(|t| is(t)) {
            return Err(format!("{value} is no {types:?}"));
        }
        if let Some(words) = schema["enum"].as_array().filter(|w| !w.contains(value)) {
            return Err(format!("{value} is none of {words:?}"));
        }
        if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
            && !regex::Regex::new(pattern).unwrap().is_match(text)
        {
            return Err(format!("{text} is not like {pattern}"));
        }
        if let Some(map) = value.as_object() {
            for needed in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !map.contains_key(needed) {
                    return Err(format!("{needed} is missing"));
                }
            }
            for (key, inner) in map {
                match (schema["properties"].get(key), &schema["additionalProperties"]) {
                    (Some(s), _) | (None, s @ Value::Object(_)) => fits(root, s, inner).map_err(|e| format!("{key}: {e}"))?,
                    (None, Value::Bool(false)) => return Err(format!("there is no {key}")),
                    _ => {}
                }
            }
        }
        for inner in value.as_array().into_iter().flatten() {
            if schema.get("items").is_some() {
                fits(root, &schema["items"], inner)?;
            }
        }
        Ok(())
    }

    #[test]
    fn the_schema_that_is_shipped_is_made_of_the_tables_and_knows_every_playbook() {
        let made = schema(&catalog());
        let shipped = include_str!("../../../playbooks/schema.json");
        let is_current = shipped.trim_end() == serde_json::to_string_pretty(&made).unwrap();
        assert!(is_current, "write it anew: quarterdeck playbook schema > playbooks/schema.json");
        for (name, text) in library::books() {
            let value: Value = serde_saphyr::from_str(text).unwrap();
            fits(&made, &made, &value).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        for (wrong, why) in [
            ("[{name: a, hosts: b, tasks: [{name: c, shel: d}]}]", "shel"),
            ("[{name: a, hosts: b, taskss: []}]", "taskss"),
            ("[{name: a, hosts: b, tasks: [{name: c, shell: {cmd: d, x: y}}]}]", "there is no x"),
            ("[{name: a, hosts: b, tasks: [{name: c, shell: d, danger: some}]}]", "some"),
        ] {
            let value: Value = serde_saphyr::from_str(wrong).unwrap();
            let told = fits(&made, &made, &value).unwrap_err();
            assert!(told.contains(why), "{wrong}: {told}");
        }
    }
}
