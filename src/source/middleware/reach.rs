//! How members are dialled: directly, or through whatever the `via` of the entry stands for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::member::Trouble;
use crate::link::tls::Stream;

/// How long a client may take to come to the near end of its way.
const NEAR: Duration = Duration::from_secs(10);

#[derive(Clone, Default)]
pub enum Reach {
    #[default]
    Direct,
    /// Each address is handed to the dialler, which says where to connect instead.
    Through(Arc<dyn Dial>),
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "Direct",
            Self::Through(_) => "Through",
        })
    }
}

/// Makes an address that only others can reach reachable from here: over SSH, from inside a container, by a port-forward.
/// Members and whatever they announce go through the same one.
pub trait Dial: Send + Sync {
    /// An open stream to `host:port`, as the far side understands that name. A broken one is dialled again by whoever uses it.
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, Trouble>>;

    /// Who there is at the far side, for ways that know: the pods of a workload. Each takes the place of the `*` in a member.
    fn muster(&self) -> Option<BoxFuture<'_, Result<Muster, Trouble>>> {
        None
    }
}

/// Who a way leads to at this moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Muster {
    pub seats: Vec<Seat>,
}

/// One place where a member runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// What people call it: the pod's name.
    pub name: String,
    /// What it is dialled by: the pod's IP, so that what members announce of each other is the same address.
    pub host: String,
    pub ready: bool,
}

/// A loopback port for a client that dials by itself.
pub struct NearEnd {
    pub host: String,
    pub port: u16,
    /// Carries the bytes; the way is closed with it. Nothing for a direct one.
    pub carry: Option<AbortOnDropHandle<()>>,
}

impl Reach {
    /// A stream to `address`; `default_port` is used where it names none.
    ///
    /// # Errors
    /// The address cannot be read, nobody listens there, or the dialler has no way there.
    pub async fn open(&self, address: &str, default_port: u16) -> Result<Box<dyn Stream>, Trouble> {
        let (host, port) = parts(address, default_port)?;
        match self {
            Self::Direct => {
                let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|e| Trouble::unreachable(format!("{address}: {e}")))?;
                let _ = stream.set_nodelay(true);
                Ok(Box::new(stream))
            }
            Self::Through(dial) => dial.dial(&host, port).await,
        }
    }

    /// Where a client that dials by itself must connect for `address`. The machine is shared, so a loopback port takes one
    /// connection, the client's own, and is closed before that is used.
    ///
    /// # Errors
    /// The same as for [`Reach::open`].
    pub async fn near_end(&self, address: &str, default_port: u16) -> Result<NearEnd, Trouble> {
        let (host, port) = parts(address, default_port)?;
        let Self::Through(dial) = self else { return Ok(NearEnd { host, port, carry: None }) };
        let mut far = dial.dial(&host, port).await?;
        let local = |e: std::io::Error| Trouble::broken(format!("no local port for the way to {address}: {e}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(local)?;
        let port = listener.local_addr().map_err(local)?.port();
        let carry = tokio::spawn(async move {
            let Ok(Ok((mut near, _))) = timeout(NEAR, listener.accept()).await else { return };
            drop(listener);
            let _ = near.set_nodelay(true);
            let _ = copy_bidirectional(&mut near, &mut far).await;
        });
        Ok(NearEnd { host: "127.0.0.1".to_owned(), port, carry: Some(AbortOnDropHandle::new(carry)) })
    }

    /// Who there is now; `None` for ways that do not know.
    pub async fn muster(&self) -> Option<Result<Muster, Trouble>> {
        match self {
            Self::Direct => None,
            Self::Through(dial) => Some(dial.muster()?.await),
        }
    }

    /// Addresses that members announce -> those to dial instead.
    #[must_use]
    pub fn mapped(self, map: Vec<(String, String)>) -> Self {
        if map.is_empty() { self } else { Self::Through(Arc::new(Mapped { map, to: self })) }
    }
}

/// Replaces announced addresses by others before they are dialled.
struct Mapped {
    map: Vec<(String, String)>,
    to: Reach,
}

impl Dial for Mapped {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, Trouble>> {
        Box::pin(async move {
            let asked = spelled(host, port);
            let of = |from: &str| from == asked || from == host;
            let to = self.map.iter().find(|(from, _)| of(from)).map_or(asked.as_str(), |(_, to)| to);
            self.to.open(to, port).await
        })
    }

    fn muster(&self) -> Option<BoxFuture<'_, Result<Muster, Trouble>>> {
        match &self.to {
            Reach::Direct => None,
            Reach::Through(dial) => dial.muster(),
        }
    }
}

fn parts(address: &str, default_port: u16) -> Result<(String, u16), Trouble> {
    split(address, default_port).ok_or_else(|| Trouble::broken(format!("`{address}` is not a host:port.")))
}

/// `host:port`, an IPv6 literal in brackets.
pub fn spelled(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// `host:port`, `[v6]:port`, or a host alone.
pub fn split(address: &str, default_port: u16) -> Option<(String, u16)> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        let port = match rest.strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None => default_port,
        };
        return Some((host.to_owned(), port));
    }
    match address.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => Some((address.to_owned(), default_port)),
        Some((host, port)) if !host.is_empty() => Some((host.to_owned(), port.parse().ok()?)),
        None if !address.is_empty() => Some((address.to_owned(), default_port)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn addresses_in_every_spelling() {
        let at = |a| split(a, 3306).map(|(h, p)| format!("{h} {p}"));
        assert_eq!(at("db:3307").as_deref(), Some("db 3307"));
        assert_eq!(at("10.0.0.1").as_deref(), Some("10.0.0.1 3306"));
        assert_eq!(at("[fe80::1]:1").as_deref(), Some("fe80::1 1"));
        assert_eq!(at("::1").as_deref(), Some("::1 3306"));
        assert_eq!(at("db:port"), None);
        assert_eq!(at(""), None);
        assert_eq!(spelled("::1", 1), "[::1]:1");
    }

    /// Answers every dial with the address that it was given.
    struct Echo;

    impl Dial for Echo {
        fn dial<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, Trouble>> {
            Box::pin(async move {
                let (near, mut far) = tokio::io::duplex(256);
                let text = spelled(host, port);
                tokio::spawn(async move { far.write_all(text.as_bytes()).await });
                Ok(Box::new(near) as Box<dyn Stream>)
            })
        }
    }

    #[tokio::test]
    async fn announced_addresses_are_replaced_before_they_are_dialled() {
        let reach = Reach::Through(Arc::new(Echo)).mapped(vec![("10.0.0.1:6379".into(), "nat:16379".into()), ("db".into(), "10.9.9.9".into())]);
        let dialled = async |address: &str| {
            let mut out = String::new();
            reach.open(address, 6379).await.unwrap().read_to_string(&mut out).await.unwrap();
            out
        };
        assert_eq!(dialled("10.0.0.1").await, "nat:16379");
        assert_eq!(dialled("10.0.0.1:6380").await, "10.0.0.1:6380");
        assert_eq!(dialled("db:3307").await, "10.9.9.9:3307");
    }

    #[tokio::test]
    async fn a_loopback_port_serves_one_client_only() {
        let near = Reach::Through(Arc::new(Echo)).near_end("db", 3306).await.unwrap();
        let mut said = String::new();
        TcpStream::connect((near.host.as_str(), near.port)).await.unwrap().read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "db:3306");
        assert!(TcpStream::connect((near.host.as_str(), near.port)).await.is_err(), "nobody else gets in");
    }
}
