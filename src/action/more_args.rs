//! Arguments that a manifest's containers get beside their own, so that nobody edits files for it. A later patch of the object would
//! be taken back by the next apply, or be in its way: the server knows one owner of a list of arguments.

use serde_json::{Value, json};

use super::{args, elements};
use crate::port::action::{ActionError, Args};

/// `more_args: {CONTAINER: [ARGUMENT]}`.
#[derive(Clone, Debug, Default)]
pub(super) struct MoreArgs(Vec<(String, Vec<String>)>);

impl MoreArgs {
    pub(super) fn of(given: &Args) -> Result<Self, ActionError> {
        match given.get("more_args") {
            None | Some(Value::Null) => Ok(Self::default()),
            Some(Value::Object(containers)) => Ok(Self(containers.keys().map(|name| (name.clone(), args::list(containers, name))).collect())),
            Some(other) => Err(ActionError::arguments(format!("`more_args` is {other}; it takes the arguments of each container by its name"))),
        }
    }

    /// In every pod of an object, however deep it stands. An argument that is there is not added again.
    pub(super) fn change(&self, value: &mut Value) {
        if !self.0.is_empty() {
            elements::each(value, &["containers"], &mut |container| self.add(container));
        }
    }

    fn add(&self, container: &mut Value) {
        let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
        let Some((_, more)) = self.0.iter().find(|(wanted, _)| wanted == name) else { return };
        let Some(fields) = container.as_object_mut() else { return };
        if let Some(there) = fields.entry("args").or_insert_with(|| json!([])).as_array_mut() {
            for argument in more {
                if !there.iter().any(|a| a == argument) {
                    there.push(json!(argument));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_added_once_and_to_the_named_container() {
        let more = MoreArgs::of(&Args::from_iter([("more_args".to_owned(), json!({"app": ["--a", "--b"]}))])).expect("sound");
        let mut object = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "args": ["--b"]}, {"name": "side"}]}}}});
        more.change(&mut object);
        more.change(&mut object);
        assert_eq!(object.pointer("/spec/template/spec/containers"), Some(&json!([{"name": "app", "args": ["--b", "--a"]}, {"name": "side"}])));
        assert!(MoreArgs::of(&Args::from_iter([("more_args".to_owned(), json!("--a"))])).is_err());
    }
}
