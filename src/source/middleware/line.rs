//! A byte stream to a member, with or without TLS, for kinds whose client takes a stream.

use super::member::{Trouble, TroubleKind};
use super::reach::{Reach, split};
use super::spec::Tls;
use crate::link::tls;

pub use crate::link::tls::Stream as Line;

/// A stream to `address` along `reach`. The certificate is checked against `server_name` of the settings, else against the
/// member's own address, never against the near end of a tunnel.
///
/// # Errors
/// Nobody listens there, or the protection of the line could not be agreed on.
pub async fn open(reach: &Reach, tls: &Tls, address: &str, default_port: u16) -> Result<Box<dyn Line>, Trouble> {
    let stream = reach.open(address, default_port).await?;
    let host = split(address, 0).map(|(host, _)| host).unwrap_or_default();
    tls::protect(stream, tls, &host).await.map_err(|e| Trouble::new(TroubleKind::Tls, format!("{address}: {}.", e.text), e.remedy))
}
