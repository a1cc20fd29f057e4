//! A byte stream to a member, with or without TLS, for kinds whose client takes a stream.

use tokio::net::{TcpStream, UnixStream};

use super::member::{Trouble, TroubleKind};
use super::reach::{End, Way, split};
use super::spec::Tls;
use crate::link::tls;

pub use crate::link::tls::Stream as Line;

/// Connects along `way`. The certificate is checked against `server_name` of the settings, else against the member's own
/// address, never against the near end of a tunnel.
///
/// # Errors
/// Nobody listens there, or the protection of the line could not be agreed on.
pub async fn open(way: &Way, tls: &Tls, address: &str) -> Result<Box<dyn Line>, Trouble> {
    let stream = bare(way, address).await?;
    let host = split(address, 0).map(|(host, _)| host).unwrap_or_default();
    tls::protect(stream, tls, &host).await.map_err(|e| Trouble::new(TroubleKind::Tls, format!("{address}: {}.", e.text), e.remedy))
}

/// Connects along `way`, without TLS.
///
/// # Errors
/// Nobody listens there.
pub async fn bare(way: &Way, address: &str) -> Result<Box<dyn Line>, Trouble> {
    match &way.end {
        End::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|e| Trouble::unreachable(format!("{address}: {e}")))?;
            let _ = stream.set_nodelay(true);
            Ok(Box::new(stream))
        }
        End::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(|e| Trouble::unreachable(format!("{address}: the tunnel's near end: {e}")))?;
            Ok(Box::new(stream))
        }
    }
}
