//! Something from the network, pinned by its SHA-256: what does not fit the sum is not used. It happens on this machine (`at:
//! here`, the default) or on the target; with `-e source=DIR` it comes from a folder that `playbook fetch` filled, and nothing is
//! fetched at all.

use std::path::Path;
use std::time::Duration;

use super::deploy::{Wanted, sha256};
use super::{args, http, remote};
use crate::link::http::Request;
use crate::link::shell::quote;
use crate::port::action::{ActionCx, ActionError, Args, Ended, Found, Hindrance, Origin, Outcome};

/// For a whole download outside a run.
const LONGEST: Duration = Duration::from_mins(10);

/// What to fetch, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    pub url: String,
    pub mirror: Option<String>,
    pub sha256: String,
    pub at: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Here,
    Target,
}

impl Download {
    /// The download that a step's arguments name; `None` where they name none.
    pub fn of(given: &Args) -> Result<Option<Self>, ActionError> {
        let Some(url) = args::text(given, "url") else { return Ok(None) };
        let sha256 = args::text(given, "sha256").map(|s| s.trim().to_ascii_lowercase()).unwrap_or_default();
        if sha256.len() != 64 || !sha256.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(ActionError::new(
                Hindrance::Arguments,
                format!("the download {url} is not pinned"),
                "give its `sha256`, 64 hexadecimal digits: `curl -L URL | sha256sum` on a machine that you trust",
            ));
        }
        let at = if args::text(given, "at").as_deref() == Some("target") { At::Target } else { At::Here };
        Ok(Some(Self { url, mirror: args::text(given, "mirror"), sha256, at }))
    }

    pub(super) fn happens_at_target(&self, cx: &ActionCx) -> bool {
        self.at == At::Target && !matches!(cx.origin, Origin::Folder(_))
    }

    /// The name of its file in a bundle: the sum, so that two of one name do not meet.
    pub fn file_name(&self) -> String {
        let name = self.url.split(['?', '#']).next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).collect();
        format!("{}-{}", &self.sha256[..16], if name.is_empty() { "download" } else { &name })
    }

    fn address(&self, origin: &Origin) -> Result<&str, ActionError> {
        match (origin, &self.mirror) {
            (Origin::Mirror, Some(mirror)) => Ok(mirror),
            (Origin::Mirror, None) => Err(ActionError::new(
                Hindrance::Arguments,
                format!("source=mirror, and no mirror of {} is known", self.url),
                "use source=online, or source=DIR with a bundle of `playbook fetch`",
            )),
            _ => Ok(&self.url),
        }
    }

    /// All of it, on this machine.
    pub async fn bytes(&self, cx: &ActionCx) -> Result<Vec<u8>, ActionError> {
        if let Origin::Folder(folder) = &cx.origin {
            return self.bundled(folder);
        }
        let address = self.address(&cx.origin)?;
        let bytes = http::fetch(&cx.stop, cx.limit, address, Request::get).await?;
        self.fits(&bytes, address)?;
        Ok(bytes)
    }

    /// All of it from the network, outside a run.
    pub async fn alone(&self) -> Result<Vec<u8>, ActionError> {
        let stop = tokio_util::sync::CancellationToken::new();
        let bytes = http::fetch(&stop, LONGEST, &self.url, Request::get).await?;
        self.fits(&bytes, &self.url)?;
        Ok(bytes)
    }

    /// Are these the bytes that the sum names?
    pub fn is(&self, bytes: &[u8]) -> bool {
        sha256(bytes) == self.sha256
    }

    fn bundled(&self, folder: &Path) -> Result<Vec<u8>, ActionError> {
        let path = folder.join(self.file_name());
        let bytes = std::fs::read(&path).map_err(|e| {
            ActionError::new(
                Hindrance::Arguments,
                format!("{} is not in the bundle: {e} ({})", self.url, path.display()),
                "fill the folder with `quarterdeck playbook fetch NAME` where there is a network",
            )
        })?;
        self.fits(&bytes, &path.display().to_string())?;
        Ok(bytes)
    }

    fn fits(&self, bytes: &[u8], address: &str) -> Result<(), ActionError> {
        let sum = sha256(bytes);
        if sum == self.sha256 {
            return Ok(());
        }
        Err(ActionError::new(
            Hindrance::Refused,
            format!("{address} is not what the playbook names: its sha256 is {sum}, expected {}", self.sha256),
            "somebody replaced it, or a proxy answered in its place; look at it before you change the sum",
        ))
    }
}

/// Is the file there already? Fetches nothing.
pub(super) async fn look(download: &Download, dest: &str, cx: &ActionCx) -> Result<Found, ActionError> {
    let said = remote::look(cx, &format!("sha256sum <{} 2>/dev/null | cut -c1-64", quote(dest))).await?;
    Ok(if said.stdout.trim() == download.sha256 { Found::done() } else { Found::to_do().with_diff(format!("+{dest}: {}", download.url)) })
}

/// The target fetches it itself, with curl or wget.
pub(super) async fn at_target(download: &Download, given: &Args, cx: &ActionCx) -> Result<Outcome, ActionError> {
    let wanted = Wanted::new(given, Vec::new())?;
    let (dest, url, sum) = (quote(&wanted.path), quote(download.address(&cx.origin)?), &download.sha256);
    let mode = args::text(given, "mode").unwrap_or_else(|| "0644".to_owned());
    let owner = match (args::text(given, "owner"), args::text(given, "group")) {
        (None, None) => String::new(),
        (owner, group) => {
            format!("chown {} \"$t\" || exit 6\n", quote(&format!("{}{}", owner.unwrap_or_default(), group.map(|g| format!(":{g}")).unwrap_or_default())))
        }
    };
    let script = format!(
        "f={dest}; u={url}\n[ \"$(sha256sum <\"$f\" 2>/dev/null | cut -c1-64)\" = {sum} ] && {{ echo same; exit 0; }}\n\
         t=\"$f.quarterdeck-$$\"; trap 'rm -f \"$t\"' EXIT\n\
         if command -v curl >/dev/null 2>&1; then curl -fsSL --retry 2 -o \"$t\" \"$u\" || exit 4\n\
         elif command -v wget >/dev/null 2>&1; then wget -q -O \"$t\" \"$u\" || exit 4\n\
         else echo 'neither curl nor wget is there; use at: here' >&2; exit 3; fi\n\
         s=$(sha256sum <\"$t\" | cut -c1-64)\n[ \"$s\" = {sum} ] || {{ echo \"what came has the sha256 $s, expected {sum}\" >&2; exit 5; }}\n\
         chmod {mode} \"$t\" || exit 6\n{owner}sync \"$t\" 2>/dev/null\nmv -f \"$t\" \"$f\" || exit 8\necho changed",
        mode = quote(&mode)
    );
    let said = remote::act(cx, &script, b"", remote::Telling::Quiet).await?;
    let changed = said.stdout.trim() == "changed";
    let mut outcome = said.outcome(cx, true);
    if outcome.end == Ended::Ok {
        outcome.changed = changed;
        outcome = outcome.said("").fact("dest", wanted.path.as_str()).fact("sha256", sum.as_str());
    }
    Ok(outcome)
}
