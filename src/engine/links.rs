//! The ways to everything that the configuration names, made once and shared by sources and lookups.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::net::TcpStream;

use super::Engine;
use crate::config::spec::{ClusterSpec, Config, Escalation, HostSpec, KubeconfigRef, Reach};
use crate::link::kube::{Api, Dialer, Reader};
use crate::link::secret::Secrets;
use crate::link::shell::{ExitStatus, LocalShell, Output, Shell, quote};
use crate::link::ssh::{Line, SshPool};
use crate::link::sudo::SudoShell;
use crate::model::id::Name;
use crate::model::source::SourceState;
use crate::port::SourceError;

/// How one host is reached: as the account logs in, and with root's rights where the configuration grants them.
#[derive(Clone, Debug)]
pub(super) struct HostLink {
    /// The command that stays: the sampler's.
    pub sampler: Rights,
    /// Commands on demand.
    pub shell: Rights,
}

/// One kind of shell with the account's own rights, and with root's where there are any.
#[derive(Clone, Debug)]
pub(super) struct Rights {
    pub plain: Arc<dyn Shell>,
    pub privileged: Option<Arc<dyn Shell>>,
}

impl Rights {
    fn new(plain: Arc<dyn Shell>, spec: &HostSpec, secrets: &Secrets) -> Self {
        let privileged = match &spec.escalation {
            Escalation::None => None,
            Escalation::Sudo { password } => {
                let sudo: Arc<dyn Shell> = Arc::new(SudoShell::new(plain.clone(), &spec.name, password.clone(), secrets.clone()));
                Some(sudo)
            }
        };
        Self { plain, privileged }
    }

    /// The one that may see most.
    pub(super) fn strongest(&self) -> Arc<dyn Shell> {
        self.privileged.clone().unwrap_or_else(|| self.plain.clone())
    }
}

#[derive(Clone, Debug)]
pub(super) struct Links {
    hosts: Arc<HashMap<Name, HostLink>>,
    /// Hosts that are this machine.
    local: Arc<HashSet<Name>>,
    pub secrets: Secrets,
    pub ssh: SshPool,
}

impl Links {
    pub(super) fn new(engine: &Engine, config: &Config) -> Self {
        let secrets = Secrets::new(engine.asker(), engine.ground().redact.clone());
        let ssh = SshPool::new(&config.hosts, secrets.clone());
        let hosts = config.hosts.iter().map(|h| (h.name.clone(), host(h, &ssh, &secrets))).collect();
        let local = config.hosts.iter().filter(|h| matches!(h.reach, Reach::Local)).map(|h| h.name.clone()).collect();
        Self { hosts: Arc::new(hosts), local: Arc::new(local), secrets, ssh }
    }

    /// A TCP connection from that host; one that is this machine dials by itself.
    pub(super) async fn tcp(&self, host: &Name, address: &str, port: u16) -> Result<Box<dyn Line>, SourceError> {
        if !self.local.contains(host) {
            return self.ssh.tcp(host, address, port).await;
        }
        let line = TcpStream::connect((address, port)).await.map_err(|e| SourceError::unreachable(format!("{address}:{port}: {e}")))?;
        let _ = line.set_nodelay(true);
        Ok(Box::new(line))
    }

    pub(super) fn host(&self, name: &Name) -> Option<&HostLink> {
        self.hosts.get(name)
    }

    /// A cluster's API. Its kubeconfig is read, and its address dialled, only when the source runs.
    pub(super) fn cluster(&self, engine: &Engine, spec: &ClusterSpec) -> Arc<Api> {
        let reader = Reader::from_ref(&spec.kubeconfig).unwrap_or_else(|| self.remote_kubeconfig(&spec.kubeconfig));
        Arc::new(Api::new(spec, reader, spec.via.as_ref().map(|via| self.through(via)), engine.ground().redact.clone()))
    }

    /// Dials from the host of that name. This machine dials by itself.
    fn through(&self, via: &Name) -> Dialer {
        let (links, via) = (self.clone(), via.clone());
        Arc::new(move |address: String, port: u16| {
            let (links, via) = (links.clone(), via.clone());
            Box::pin(async move {
                let line = links.tcp(&via, &address, port).await.map_err(|e| std::io::Error::other(format!("through {via}: {}", e.text)))?;
                Ok(Box::new(line) as Box<dyn crate::link::kube::Stream>)
            })
        })
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
                let mut out = cat(&*link.shell.plain, &path).await?;
                if with_sudo && out.status != ExitStatus::Code(0) {
                    // A host without `become` of its own: sudo as it is there, without a password.
                    let sudo = || -> Arc<dyn Shell> { Arc::new(SudoShell::new(link.shell.plain.clone(), &host, None, links.secrets.clone())) };
                    out = cat(&*link.shell.privileged.clone().unwrap_or_else(sudo), &path).await?;
                }
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

async fn cat(shell: &dyn Shell, path: &str) -> Result<Output, SourceError> {
    shell.run(&format!("cat -- {}", quote(path)), b"", Duration::from_secs(15)).await
}

fn host(spec: &HostSpec, ssh: &SshPool, secrets: &Secrets) -> HostLink {
    match &spec.reach {
        Reach::Local => {
            let here = Rights::new(Arc::new(LocalShell), spec, secrets);
            HostLink { sampler: here.clone(), shell: here }
        }
        Reach::Ssh(_) => {
            HostLink { sampler: Rights::new(ssh.sampler(&spec.name, None), spec, secrets), shell: Rights::new(ssh.shell(&spec.name, None), spec, secrets) }
        }
    }
}
