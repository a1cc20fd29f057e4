//! Answers to a playbook's questions: from `-e`, from the environment, from a person at the terminal.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::tty::Tty;
use crate::base::redact::Redactor;
use crate::engine::run::values::{Next, accept, next};
pub(super) use crate::engine::run::values::{extra, text};
use crate::playbook::inventory::Inventory;
use crate::playbook::spec::Playbook;

/// Where answers come from.
pub(super) struct Answers<'a> {
    pub inventory: &'a Inventory,
    pub redact: &'a Redactor,
    pub tty: Option<&'a mut Tty>,
}

impl Answers<'_> {
    /// Every question of the playbook that `vars` does not answer yet; `only` those of these names where it is given.
    ///
    /// # Errors
    /// One has no answer, or one that is not allowed.
    pub(super) fn complete(&mut self, book: &Playbook, vars: &mut Map<String, Value>, only: Option<&[String]>) -> Result<(), String> {
        for prompt in &book.prompts {
            if let Some(given) = vars.get(&prompt.name).cloned() {
                let value = accept(book, self.inventory, vars, &prompt.name, given)?;
                self.keep(&prompt.name, prompt.private, value, vars);
            }
        }
        while let Some(question) = next(book, self.inventory, vars, only)? {
            let name = &question.name;
            let from_environment = std::env::var(format!("QUARTERDECK_VAR_{name}")).ok().map(Value::from);
            let value = match (from_environment, &mut self.tty) {
                (Some(value), _) => value,
                (None, Some(tty)) => ask(tty, &question)?,
                (None, None) => question
                    .default
                    .clone()
                    .ok_or_else(|| format!("{} needs `{name}`: give it with -e {name}=..., or in the environment as QUARTERDECK_VAR_{name}", book.file))?,
            };
            match (accept(book, self.inventory, vars, name, value), &mut self.tty) {
                (Ok(value), _) => self.keep(name, question.private, value, vars),
                (Err(why), Some(tty)) if std::env::var_os(format!("QUARTERDECK_VAR_{name}")).is_none() => tty.say(&why),
                (Err(why), _) => return Err(why),
            }
        }
        Ok(())
    }

    fn keep(&self, name: &str, private: bool, value: Value, vars: &mut Map<String, Value>) {
        if let (true, Some(secret)) = (private, value.as_str()) {
            self.redact.learn(secret);
        }
        vars.insert(name.to_owned(), value);
    }
}

fn ask(tty: &mut Tty, question: &Next) -> Result<Value, String> {
    if !question.explain.is_empty() {
        tty.say(&question.explain);
    }
    if !question.allowed.is_empty() {
        tty.say(&format!("one of: {}", question.allowed.join(", ")));
    }
    loop {
        let shown = match question.default.as_ref().filter(|_| !question.private) {
            Some(default) => format!("{} [{}]: ", question.question, text(default)),
            None => format!("{}: ", question.question),
        };
        let answer = if question.private { tty.secret(&shown)? } else { SecretString::from(tty.line(&shown)?) };
        if question.private && question.confirm && tty.secret("once more: ")?.expose_secret() != answer.expose_secret() {
            tty.say("these two differ");
            continue;
        }
        return Ok(match (answer.expose_secret(), &question.default) {
            ("", Some(default)) => default.clone(),
            (given, _) => Value::from(given),
        });
    }
}
