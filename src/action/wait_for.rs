//! Waits until a port answers, or a file is there, as seen from the step's host.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::AsyncReadExt;

use super::{args, remote, way};
use crate::base::clock::Stopwatch;
use crate::link::shell::quote;
use crate::model::catalog::{ActionSpec, Field, FieldKind, Others, Place, Touches};
use crate::port::action::{Action, ActionCx, ActionError, Args, Found, Outcome, Purpose};

#[derive(Debug)]
pub(super) struct Step;

static SPEC: ActionSpec = ActionSpec {
    name: "wait_for",
    fields: &[
        Field::one_of("port", FieldKind::Number),
        Field::one_of("path", FieldKind::Text),
        Field::optional("host", FieldKind::Text),
        Field::optional("search_regex", FieldKind::Text),
        Field::optional("state", FieldKind::Word(&["started", "stopped", "present", "absent"])),
        Field::optional("delay", FieldKind::Duration),
        Field::optional("sleep", FieldKind::Duration),
        Field::optional("timeout", FieldKind::Duration),
        way::CLUSTER,
        way::NAMESPACE,
        way::POD,
        way::SELECTOR,
    ],
    short: None,
    others: Others::Refused,
    touches: Touches::Nothing,
    place: Place::Network,
};

/// Is it as wanted now? If not, why.
async fn holds(given: &Args, cx: &ActionCx) -> Result<Result<(), String>, ActionError> {
    let gone = matches!(args::text(given, "state").as_deref(), Some("stopped" | "absent"));
    let pattern =
        args::text(given, "search_regex").map(|p| regex::Regex::new(&p).map_err(|e| ActionError::arguments(format!("`search_regex`: {e}")))).transpose()?;
    if let Some(path) = args::text(given, "path") {
        let script = match &pattern {
            Some(_) => format!("[ -e {0} ] && tail -c 1000000 {0}", quote(&path)),
            None => format!("[ -e {} ]", quote(&path)),
        };
        let said = remote::look(cx, &script).await?;
        return Ok(match (said.ok(), &pattern, gone) {
            (true, Some(p), false) if !p.is_match(&said.stdout) => Err(format!("{path} does not say {p} yet")),
            (true, _, false) | (false, _, true) => Ok(()),
            (false, _, false) => Err(format!("{path} is not there yet")),
            (true, _, true) => Err(format!("{path} is still there")),
        });
    }
    let Some(port) = args::port(given, "port")? else { return Err(ActionError::arguments("`wait_for` needs `port` or `path`")) };
    let host = args::text(given, "host").unwrap_or_else(|| "127.0.0.1".to_owned());
    let line = tokio::time::timeout(Duration::from_secs(5), way::stream(given, cx, &host, port)).await;
    Ok(match (line, &pattern, gone) {
        (Ok(Ok(mut line)), Some(p), false) => {
            let mut said = vec![0; 4096];
            let count = tokio::time::timeout(Duration::from_secs(3), line.read(&mut said)).await.ok().and_then(Result::ok).unwrap_or(0);
            let said = String::from_utf8_lossy(&said[..count]).into_owned();
            if p.is_match(&said) { Ok(()) } else { Err(format!("{host}:{port} answers, but does not say {p}")) }
        }
        (Ok(Ok(_)), _, true) => Err(format!("{host}:{port} still answers")),
        (Ok(Ok(_)), None, false) | (_, _, true) => Ok(()),
        (Ok(Err(e)), _, false) => Err(e.text),
        (Err(_), _, false) => Err(format!("{host}:{port} does not answer")),
    })
}

async fn run(given: &Args, cx: &ActionCx) -> Result<Outcome, ActionError> {
    let limit = args::duration(given, "timeout")?.unwrap_or(cx.limit).min(cx.limit);
    let pause = args::duration(given, "sleep")?.unwrap_or(Duration::from_secs(1)).max(Duration::from_millis(50));
    let watch = Stopwatch::start();
    let delay = args::duration(given, "delay")?.unwrap_or_default();
    let mut wait = delay;
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = cx.stop.cancelled() => return Err(ActionError::cancelled()),
        }
        wait = pause;
        let why = match holds(given, cx).await? {
            Ok(()) => return Ok(Outcome::ok(false).fact("elapsed", watch.elapsed().as_secs())),
            Err(why) => why,
        };
        if cx.purpose == Purpose::Look {
            return Ok(Outcome::failed(why).fact("ok", false));
        }
        if watch.elapsed() + pause > limit {
            return Ok(Outcome::failed(format!("not within {} s: {why}", limit.as_secs())).fact("ok", false));
        }
    }
}

impl Action for Step {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn check<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>> {
        Box::pin(async move { Ok(if holds(given, cx).await?.is_ok() { Found::done() } else { Found::to_do() }) })
    }

    fn run<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>> {
        Box::pin(run(given, cx))
    }
}
