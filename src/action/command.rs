//! A program with its arguments on the host; no shell reads them.

use futures::future::BoxFuture;

use super::{args, remote, shell};
use crate::link::shell::quote;
use crate::model::catalog::{ActionSpec, Field, FieldKind, Others, Place, Touches};
use crate::port::action::{Action, ActionCx, ActionError, Args, Found, Outcome};

#[derive(Debug)]
pub(super) struct Step;

static SPEC: ActionSpec = ActionSpec {
    name: "command",
    fields: &[
        Field::one_of("cmd", FieldKind::Text),
        Field::one_of("argv", FieldKind::List),
        Field::optional("chdir", FieldKind::Text),
        Field::optional("creates", FieldKind::Text),
        Field::optional("removes", FieldKind::Text),
        Field::optional("stdin", FieldKind::Secret),
        Field::optional("stdin_file", FieldKind::File),
    ],
    short: Some("cmd"),
    others: Others::Refused,
    touches: Touches::Unknown,
    place: Place::Host,
};

/// `argv`, or `cmd` in words, as one line that a shell takes literally.
pub(super) fn literal(given: &Args) -> Result<String, ActionError> {
    let words = match args::list(given, "argv") {
        words if words.is_empty() => args::words(&args::required(given, "cmd")?)?,
        words => words,
    };
    if words.is_empty() {
        return Err(ActionError::arguments("the command is empty"));
    }
    Ok(words.iter().map(|w| quote(w)).collect::<Vec<_>>().join(" "))
}

impl Action for Step {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn check<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>> {
        Box::pin(shell::look(given, cx))
    }

    fn run<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>> {
        Box::pin(async move {
            let line = literal(given)?;
            remote::without_secrets(cx, &line, "cmd")?;
            shell::run(given, cx, &format!("exec {line}")).await
        })
    }

    fn settle<'a>(&'a self, cx: &'a ActionCx) -> BoxFuture<'a, Result<(), ActionError>> {
        Box::pin(remote::settle(cx))
    }
}
