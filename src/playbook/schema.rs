//! The schema that editors complete and check playbooks with (JSON Schema, draft 7), made of the reader's own tables.

use serde_json::{Map, Value, json};

use super::keys::{BLOCK, HINT, Key, LOOP_CONTROL, PLAY, PROBE, PROMPT, Shape, TASK};
use crate::model::catalog::{ActionSpec, Catalog, FieldKind, Need, Others};

/// The schema for playbooks with these actions.
pub fn schema(catalog: &Catalog) -> Value {
    let actions = properties_of_actions(catalog);
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Quarterdeck playbook",
        "definitions": {
            "template": { "type": "string" },
            "conditions": { "type": ["boolean", "string", "array"], "items": { "type": ["boolean", "string"] } },
            "words": { "type": ["string", "array"], "items": { "type": ["string", "number"] } },
            "duration": { "type": ["number", "string"] },
            "play": object(PLAY, &Map::new(), &["name", "hosts", "tasks"]),
            "prompt": object(PROMPT, &Map::new(), &["name"]),
            "hint": object(HINT, &Map::new(), &["match", "means", "fix"]),
            "loop_control": object(LOOP_CONTROL, &Map::new(), &[]),
            "probe": object(PROBE, &actions, &[]),
            "task": object(TASK, &actions, &["name"]),
            "block": object(BLOCK, &Map::new(), &["block"]),
            "include": include(),
            "tasks": {
                "type": "array",
                "items": { "anyOf": [{ "$ref": "#/definitions/task" }, { "$ref": "#/definitions/block" }, { "$ref": "#/definitions/include" }] },
            },
        },
        "anyOf": [
            { "$ref": "#/definitions/play" },
            { "type": "array", "items": { "$ref": "#/definitions/play" }, "minItems": 1, "maxItems": 1 },
            // A file that `include_tasks` names.
            { "$ref": "#/definitions/tasks" },
        ],
    })
}

fn object(keys: &[Key], more: &Map<String, Value>, required: &[&str]) -> Value {
    let mut properties: Map<String, Value> = keys
        .iter()
        .map(|key| {
            let mut shape = shape(key.shape);
            if let Value::Object(map) = &mut shape {
                map.insert("description".to_owned(), key.about.into());
            }
            (key.name.to_owned(), shape)
        })
        .collect();
    properties.extend(more.clone());
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn include() -> Value {
    let mut schema = object(&BLOCK[4..], &Map::new(), &[]);
    for name in ["name", "include_tasks", "import_tasks"] {
        schema["properties"][name] = json!({ "type": ["string", "object"] });
    }
    schema["anyOf"] = json!([{ "required": ["include_tasks"] }, { "required": ["import_tasks"] }]);
    schema
}

fn shape(shape: Shape) -> Value {
    let refer = |name: &str| json!({ "$ref": format!("#/definitions/{name}") });
    let one_or_many = |name: &str| json!({ "anyOf": [refer(name), { "type": "array", "items": refer(name) }] });
    match shape {
        Shape::Text => json!({ "type": ["string", "number"] }),
        Shape::Template => refer("template"),
        Shape::Switch => json!({ "type": "boolean" }),
        Shape::Number => json!({ "type": ["number", "string"] }),
        Shape::Duration => refer("duration"),
        Shape::Conditions => refer("conditions"),
        Shape::Words => refer("words"),
        Shape::Vars => json!({ "type": "object" }),
        Shape::Anything => json!({}),
        Shape::Items => json!({ "type": ["array", "object", "string"] }),
        Shape::Hosts => json!({ "type": ["string", "array"] }),
        Shape::Proven => json!({ "type": ["string", "object"], "additionalProperties": { "enum": ["run", "experimental"] } }),
        Shape::Prompts => json!({ "type": "array", "items": refer("prompt") }),
        Shape::PromptKind => json!({ "enum": ["text", "integer", "boolean", "list"] }),
        Shape::Tasks => refer("tasks"),
        Shape::Hints => json!({ "type": "array", "items": refer("hint") }),
        Shape::LoopControl => refer("loop_control"),
        Shape::Probes => one_or_many("probe"),
        Shape::Undo => json!({ "anyOf": [
            { "type": "object", "properties": { "none": { "type": "string" } }, "required": ["none"], "additionalProperties": false },
            refer("probe"),
            { "type": "array", "items": refer("probe") },
        ] }),
        Shape::Confirm => json!({ "type": ["boolean", "string"] }),
        Shape::Danger => json!({ "enum": ["none", "disruptive", "destructive"] }),
    }
}

fn properties_of_actions(catalog: &Catalog) -> Map<String, Value> {
    catalog.actions.iter().filter(|a| a.name != "include_tasks").map(|a| (a.name.to_owned(), action(a))).collect()
}

fn action(spec: &ActionSpec) -> Value {
    let fields: Map<String, Value> = spec.fields.iter().map(|f| (f.name.to_owned(), field(f.kind))).collect();
    let required: Vec<&str> = spec.fields.iter().filter(|f| f.need == Need::Required).map(|f| f.name).collect();
    let long = json!({ "type": "object", "properties": fields, "required": required, "additionalProperties": spec.others == Others::Taken });
    match spec.short {
        Some(_) => json!({ "anyOf": [long, { "type": ["string", "number", "boolean", "array"] }] }),
        None => long,
    }
}

/// A template may stand in place of any value.
fn field(kind: FieldKind) -> Value {
    match kind {
        FieldKind::Text | FieldKind::ShellLine | FieldKind::File | FieldKind::TemplateFile => json!({ "type": ["string", "number"] }),
        FieldKind::Sql | FieldKind::List => json!({ "type": ["string", "number", "array"] }),
        FieldKind::Number | FieldKind::Duration => json!({ "type": ["number", "string"] }),
        FieldKind::Switch => json!({ "type": ["boolean", "string"] }),
        FieldKind::Map => json!({ "type": ["object", "string"] }),
        FieldKind::Any | FieldKind::Secret => json!({}),
        FieldKind::Conditions => json!({ "$ref": "#/definitions/conditions" }),
        FieldKind::Word(words) => json!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": "\\{\\{" }] }),
    }
}
