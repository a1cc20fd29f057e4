//! A file of the host to this machine.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use ring::digest::{Context, SHA256};

use super::{args, deploy, remote};
use crate::link::shell::quote;
use crate::model::catalog::{ActionSpec, Field, FieldKind, Others, Place, Touches};
use crate::port::action::{Action, ActionCx, ActionError, Args, Found, MOST_KEPT, Outcome};

#[derive(Debug)]
pub(super) struct Step;

static SPEC: ActionSpec = ActionSpec {
    name: "fetch",
    fields: &[Field::required("src", FieldKind::Text), Field::required("dest", FieldKind::Text), Field::optional("flat", FieldKind::Switch)],
    short: None,
    others: Others::Refused,
    touches: Touches::Target,
    place: Place::Host,
};

/// `dest/HOST/path`, so that the hosts do not overwrite each other; `dest` itself where `flat` says so.
fn local(given: &Args, cx: &ActionCx) -> Result<PathBuf, ActionError> {
    let (src, dest) = (args::required(given, "src")?, args::required(given, "dest")?);
    let dest = Path::new(&dest);
    if args::switch(given, "flat").unwrap_or(false) {
        return Ok(dest.to_owned());
    }
    // A path from a template must not climb out of `dest`.
    if src.split('/').any(|part| part == "..") {
        return Err(ActionError::arguments(format!("`src` is `{src}`; write it without `..`")));
    }
    Ok(dest.join(&*cx.host).join(src.trim_start_matches('/')))
}

async fn remote_sum(cx: &ActionCx, src: &str) -> Result<Result<String, String>, ActionError> {
    let said = remote::look(cx, &format!("sha256sum <{}", quote(src))).await?;
    Ok(if said.ok() { Ok(said.stdout.chars().take(64).collect()) } else { Err(said.complaint()) })
}

fn local_sum(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let mut sum = Context::new(&SHA256);
    let mut part = vec![0; PART];
    loop {
        match file.read(&mut part).ok()? {
            0 => return Some(deploy::hex(sum.finish().as_ref())),
            n => sum.update(&part[..n]),
        }
    }
}

/// Bytes that come at once: in text, so that one kind of channel carries everything, and no more than what is kept of an output.
const PART: usize = MOST_KEPT / 2;

/// A file that is written beside its place and takes it when it is whole; before that, a failure leaves nothing.
struct Coming {
    file: File,
    beside: PathBuf,
    sum: Context,
    len: u64,
}

impl Coming {
    fn begin(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let beside = path.with_extension(format!("quarterdeck-{}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        Ok(Self { file, beside, sum: Context::new(&SHA256), len: 0 })
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.len += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    fn sum(&self) -> String {
        deploy::hex(self.sum.clone().finish().as_ref())
    }

    fn arrive(&self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.beside, path)
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        // Where it has arrived there is nothing under this name.
        let _ = std::fs::remove_file(&self.beside);
    }
}

impl Action for Step {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn check<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>> {
        Box::pin(async move {
            let here = local_sum(&local(given, cx)?);
            Ok(match remote_sum(cx, &args::required(given, "src")?).await? {
                Ok(there) if Some(&there) == here.as_ref() => Found::done(),
                Ok(_) => Found::to_do(),
                Err(why) => Found::unknown(why),
            })
        })
    }

    fn run<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>> {
        Box::pin(async move {
            let (src, path) = (args::required(given, "src")?, local(given, cx)?);
            let sum = match remote_sum(cx, &src).await? {
                Ok(sum) => sum,
                Err(why) => return Ok(Outcome::failed(why)),
            };
            let done = |changed| Outcome::ok(changed).fact("dest", path.display().to_string()).fact("sha256", sum.as_str());
            if local_sum(&path).as_deref() == Some(&sum) {
                return Ok(done(false));
            }
            let unwritten = |e: io::Error| Outcome::failed(format!("cannot write {}: {e}", path.display()));
            let mut coming = match Coming::begin(&path) {
                Ok(coming) => coming,
                Err(e) => return Ok(unwritten(e)),
            };
            loop {
                let script = format!("tail -c +{} {} | head -c {PART} | base64 | tr -d '\\n'", coming.len + 1, quote(&src));
                let said = remote::act(cx, &script, b"", remote::Telling::Quiet).await?;
                if !said.ok() {
                    return Ok(said.outcome(cx, false));
                }
                let more = STANDARD.decode(said.stdout.trim()).map_err(|e| ActionError::arguments(format!("{src}: what came is no base64: {e}")))?;
                if let Err(e) = coming.take(&more) {
                    return Ok(unwritten(e));
                }
                if more.len() < PART {
                    break;
                }
            }
            if coming.sum() != sum {
                return Ok(Outcome::failed(format!("{src} changed while it was fetched")));
            }
            Ok(coming.arrive(&path).map_or_else(unwritten, |()| done(true)))
        })
    }
}
