//! The way to a server for clients that bring their own protocol: from the step's host, or into a pod.
//!
//! The jump box is shared, so a port on loopback takes one connection, the client's own, and is closed before that is used.

use std::path::PathBuf;
use std::time::Duration;

use kube::Api;
use kube::api::ListParams;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::task::AbortOnDropHandle;

use super::args;
use crate::link::kube::{NoForward, Pod, forward};
use crate::model::catalog::{Field, FieldKind};
use crate::port::action::{ActionCx, ActionError, Args, Hindrance};
use crate::port::shell::Line;

const OPEN: Duration = Duration::from_secs(15);

/// The fields by which every action of this sort finds its server.
pub(super) const CLUSTER: Field = Field::optional("cluster", FieldKind::Text);
pub(super) const NAMESPACE: Field = Field::optional("namespace", FieldKind::Text);
pub(super) const POD: Field = Field::optional("pod", FieldKind::Text);
pub(super) const SELECTOR: Field = Field::optional("selector", FieldKind::Text);

/// Where a client has to connect, and what keeps the way open.
pub(super) struct Way {
    pub end: End,
    _carry: Option<AbortOnDropHandle<()>>,
    _folder: Option<Folder>,
}

#[derive(Clone, Debug)]
pub(super) enum End {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// A folder of our own, gone with the way.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn broken(what: &str, error: &std::io::Error) -> ActionError {
    ActionError::unreachable(format!("{what}: {error}"))
}

/// A stream to `address:port`, from the step's host or into the pod that the arguments name.
pub(super) async fn stream(given: &Args, cx: &ActionCx, address: &str, port: u16) -> Result<Box<dyn Line>, ActionError> {
    if args::text(given, "pod").is_some() || args::text(given, "selector").is_some() {
        return into_pod(given, cx, port).await;
    }
    match tokio::time::timeout(OPEN, cx.reach.tcp(&cx.host, address, port)).await {
        Ok(line) => line,
        Err(_) => Err(ActionError::unreachable(format!("no connection from {} to {address}:{port} within {} s", cx.host, OPEN.as_secs()))),
    }
}

/// An address for a client that wants to connect by itself.
pub(super) async fn tcp(given: &Args, cx: &ActionCx, address: &str, port: u16) -> Result<Way, ActionError> {
    let pod = args::text(given, "pod").is_some() || args::text(given, "selector").is_some();
    if !pod && cx.reach.is_here(&cx.host) {
        return Ok(Way { end: End::Tcp { host: address.to_owned(), port }, _carry: None, _folder: None });
    }
    let mut far = stream(given, cx, address, port).await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|e| broken("no port on loopback", &e))?;
    let local = listener.local_addr().map_err(|e| broken("no port on loopback", &e))?;
    let carry = tokio::spawn(async move {
        let Ok((mut near, _)) = listener.accept().await else { return };
        drop(listener);
        let _ = copy_bidirectional(&mut near, &mut far).await;
    });
    Ok(Way { end: End::Tcp { host: "127.0.0.1".to_owned(), port: local.port() }, _carry: Some(AbortOnDropHandle::new(carry)), _folder: None })
}

/// A Unix socket of the host, as one of this machine.
pub(super) async fn socket(cx: &ActionCx, path: &str) -> Result<Way, ActionError> {
    if cx.reach.is_here(&cx.host) {
        return Ok(Way { end: End::Unix(PathBuf::from(path)), _carry: None, _folder: None });
    }
    let mut far = cx.reach.socket(&cx.host, path).await?;
    let made = private_folder().map_err(|e| broken("no folder for a socket", &e))?;
    let near = made.0.join("s");
    let listener = UnixListener::bind(&near).map_err(|e| broken("no socket", &e))?;
    let carry = tokio::spawn(async move {
        let Ok((mut near, _)) = listener.accept().await else { return };
        drop(listener);
        let _ = copy_bidirectional(&mut near, &mut far).await;
    });
    Ok(Way { end: End::Unix(near), _carry: Some(AbortOnDropHandle::new(carry)), _folder: Some(made) })
}

fn private_folder() -> std::io::Result<Folder> {
    use std::os::unix::fs::DirBuilderExt;
    let base = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let mut last = std::io::Error::other("no free name");
    for n in 0..100 {
        let path = base.join(format!("quarterdeck-{}-{n}", std::process::id()));
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(Folder(path)),
            Err(e) => last = e,
        }
    }
    Err(last)
}

/// The namespace that the arguments name; the kubeconfig's own where they name none.
pub(super) fn namespace(given: &Args, client: &kube::Client) -> String {
    args::text(given, "namespace").filter(|n| !n.is_empty()).unwrap_or_else(|| client.default_namespace().to_owned())
}

/// The pod of that name, or the first ready one that the selector matches.
pub(super) async fn pod(given: &Args, api: &Api<Pod>) -> Result<String, ActionError> {
    if let Some(name) = args::text(given, "pod").filter(|n| !n.is_empty()) {
        return Ok(name);
    }
    let selector = args::required(given, "selector")?;
    let pods = tokio::time::timeout(OPEN, api.list(&ListParams::default().labels(&selector)))
        .await
        .map_err(|_| ActionError::unreachable(format!("no list of pods within {} s", OPEN.as_secs())))?
        .map_err(|e| ActionError::unreachable(super::kube::words(&e)))?;
    let ready = |p: &Pod| {
        p.metadata.deletion_timestamp.is_none()
            && p.status.as_ref().and_then(|s| s.conditions.as_ref()).is_some_and(|c| c.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
    };
    let found = pods.items.iter().filter(|p| ready(p)).filter_map(|p| p.metadata.name.clone()).min();
    found.ok_or_else(|| ActionError::unreachable(format!("no ready pod matches {selector} ({} match at all)", pods.items.len())))
}

async fn into_pod(given: &Args, cx: &ActionCx, port: u16) -> Result<Box<dyn Line>, ActionError> {
    let client = cx.reach.kube(args::text(given, "cluster").as_deref()).await?;
    let api: Api<Pod> = Api::namespaced(client.clone(), &namespace(given, &client));
    let name = pod(given, &api).await?;
    let namespace = namespace(given, &client);
    match forward(&client, &namespace, &name, port).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(NoForward::Broken(text)) => Err(ActionError::unreachable(format!("no port-forward to {name}: {text}"))),
        Err(other) => Err(ActionError::new(Hindrance::Refused, format!("no port-forward to {name}: {other}"), "")),
    }
}
