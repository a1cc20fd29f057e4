//! A step that a person does: shown, and answered with done, skipped or failed.

use super::{
    args,
    plain::{by_hand, plain, spec},
};
use crate::model::catalog::{Field, FieldKind, Touches};
use crate::port::action::{ActionCx, ActionError, Args, Hindrance, Manual, Outcome};

plain!(spec("manual", &[Field::required("instructions", FieldKind::Text)], Some("instructions"), Touches::Unknown), by_hand, async run);

async fn run(given: &Args, cx: &ActionCx) -> Result<Outcome, ActionError> {
    ask(&args::required(given, "instructions")?, cx).await
}

pub(super) async fn ask(instructions: &str, cx: &ActionCx) -> Result<Outcome, ActionError> {
    let answer = tokio::select! {
        answer = cx.person.manual(&cx.host, instructions) => answer,
        () = cx.stop.cancelled() => return Err(ActionError::cancelled()),
    };
    match answer {
        Some(Manual::Done(note)) => Ok(Outcome::ok(true).fact("note", note.as_str()).said(note)),
        Some(Manual::Skipped(note)) => Ok(Outcome::ok(false).fact("skipped", true).fact("note", note.as_str()).said(note)),
        Some(Manual::Failed(note)) => Ok(Outcome::failed(note)),
        None => Err(ActionError::new(
            Hindrance::Refused,
            "this step is done by a person, and nobody is here to do it",
            "run the playbook in a terminal, or resume it there",
        )),
    }
}
