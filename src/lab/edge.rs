//! What all servers of the lab have in common at their edge: connections that end when the lab does, and that feel it when the
//! machine they lead to is gone.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{interval, sleep, timeout};

use super::Lab;
use super::world::World;
use super::world::machine::Reach;

/// Connections that one server holds at once; further ones wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 512;
/// How often a connection to a silent machine looks whether it is back.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How often an idle connection looks whether its program still runs.
const WATCH: Duration = Duration::from_millis(500);
/// For what a program said last to reach its client.
const LAST_WORDS: Duration = Duration::from_secs(2);
const BUFFER: usize = 16 << 10;

/// Does a server take part at the moment?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Open,
    /// Its machine answers that nobody listens there.
    Refused,
    /// Its machine is gone: nothing comes back.
    Silent,
}

impl Gate {
    /// Of a program that runs on `machine`, or of that machine's own services.
    pub fn of_machine(world: &World, machine: &str) -> Self {
        let host = |name: &str| world.hosts.iter().find(|h| h.machine.name == name).map_or(Reach::Up, |h| h.machine.reach);
        let reach = match world.guests.iter().find(|g| g.name == machine) {
            Some(guest) if !guest.is_running() || host(&guest.host) == Reach::Silent => Reach::Silent,
            Some(guest) => guest.machine.reach,
            None => host(machine),
        };
        match reach {
            Reach::Up => Self::Open,
            Reach::Silent => Self::Silent,
            Reach::Refusing => Self::Refused,
        }
    }

    /// Of a pod, which has its address only while it runs.
    pub fn of_pod(world: &World, pod: &str) -> Self {
        if world.is_ready(pod) { Self::Open } else { Self::Silent }
    }

    /// The same, for a program that may be stopped while its machine is up.
    #[must_use]
    pub fn and_runs(self, runs: bool) -> Self {
        if self == Self::Open && !runs { Self::Refused } else { self }
    }
}

/// Asks whether a server takes part; cheap, and asked before each answer.
pub type Doorman = Arc<dyn Fn(&World) -> Gate + Send + Sync>;

/// Waits until the server takes part. `false`: it refuses, and the connection is over.
pub async fn admitted(lab: &Lab, doorman: &Doorman) -> bool {
    loop {
        match lab.with(|world| doorman(world)) {
            Gate::Open => return true,
            Gate::Refused => return false,
            Gate::Silent => sleep(LOOK_AGAIN).await,
        }
    }
}

/// Hands every connection to `talk` until the lab ends. While the machine is silent no byte passes, in either direction; when the
/// program ends, its connections do.
pub fn serve<F, Fut>(lab: &Arc<Lab>, listener: TcpListener, doorman: Doorman, talk: F)
where
    F: Fn(DuplexStream) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let (owner, talk) = (lab.clone(), Arc::new(talk));
    lab.spawn(async move {
        while let Ok(seat) = room.clone().acquire_owned().await {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let (lab, doorman, talk) = (owner.clone(), doorman.clone(), talk.clone());
            owner.spawn(async move {
                if admitted(&lab, &doorman).await {
                    let (near, far) = duplex(BUFFER);
                    let mut passing = Box::pin(pass(&lab, &doorman, stream, near));
                    tokio::select! {
                        // Its last words are on their way.
                        () = talk(far) => drop(timeout(LAST_WORDS, &mut passing).await),
                        () = &mut passing => {}
                    }
                } else {
                    // As a closed port answers: at once, not with an orderly end.
                    let _ = stream.set_zero_linger();
                }
                drop(seat);
            });
        }
    });
}

/// Carries bytes between a client and the program that answers it, as long as the machine lets them through.
async fn pass(lab: &Lab, doorman: &Doorman, outside: TcpStream, inside: DuplexStream) {
    let (mut from_client, mut to_client) = outside.into_split();
    let (mut from_program, mut to_program) = split(inside);
    let inward = async {
        let mut buffer = vec![0; BUFFER];
        while let Ok(n @ 1..) = from_client.read(&mut buffer).await {
            if !admitted(lab, doorman).await || to_program.write_all(&buffer[..n]).await.is_err() {
                return;
            }
        }
        let _ = to_program.shutdown().await;
        // The answer may still be on its way.
        std::future::pending::<()>().await;
    };
    let outward = async {
        let mut buffer = vec![0; BUFFER];
        while let Ok(n @ 1..) = from_program.read(&mut buffer).await {
            if !admitted(lab, doorman).await || to_client.write_all(&buffer[..n]).await.is_err() {
                return;
            }
        }
        let _ = to_client.shutdown().await;
    };
    let watch = async {
        let mut every = interval(WATCH);
        loop {
            every.tick().await;
            if lab.with(|world| doorman(world)) == Gate::Refused {
                return;
            }
        }
    };
    tokio::select! {
        () = inward => {}
        () = outward => {}
        () = watch => {}
    }
}
