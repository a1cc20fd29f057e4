//! When a server's certificate runs out, as its own handshake says.

use std::sync::Arc;

use kube::Config;
use kube::client::ConfigExt;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::build::chain;
use super::dial::{Dialer, Stream, host_and_port};
use crate::base::clock::Moment;
use crate::base::text::clean;

/// Shakes hands as a client of `config` does, verified the same way, and returns the end of the leaf's validity;
/// `None` where the server speaks no TLS.
pub(super) async fn expiry(config: &Config, via: Option<&Dialer>) -> Result<Option<Moment>, String> {
    if config.cluster_url.scheme_str() != Some("https") {
        return Ok(None);
    }
    let (host, port) = host_and_port(&config.cluster_url).ok_or("the server's address names no host")?;
    let named = config.tls_server_name.clone().unwrap_or_else(|| host.clone());
    let name = ServerName::try_from(named).map_err(|e| e.to_string())?;
    let tls = config.rustls_client_config().map_err(|e| chain(&e))?;
    let said = |e: std::io::Error| clean(&chain(&e)).into_owned();
    let talk = async {
        let stream: Box<dyn Stream> = match via {
            Some(dialer) => dialer(host, port).await.map_err(said)?,
            None => Box::new(TcpStream::connect((host, port)).await.map_err(said)?),
        };
        let tls = TlsConnector::from(Arc::new(tls)).connect(name, stream).await.map_err(said)?;
        let leaf = tls.get_ref().1.peer_certificates().and_then(<[_]>::first).ok_or("the server showed no certificate")?;
        let (_, leaf) = X509Certificate::from_der(leaf).map_err(|e| e.to_string())?;
        Ok(Some(Moment::from_seconds(leaf.validity().not_after.timestamp())))
    };
    tokio::time::timeout(super::api::CONNECT, talk).await.unwrap_or_else(|_| Err("no TLS handshake in time".to_owned()))
}
