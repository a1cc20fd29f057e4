//! Logging in: agent, certificates, key files, password, keyboard-interactive, in that order.
//!
//! A password goes over at most once a dial; what the server refuses is [`SourceState::AuthLost`] and never tried again by itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse, Prompt};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::Shared;
use super::dial::Guard;
use super::options::Options;
use super::signer::{Signer, Unsigned};
use crate::base::text::clean;
use crate::config::spec::{SecretRef, SshSpec};
use crate::model::ask::{Answer, AskKind};
use crate::model::id::Name;
use crate::model::source::SourceState;
use crate::port::SourceError;

/// How long the server may take over one step.
const STEP: Duration = Duration::from_secs(15);
/// A wrong passphrase never reaches the server, so it may be asked again.
const PASSPHRASES: usize = 3;

pub(super) enum Ended {
    Refused(SourceError),
    /// The connection went. After a person was asked that is the server's patience: with the answer at hand, dial again.
    Lost,
}

impl From<SourceError> for Ended {
    fn from(error: SourceError) -> Self {
        Self::Refused(error)
    }
}

/// Asks whether the server would take a key, and signs nothing: a passphrase is asked only for a key that counts.
struct Probe;

enum Probed {
    WouldTake,
    Lost,
}

impl From<russh::SendError> for Probed {
    fn from(_: russh::SendError) -> Self {
        Self::Lost
    }
}

impl russh::Signer for Probe {
    type Error = Probed;

    async fn auth_sign(&mut self, _: &AgentIdentity, _: Option<HashAlg>, _: Vec<u8>) -> Result<Vec<u8>, Probed> {
        Err(Probed::WouldTake)
    }
}

pub(super) struct Login<'a> {
    pub(super) shared: &'a Shared,
    pub(super) handle: &'a mut Handle<Guard>,
    pub(super) name: &'a str,
    pub(super) group: Name,
    pub(super) spec: &'a SshSpec,
    pub(super) options: &'a Options,
}

async fn step<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<T, Ended> {
    timeout(STEP, work).await.map_err(|_| Ended::Lost)?.map_err(|_| Ended::Lost)
}

impl Login<'_> {
    fn refused(&self, text: &str, remedy: impl Into<String>) -> Ended {
        Ended::Refused(SourceError::new(SourceState::AuthLost, format!("{}: {}", self.name, clean(text)), remedy))
    }

    fn by_hand(&self) -> String {
        format!("ssh -v -p {} {}@{} true", self.options.port, self.options.user, self.options.address)
    }

    pub(super) async fn run(mut self) -> Result<(), Ended> {
        let mut methods = match step(self.handle.authenticate_none(&*self.options.user)).await? {
            AuthResult::Success => return Ok(()),
            AuthResult::Failure { remaining_methods, .. } => remaining_methods,
        };
        // Some servers want two methods (a key, then a code): each partial success goes on with what remains.
        for _ in 0..4 {
            let mut next = None;
            if methods.contains(&MethodKind::PublicKey) {
                next = self.keys().await?;
            }
            if next.is_none() {
                next = Some(self.words(&methods).await?);
            }
            match next {
                Some(Step::In) => return Ok(()),
                Some(Step::More(more)) => methods = more,
                None => break,
            }
        }
        Err(self.refused("the server wants more ways to log in than there are", self.by_hand()))
    }

    fn taken(result: AuthResult) -> Result<Option<Step>, Ended> {
        match result {
            AuthResult::Success => Ok(Some(Step::In)),
            AuthResult::Failure { remaining_methods, partial_success: true } => Ok(Some(Step::More(remaining_methods))),
            // The library says this when the connection went in the middle.
            AuthResult::Failure { remaining_methods, .. } if remaining_methods.is_empty() => Err(Ended::Lost),
            AuthResult::Failure { .. } => Ok(None),
        }
    }

    async fn keys(&mut self) -> Result<Option<Step>, Ended> {
        let user = self.options.user.clone();
        let hash = step(self.handle.best_supported_rsa_hash()).await?.flatten();
        let mut offered: Vec<PublicKey> = Vec::new();
        for (mut agent, identity) in self.agent().await {
            let hash = if identity.public_key().algorithm().is_rsa() { hash } else { None };
            let offer = async {
                match &identity {
                    AgentIdentity::PublicKey { key, .. } => self.handle.authenticate_publickey_with(&*user, key.clone(), hash, &mut agent).await,
                    AgentIdentity::Certificate { certificate, .. } => {
                        self.handle.authenticate_certificate_with(&*user, certificate.clone(), hash, &mut agent).await
                    }
                }
            };
            match timeout(STEP, offer).await {
                Ok(Ok(result)) => {
                    offered.push(identity.public_key().into_owned());
                    if let Some(step) = Self::taken(result)? {
                        return Ok(Some(step));
                    }
                }
                Ok(Err(_)) => {}
                Err(_) => return Err(Ended::Lost),
            }
        }
        for path in self.options.identities.clone() {
            if let Some(step) = self.key_file(&path, hash, &offered).await? {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }

    /// The agent's keys, those that the host's own identity files name first.
    async fn agent(&self) -> Vec<(AgentClient<UnixStream>, AgentIdentity)> {
        let Some(socket) = &self.options.agent else { return Vec::new() };
        let list = async {
            let mut agent = AgentClient::connect_uds(socket).await.ok()?;
            agent.request_identities().await.ok()
        };
        let Ok(Some(mut identities)) = timeout(STEP, list).await else { return Vec::new() };
        let wanted: Vec<PublicKey> = self.options.identities.iter().filter_map(|p| russh::keys::load_public_key(public_half(p)).ok()).collect();
        let named = |i: &AgentIdentity| wanted.iter().any(|w| w.key_data() == i.public_key().key_data());
        if self.options.identities_only {
            identities.retain(named);
        }
        identities.sort_by_key(|i| !named(i));
        // Servers count offers (MaxAuthTries, six as a rule); some stay for the files.
        identities.truncate(4);
        let mut out = Vec::new();
        for identity in identities {
            if let Ok(Ok(agent)) = timeout(STEP, AgentClient::connect_uds(socket)).await {
                out.push((agent, identity));
            }
        }
        out
    }

    async fn key_file(&mut self, path: &Path, hash: Option<HashAlg>, offered: &[PublicKey]) -> Result<Option<Step>, Ended> {
        let Ok(text) = tokio::fs::read_to_string(path).await else {
            // The defaults need not exist; what the configuration names should, and says so.
            if self.spec.identities.iter().any(|i| i == path) {
                tracing::warn!(host = self.name, file = %path.display(), "identity file cannot be read");
            }
            return Ok(None);
        };
        let half = public_half(path);
        let public = russh::keys::load_public_key(&half).ok().or_else(|| PrivateKey::from_openssh(&text).ok().map(|k| k.public_key().clone()));
        if public.as_ref().is_some_and(|p| offered.iter().any(|o| o.key_data() == p.key_data())) {
            return Ok(None);
        }
        let user = self.options.user.clone();
        let known = self.shared.unlocked(path);
        let key = if let Some(key) = known.or_else(|| russh::keys::decode_secret_key(&text, None).ok().map(Arc::new)) {
            key
        } else {
            if let Some(public) = &public {
                let hash = if public.algorithm().is_rsa() { hash } else { None };
                match timeout(STEP, self.handle.authenticate_publickey_with(&*user, public.clone(), hash, &mut Probe)).await {
                    Ok(Err(Probed::WouldTake)) => {}
                    Ok(Err(Probed::Lost)) | Err(_) => return Err(Ended::Lost),
                    Ok(Ok(result)) => return Self::taken(result),
                }
            }
            match self.unlock(path, &text).await? {
                Some(key) => key,
                None => return Ok(None),
            }
        };
        let mut certificates = vec![certificate_of(path)];
        certificates.extend(self.options.certificates.iter().cloned());
        for file in certificates {
            if let Ok(cert) = russh::keys::load_openssh_certificate(&file)
                && cert.public_key() == key.public_key().key_data()
                && let Some(step) = self.certificate(&user, &key, cert, hash).await?
            {
                return Ok(Some(step));
            }
        }
        Self::taken(step(self.handle.authenticate_publickey(&*user, PrivateKeyWithHashAlg::new(key, hash))).await?)
    }

    /// The library signs with SHA-1 where an RSA certificate comes from a file, which servers refuse since OpenSSH 8.8: it is handed
    /// the signature instead.
    async fn certificate(&mut self, user: &str, key: &Arc<PrivateKey>, cert: Certificate, hash: Option<HashAlg>) -> Result<Option<Step>, Ended> {
        let hash = if key.algorithm().is_rsa() { hash } else { None };
        let mut signer = Signer(key.clone());
        match timeout(STEP, self.handle.authenticate_certificate_with(user, cert, hash, &mut signer)).await {
            Ok(Ok(result)) => Self::taken(result),
            Ok(Err(Unsigned::Lost)) | Err(_) => Err(Ended::Lost),
            Ok(Err(Unsigned::Cannot(text))) => {
                tracing::warn!(host = self.name, error = text, "the certificate's key cannot sign");
                Ok(None)
            }
        }
    }

    async fn unlock(&mut self, path: &Path, text: &str) -> Result<Option<Arc<PrivateKey>>, Ended> {
        let shown = path.display().to_string();
        let from = self.spec.passphrase.clone().unwrap_or_else(|| SecretRef::Ask(shown.as_str().into()));
        for _ in 0..PASSPHRASES {
            let passphrase = self.shared.secrets.resolve(&from, self.name, AskKind::Passphrase).await?;
            let (text, secret) = (text.to_owned(), passphrase.clone());
            // Derived slowly on purpose (bcrypt): not on a thread that others wait for.
            let key = tokio::task::spawn_blocking(move || russh::keys::decode_secret_key(&text, Some(secret.expose_secret())).ok()).await.ok().flatten();
            if let Some(key) = key {
                return Ok(Some(self.shared.keep_unlocked(path, key)));
            }
            self.shared.secrets.forget(&from, AskKind::Passphrase, &passphrase).await;
            if !matches!(from, SecretRef::Ask(_)) {
                break;
            }
        }
        Err(self.refused(&format!("the passphrase does not open {shown}"), format!("ssh-keygen -y -f {shown}")))
    }

    /// The password, and where there is none, that no key would do either.
    async fn password(&self, from: &SecretRef) -> Result<SecretString, Ended> {
        self.shared.secrets.resolve(from, self.name, AskKind::Password).await.map_err(|e| {
            let text = if self.spec.password.is_none() { format!("no key is accepted for {}, and {}", self.options.user, e.text) } else { e.text };
            Ended::Refused(SourceError { text, ..e })
        })
    }

    fn password_ref(&self) -> SecretRef {
        self.spec.password.clone().unwrap_or_else(|| SecretRef::Ask(self.group.clone()))
    }

    /// Password or prompts: one attempt.
    async fn words(&mut self, methods: &MethodSet) -> Result<Step, Ended> {
        let (password, prompts) = (methods.contains(&MethodKind::Password), methods.contains(&MethodKind::KeyboardInteractive));
        if password && (self.spec.password.is_some() || !prompts) {
            let from = self.password_ref();
            let secret = self.password(&from).await?;
            let result = step(self.handle.authenticate_password(&*self.options.user, secret.expose_secret())).await?;
            return match Self::taken(result)? {
                Some(step) => Ok(step),
                None => Err(self.wrong(&from, Some(&secret)).await),
            };
        }
        if prompts {
            return self.prompts().await;
        }
        let offered: Vec<String> = methods.iter().map(|m| format!("{m:?}")).collect();
        Err(self.refused(
            &format!("no key of {} is accepted for {} (the server takes: {})", self.options.address, self.options.user, offered.join(", ")),
            format!("ssh-copy-id -p {} {}@{}, or name the right identity or user", self.options.port, self.options.user, self.options.address),
        ))
    }

    async fn wrong(&self, from: &SecretRef, secret: Option<&SecretString>) -> Ended {
        if let Some(secret) = secret {
            self.shared.secrets.forget(from, AskKind::Password, secret).await;
        }
        self.refused(
            &format!("{} refuses the password of {}", self.options.address, self.options.user),
            "correct the password and retry; it is not tried again by itself",
        )
    }

    async fn prompts(&mut self) -> Result<Step, Ended> {
        let from = self.password_ref();
        let mut used: Option<SecretString> = None;
        let mut reply = step(self.handle.authenticate_keyboard_interactive_start(&*self.options.user, None::<String>)).await?;
        for _ in 0..10 {
            let (name, instructions, prompts) = match reply {
                KeyboardInteractiveAuthResponse::Success => return Ok(Step::In),
                KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success: true } => return Ok(Step::More(remaining_methods)),
                KeyboardInteractiveAuthResponse::Failure { .. } => return Err(self.wrong(&from, used.as_ref()).await),
                KeyboardInteractiveAuthResponse::InfoRequest { name, instructions, prompts } => (name, instructions, prompts),
            };
            let mut answers = Vec::with_capacity(prompts.len());
            for Prompt { prompt, echo } in prompts {
                if !echo && used.is_none() && asks_password(&prompt) {
                    let secret = self.password(&from).await?;
                    answers.push(secret.expose_secret().to_owned());
                    used = Some(secret);
                } else {
                    let text: Vec<String> =
                        [name.as_str(), &instructions, &prompt].iter().filter(|t| !t.trim().is_empty()).map(|t| clean(t.trim()).into_owned()).collect();
                    match self.shared.secrets.asker().ask(AskKind::Prompt { echo }, self.name.into(), text.join("\n")).await {
                        Some(Answer::Secret(secret)) => answers.push(secret.expose_secret().to_owned()),
                        _ => {
                            return Err(self
                                .refused(&format!("the server asks \"{}\" and nobody answers", prompt.trim()), "start quarterdeck in a terminal and answer"));
                        }
                    }
                }
            }
            reply = step(self.handle.authenticate_keyboard_interactive_respond(answers)).await?;
        }
        Err(self.refused("the server does not stop asking", self.by_hand()))
    }
}

enum Step {
    In,
    More(MethodSet),
}

/// The account's password is meant, and not a code that changes: the stored password never answers a prompt for one.
fn asks_password(prompt: &str) -> bool {
    const CODES: [&str; 11] = ["one-time", "one time", "otp", "code", "token", "oath", "验证码", "动态", "一次性", "令牌", "校验码"];
    let prompt = prompt.to_lowercase();
    let password = prompt.contains("password") || prompt.contains("密码") || prompt.contains("口令");
    password && !CODES.iter().any(|c| prompt.contains(c))
}

fn public_half(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn certificate_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-cert.pub");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::asks_password;

    #[test]
    fn a_code_is_no_password() {
        for prompt in ["Password: ", "ops@web1's password:", "请输入密码:", "口令:"] {
            assert!(asks_password(prompt), "{prompt}");
        }
        for prompt in ["One-time password (OATH) for `ops': ", "Verification code: ", "动态口令:", "一次性密码:", "OTP", "Token PIN:", "[MFA auth]: "]
        {
            assert!(!asks_password(prompt), "{prompt}");
        }
    }
}
