//! Hosts over SSH. One login a host, kept and dialled again when it is needed; every hop's login is shared by all that go through it.
//!
//! [`SshPool`] is built from the whole configuration. [`SshPool::shell`] gives commands, [`SshPool::sampler`] the one that stays
//! (it gives its session away when the server grants too few: its output then ends with an error that [`yielded`] knows),
//! [`SshPool::tcp`] a stream that starts at the host.
//!
//! A refused login is remembered: everyone who uses the host is told once, and only a second call of one who was told dials again.
//! So three sources of one host cost one attempt, and a retry is simply the next call. `russh` is named in this folder only.

mod auth;
mod channel;
mod dial;
mod known_hosts;
mod options;
mod signer;
mod slots;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use russh::keys::PrivateKey;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

pub use channel::yielded;
pub use dial::Line;
pub use slots::Sessions;

use super::secret::Secrets;
use super::shell::{Process, Shell};
use crate::config::spec::{HostSpec, Reach, SshSpec};
use crate::model::id::Name;
use crate::model::source::SourceState;
use crate::port::{Meter, SourceError};
use dial::Connection;
use options::{Here, Options};
use slots::{Rank, Slots};

/// Dials under way at once, whatever the number of hosts.
const DIALS: usize = 64;
/// How long a server may take to open a session.
const OPEN: Duration = Duration::from_secs(10);

pub(in crate::link::ssh) struct Shared {
    hosts: HashMap<Name, Arc<Host>>,
    /// Hops that the configuration does not name, by their whole way.
    hops: std::sync::Mutex<HashMap<String, Arc<Host>>>,
    secrets: Secrets,
    here: Here,
    dials: Semaphore,
    keys: std::sync::Mutex<HashMap<PathBuf, Arc<PrivateKey>>>,
}

impl Shared {
    fn unlocked(&self, path: &Path) -> Option<Arc<PrivateKey>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    fn keep_unlocked(&self, path: &Path, key: PrivateKey) -> Arc<PrivateKey> {
        let key = Arc::new(key);
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), key.clone());
        key
    }
}

/// May a refused login be tried again by this call?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::link::ssh) enum Telling {
    TellAgain,
    TryAgain,
}

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    refused: Option<SourceError>,
}

pub(in crate::link::ssh) struct Host {
    name: String,
    /// Whose password it shares.
    group: Name,
    spec: SshSpec,
    options: OnceCell<Options>,
    state: tokio::sync::Mutex<State>,
    /// Counts the refused logins; a shell remembers the last one that it was told.
    refusals: AtomicU64,
    slots: Slots,
}

impl Host {
    fn new(name: &str, group: Name, spec: SshSpec) -> Self {
        Self {
            name: name.to_owned(),
            group,
            spec,
            options: OnceCell::new(),
            state: tokio::sync::Mutex::default(),
            refusals: AtomicU64::new(0),
            slots: Slots::default(),
        }
    }

    async fn options(&self, shared: &Shared) -> &Options {
        self.options.get_or_init(|| async { options::merge(&self.spec, &options::ask_openssh(&self.spec, &shared.here).await, &shared.here) }).await
    }

    /// The host that this one is reached through.
    fn hop(&self, shared: &Shared, options: &Options) -> Option<Arc<Self>> {
        let (last, before) = options.jump.split_last()?;
        if before.is_empty()
            && let Some(known) = shared.hosts.get(last.as_str())
        {
            return Some(known.clone());
        }
        let way = options.jump.join(",");
        let mut hops = shared.hops.lock().unwrap_or_else(PoisonError::into_inner);
        let hop = hops.entry(way).or_insert_with(|| {
            let mut spec = if let Some(known) = shared.hosts.get(last.as_str()) {
                known.spec.clone()
            } else {
                let (user, address, port) = options::hop(last);
                SshSpec { user, address, port, password: None, ..self.spec.clone() }
            };
            spec.jump = before.to_vec();
            Arc::new(Self::new(last, last.as_str().into(), spec))
        });
        Some(hop.clone())
    }

    /// Follows the hops without dialling: a ring would wait for itself.
    async fn no_ring(&self, shared: &Shared) -> Result<(), SourceError> {
        let mut way = vec![self.name.clone()];
        let mut next = self.hop(shared, self.options(shared).await);
        while let Some(hop) = next {
            let again = way.contains(&hop.name);
            way.push(hop.name.clone());
            if again {
                return Err(SourceError::new(
                    SourceState::Broken,
                    format!("{}: its jump hosts go in a ring: {}", self.name, way.join(" -> ")),
                    "remove one of these from `jump` or ProxyJump",
                ));
            }
            next = hop.hop(shared, hop.options(shared).await);
        }
        Ok(())
    }

    async fn connection(&self, shared: &Shared, telling: Telling) -> Result<Arc<Connection>, SourceError> {
        self.no_ring(shared).await?;
        let before = self.refusals.load(Ordering::SeqCst);
        let mut state = self.state.lock().await;
        if let Some(open) = state.connection.as_ref().filter(|c| !c.handle.is_closed()) {
            return Ok(open.clone());
        }
        state.connection = None;
        // Whoever waited while another was refused takes that answer.
        let news = self.refusals.load(Ordering::SeqCst) != before;
        if let Some(refused) = state.refused.as_ref().filter(|_| news || telling == Telling::TellAgain) {
            return Err(refused.clone());
        }
        // A hop's refusal is tried again only by who was told of it: twenty hosts behind one bastion cost it one attempt.
        let hops = if state.refused.take().is_some() { Telling::TryAgain } else { Telling::TellAgain };
        match dial::dial(shared, self, hops).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                self.slots.renew();
                state.connection = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                if error.state == SourceState::AuthLost {
                    state.refused = Some(error.clone());
                    self.refusals.fetch_add(1, Ordering::SeqCst);
                }
                Err(error)
            }
        }
    }
}

/// The logins of one cockpit. Clones share them.
#[derive(Clone)]
pub struct SshPool(Arc<Shared>);

impl fmt::Debug for SshPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshPool").field("hosts", &self.0.hosts.len()).finish()
    }
}

impl SshPool {
    /// Nothing is dialled yet. Hosts that are this machine are left out.
    pub fn new(hosts: &[HostSpec], secrets: Secrets) -> Self {
        let hosts = hosts.iter().filter_map(|h| match &h.reach {
            Reach::Ssh(spec) => {
                let group = h.groups.first().unwrap_or(&h.name).clone();
                Some((h.name.clone(), Arc::new(Host::new(&h.name, group, (**spec).clone()))))
            }
            Reach::Local => None,
        });
        Self(Arc::new(Shared {
            hosts: hosts.collect(),
            hops: std::sync::Mutex::default(),
            secrets,
            here: Here::find(),
            dials: Semaphore::new(DIALS),
            keys: std::sync::Mutex::default(),
        }))
    }

    fn host(&self, name: &str) -> Result<Arc<Host>, SourceError> {
        self.0.hosts.get(name).cloned().ok_or_else(|| {
            SourceError::new(SourceState::Broken, format!("there is no host {name} to log in to"), "add a [[host]] of that name to the configuration")
        })
    }

    fn link(&self, name: &str, rank: Rank, meter: Option<Arc<Meter>>) -> Arc<dyn Shell> {
        Arc::new(SshShell { pool: self.clone(), name: name.into(), rank, meter, told: AtomicU64::new(0) })
    }

    /// Commands on demand: logs, drill-downs, listings.
    pub fn shell(&self, name: &str, meter: Option<Arc<Meter>>) -> Arc<dyn Shell> {
        self.link(name, Rank::OnDemand, meter)
    }

    /// The command that stays. See [`yielded`].
    pub fn sampler(&self, name: &str, meter: Option<Arc<Meter>>) -> Arc<dyn Shell> {
        self.link(name, Rank::Sampler, meter)
    }

    /// A TCP connection from the host to `address:port`. Never repeats a refused login by itself.
    pub async fn tcp(&self, name: &str, address: &str, port: u16) -> Result<Box<dyn Line>, SourceError> {
        let host = self.host(name)?;
        let connection = host.connection(&self.0, Telling::TellAgain).await?;
        dial::direct(address, name, &connection, address, port).await
    }

    /// Who answers at the host's address: the fingerprint of its key. Logs in where nobody has yet.
    pub async fn identity(&self, name: &str) -> Result<String, SourceError> {
        let host = self.host(name)?;
        let connection = host.connection(&self.0, Telling::TellAgain).await?;
        Ok(connection.key.clone())
    }

    /// A Unix socket of the host (`/var/run/docker.sock`).
    pub async fn socket(&self, name: &str, path: &str) -> Result<Box<dyn Line>, SourceError> {
        let host = self.host(name)?;
        let connection = host.connection(&self.0, Telling::TellAgain).await?;
        match timeout(OPEN, connection.handle.channel_open_direct_streamlocal(path)).await {
            Ok(Ok(channel)) => Ok(Box::new(channel.into_stream())),
            Ok(Err(e)) => Err(SourceError::unreachable(format!("{name}: cannot reach {path} there: {e}"))),
            Err(_) => Err(SourceError::unreachable(format!("{name}: no answer within {} s", OPEN.as_secs()))),
        }
    }

    /// Forgets a refused login, so that the next call dials.
    pub async fn retry(&self, name: &str) {
        if let Ok(host) = self.host(name) {
            host.state.lock().await.refused = None;
        }
    }

    /// How many sessions are open and wait at this host.
    pub fn sessions(&self, name: &str) -> Sessions {
        self.0.hosts.get(name).map(|h| h.slots.read()).unwrap_or_default()
    }
}

struct SshShell {
    pool: SshPool,
    name: Name,
    rank: Rank,
    meter: Option<Arc<Meter>>,
    /// The refusal that its user knows of.
    told: AtomicU64,
}

impl fmt::Debug for SshShell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshShell").field("name", &self.name).finish_non_exhaustive()
    }
}

impl SshShell {
    async fn login(&self, host: &Host) -> Result<Arc<Connection>, SourceError> {
        let known = host.refusals.load(Ordering::SeqCst) == self.told.load(Ordering::SeqCst);
        let result = host.connection(&self.pool.0, if known { Telling::TryAgain } else { Telling::TellAgain }).await;
        self.told.store(host.refusals.load(Ordering::SeqCst), Ordering::SeqCst);
        result
    }

    async fn start(&self, line: &str) -> Result<Process, SourceError> {
        let host = self.pool.host(&self.name)?;
        let gone = |text: &str| SourceError::unreachable(format!("{}: {text}", self.name));
        if let Some(meter) = &self.meter {
            meter.request();
        }
        loop {
            let connection = self.login(&host).await?;
            let slot = host.slots.take(self.rank).await;
            // It may have ended while this waited in line.
            if connection.handle.is_closed() {
                continue;
            }
            let mut late = 0;
            let channel = loop {
                match timeout(OPEN, connection.handle.channel_open_session()).await {
                    Ok(Ok(channel)) => break Some(channel),
                    Ok(Err(russh::Error::ChannelOpenFailure(_))) if host.slots.read().open > 1 => break None,
                    // The session before this one may not be over for the server yet.
                    Ok(Err(russh::Error::ChannelOpenFailure(_))) if late < 20 => {
                        late += 1;
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    Ok(Err(russh::Error::ChannelOpenFailure(_))) => {
                        return Err(SourceError::new(
                            SourceState::NoRight,
                            format!("{}: the server grants no session", self.name),
                            "check MaxSessions and the user's shell in its sshd_config",
                        ));
                    }
                    Ok(Err(_)) => return Err(gone(&connection.why())),
                    Err(_) => return Err(gone(&format!("no session within {} s", OPEN.as_secs()))),
                }
            };
            let Some(channel) = channel else {
                host.slots.refused();
                continue;
            };
            return match timeout(OPEN, channel.exec(true, line)).await {
                Ok(Ok(())) => Ok(channel::process(channel, connection, slot, self.meter.clone())),
                Ok(Err(_)) => Err(gone(&connection.why())),
                Err(_) => Err(gone(&format!("no answer within {} s", OPEN.as_secs()))),
            };
        }
    }
}

impl Shell for SshShell {
    fn spawn<'a>(&'a self, line: &'a str) -> BoxFuture<'a, Result<Process, SourceError>> {
        Box::pin(self.start(line))
    }
}
