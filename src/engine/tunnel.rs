//! A way to a member that only another host can reach: a port on loopback that lives as long as the way is in use, each connection
//! carried by a channel of that host's SSH login. The jump box is shared, so no port outlives its client.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::link::ssh::SshPool;
use crate::model::id::Name;
use crate::source::middleware::member::Trouble;
use crate::source::middleware::reach::{Dial, End, Way, split};

/// How long the far side may take to open its connection.
const OPEN: Duration = Duration::from_secs(10);

pub(super) struct ThroughHost {
    pub ssh: SshPool,
    pub host: Name,
    /// For addresses without one.
    pub default_port: u16,
    /// What a member announces -> what the host can dial.
    pub address_map: Vec<(String, String)>,
}

impl Dial for ThroughHost {
    fn dial<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<Way, Trouble>> {
        Box::pin(async move {
            let mapped = self.address_map.iter().find(|(from, _)| from == address).map_or(address, |(_, to)| to);
            let Some((far, far_port)) = split(mapped, self.default_port) else { return Err(Trouble::broken(format!("`{mapped}` is not a host:port."))) };
            // One channel is opened now, so that a host that cannot reach the member says so in its own words.
            let first = match timeout(OPEN, self.ssh.tcp(&self.host, &far, far_port)).await {
                Ok(line) => line.map_err(|e| Trouble::unreachable(format!("through {}: {}", self.host, e.text)))?,
                Err(_) => return Err(Trouble::unreachable(format!("through {}: no connection to {mapped} within {} s", self.host, OPEN.as_secs()))),
            };
            let local = |e: std::io::Error| Trouble::broken(format!("no local port for the way through {}: {e}", self.host));
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(local)?;
            let port = listener.local_addr().map_err(local)?.port();
            let stop = CancellationToken::new();
            let (token, ssh, host) = (stop.clone(), self.ssh.clone(), self.host.clone());
            tokio::spawn(async move {
                let mut ready = Some(first);
                loop {
                    let mut near = tokio::select! {
                        () = token.cancelled() => return,
                        accepted = listener.accept() => match accepted {
                            Ok((near, _)) => near,
                            Err(_) => return,
                        },
                    };
                    let (token, ssh, host, far, first) = (token.clone(), ssh.clone(), host.clone(), far.clone(), ready.take());
                    tokio::spawn(async move {
                        let mut line = match first {
                            Some(line) => line,
                            None => match ssh.tcp(&host, &far, far_port).await {
                                Ok(line) => line,
                                // The client sees its connection closed, and dials again by way of `dial`, which says why.
                                Err(_) => return,
                            },
                        };
                        tokio::select! {
                            () = token.cancelled() => {}
                            _ = copy_bidirectional(&mut near, &mut line) => {}
                        }
                    });
                }
            });
            Ok(Way { end: End::Tcp { host: "127.0.0.1".to_owned(), port }, guard: Some(Box::new(Arc::new(stop.drop_guard()))) })
        })
    }
}
