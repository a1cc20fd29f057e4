//! Finding and reading kubeconfigs, with errors that name the file, the context and the ones that exist.

use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use kube::config::{AuthInfo, Cluster, Context, Kubeconfig};
use secrecy::{ExposeSecret, SecretString};

use crate::base::text::clean;
use crate::config::spec::KubeconfigRef;
use crate::model::source::SourceState;
use crate::port::SourceError;

/// Reads a kubeconfig's text from afar; called again before every reconnect.
pub type Fetch = Arc<dyn Fn() -> BoxFuture<'static, Result<SecretString, SourceError>> + Send + Sync>;

/// Where the kubeconfig comes from.
#[derive(Clone)]
pub enum Reader {
    /// One file, or several merged in order, the first one winning, as kubectl does.
    Files(Vec<PathBuf>),
    /// Text that something else reads; `origin` names it in errors.
    Fetch { origin: String, fetch: Fetch },
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({})", self.origin())
    }
}

impl Reader {
    /// The files of a reference; `None` for one that is read over SSH, which takes a [`Reader::Fetch`].
    pub fn from_ref(reference: &KubeconfigRef) -> Option<Self> {
        match reference {
            KubeconfigRef::Default => Some(Self::Files(default_files())),
            KubeconfigRef::File(path) => Some(Self::Files(vec![path.clone()])),
            KubeconfigRef::Ssh { .. } => None,
        }
    }

    pub fn origin(&self) -> String {
        match self {
            Self::Files(paths) => paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(":"),
            Self::Fetch { origin, .. } => origin.clone(),
        }
    }

    pub(super) async fn read(&self) -> Result<Loaded, SourceError> {
        let config = match self {
            Self::Files(paths) => read_files(paths)?,
            Self::Fetch { origin, fetch } => {
                let text = fetch().await?;
                Kubeconfig::from_yaml(text.expose_secret()).map_err(|e| unreadable(origin, &e))?
            }
        };
        Ok(Loaded { config, origin: self.origin() })
    }
}

/// `$KUBECONFIG` or `~/.kube/config`.
fn default_files() -> Vec<PathBuf> {
    let named: Vec<PathBuf> =
        std::env::var_os("KUBECONFIG").map(|v| std::env::split_paths(&v).filter(|p| !p.as_os_str().is_empty()).collect()).unwrap_or_default();
    if !named.is_empty() {
        return named;
    }
    std::env::var_os("HOME").map(|home| vec![Path::new(&home).join(".kube/config")]).unwrap_or_default()
}

fn unreadable(origin: &str, error: &dyn std::error::Error) -> SourceError {
    let text = match error.source() {
        Some(cause) => format!("kubeconfig {origin}: {error}: {cause}"),
        None => format!("kubeconfig {origin}: {error}"),
    };
    SourceError::new(SourceState::Broken, clean(&text), "correct the file, or name another one as `kubeconfig` of this cluster")
}

fn read_files(paths: &[PathBuf]) -> Result<Kubeconfig, SourceError> {
    let mut merged: Option<Kubeconfig> = None;
    let mut missing = Vec::new();
    for path in paths {
        if !path.exists() {
            missing.push(path.display().to_string());
            continue;
        }
        let next = Kubeconfig::read_from(path).map_err(|e| unreadable(&path.display().to_string(), &e))?;
        merged = Some(match merged {
            None => next,
            Some(first) => first.merge(next).map_err(|e| unreadable(&path.display().to_string(), &e))?,
        });
    }
    merged.ok_or_else(|| {
        SourceError::new(
            SourceState::Broken,
            format!("there is no kubeconfig at {}", if missing.is_empty() { "~/.kube/config".to_owned() } else { missing.join(", ") }),
            "copy one there, set KUBECONFIG, or give `kubeconfig` of this cluster",
        )
    })
}

pub(super) struct Loaded {
    pub(super) config: Kubeconfig,
    pub(super) origin: String,
}

/// One context with what it points to.
pub(super) struct Chosen {
    pub(super) name: String,
    pub(super) context: Context,
    pub(super) cluster: Cluster,
    pub(super) user: AuthInfo,
}

impl Loaded {
    /// The wanted context or the current one.
    pub(super) fn choose(&self, wanted: Option<&str>) -> Result<Chosen, SourceError> {
        let known: Vec<&str> = self.config.contexts.iter().map(|c| c.name.as_str()).collect();
        let listed = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
        let broken = |text: String, remedy: String| SourceError::new(SourceState::Broken, clean(&text), clean(&remedy));
        let name = wanted.or(self.config.current_context.as_deref()).filter(|n| !n.is_empty()).ok_or_else(|| {
            broken(format!("kubeconfig {} has no current context; {listed}", self.origin), "set `context` of this cluster to one of them".to_owned())
        })?;
        let context = self.config.contexts.iter().find(|c| c.name == name).and_then(|c| c.context.clone()).ok_or_else(|| {
            broken(
                format!("kubeconfig {} has no context `{name}`; {listed}", self.origin),
                "correct `context` of this cluster; the file is read again when it changes".to_owned(),
            )
        })?;
        let cluster = self.config.clusters.iter().find(|c| c.name == context.cluster).and_then(|c| c.cluster.clone()).ok_or_else(|| {
            broken(
                format!("context `{name}` of kubeconfig {} points to the cluster `{}`, which the file does not have", self.origin, context.cluster),
                "add the cluster to the file or choose another context".to_owned(),
            )
        })?;
        let mut user = context
            .user
            .as_ref()
            .and_then(|user| self.config.auth_infos.iter().find(|u| &u.name == user))
            .and_then(|u| u.auth_info.clone())
            .unwrap_or_default();
        if let Some(exec) = user.exec.as_mut().filter(|e| e.provide_cluster_info) {
            exec.cluster = (&cluster).try_into().ok();
        }
        Ok(Chosen { name: name.to_owned(), context, cluster, user })
    }
}

impl Chosen {
    /// Changes when anything that decides the connection changes, the files it points to included.
    pub(super) fn digest(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        self.name.hash(&mut hash);
        for part in [serde_json::to_string(&self.context), serde_json::to_string(&self.cluster), serde_json::to_string(&self.user)] {
            part.unwrap_or_default().hash(&mut hash);
        }
        let files = [&self.cluster.certificate_authority, &self.user.client_certificate, &self.user.client_key, &self.user.token_file];
        for path in files.into_iter().flatten() {
            fs::read(path).unwrap_or_default().hash(&mut hash);
        }
        hash.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: []\n\
        contexts: [{name: prod, context: {cluster: c}}, {name: test, context: {cluster: gone}}]\n";

    fn loaded() -> Loaded {
        Loaded { config: Kubeconfig::from_yaml(TWO).unwrap(), origin: "/x/config".into() }
    }

    #[test]
    fn errors_name_file_context_and_choices() {
        let none = loaded().choose(None).err().unwrap();
        assert_eq!(none.text, "kubeconfig /x/config has no current context; it has prod, test");
        let wrong = loaded().choose(Some("dev")).err().unwrap();
        assert!(wrong.text.contains("`dev`") && wrong.text.contains("prod, test"), "{}", wrong.text);
        let cluster = loaded().choose(Some("test")).err().unwrap();
        assert!(cluster.text.contains("`gone`"), "{}", cluster.text);
        assert!(loaded().choose(Some("prod")).is_ok());
    }

    #[tokio::test]
    async fn a_missing_file_is_named() {
        let error = Reader::Files(vec!["/no/such/file".into()]).read().await.err().unwrap();
        assert_eq!(error.state, SourceState::Broken);
        assert!(error.text.contains("/no/such/file"));
    }

    #[test]
    fn the_digest_follows_the_content() {
        let a = loaded().choose(Some("prod")).unwrap();
        let mut b = loaded().choose(Some("prod")).unwrap();
        assert_eq!(a.digest(), b.digest());
        b.user.token = Some("new".to_owned().into());
        assert_ne!(a.digest(), b.digest());
    }
}
