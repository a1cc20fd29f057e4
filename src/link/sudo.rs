//! Commands as root: `sudo -n` where that is allowed, else `sudo -S` with the password as the first line of its input.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use secrecy::ExposeSecret;
use tokio::io::AsyncWriteExt;

use super::secret::Secrets;
use super::shell::{ExitStatus, Output, Process, Shell, quote};
use crate::config::spec::SecretRef;
use crate::model::ask::AskKind;
use crate::model::id::Name;
use crate::model::source::SourceState;
use crate::port::SourceError;

/// How long sudo may think before it says yes or no.
const ASK_SUDO: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The account is root already.
    Root,
    Free,
    WithPassword,
}

/// Any shell, as root. Which way sudo works is found out once; a refused password is not sent again.
pub struct SudoShell {
    inner: Arc<dyn Shell>,
    host: Name,
    /// Whose rights; root where there is none.
    user: Option<Name>,
    password: Option<SecretRef>,
    secrets: Secrets,
    way: tokio::sync::Mutex<Option<Result<Way, SourceError>>>,
}

impl std::fmt::Debug for SudoShell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SudoShell").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl SudoShell {
    pub fn new(inner: Arc<dyn Shell>, host: &str, password: Option<SecretRef>, secrets: Secrets) -> Self {
        Self { inner, host: host.into(), user: None, password, secrets, way: tokio::sync::Mutex::default() }
    }

    /// Another user's rights than root's.
    #[must_use]
    pub fn for_user(mut self, user: &str) -> Self {
        self.user = (user != "root").then(|| user.into());
        self
    }

    /// ` -u 'name'`, or nothing.
    fn option(&self) -> String {
        self.user.as_ref().map(|u| format!(" -u {}", quote(u))).unwrap_or_default()
    }

    /// Forgets a refusal, so that the next command asks sudo again.
    pub async fn retry(&self) {
        let mut way = self.way.lock().await;
        if matches!(*way, Some(Err(_))) {
            *way = None;
        }
    }

    fn no_right(&self, text: &str, remedy: String) -> SourceError {
        SourceError::new(SourceState::NoRight, format!("{}: {text}", self.host), remedy)
    }

    async fn way(&self) -> Result<Way, SourceError> {
        let mut known = self.way.lock().await;
        if let Some(way) = &*known {
            return way.clone();
        }
        let found = self.find().await;
        // A line that broke says nothing about sudo.
        if found.as_ref().is_err_and(|e| e.state != SourceState::NoRight) {
            return found;
        }
        known.insert(found).clone()
    }

    async fn find(&self) -> Result<Way, SourceError> {
        // Where root logs in there is often no sudo, and no need of one.
        let free = self.inner.run(&format!("[ \"$(id -u)\" = 0 ] && echo root || sudo -n{} true", self.option()), b"", ASK_SUDO).await?;
        if free.stdout.trim() == "root" {
            return Ok(Way::Root);
        }
        if free.status == ExitStatus::Code(0) {
            return Ok(Way::Free);
        }
        let Some(from) = &self.password else {
            let said = crate::base::text::clean(free.stderr.trim()).into_owned();
            return Err(self.no_right(
                &format!("sudo wants more than there is: {said}"),
                "allow it with NOPASSWD in sudoers, or set become_password for this host".to_owned(),
            ));
        };
        let secret = self.secrets.resolve(from, &self.host, AskKind::SudoPassword).await?;
        // Validated once by itself: one line is one attempt, and what is wrong costs no command.
        let out =
            self.inner.run(&format!("sudo -k; sudo -S -p ''{} true", self.option()), format!("{}\n", secret.expose_secret()).as_bytes(), ASK_SUDO).await?;
        if out.status == ExitStatus::Code(0) {
            return Ok(Way::WithPassword);
        }
        self.secrets.forget(from, AskKind::SudoPassword, &secret).await;
        let said = crate::base::text::clean(out.stderr.trim()).into_owned();
        Err(self.no_right(
            &format!("sudo refuses: {said}"),
            "correct become_password or the sudoers of this user, then retry; it is not tried again by itself".to_owned(),
        ))
    }

    /// The line for sudo and what goes before its input.
    async fn prepare(&self, line: &str) -> Result<(String, Vec<u8>), SourceError> {
        match (self.way().await?, &self.password) {
            (Way::WithPassword, Some(from)) => {
                let secret = self.secrets.resolve(from, &self.host, AskKind::SudoPassword).await?;
                Ok((format!("sudo -k; exec sudo -S -p ''{} sh -c {}", self.option(), quote(line)), format!("{}\n", secret.expose_secret()).into_bytes()))
            }
            (Way::Root, _) => Ok((
                match &self.user {
                    None => line.to_owned(),
                    Some(user) => format!("exec runuser -u {} -- sh -c {}", quote(user), quote(line)),
                },
                Vec::new(),
            )),
            _ => Ok((format!("exec sudo -n{} sh -c {}", self.option(), quote(line)), Vec::new())),
        }
    }
}

impl Shell for SudoShell {
    fn spawn<'a>(&'a self, line: &'a str) -> BoxFuture<'a, Result<Process, SourceError>> {
        Box::pin(async move {
            let (line, before) = self.prepare(line).await?;
            let mut process = self.inner.spawn(&line).await?;
            if !before.is_empty() {
                process.stdin.write_all(&before).await.map_err(|e| SourceError::unreachable(format!("{}: {e}", self.host)))?;
            }
            Ok(process)
        })
    }

    fn run<'a>(&'a self, line: &'a str, stdin: &'a [u8], limit: Duration) -> BoxFuture<'a, Result<Output, SourceError>> {
        Box::pin(async move {
            let (line, mut before) = self.prepare(line).await?;
            before.extend_from_slice(stdin);
            self.inner.run(&line, &before, limit).await
        })
    }
}
