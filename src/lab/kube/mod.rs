//! The Kubernetes API server of the lab: v1.19.16 over TLS on loopback, one port for the load balancer and one for each master.
//!
//! Known differences from a real API server, for whoever relies on it:
//! - the one token may do everything; there is no RBAC, no admission, no validation beyond what the controllers need;
//! - a `continue` token goes on in the present, not in the version that its list began with;
//! - server-side apply merges and does not take away what its manager no longer names; `managedFields` are not kept;
//! - protobuf is written for pods, nodes, workloads, events and leases, with the fields that are read most; the rest is JSON;
//! - protobuf is not read: `kubectl create deployment` is refused, `kubectl create -f` and `apply` are not;
//! - the OpenAPI document is empty, so clients validate nothing;
//! - exec runs a handful of commands, no programs; attach is not served; SPDY is not spoken, websockets are.

mod answer;
mod ask;
mod change;
pub(in crate::lab) mod command;
mod discovery;
mod list;
mod log;
mod metrics;
pub(in crate::lab) mod nodeport;
mod patch;
mod review;
mod route;
mod stream;
mod table;
mod tls;
mod watch;
mod wire;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use self::tls::Authority;
use super::Lab;
use super::stage::Stage;
use super::world::kube::{kind, objects};

const HANDSHAKE: Duration = Duration::from_secs(10);

/// What every request needs.
pub(super) struct Server {
    lab: Arc<Lab>,
    authority: Authority,
}

/// Which address a connection came in by.
#[derive(Clone, Debug)]
enum Door {
    /// The load balancer's: open while any master is.
    Balancer,
    Master(String),
}

/// Starts the API server.
pub fn serve<'a>(lab: &'a Arc<Lab>, stage: &'a mut Stage) -> BoxFuture<'a, io::Result<()>> {
    Box::pin(async move {
        let server = Arc::new(Server { lab: lab.clone(), authority: Authority::new(lab.clock().now())? });
        let balancer = lab.listen(&["10.20.0.20:6443", "kubernetes.default.svc:443", "10.96.0.1:443"]).await?;
        let port = balancer.local_addr()?.port();
        accept(&server, balancer, Door::Balancer);
        let mut subsets = Vec::new();
        let masters = lab.with(|w| w.kube.nodes.values().filter(|n| n.is_master()).map(|n| (n.name.to_string(), n.address.clone())).collect::<Vec<_>>());
        for (name, address) in masters {
            let listener = lab.listen(&[&format!("{address}:6443")]).await?;
            let port = listener.local_addr()?.port();
            subsets.push(json!({ "addresses": [{ "ip": "127.0.0.1" }], "ports": [{ "name": "https", "port": port, "protocol": "TCP" }] }));
            accept(&server, listener, Door::Master(name));
        }
        lab.with(|w| {
            let endpoints = json!({ "metadata": { "name": "kubernetes", "namespace": "default" }, "subsets": subsets });
            w.kube.write(kind::ENDPOINTS, endpoints);
        });
        let kubeconfig = kubeconfig(port, &server.authority.pem, &lab.secrets.token);
        let path = stage.file("kubeconfig", kubeconfig.as_bytes())?;
        stage.config(&format!("[[cluster]]\nname = \"main\"\nkubeconfig = \"{}\"", path.display()));
        stage.access("KUBECONFIG", &path.display().to_string());
        Ok(())
    })
}

fn kubeconfig(port: u16, ca: &str, token: &str) -> String {
    let ca = super::world::base64::encode(ca.as_bytes());
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: mall\nclusters:\n- name: mall\n  cluster:\n    server: https://127.0.0.1:{port}\n    certificate-authority-data: {ca}\n\
         contexts:\n- name: mall\n  context:\n    cluster: mall\n    user: admin\n    namespace: pro\nusers:\n- name: admin\n  user:\n    token: {token}\n"
    )
}

fn accept(server: &Arc<Server>, listener: TcpListener, door: Door) {
    let serving = server.clone();
    server.lab.spawn(async move {
        loop {
            let Ok((socket, _)) = listener.accept().await else {
                // Out of file descriptors: the next one may find some.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (server, door) = (serving.clone(), door.clone());
            serving.lab.spawn(async move { connection(&server, socket, &door).await });
        }
    });
}

async fn connection(server: &Arc<Server>, socket: TcpStream, door: &Door) {
    let (is_open, until) = server.lab.with(|w| {
        let open = match door {
            Door::Master(name) => w.is_reachable(name),
            Door::Balancer => w.kube.nodes.values().filter(|n| n.is_master()).any(|n| w.is_reachable(&n.name)),
        };
        (open, w.kube.health.certificate_until)
    });
    if !is_open {
        // The machine behind it is gone: nobody answers.
        tokio::time::sleep(Duration::from_mins(1)).await;
        return;
    }
    let _ = socket.set_nodelay(true);
    let Ok(acceptor) = server.authority.acceptor(until) else { return };
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(socket)).await else { return };
    let service = service_fn(|request| {
        let server = server.clone();
        async move { Ok::<_, Infallible>(route::answer(&server, request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Thousands of watches may share a connection.
    builder.http2().max_concurrent_streams(1000);
    let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
}

/// The time of an object's change, as the API writes it.
fn stamp(now: crate::base::clock::Moment) -> String {
    objects::stamp(now)
}
