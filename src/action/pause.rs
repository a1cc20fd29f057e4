//! Waits some time, or for a person's word.

use std::time::Duration;

use super::{
    args, manual,
    plain::{nothing, plain, spec},
};
use crate::base::text::span;
use crate::model::catalog::{Field, FieldKind, Touches};
use crate::port::action::{ActionCx, ActionError, Args, Ended, Outcome, Stream};

plain!(
    spec(
        "pause",
        &[Field::optional("seconds", FieldKind::Number), Field::optional("minutes", FieldKind::Number), Field::optional("prompt", FieldKind::Text),],
        Some("prompt"),
        Touches::Nothing
    ),
    nothing,
    async run
);

async fn run(given: &Args, cx: &ActionCx) -> Result<Outcome, ActionError> {
    let seconds = args::number(given, "seconds")?.unwrap_or(0) + 60 * args::number(given, "minutes")?.unwrap_or(0);
    if seconds == 0 {
        let prompt = args::text(given, "prompt").unwrap_or_else(|| "Go on?".to_owned());
        return manual::ask(&prompt, cx).await;
    }
    cx.live.line(Stream::Out, &format!("waiting {}", span(seconds)));
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(seconds)) => Ok(Outcome::ok(false)),
        () = cx.stop.cancelled() => Ok(Outcome { end: Ended::Failed("called off".to_owned()), ..Outcome::ok(false) }),
    }
}
