//! A line for `sh` on the host.

use futures::future::BoxFuture;

use super::{args, remote};
use crate::link::shell::quote;
use crate::model::catalog::{ActionSpec, Field, FieldKind, Others, Place, Touches};
use crate::port::action::{Action, ActionCx, ActionError, Args, Found, Outcome};

#[derive(Debug)]
pub(super) struct Step;

static SPEC: ActionSpec = ActionSpec {
    name: "shell",
    fields: &[
        Field::required("cmd", FieldKind::ShellLine),
        Field::optional("chdir", FieldKind::Text),
        Field::optional("creates", FieldKind::Text),
        Field::optional("removes", FieldKind::Text),
        Field::optional("stdin", FieldKind::Secret),
        Field::optional("stdin_file", FieldKind::File),
        Field::optional("executable", FieldKind::Text),
    ],
    short: Some("cmd"),
    others: Others::Refused,
    touches: Touches::Unknown,
    place: Place::Host,
};

/// `creates` and `removes`: a file whose being there, or not being there, says that it was done.
pub(super) async fn sign(given: &Args, cx: &ActionCx) -> Result<Option<bool>, ActionError> {
    let mut tests = Vec::new();
    if let Some(path) = args::text(given, "creates") {
        tests.push(format!("[ -e {} ]", quote(&path)));
    }
    if let Some(path) = args::text(given, "removes") {
        tests.push(format!("[ ! -e {} ]", quote(&path)));
    }
    if tests.is_empty() {
        return Ok(None);
    }
    Ok(Some(remote::look(cx, &tests.join(" || ")).await?.ok()))
}

pub(super) async fn look(given: &Args, cx: &ActionCx) -> Result<Found, ActionError> {
    Ok(match sign(given, cx).await? {
        Some(true) => Found::done(),
        Some(false) => Found::to_do(),
        None => Found::unknown("only running it would tell"),
    })
}

pub(super) async fn run(given: &Args, cx: &ActionCx, script: &str) -> Result<Outcome, ActionError> {
    if sign(given, cx).await? == Some(true) {
        return Ok(Outcome::ok(false));
    }
    let mut cx = cx.clone();
    if let Some(folder) = args::text(given, "chdir") {
        cx.folder = Some(folder);
    }
    let stdin = remote::input(given, &cx)?.unwrap_or_default();
    Ok(remote::act(&cx, script, &stdin, remote::Telling::Live).await?.outcome(&cx, true))
}

impl Action for Step {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn check<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>> {
        Box::pin(look(given, cx))
    }

    fn run<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>> {
        Box::pin(async move {
            let line = args::required(given, "cmd")?;
            remote::without_secrets(cx, &line, "cmd")?;
            let script = match args::text(given, "executable") {
                Some(other) => format!("exec {} -c {}", quote(&other), quote(&line)),
                None => line,
            };
            run(given, cx, &script).await
        })
    }

    fn settle<'a>(&'a self, cx: &'a ActionCx) -> BoxFuture<'a, Result<(), ActionError>> {
        Box::pin(remote::settle(cx))
    }
}
