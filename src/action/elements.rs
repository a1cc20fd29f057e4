//! Where a manifest keeps what is to be changed in it: pods stand at another depth in every kind of object.

use serde_json::Value;

/// Every element of the lists that stand under one of these names, however deep. What is in an element is not looked through.
pub(super) fn each(value: &mut Value, names: &[&str], change: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Object(map) => {
            for (name, child) in map {
                match child {
                    Value::Array(all) if names.contains(&name.as_str()) => all.iter_mut().for_each(&mut *change),
                    _ => each(child, names, change),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|v| each(v, names, change)),
        _ => {}
    }
}
