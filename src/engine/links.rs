//! The ways to everything that the configuration names, made once and shared by sources and lookups.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::Engine;
use crate::config::spec::{ClusterSpec, Config, HostSpec, KubeconfigRef, Reach};
use crate::link::kube::{Api, Reader};
use crate::link::shell::{ExitStatus, LocalShell, Shell, quote};
use crate::model::id::Name;
use crate::model::source::SourceState;
use crate::port::SourceError;

/// How one host is reached: as the account logs in, and with root's rights where the configuration grants them.
#[derive(Clone, Debug)]
pub(super) struct HostLink {
    pub shell: Arc<dyn Shell>,
    pub privileged: Option<Arc<dyn Shell>>,
}

impl HostLink {
    /// The one that may see most.
    pub(super) fn strongest(&self) -> Arc<dyn Shell> {
        self.privileged.clone().unwrap_or_else(|| self.shell.clone())
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    hosts: Arc<HashMap<Name, HostLink>>,
}

impl Links {
    pub(super) fn new(engine: &Engine, config: &Config) -> Self {
        let _ = engine;
        let hosts = config.hosts.iter().filter_map(|h| Some((h.name.clone(), host(h)?))).collect();
        Self { hosts: Arc::new(hosts) }
    }

    pub(super) fn host(&self, name: &Name) -> Option<&HostLink> {
        self.hosts.get(name)
    }

    /// A cluster's API. Its kubeconfig is read, and its address dialled, only when the source runs.
    pub(super) fn cluster(&self, engine: &Engine, spec: &ClusterSpec) -> Arc<Api> {
        let reader = Reader::from_ref(&spec.kubeconfig).unwrap_or_else(|| self.remote_kubeconfig(&spec.kubeconfig));
        Arc::new(Api::new(spec, reader, None, engine.ground().redact.clone()))
    }

    /// A kubeconfig on another machine, fetched by `cat` when it is needed.
    fn remote_kubeconfig(&self, reference: &KubeconfigRef) -> Reader {
        let KubeconfigRef::Ssh { host, path, with_sudo } = reference else { return Reader::Files(Vec::new()) };
        let (links, host, path, with_sudo) = (self.clone(), host.clone(), path.clone(), *with_sudo);
        let origin = format!("{host}:{path}");
        let named = origin.clone();
        let fetch = Arc::new(move || -> futures::future::BoxFuture<'static, Result<SecretString, SourceError>> {
            let (links, host, path, origin) = (links.clone(), host.clone(), path.clone(), named.clone());
            Box::pin(async move {
                let Some(link) = links.host(&host) else {
                    return Err(SourceError::new(
                        SourceState::Broken,
                        format!("kubeconfig {origin}: no host {host} in the configuration"),
                        "add a [[host]] of that name",
                    ));
                };
                let shell = if with_sudo { link.strongest() } else { link.shell.clone() };
                let out = shell.run(&format!("cat -- {}", quote(&path)), b"", Duration::from_secs(15)).await?;
                if out.status == ExitStatus::Code(0) {
                    return Ok(SecretString::from(out.stdout));
                }
                Err(SourceError::new(
                    SourceState::NoRight,
                    format!("kubeconfig {origin}: {}", out.stderr.trim()),
                    "let the account read it, or set `become = true` beside `ssh`",
                ))
            })
        });
        Reader::Fetch { origin, fetch }
    }
}

fn host(spec: &HostSpec) -> Option<HostLink> {
    match &spec.reach {
        Reach::Local => Some(HostLink { shell: Arc::new(LocalShell), privileged: None }),
        Reach::Ssh(_) => None,
    }
}
