//! One dial: the line (TCP, a jump host's channel, a proxy command), the host key, the login.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, DisconnectReason, Handle};
use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::auth::{Ended, Login};
use super::known_hosts::{self, Known};
use super::options::Options;
use super::{Host, Shared, Telling};
use crate::base::text::clean;
use crate::model::ask::{Answer, AskKind};
use crate::model::source::SourceState;
use crate::port::SourceError;
pub use crate::port::shell::Line;

/// From the first packet to the end of the key exchange, each.
const DIAL: Duration = Duration::from_secs(10);
const KEEPALIVE: Duration = Duration::from_secs(15);

/// A live login. What it goes through lives as long as it does.
pub(super) struct Connection {
    pub(super) handle: Handle<Guard>,
    pub(super) why: Arc<Mutex<Option<String>>>,
    /// The fingerprint of the server's key, as OpenSSH prints it.
    pub(super) key: String,
    _via: Option<Arc<Connection>>,
    _proxy: Option<Child>,
}

impl Connection {
    /// Why it ended, in the words of whoever ended it.
    pub(super) fn why(&self) -> String {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_else(|| "the connection was closed".to_owned())
    }
}

/// Our side of the protocol: checks the key and keeps the reason of an end.
pub(super) struct Guard {
    files: Vec<(std::path::PathBuf, String)>,
    entry: String,
    /// The name in a certificate has no port.
    address: String,
    refused: Arc<Mutex<Option<(Known, PublicKey)>>>,
    why: Arc<Mutex<Option<String>>>,
    accepted: Arc<Mutex<String>>,
}

impl client::Handler for Guard {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let key = shown.public_key();
        let known = match shown.certificate() {
            Some(certificate) => known_hosts::judge_certificate(&self.files, &self.entry, &self.address, certificate),
            None => known_hosts::judge(&self.files, &self.entry, &key),
        };
        if known == Known::Yes {
            *self.accepted.lock().unwrap_or_else(PoisonError::into_inner) = key.fingerprint(HashAlg::Sha256).to_string();
            return Ok(true);
        }
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some((known, key));
        Ok(false)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<russh::Error>) -> Result<(), russh::Error> {
        let (text, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => (clean(&info.message).into_owned(), Ok(())),
            DisconnectReason::Error(e) => (e.to_string(), Err(e)),
        };
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        result
    }
}

fn unreachable(name: &str, text: impl std::fmt::Display) -> SourceError {
    SourceError::unreachable(format!("{name}: {}", clean(&text.to_string())))
}

/// Dials until logged in. A second round follows where a person had to be asked first: the server does not wait for people.
pub(super) async fn dial(shared: &Shared, host: &Host, telling: Telling) -> Result<Connection, SourceError> {
    let options = host.options(shared).await;
    for round in 0..3 {
        let via = match &host.hop(shared, options) {
            Some(hop) => Some((hop.name.clone(), Box::pin(hop.connection(shared, telling)).await?)),
            None => None,
        };
        let refused = Arc::new(Mutex::new(None));
        let why = Arc::new(Mutex::new(None));
        let accepted = Arc::new(Mutex::new(String::new()));
        let address = options.alias.clone().unwrap_or_else(|| options.address.clone());
        let entry = known_hosts::entry_name(&address, options.port);
        let files = known_hosts::read(&options.known_hosts);
        let config = Arc::new(config(&known_hosts::types(&files, &entry), known_hosts::has_authority(&files, &entry)));
        let guard = Guard { files, entry: entry.clone(), address, refused: refused.clone(), why: why.clone(), accepted: accepted.clone() };
        let permit = shared.dials.acquire().await;
        let (line, mut proxy) = line(&host.name, options, via.as_ref().map(|(n, c)| (n.as_str(), &**c))).await?;
        let shook = timeout(DIAL, client::connect_stream(config, line, guard)).await;
        drop(permit);
        let mut handle = match shook {
            Ok(Ok(handle)) => handle,
            Ok(Err(e)) => {
                let stranger = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some((known, key)) = stranger {
                    trust(shared, &host.name, options, &entry, known, &key).await?;
                    continue;
                }
                return Err(unreachable(&host.name, format!("no SSH handshake with {}:{}: {e}{}", options.address, options.port, said(&mut proxy).await)));
            }
            Err(_) => {
                return Err(unreachable(
                    &host.name,
                    format!("no SSH handshake with {}:{} within {} s{}", options.address, options.port, DIAL.as_secs(), said(&mut proxy).await),
                ));
            }
        };
        let login = Login { shared, handle: &mut handle, name: &host.name, group: host.group.clone(), spec: &host.spec, options };
        match login.run().await {
            Ok(()) => {
                let key = accepted.lock().unwrap_or_else(PoisonError::into_inner).clone();
                return Ok(Connection { handle, why, key, _via: via.map(|(_, c)| c), _proxy: proxy });
            }
            Err(Ended::Refused(error)) => return Err(error),
            Err(Ended::Lost) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let reason = why.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_else(|| "no answer".to_owned());
                if reason.contains("authentication failures") {
                    return Err(SourceError::new(
                        SourceState::AuthLost,
                        format!("{}: {} was offered too many keys: {reason}", host.name, options.address),
                        "name the one that counts as `identity` of this host, or set IdentitiesOnly in ~/.ssh/config",
                    ));
                }
                if round > 0 {
                    return Err(unreachable(&host.name, format!("the connection to {} ended during the login: {reason}", options.address)));
                }
            }
        }
    }
    Err(unreachable(&host.name, format!("no login at {} after three connections", options.address)))
}

/// The key types known are asked for first; certificates only where an authority is trusted, else a host would show nothing else.
fn config(known: &[russh::keys::Algorithm], authority: bool) -> client::Config {
    let mut config =
        client::Config { keepalive_interval: Some(KEEPALIVE), keepalive_max: 3, nodelay: true, channel_buffer_size: 256, ..client::Config::default() };
    if !known.is_empty() {
        let mut keys = config.preferred.key.to_vec();
        keys.sort_by_key(|k| !known.iter().any(|n| n == k || (n.clone().is_rsa() && k.clone().is_rsa())));
        config.preferred.key = keys.into();
    }
    if authority {
        config.preferred.host_key_certificates = config.preferred.key.clone();
    }
    config
}

async fn line(name: &str, options: &Options, via: Option<(&str, &Connection)>) -> Result<(Box<dyn Line>, Option<Child>), SourceError> {
    let (address, port) = (options.address.as_str(), options.port);
    if let Some((hop, connection)) = via {
        return Ok((direct(name, hop, connection, address, port).await?, None));
    }
    if let Some(command) = &options.proxy_command {
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("exec {command}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| SourceError::new(SourceState::Broken, format!("{name}: cannot start the ProxyCommand: {e}"), "check ProxyCommand in ~/.ssh/config"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else { return Err(unreachable(name, "the ProxyCommand has no pipes")) };
        return Ok((Box::new(tokio::io::join(stdout, stdin)), Some(child)));
    }
    match timeout(DIAL, TcpStream::connect((address, port))).await {
        Ok(Ok(stream)) => {
            let _ = stream.set_nodelay(true);
            Ok((Box::new(stream), None))
        }
        Ok(Err(e)) => Err(unreachable(name, format!("cannot connect to {address}:{port}: {e}"))),
        Err(_) => Err(unreachable(name, format!("no answer from {address}:{port} within {} s", DIAL.as_secs()))),
    }
}

/// What a proxy command that failed had to say.
async fn said(proxy: &mut Option<Child>) -> String {
    let Some(mut errors) = proxy.as_mut().and_then(|p| p.stderr.take()) else { return String::new() };
    let mut text = vec![0; 2048];
    match timeout(Duration::from_millis(300), errors.read(&mut text)).await {
        Ok(Ok(n)) if n > 0 => format!("; the ProxyCommand says: {}", clean(String::from_utf8_lossy(&text[..n]).trim())),
        _ => String::new(),
    }
}

/// A TCP connection that starts at the far end of `connection`.
pub(super) async fn direct(name: &str, hop: &str, connection: &Connection, address: &str, port: u16) -> Result<Box<dyn Line>, SourceError> {
    match timeout(DIAL, connection.handle.channel_open_direct_tcpip(address, u32::from(port), "127.0.0.1", 0)).await {
        Ok(Ok(channel)) => Ok(Box::new(channel.into_stream())),
        Ok(Err(russh::Error::ChannelOpenFailure(russh::ChannelOpenFailure::AdministrativelyProhibited))) => Err(SourceError::new(
            SourceState::NoRight,
            format!("{name}: {hop} forbids forwarding to {address}:{port}"),
            format!("set AllowTcpForwarding yes (or PermitOpen {address}:{port}) in the sshd_config of {hop}, or go through another host"),
        )),
        Ok(Err(russh::Error::ChannelOpenFailure(why))) => Err(unreachable(name, format!("{hop} cannot connect to {address}:{port} ({why:?})"))),
        Ok(Err(_)) => Err(unreachable(name, format!("the connection to {hop} broke: {}", connection.why()))),
        Err(_) => Err(unreachable(name, format!("{hop} does not answer within {} s", DIAL.as_secs()))),
    }
}

/// Nothing goes on with a key that the files do not have.
async fn trust(shared: &Shared, name: &str, options: &Options, entry: &str, known: Known, key: &PublicKey) -> Result<(), SourceError> {
    let lost = |text: String, remedy: String| Err(SourceError::new(SourceState::AuthLost, text, remedy));
    let print = key.fingerprint(HashAlg::Sha256);
    let kind = key.algorithm();
    match known {
        Known::Yes => Ok(()),
        Known::Changed { file, line } => lost(
            format!("{name}: the host key of {entry} has changed; {}:{line} has another {kind} key; now it shows {print}", file.display()),
            format!("if the machine was set up anew: ssh-keygen -R '{entry}' -f {}; else somebody is in between", file.display()),
        ),
        Known::Revoked { file, line } => lost(
            format!("{name}: the host key {print} of {entry} is revoked by {}:{line}", file.display()),
            "ask whoever revoked it; the machine needs a new key".to_owned(),
        ),
        Known::Unknown => {
            let question = format!("{entry} shows the {kind} key\n{print}\nNo known_hosts file has it. Trust it?");
            let answer = shared.secrets.asker().ask(AskKind::HostKey, name.into(), question).await;
            if !matches!(answer, Some(Answer::Yes)) {
                return lost(
                    format!("{name}: the host key of {entry} is not known: {kind} {print}"),
                    format!("ssh -p {} {}@{} true, and accept the key there after comparing it", options.port, options.user, options.address),
                );
            }
            let Some(file) = options.known_hosts.first() else { return lost(format!("{name}: there is no known_hosts file to write"), String::new()) };
            known_hosts::learn(file, entry, key).or_else(|e| lost(format!("{name}: {e}"), "check the owner and the mode of that file".to_owned()))
        }
    }
}
