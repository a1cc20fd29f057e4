//! Through a host: a channel of its SSH login carries each connection; a host that is this machine dials by itself.

use futures::future::BoxFuture;
use tokio::time::timeout;

use super::OPEN;
use crate::engine::links::Links;
use crate::link::tls::Stream;
use crate::model::id::Name;
use crate::source::middleware::member::Trouble;
use crate::source::middleware::reach::{Dial, spelled};

pub(in crate::engine) struct ThroughHost {
    pub links: Links,
    pub host: Name,
}

impl Dial for ThroughHost {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, Trouble>> {
        Box::pin(async move {
            match timeout(OPEN, self.links.tcp(&self.host, host, port)).await {
                Ok(Ok(line)) => Ok(Box::new(line) as Box<dyn Stream>),
                Ok(Err(e)) => Err(Trouble::unreachable(format!("through {}: {}", self.host, e.text))),
                Err(_) => Err(Trouble::unreachable(format!("through {}: no connection to {} within {} s", self.host, spelled(host, port), OPEN.as_secs()))),
            }
        })
    }
}
