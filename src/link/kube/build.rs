//! From a chosen context to a client.

use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use hyper_util::rt::TokioExecutor;
use kube::client::{ClientBuilder, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};

use super::dial::{Connector, Dialer};
use super::kubeconfig::Chosen;
use crate::base::text::clean;
use crate::model::source::SourceState;
use crate::port::SourceError;

/// The configuration of one context, its credential plugin already resolved.
pub(super) async fn config(chosen: &Chosen, compression: bool) -> Result<Config, SourceError> {
    let one = Kubeconfig {
        clusters: vec![NamedCluster { name: chosen.context.cluster.clone(), cluster: Some(chosen.cluster.clone()), ..NamedCluster::default() }],
        auth_infos: vec![NamedAuthInfo {
            name: chosen.context.user.clone().unwrap_or_default(),
            auth_info: Some(chosen.user.clone()),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![NamedContext { name: chosen.name.clone(), context: Some(chosen.context.clone()), ..NamedContext::default() }],
        current_context: Some(chosen.name.clone()),
        ..Kubeconfig::default()
    };
    let mut config = Config::from_custom_kubeconfig(one, &KubeConfigOptions::default())
        .await
        .map_err(|e| broken(&format!("context `{}` cannot be used: {}", chosen.name, chain(&e))))?;
    config.connect_timeout = Some(super::api::CONNECT);
    config.disable_compression = !compression;
    // Repeats are ours to decide and to count; a hidden one would hammer a server that says 429.
    config.default_retry = false;
    Ok(config)
}

/// A connection reads ahead so far. What hyper takes by itself (400 kB) is held once a kind while the lists of a large cluster come.
const READ_AHEAD: usize = 64 << 10;

/// A client for it; through `via` where that is given, so that a proxy of the kubeconfig does not apply.
pub(super) fn client(config: &Config, via: Option<&Dialer>) -> Result<Client, SourceError> {
    let failed = |e: &dyn std::error::Error| broken(&format!("no client for {}: {}", config.cluster_url, chain(e)));
    let made = match via {
        Some(dialer) => over(config, Connector(dialer.clone())),
        // The proxies' own handshakes are kube's to make.
        None if config.proxy_url.is_some() => ClientBuilder::try_from(config.clone()).map(ClientBuilder::build),
        None => {
            let mut direct = HttpConnector::new();
            direct.enforce_http(false);
            direct.set_connect_timeout(config.connect_timeout);
            over(config, direct)
        }
    };
    made.map_err(|e| failed(&e))
}

/// The same layers as kube's own client has, over any way to the server.
fn over<C>(config: &Config, connector: C) -> kube::Result<Client>
where
    C: tower::Service<http::Uri> + Clone + Send + Sync + 'static,
    C::Response: Connection + hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: std::error::Error + Send + Sync + 'static,
{
    let https = config.rustls_https_connector_with_connector(connector)?;
    let hyper = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).http1_max_buf_size(READ_AHEAD).build::<_, kube::client::Body>(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(tower_http::decompression::DecompressionLayer::new().gzip(!config.disable_compression))
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(hyper);
    Ok(Client::new(service, config.default_namespace.clone()))
}

fn broken(text: &str) -> SourceError {
    SourceError::new(SourceState::Broken, clean(text), "correct the kubeconfig; it is read again when it changes")
}

/// An error with its causes, each said once.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = next.source();
    }
    text
}
