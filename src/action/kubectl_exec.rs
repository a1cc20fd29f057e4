//! A command inside a pod.
//!
//! The script and its input go in by stdin, counted: the older of the two exec protocols has no end of input, and closing it there
//! closes the whole line, its exit status included. So nothing is closed before the status has come, and whoever reads is told
//! how many bytes there are. A status that never comes is `unknown`.

use futures::future::BoxFuture;
use kube::Api;
use kube::api::AttachParams;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::{args, command, kube as api, remote, way};
use crate::link::kube::Pod;
use crate::link::shell::quote;
use crate::model::catalog::{ActionSpec, Field, FieldKind, Others, Place, Touches};
use crate::port::action::{Action, ActionCx, ActionError, Args, Ended, Found, Hindrance, MOST_KEPT, Outcome, Stream};

#[derive(Debug)]
pub(super) struct Step;

static SPEC: ActionSpec = ActionSpec {
    name: "kubectl_exec",
    fields: &[
        way::POD,
        way::SELECTOR,
        Field::optional("container", FieldKind::Text),
        Field::one_of("cmd", FieldKind::ShellLine),
        Field::one_of("argv", FieldKind::List),
        Field::optional("stdin", FieldKind::Secret),
        Field::optional("stdin_file", FieldKind::File),
        way::CLUSTER,
        way::NAMESPACE,
    ],
    short: None,
    others: Others::Refused,
    touches: Touches::Unknown,
    place: Place::Cluster,
};

/// What the pod is told to run, and what it reads.
struct Call {
    argv: Vec<String>,
    input: Vec<u8>,
}

fn call(given: &Args, cx: &ActionCx) -> Result<Call, ActionError> {
    let stdin = remote::input(given, cx)?;
    let line = if let Some(line) = args::text(given, "cmd") {
        line
    } else {
        let words = args::list(given, "argv");
        let whole = command::literal(given)?;
        remote::without_secrets(cx, &whole, "argv")?;
        // Without input and values there is nothing to hide, and no shell is needed: images without one can run it.
        if stdin.is_none() && cx.environment.is_empty() {
            return Ok(Call { argv: words, input: Vec::new() });
        }
        whole
    };
    remote::without_secrets(cx, &line, "cmd")?;
    let mut script = String::new();
    for (name, value) in &cx.environment {
        remote::add(&mut script, format_args!("export {name}={}\n", quote(value)));
    }
    match &stdin {
        Some(bytes) => remote::add(&mut script, format_args!("head -c {} | {{ {line}\n}}", bytes.len())),
        None => remote::add(&mut script, format_args!("exec </dev/null\n{line}")),
    }
    let argv = ["sh", "-c", &format!("eval \"$(dd bs=1 count={} 2>/dev/null)\"", script.len())].map(ToOwned::to_owned).to_vec();
    let mut input = script.into_bytes();
    input.extend(stdin.unwrap_or_default());
    Ok(Call { argv, input })
}

async fn read(cx: &ActionCx, stream: Stream, from: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut from) = from else { return String::new() };
    let (mut kept, mut line, mut buffer) = (Vec::new(), Vec::new(), vec![0; 16 << 10]);
    while let Ok(n) = from.read(&mut buffer).await {
        if n == 0 {
            break;
        }
        for byte in &buffer[..n] {
            if *byte == b'\n' || line.len() > 4096 {
                cx.live.line(stream, &String::from_utf8_lossy(&line));
                line.clear();
            }
            if *byte != b'\n' {
                line.push(*byte);
            }
        }
        kept.extend_from_slice(&buffer[..n]);
        if kept.len() > 2 * MOST_KEPT {
            kept.drain(..kept.len() - MOST_KEPT);
        }
    }
    if !line.is_empty() {
        cx.live.line(stream, &String::from_utf8_lossy(&line));
    }
    String::from_utf8_lossy(&kept).into_owned()
}

async fn run(given: &Args, cx: &ActionCx) -> Result<Outcome, ActionError> {
    let client = api::client(given, cx).await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), &way::namespace(given, &client));
    let pod = way::pod(given, &pods).await?;
    let Call { argv, input } = call(given, cx)?;
    let mut params = AttachParams::default().stdin(!input.is_empty()).stdout(true).stderr(true).max_stdin_buf_size(64 << 10);
    params.container = args::text(given, "container");
    let attached = tokio::time::timeout(api::REQUEST, pods.exec(&pod, argv, &params)).await;
    let mut process = match attached {
        Ok(Ok(process)) => process,
        Ok(Err(e)) => {
            let kind = if api::code(&e).is_some() { Hindrance::Refused } else { Hindrance::Unreachable };
            return Err(ActionError::new(kind, format!("{pod}: {}", api::words(&e)), ""));
        }
        Err(_) => return Err(ActionError::unreachable(format!("{pod}: no answer within {} s", api::REQUEST.as_secs()))),
    };
    let (mut stdin, stdout, stderr, status) = (process.stdin(), process.stdout(), process.stderr(), process.take_status());
    let write = async {
        if let Some(stdin) = &mut stdin {
            let _ = stdin.write_all(&input).await;
            let _ = stdin.flush().await;
        }
    };
    let talk = async {
        let ended = async {
            match status {
                Some(status) => status.await,
                None => None,
            }
        };
        let ((), out, err, status) = tokio::join!(write, read(cx, Stream::Out, stdout), read(cx, Stream::Err, stderr), ended);
        (out, err, status)
    };
    let ended = tokio::select! {
        ended = tokio::time::timeout(cx.limit, talk) => ended,
        () = cx.stop.cancelled() => return Ok(Outcome::unknown(format!("called off while it ran in {pod}"))),
    };
    drop(stdin);
    process.abort();
    let Ok((stdout, stderr, status)) = ended else {
        return Ok(Outcome::unknown(format!("no end within {} s; it may still run in {pod}", cx.limit.as_secs())));
    };
    let complaint = || stderr.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default().trim().to_owned();
    let (end, rc) = match status {
        None => (Ended::Unknown(format!("the line to {pod} ended without an exit status")), None),
        Some(status) if status.status.as_deref() == Some("Success") => (Ended::Ok, Some(0)),
        Some(status) => {
            let causes = status.details.and_then(|d| d.causes).unwrap_or_default();
            let code = causes.iter().find(|c| c.reason.as_deref() == Some("ExitCode")).and_then(|c| c.message.as_deref()?.parse::<i64>().ok());
            let said = complaint();
            let why = if said.is_empty() { status.message.unwrap_or_default() } else { said };
            match code {
                Some(code) => (Ended::Failed(format!("status {code}: {why}")), Some(code)),
                None => (Ended::Failed(why), None),
            }
        }
    };
    Ok(Outcome { end, rc, stdout, stderr, ..Outcome::ok(true) }.fact("pod", pod))
}

impl Action for Step {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn check<'a>(&'a self, _given: &'a Args, _cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>> {
        Box::pin(async { Ok(Found::unknown("only running it would tell")) })
    }

    fn run<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>> {
        Box::pin(run(given, cx))
    }
}
