//! A command inside a container of the host: docker, podman, nerdctl or crictl, whichever knows the container.

use futures::future::BoxFuture;

use super::{args, command, remote};
use crate::link::shell::quote;
use crate::model::catalog::{ActionSpec, Field, FieldKind, Others, Place, Touches};
use crate::port::action::{Action, ActionCx, ActionError, Args, Found, Outcome};

#[derive(Debug)]
pub(super) struct Step;

static SPEC: ActionSpec = ActionSpec {
    name: "container_exec",
    fields: &[
        Field::required("container", FieldKind::Text),
        Field::one_of("cmd", FieldKind::ShellLine),
        Field::one_of("argv", FieldKind::List),
        Field::optional("user", FieldKind::Text),
        Field::optional("chdir", FieldKind::Text),
        Field::optional("stdin", FieldKind::Secret),
        Field::optional("stdin_file", FieldKind::File),
        Field::optional("runtime", FieldKind::Word(&["auto", "docker", "podman", "nerdctl", "crictl"])),
    ],
    short: None,
    others: Others::Refused,
    touches: Touches::Unknown,
    place: Place::Host,
};

/// The environment goes by name (`-e NAME`), its values through the runtime's own environment: they stand in no argument.
fn script(given: &Args, cx: &ActionCx) -> Result<String, ActionError> {
    let container = quote(&args::required(given, "container")?);
    let inside = if let Some(line) = args::text(given, "cmd") {
        remote::without_secrets(cx, &line, "cmd")?;
        format!("sh -c {}", quote(&line))
    } else {
        let line = command::literal(given)?;
        remote::without_secrets(cx, &line, "argv")?;
        line
    };
    let mut options = String::from(" -i");
    for name in cx.environment.keys().map(String::as_str).chain(["QUARTERDECK_STEP"]) {
        remote::add(&mut options, format_args!(" -e {name}"));
    }
    if let Some(user) = args::text(given, "user") {
        remote::add(&mut options, format_args!(" -u {}", quote(&user)));
    }
    if let Some(folder) = args::text(given, "chdir") {
        remote::add(&mut options, format_args!(" -w {}", quote(&folder)));
    }
    let find = match args::text(given, "runtime").as_deref() {
        None | Some("auto") => format!(
            "r=; for c in docker podman nerdctl; do if command -v $c >/dev/null 2>&1 && $c inspect --type container {container} >/dev/null 2>&1; then r=$c; break; fi; done; \
             if [ -z \"$r\" ] && command -v crictl >/dev/null 2>&1 && crictl inspect {container} >/dev/null 2>&1; then r=crictl; fi; \
             [ -n \"$r\" ] || {{ echo \"no container runtime here knows the container \"{container} >&2; exit 125; }}"
        ),
        Some(other) => format!("r={}", quote(other)),
    };
    Ok(format!("{find}\nif [ \"$r\" = crictl ]; then exec crictl exec -i {container} {inside}; else exec $r exec{options} {container} {inside}; fi"))
}

impl Action for Step {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn check<'a>(&'a self, _given: &'a Args, _cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>> {
        Box::pin(async { Ok(Found::unknown("only running it would tell")) })
    }

    fn run<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>> {
        Box::pin(async move {
            let stdin = remote::input(given, cx)?.unwrap_or_default();
            Ok(remote::act(cx, &script(given, cx)?, &stdin, remote::Telling::Live).await?.outcome(cx, true))
        })
    }

    fn settle<'a>(&'a self, cx: &'a ActionCx) -> BoxFuture<'a, Result<(), ActionError>> {
        Box::pin(remote::settle(cx))
    }
}
