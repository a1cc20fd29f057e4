//! How members are dialled: directly, or through whatever the `via` of the entry stands for.

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::member::Trouble;

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
pub trait Dial: Send + Sync {
    /// Where to connect for `address` (`host:port`). The way stays open as long as the [`Way`] lives.
    fn dial<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<Way, Trouble>>;
}

/// An open way to a member.
pub struct Way {
    pub end: End,
    /// Closes the way when dropped; nothing for a direct one.
    pub guard: Option<Box<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("end", &self.end).finish_non_exhaustive()
    }
}

/// What to give a client as the server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl Reach {
    /// The way to `address`; `default_port` is used where it names none.
    ///
    /// # Errors
    /// The address cannot be read, or the dialler has no way there.
    pub async fn dial(&self, address: &str, default_port: u16) -> Result<Way, Trouble> {
        match self {
            Self::Direct => {
                let (host, port) = split(address, default_port).ok_or_else(|| Trouble::broken(format!("`{address}` is not a host:port.")))?;
                Ok(Way { end: End::Tcp { host, port }, guard: None })
            }
            Self::Through(dial) => dial.dial(address).await,
        }
    }
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
    use super::split;

    #[test]
    fn addresses_in_every_spelling() {
        let at = |a| split(a, 3306).map(|(h, p)| format!("{h} {p}"));
        assert_eq!(at("db:3307").as_deref(), Some("db 3307"));
        assert_eq!(at("10.0.0.1").as_deref(), Some("10.0.0.1 3306"));
        assert_eq!(at("[fe80::1]:1").as_deref(), Some("fe80::1 1"));
        assert_eq!(at("::1").as_deref(), Some("::1 3306"));
        assert_eq!(at("db:port"), None);
        assert_eq!(at(""), None);
    }
}
