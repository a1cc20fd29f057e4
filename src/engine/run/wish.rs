//! What a person types behind the name of a playbook in the cockpit: the options of `playbook run` that choose values, steps and targets.

use serde_json::{Map, Value};

use super::values;
use crate::action;
use crate::base::suggest;
use crate::playbook::journal::Choice;

const KNOWN: [&str; 6] = ["-e", "--extra-vars", "--tags", "--skip-tags", "--start-at-task", "--limit"];

/// Options, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wish {
    pub vars: Map<String, Value>,
    pub choice: Choice,
    pub limit: Option<String>,
}

impl Wish {
    /// Words as a shell would split them: `-e vhost=/mall --tags survey,user --limit web`.
    ///
    /// # Errors
    /// An option that there is not, one without its value, or a value that says nothing.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut wish = Self::default();
        let mut words = action::words(text).map_err(|e| e.text)?.into_iter();
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=').filter(|(name, _)| name.starts_with("--")) {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (word, None),
            };
            if !KNOWN.contains(&name.as_str()) {
                return Err(format!("there is no option {name} here; {}", suggest::help(&name, KNOWN.into_iter(), "there are")));
            }
            let value = value.or_else(|| words.next()).ok_or_else(|| format!("{name}: what?"))?;
            let list = || value.split(',').map(str::trim).filter(|w| !w.is_empty()).map(ToOwned::to_owned);
            match name.as_str() {
                "--tags" => wish.choice.tags.extend(list()),
                "--skip-tags" => wish.choice.skip_tags.extend(list()),
                "--start-at-task" => wish.choice.start_at = Some(value),
                "--limit" => wish.limit = Some(value),
                _ => wish.vars.extend(values::extra(&[value])?),
            }
        }
        Ok(wish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_the_command_line_reads_them() {
        let wish = Wish::read("-e vhost=/mall --tags=a,b --skip-tags c -e '{\"n\": 5}' --limit 'web:!web3' --start-at-task \"Make it\"").unwrap();
        assert_eq!(Value::Object(wish.vars), serde_json::json!({"vhost": "/mall", "n": 5}));
        assert_eq!((wish.choice.tags, wish.choice.skip_tags), (vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]));
        assert_eq!((wish.limit.as_deref(), wish.choice.start_at.as_deref()), (Some("web:!web3"), Some("Make it")));
        assert_eq!(Wish::read("").unwrap(), Wish::default());
        for (text, why) in [("--tag a", "did you mean `--tags`?"), ("-e", "-e: what?"), ("-e novalue", "KEY=VALUE"), ("--limit 'a", "")] {
            let told = Wish::read(text).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
