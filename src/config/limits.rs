//! `[limits]`: the shape is that of the defaults themselves, so a new threshold needs no line here.

use toml::de::{DeTable, DeValue};

use super::reader::Reader;
use super::suggest;
use crate::model::limits::Limits;

pub(super) fn read(r: &mut Reader<'_>, table: &DeTable<'_>) -> Limits {
    let Ok(mut merged) = toml::Table::try_from(Limits::default()) else { return Limits::default() };
    merge(r, table, &mut merged, "limits");
    merged.try_into().unwrap_or_default()
}

fn merge(r: &mut Reader<'_>, from: &DeTable<'_>, into: &mut toml::Table, path: &str) {
    for (key, value) in from {
        let name = key.get_ref().as_ref();
        let Some(slot) = into.get_mut(name) else {
            let help = suggest::help(name, into.keys().map(String::as_str), "its keys are");
            r.error(&key.span(), format!("[{path}] has no key `{name}`"), help);
            continue;
        };
        match (slot, value.get_ref()) {
            (toml::Value::Table(slot), DeValue::Table(table)) => merge(r, table, slot, &format!("{path}.{name}")),
            (toml::Value::Table(slot), _) => {
                let keys: Vec<String> = slot.keys().map(|k| format!("{k} = ...")).collect();
                r.wrong_type(name, value, &format!("{{ {} }}", keys.join(", ")));
            }
            (slot @ toml::Value::Integer(_), DeValue::Integer(i)) => match i.to_string().parse::<i64>() {
                Ok(n) if n >= 0 => *slot = toml::Value::Integer(n),
                _ => r.wrong_type(name, value, "a whole number from 0"),
            },
            (slot @ toml::Value::Float(_), DeValue::Integer(_) | DeValue::Float(_)) => {
                let text = match value.get_ref() {
                    DeValue::Integer(i) => i.to_string(),
                    DeValue::Float(x) => x.to_string(),
                    _ => String::new(),
                };
                match text.parse::<f64>() {
                    Ok(x) if x.is_finite() && x >= 0.0 => *slot = toml::Value::Float(x),
                    _ => r.wrong_type(name, value, "a number from 0"),
                }
            }
            (toml::Value::Integer(_), _) => r.wrong_type(name, value, "a whole number from 0"),
            _ => r.wrong_type(name, value, "a number from 0"),
        }
    }
}
