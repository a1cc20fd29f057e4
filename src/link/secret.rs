//! Resolves secret references late: when they are needed, never at the start. What is asked is kept in memory only.

use std::collections::HashMap;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::process::Command;

use crate::base::redact::Redactor;
use crate::base::text::clean;
use crate::config::spec::SecretRef;
use crate::model::ask::{Answer, AskKind};
use crate::model::id::Name;
use crate::model::source::SourceState;
use crate::port::{Asker, SourceError};

/// How long a secret's command may take: a password manager may ask its owner for a touch.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// One question that several may wait for.
#[derive(Default)]
struct Slot {
    /// Counts the answers, so that whoever waited for one takes it, also when it was a no.
    answers: AtomicU64,
    value: tokio::sync::Mutex<Option<SecretString>>,
}

type Slots = HashMap<(Name, &'static str), Arc<Slot>>;

/// All secrets of one cockpit. Clones share what was asked.
#[derive(Clone)]
pub struct Secrets {
    asked: Arc<std::sync::Mutex<Slots>>,
    ask: Arc<dyn Asker>,
    redact: Redactor,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

fn topic(kind: AskKind) -> &'static str {
    match kind {
        AskKind::Passphrase => "passphrase",
        AskKind::SudoPassword => "sudo password",
        AskKind::Password | AskKind::Prompt { .. } | AskKind::HostKey => "password",
    }
}

fn broken(text: String, remedy: &str) -> SourceError {
    SourceError::new(SourceState::Broken, text, remedy)
}

impl Secrets {
    pub fn new(ask: Arc<dyn Asker>, redact: Redactor) -> Self {
        Self { asked: Arc::default(), ask, redact }
    }

    /// The questions' way to a person.
    pub fn asker(&self) -> &Arc<dyn Asker> {
        &self.ask
    }

    /// The secret behind `from`. `about` is shown in a question; answers are shared by everything that names the same group.
    ///
    /// # Errors
    /// [`SourceState::Broken`] where a variable, file or command gives none, [`SourceState::AuthLost`] where nobody answers.
    pub async fn resolve(&self, from: &SecretRef, about: &str, kind: AskKind) -> Result<SecretString, SourceError> {
        let secret = match from {
            SecretRef::Plain(secret) => secret.clone(),
            SecretRef::Env(name) => std::env::var(name)
                .map(SecretString::from)
                .map_err(|_| broken(format!("{about}: the environment variable {name} is not set"), "set it before quarterdeck starts"))?,
            SecretRef::File(path) => read(path, about)?,
            SecretRef::Command(words) => command(words, about).await?,
            SecretRef::Ask(group) => self.asked(group, about, kind).await?,
        };
        self.redact.learn(secret.expose_secret());
        Ok(secret)
    }

    fn slot(&self, group: &Name, kind: AskKind) -> Arc<Slot> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).entry((group.clone(), topic(kind))).or_default().clone()
    }

    async fn asked(&self, group: &Name, about: &str, kind: AskKind) -> Result<SecretString, SourceError> {
        let nobody = || {
            SourceError::new(
                SourceState::AuthLost,
                format!("{about}: the {} of {group} was asked for and not given", topic(kind)),
                "start quarterdeck in a terminal and answer, or name a file, a variable or a command in the configuration",
            )
        };
        let slot = self.slot(group, kind);
        let before = slot.answers.load(Ordering::SeqCst);
        let mut value = slot.value.lock().await;
        if let Some(secret) = &*value {
            return Ok(secret.clone());
        }
        if slot.answers.load(Ordering::SeqCst) != before {
            return Err(nobody());
        }
        let answer = self.ask.ask(kind, group.clone(), format!("{} for {about}", topic(kind))).await;
        slot.answers.fetch_add(1, Ordering::SeqCst);
        match answer {
            Some(Answer::Secret(secret)) => {
                *value = Some(secret.clone());
                Ok(secret)
            }
            _ => Err(nobody()),
        }
    }

    /// Forgets an answer that was refused, so that the next one who needs it asks again. A newer answer stays.
    pub async fn forget(&self, from: &SecretRef, kind: AskKind, wrong: &SecretString) {
        if let SecretRef::Ask(group) = from {
            let slot = self.slot(group, kind);
            let mut value = slot.value.lock().await;
            if value.as_ref().is_some_and(|v| v.expose_secret() == wrong.expose_secret()) {
                *value = None;
            }
        }
    }
}

fn read(path: &Path, about: &str) -> Result<SecretString, SourceError> {
    let shown = path.display();
    let gone = |e: std::io::Error| broken(format!("{about}: cannot read the secret file {shown}: {e}"), "check its path and its owner");
    let mode = std::fs::metadata(path).map_err(gone)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(broken(format!("{about}: the secret file {shown} can be read by others (mode {mode:03o})"), &format!("chmod 600 {shown}")));
    }
    let text = std::fs::read_to_string(path).map_err(gone)?;
    Ok(SecretString::from(text.trim_end_matches(['\n', '\r'])))
}

async fn command(words: &[String], about: &str) -> Result<SecretString, SourceError> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(broken(format!("{about}: the secret's command is empty"), "write the program and its arguments as a list"));
    };
    let run = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let out = match tokio::time::timeout(COMMAND_LIMIT, run).await {
        Ok(Ok(out)) => out,
        Ok(Err(e)) => return Err(broken(format!("{about}: cannot run {program}: {e}"), "check the command of this secret")),
        Err(_) => {
            return Err(broken(
                format!("{about}: {program} gave no secret within {} s", COMMAND_LIMIT.as_secs()),
                "run it by hand: it may be asking for something; it gets no terminal here",
            ));
        }
    };
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        return Err(broken(format!("{about}: {program} ended with {}: {}", out.status, clean(said.trim())), "run it by hand to see what it needs"));
    }
    let text = String::from_utf8_lossy(&out.stdout);
    Ok(SecretString::from(text.lines().next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::BoxFuture;
    use std::sync::atomic::AtomicUsize;

    struct Person(AtomicUsize, bool);

    impl Asker for Person {
        fn ask(&self, _: AskKind, _: Name, _: String) -> BoxFuture<'_, Option<Answer>> {
            Box::pin(async {
                let n = self.0.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                self.1.then(|| Answer::Secret(format!("answer-{n}").into()))
            })
        }
    }

    #[tokio::test]
    async fn a_group_is_asked_once_and_again_after_a_wrong_answer() {
        for answers in [true, false] {
            let person = Arc::new(Person(AtomicUsize::new(0), answers));
            let secrets = Secrets::new(person.clone(), Redactor::default());
            let from = SecretRef::Ask("kvm".into());
            let all = futures::future::join_all((0..20).map(|_| secrets.resolve(&from, "kvm-1", AskKind::Password))).await;
            assert_eq!(person.0.load(Ordering::SeqCst), 1);
            assert!(all.iter().all(|a| a.is_ok() == answers));
            if answers {
                secrets.forget(&from, AskKind::Password, &"another".into()).await;
                assert_eq!(secrets.resolve(&from, "kvm-1", AskKind::Password).await.unwrap().expose_secret(), "answer-0");
                secrets.forget(&from, AskKind::Password, &"answer-0".into()).await;
                assert_eq!(secrets.resolve(&from, "kvm-1", AskKind::Password).await.unwrap().expose_secret(), "answer-1");
            }
        }
    }

    #[tokio::test]
    async fn files_and_commands_say_what_is_wrong_and_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        std::fs::write(&path, "hunter2\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let redact = Redactor::default();
        let secrets = Secrets::new(Arc::new(Person(AtomicUsize::new(0), false)), redact.clone());
        let open = secrets.resolve(&SecretRef::File(path.clone()), "db", AskKind::Password).await.unwrap_err();
        assert_eq!(open.remedy, format!("chmod 600 {}", path.display()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(secrets.resolve(&SecretRef::File(path), "db", AskKind::Password).await.unwrap().expose_secret(), "hunter2");
        assert_eq!(redact.clean("pw is hunter2"), "pw is ***");
        let words = |line: &str| SecretRef::Command(vec!["sh".into(), "-c".into(), line.into()]);
        assert_eq!(secrets.resolve(&words("echo s3cret"), "db", AskKind::Password).await.unwrap().expose_secret(), "s3cret");
        let failed = secrets.resolve(&words("echo locked >&2; exit 2"), "db", AskKind::Password).await.unwrap_err();
        assert!(failed.text.contains("locked"), "{failed}");
    }
}
