//! The edge: one SSH server for each machine of the world, on ports of loopback.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use ring::rand::{SecureRandom, SystemRandom};
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, MethodKind, MethodSet, SshId};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

use super::exec;
use super::shell::Disk;
use crate::lab::Lab;
use crate::lab::edge::{self, Doorman, Gate};
use crate::lab::stage::Stage;

/// The host through which the cockpit reaches the middleware.
pub const JUMP: &str = "kvm-4";
const USER: &str = "root";
/// For a wrong password, as sshd takes its time.
const REJECTION: Duration = Duration::from_millis(400);

/// What all servers share.
pub(super) struct Ground {
    pub lab: Arc<Lab>,
    pub disk: Mutex<Disk>,
}

impl Ground {
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut crate::lab::world::World, &mut Disk) -> T) -> T {
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        self.lab.with(|world| look(world, &mut disk))
    }
}

fn key() -> io::Result<PrivateKey> {
    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(PrivateKey::from(Ed25519Keypair::from_seed(&seed)))
}

fn broken(error: &impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("an SSH key of the demo cannot be written: {error}"))
}

fn config(host_key: PrivateKey) -> Config {
    Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-OpenSSH_7.4")),
        methods: MethodSet::from(&[MethodKind::PublicKey, MethodKind::Password][..]),
        auth_rejection_time: REJECTION,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![host_key],
        max_auth_attempts: 6,
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    }
}

/// Starts an SSH server for each host and each guest.
pub fn start<'a>(lab: &'a Arc<Lab>, stage: &'a mut Stage) -> BoxFuture<'a, io::Result<()>> {
    Box::pin(async move {
        let client = key()?;
        let identity = stage.file("id_ed25519", client.to_openssh(LineEnding::LF).map_err(|e| broken(&e))?.as_bytes())?;
        let ground = Arc::new(Ground { lab: lab.clone(), disk: Mutex::default() });
        let machines: Vec<(String, String)> = lab.with(|w| {
            let all = w.hosts.iter().map(|h| &h.machine).chain(w.guests.iter().map(|g| &g.machine));
            all.map(|m| (m.name.clone(), m.address.clone())).collect()
        });
        let (mut known, mut ssh_config, mut ports) = (String::new(), String::new(), BTreeMap::new());
        for (name, address) in &machines {
            let listener = lab.listen(&[&format!("{address}:22"), &format!("{name}:22")]).await?;
            let port = listener.local_addr()?.port();
            let host_key = key()?;
            let public = host_key.public_key().to_openssh().map_err(|e| broken(&e))?;
            let _ = writeln!(known, "[127.0.0.1]:{port} {public}");
            let _ = writeln!(ssh_config, "Host {name}\n  HostName 127.0.0.1\n  Port {port}");
            ports.insert(name.clone(), port);
            let settings = Arc::new(config(host_key));
            let own = name.clone();
            let doorman: Doorman = Arc::new(move |world| Gate::of_machine(world, &own));
            let (ground, allowed, machine) = (ground.clone(), client.public_key().clone(), name.clone());
            edge::serve(lab, listener, doorman, move |stream| {
                let login = Login { ground: ground.clone(), machine: machine.clone(), allowed: allowed.clone(), channels: BTreeMap::new() };
                let settings = settings.clone();
                async move {
                    if let Ok(session) = russh::server::run_stream(settings, stream, login).await {
                        // However it ends: nobody else is concerned.
                        let _ = session.await;
                    }
                }
            });
        }
        let known = stage.file("known_hosts", known.as_bytes())?;
        let _ = writeln!(
            ssh_config,
            "Host *\n  User {USER}\n  IdentityFile \"{}\"\n  IdentitiesOnly yes\n  UserKnownHostsFile \"{}\"",
            identity.display(),
            known.display()
        );
        let ssh_config = stage.file("ssh_config", ssh_config.as_bytes())?;
        stage.access("SSH_CONFIG", &ssh_config.display().to_string());
        stage.access("SSH_PASSWORD", &lab.secrets.admin);
        let shown = |group: &str, prefix: &str, toml: &mut String| {
            for (name, port) in ports.iter().filter(|(n, _)| n.starts_with(prefix)) {
                let _ = writeln!(toml, "[[host]]\nname = \"{name}\"\naddress = \"127.0.0.1\"\nport = {port}\ngroups = [\"{group}\"]\n");
            }
        };
        let mut toml =
            format!("[defaults.ssh]\nuser = \"{USER}\"\nidentity = '{}'\nknown_hosts = ['{}']\nssh_config = false\n\n", identity.display(), known.display());
        shown("kvm", "kvm-", &mut toml);
        shown("mysql", "db-", &mut toml);
        // Where the playbooks of the cluster run.
        shown("masters", "k8s-m-1", &mut toml);
        stage.config(&toml);
        Ok(())
    })
}

/// One connection.
struct Login {
    ground: Arc<Ground>,
    machine: String,
    allowed: PublicKey,
    /// Open channels whose command is not known yet.
    channels: BTreeMap<ChannelId, Channel<Msg>>,
}

impl Login {
    fn take(&mut self, id: ChannelId, session: &mut Session) -> Option<Channel<Msg>> {
        let channel = self.channels.remove(&id);
        let _ = if channel.is_some() { session.channel_success(id) } else { session.channel_failure(id) };
        channel
    }
}

fn rejected() -> Auth {
    Auth::Reject { proceed_with_methods: None, partial_success: false }
}

impl Handler for Login {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        let is_right = user == USER && password == self.ground.lab.secrets.admin;
        Ok(if is_right { Auth::Accept } else { rejected() })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let is_right = user == USER && key.public_key.key_data() == self.allowed.key_data();
        Ok(if is_right { Auth::Accept } else { rejected() })
    }

    async fn channel_open_session(&mut self, channel: Channel<Msg>, reply: ChannelOpenHandle, _: &mut Session) -> Result<(), Self::Error> {
        // sshd's MaxSessions.
        if self.channels.len() >= 10 {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        let lab = self.ground.lab.clone();
        let own = lab.with(|w| super::proc::machine(w, &self.machine).map(|m| m.address.clone())).unwrap_or_default();
        let host = if matches!(host, "localhost" | "127.0.0.1" | "::1") { own.as_str() } else { host };
        let target = match lab.route(&format!("{host}:{port}")) {
            Some(target) => Some(target),
            None => crate::lab::kube::nodeport::open(&lab, host, port).await,
        };
        let line = match target {
            Some(target) => TcpStream::connect(target).await.ok(),
            None => None,
        };
        let Some(mut line) = line else {
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
            return Ok(());
        };
        reply.accept().await;
        lab.spawn(async move {
            let mut far = channel.into_stream();
            let _ = copy_bidirectional(&mut far, &mut line).await;
        });
        Ok(())
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(russh::Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(id)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        if let Some(channel) = self.take(id, session) {
            self.ground.lab.spawn(exec::prompt(self.ground.clone(), self.machine.clone(), channel));
        }
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        let line = String::from_utf8_lossy(data).into_owned();
        if let Some(channel) = self.take(id, session) {
            self.ground.lab.spawn(exec::command(self.ground.clone(), self.machine.clone(), channel, line));
        }
        Ok(())
    }
}
