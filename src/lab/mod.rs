//! The embedded cluster: one seeded world, served over the real protocols on loopback. It uses `base` only.
//!
//! [`Lab`] is the handle that every server holds. It owns the one [`World`]: plain data of what exists and what happens, which
//! nobody keeps a copy of. A server reads and changes it inside [`Lab::with`], which first moves the world on to the present;
//! the closure must not wait for anything. [`Lab::changed`] tells a server that streams (a watch, `tail -F`) when to look again.
//!
//! A server is one function of the type [`Server`] and one word in [`stage::SERVERS`]. It binds with [`Lab::listen`], gives the
//! address by which the others know it (`10.20.0.41:3306`), spawns its accept loop with [`Lab::spawn`], and writes on the
//! [`stage::Stage`] what the cockpit's configuration and other tools need to reach it. Connections end when [`Lab::stop`] says so.
//!
//! Time: `--speed` makes things happen faster; stamps are of the wall clock at which they happened, because that is the clock
//! of whoever looks. A world may be begun in the past (`Options::ago`): it is then played up to the present before it is served.
//!
//! Known differences from real systems are listed in the documentation of each server.

pub mod edge;
pub mod elasticsearch;
pub mod http;
pub mod kube;
pub mod mysql;
pub mod nacos;
pub mod rabbitmq;
pub mod redis;
pub mod ssh;
pub mod stage;
pub mod world;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::stage::Stage;
use self::world::scenario::Scenario;
use self::world::{Size, World};
use crate::base::clock::Clock;

/// How often the world moves on when nobody looks.
const TICK: Duration = Duration::from_millis(200);
/// It moves on at most so often, however many look: every piece of every connection asks whether its machine is up.
const GRAIN: Duration = Duration::from_millis(20);

/// What a lab is made of.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    /// World seconds in one second.
    pub speed: f64,
    pub size: Size,
    pub scenario: Scenario,
    /// The scenario began so long ago.
    pub ago: Duration,
}

/// The credentials of one start. They are random each time and valid nowhere else.
#[derive(Clone)]
pub struct Secrets {
    /// The Kubernetes bearer token.
    pub token: String,
    /// Of the account `monitor` of every middleware.
    pub monitor: String,
    /// Of the accounts with all rights: MySQL's and SSH's `root`, RabbitMQ's `admin`, Elasticsearch's `elastic`, `nacos`.
    pub admin: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    fn random() -> io::Result<Self> {
        Ok(Self { token: random(32)?, monitor: random(16)?, admin: random(16)? })
    }
}

/// `bytes` random bytes in hexadecimal digits.
pub fn random(bytes: usize) -> io::Result<String> {
    use std::fmt::Write as _;
    let mut raw = vec![0; bytes];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut raw).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(raw.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    }))
}

/// The running lab: the world, its clock and its network.
pub struct Lab {
    world: Mutex<World>,
    clock: Arc<dyn Clock>,
    changed: watch::Sender<u64>,
    /// What the others call an address -> where it listens on loopback.
    network: Mutex<BTreeMap<String, SocketAddr>>,
    pub secrets: Secrets,
    /// Cancelled when the lab ends.
    pub stop: CancellationToken,
    tasks: TaskTracker,
}

impl fmt::Debug for Lab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lab").finish_non_exhaustive()
    }
}

impl Lab {
    /// Makes the world, plays it up to the present and keeps it moving. Nothing is served yet: see [`stage::serve`].
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn start(options: Options, clock: Arc<dyn Clock>) -> io::Result<Arc<Self>> {
        let now = clock.now();
        let mut world = World::new(options.seed, options.size, now.minus(options.ago), options.scenario);
        world.advance(now);
        world.speed = options.speed;
        let lab = Arc::new(Self {
            world: Mutex::new(world),
            clock,
            changed: watch::channel(0).0,
            network: Mutex::default(),
            secrets: Secrets::random()?,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        let ticking = lab.clone();
        lab.spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                ticking.with(|_| ());
            }
        });
        Ok(lab)
    }

    /// Looks at the world as it is now (to within [`GRAIN`]), or changes it. The closure must be quick and must not wait.
    pub fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let before = world.revision();
        let now = self.clock.now();
        if now.since(world.now) >= GRAIN {
            world.advance(now);
        }
        let seen = look(&mut world);
        let after = world.revision();
        drop(world);
        if before != after {
            self.changed.send_replace(after);
        }
        seen
    }

    /// Wakes up whenever something happened that is told to those who watch ([`World::revision`]).
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// A random port of loopback, known to the rest of the world as each of `known_as` (`10.20.0.41:3306`, `db-1:3306`).
    ///
    /// # Errors
    /// No port is free.
    pub async fn listen(&self, known_as: &[&str]) -> io::Result<TcpListener> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        network.extend(known_as.iter().map(|name| ((*name).to_owned(), address)));
        Ok(listener)
    }

    /// Where `host:port` of the world listens on this machine, for tunnels and port-forwards.
    pub fn route(&self, address: &str) -> Option<SocketAddr> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner).get(address).copied()
    }

    /// Runs a task until it ends or the lab does.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Ends all servers and waits for them.
    pub async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Starts one server.
pub type Server = for<'a> fn(&'a Arc<Lab>, &'a mut Stage) -> futures::future::BoxFuture<'a, io::Result<()>>;
