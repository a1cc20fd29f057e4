//! How actions reach what the configuration names.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use tokio::net::{TcpStream, UnixStream};

use crate::base::clock::Clock;
use crate::config::spec::{Config, Escalation, HostSpec, Reach as Route};
use crate::engine::links::Links;
use crate::link::kube::Api;
use crate::link::shell::{LocalShell, Shell};
use crate::link::sudo::SudoShell;
use crate::model::id::Name;
use crate::playbook::inventory::LOCAL;
use crate::port::action::{ActionError, Hindrance, Reach, Rights};
use crate::port::shell::Line;

/// Everything that steps can reach, with one login a host.
pub struct Ways {
    links: Links,
    hosts: HashMap<Name, HostSpec>,
    clusters: Vec<(Name, Arc<Api>)>,
    clock: Arc<dyn Clock>,
    /// Shells with another's rights, made once: each finds out once how sudo works.
    raised: Mutex<HashMap<(Name, Name), Arc<dyn Shell>>>,
}

impl std::fmt::Debug for Ways {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ways").field("hosts", &self.hosts.len()).finish_non_exhaustive()
    }
}

fn unknown(host: &str) -> ActionError {
    ActionError::new(Hindrance::Arguments, format!("there is no host {host} in the configuration"), "add a [[host]] of that name, or use a group that there is")
}

impl Ways {
    pub(in crate::engine) fn new(links: Links, config: &Config, clusters: Vec<(Name, Arc<Api>)>, clock: Arc<dyn Clock>) -> Self {
        let hosts = config.hosts.iter().map(|h| (h.name.clone(), h.clone())).collect();
        Self { links, hosts, clusters, clock, raised: Mutex::default() }
    }

    fn is_local(&self, host: &str) -> bool {
        match self.hosts.get(host) {
            Some(spec) => matches!(spec.reach, Route::Local),
            None => host == LOCAL,
        }
    }

    fn plain(&self, host: &str) -> Result<Arc<dyn Shell>, ActionError> {
        if let Some(link) = self.links.host(&Name::from(host)) {
            return Ok(link.shell.plain.clone());
        }
        if host == LOCAL { Ok(Arc::new(LocalShell)) } else { Err(unknown(host)) }
    }

    /// Who answers at a host's address; empty for this machine.
    pub async fn identity(&self, host: &str) -> Result<String, ActionError> {
        if self.is_local(host) {
            return Ok(String::new());
        }
        self.links.ssh.identity(host).await.map_err(ActionError::from)
    }
}

impl Reach for Ways {
    fn shell(&self, host: &str, rights: &Rights) -> Result<Arc<dyn Shell>, ActionError> {
        let plain = self.plain(host)?;
        let Rights::Become(user) = rights else { return Ok(plain) };
        let key = (Name::from(host), user.clone());
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(raised
            .entry(key)
            .or_insert_with(|| {
                let password = self.hosts.get(host).and_then(|h| match &h.escalation {
                    Escalation::Sudo { password } => password.clone(),
                    Escalation::None => None,
                });
                Arc::new(SudoShell::new(plain, host, password, self.links.secrets.clone()).for_user(user))
            })
            .clone())
    }

    fn tcp<'a>(&'a self, host: &'a str, address: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Line>, ActionError>> {
        Box::pin(async move {
            if self.is_local(host) {
                let line = TcpStream::connect((address, port)).await.map_err(|e| ActionError::unreachable(format!("{address}:{port}: {e}")))?;
                let _ = line.set_nodelay(true);
                return Ok(Box::new(line) as Box<dyn Line>);
            }
            Ok(self.links.ssh.tcp(host, address, port).await?)
        })
    }

    fn is_here(&self, host: &str) -> bool {
        self.is_local(host)
    }

    fn socket<'a>(&'a self, host: &'a str, path: &'a str) -> BoxFuture<'a, Result<Box<dyn Line>, ActionError>> {
        Box::pin(async move {
            if self.is_local(host) {
                let line = UnixStream::connect(path).await.map_err(|e| ActionError::unreachable(format!("{path}: {e}")))?;
                return Ok(Box::new(line) as Box<dyn Line>);
            }
            Ok(self.links.ssh.socket(host, path).await?)
        })
    }

    fn kube<'a>(&'a self, cluster: Option<&'a str>) -> BoxFuture<'a, Result<kube::Client, ActionError>> {
        Box::pin(async move {
            let named = |name: &str| self.clusters.iter().find(|(n, _)| &**n == name);
            let all = || self.clusters.iter().map(|(n, _)| &**n).collect::<Vec<_>>().join(", ");
            let (_, api) = match (cluster.filter(|c| !c.is_empty()), self.clusters.as_slice()) {
                (Some(name), _) => named(name).ok_or_else(|| {
                    ActionError::new(Hindrance::Arguments, format!("there is no cluster {name} in the configuration"), format!("it has: {}", all()))
                })?,
                (None, [one]) => one,
                (None, []) => {
                    return Err(ActionError::new(Hindrance::Arguments, "the configuration has no cluster", "add a [[cluster]], or give a kubeconfig"));
                }
                (None, _) => {
                    return Err(ActionError::new(
                        Hindrance::Arguments,
                        "the step does not say which cluster it means",
                        format!("set `cluster` to one of: {}", all()),
                    ));
                }
            };
            Ok(api.connection(self.clock.now()).await?.client.clone())
        })
    }
}
