//! One cluster's API: sends requests, counts them, and builds its client anew when the kubeconfig's content changes.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::{Client, Config};
use prost::Message as _;
use secrecy::ExposeSecret;

use super::build::{self, chain};
use super::dial::Dialer;
use super::exec::{self, Login};
use super::kubeconfig::{Chosen, Reader};
use super::tls;
use crate::base::clock::Moment;
use crate::base::redact::Redactor;
use crate::base::text::clean;
use crate::config::spec::ClusterSpec;
use crate::model::id::Name;
use crate::model::source::SourceState;
use crate::port::{Meter, SourceError};

/// How long a connection and its handshake may take.
pub(super) const CONNECT: Duration = Duration::from_secs(10);
/// The most of an answer that is read into memory at once; lists are streamed and not meant.
const MOST: usize = 16 << 20;

/// Why a request gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 401: our credentials are not accepted.
    Unauthorized(String),
    /// Any other refusal; `retry_after` where the server names a time.
    Status { code: StatusCode, text: String, retry_after: Option<Duration> },
    /// No answer: not reached, cut, too late.
    Transport(String),
    /// The kubeconfig or its credential plugin.
    Setup(SourceError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { code, text, .. } if text.is_empty() => write!(f, "{code}"),
            Self::Unauthorized(text) | Self::Transport(text) | Self::Status { text, .. } => f.write_str(text),
            Self::Setup(error) => f.write_str(&error.text),
        }
    }
}

impl Failure {
    /// As the state of the whole source.
    pub fn source_error(&self, cluster: &str) -> SourceError {
        match self {
            Self::Unauthorized(text) => SourceError::new(
                SourceState::AuthLost,
                format!("cluster {cluster} refuses our credentials: {text}"),
                "renew the token or certificate in the kubeconfig, or press the login key; the file is read again when it changes",
            ),
            Self::Status { code, text, .. } => SourceError::unreachable(format!("cluster {cluster} answers {code}: {text}")),
            Self::Transport(text) => SourceError::unreachable(format!("cluster {cluster}: {text}")),
            Self::Setup(error) => error.clone(),
        }
    }
}

/// What a request needs, once the kubeconfig has been read.
#[derive(Clone)]
pub struct Connection {
    pub client: Client,
    pub context: Name,
    pub server: Name,
    /// The context's own namespace.
    pub namespace: Name,
    /// False where the kubeconfig says `insecure-skip-tls-verify`.
    pub tls_verified: bool,
    /// The credential came from a plugin, which may give another one when asked again.
    pub plugin: bool,
    config: Option<Config>,
    digest: u64,
    valid_until: Option<Moment>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("context", &self.context).field("server", &self.server).finish_non_exhaustive()
    }
}

/// One cluster. Cheap to make: nothing is read or dialled before the first request.
pub struct Api {
    pub name: Name,
    context: Option<String>,
    compression: bool,
    reader: Reader,
    via: Option<Dialer>,
    redact: Redactor,
    current: RwLock<Option<Arc<Connection>>>,
    /// One reading at a time: ten watches that break together run a credential plugin once.
    reading: tokio::sync::Mutex<()>,
    /// Of what was last tried, whether it worked or not.
    tried: AtomicU64,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("name", &self.name).field("reader", &self.reader).finish_non_exhaustive()
    }
}

impl Api {
    /// `via` dials through another host's connection; tokens go to `redact` as they are read.
    pub fn new(spec: &ClusterSpec, reader: Reader, via: Option<Dialer>, redact: Redactor) -> Self {
        Self {
            name: spec.name.clone(),
            context: spec.context.clone(),
            compression: spec.compression,
            reader,
            via,
            redact,
            current: RwLock::new(None),
            reading: tokio::sync::Mutex::new(()),
            tried: AtomicU64::new(0),
        }
    }

    /// An API behind a client that exists already; it never changes.
    pub fn from_client(name: Name, client: Client) -> Self {
        let namespace = Name::from(client.default_namespace());
        let fixed = Connection {
            client,
            context: name.clone(),
            server: Name::from(""),
            namespace,
            tls_verified: true,
            plugin: false,
            config: None,
            digest: 0,
            valid_until: None,
        };
        Self {
            name,
            context: None,
            compression: false,
            reader: Reader::Files(Vec::new()),
            via: None,
            redact: Redactor::default(),
            current: RwLock::new(Some(Arc::new(fixed))),
            reading: tokio::sync::Mutex::new(()),
            tried: AtomicU64::new(0),
        }
    }

    fn known(&self) -> Option<Arc<Connection>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Is there a client in use?
    pub fn is_connected(&self) -> bool {
        self.known().is_some()
    }

    fn is_fixed(&self) -> bool {
        matches!(&self.reader, Reader::Files(files) if files.is_empty()) && self.known().is_some()
    }

    /// The connection, read from the kubeconfig if that has not happened or its credential has run out by `now`.
    pub async fn connection(&self, now: Moment) -> Result<Arc<Connection>, SourceError> {
        let fresh = |c: &Arc<Connection>| c.valid_until.is_none_or(|end| now.plus(Duration::from_secs(30)) < end);
        if let Some(known) = self.known().filter(fresh) {
            return Ok(known);
        }
        let _turn = self.reading.lock().await;
        if let Some(known) = self.known().filter(fresh) {
            return Ok(known);
        }
        let chosen = self.choose().await?;
        self.build(chosen).await
    }

    /// Reads the kubeconfig again. `true` when what it says differs from what is in use, which is then replaced.
    pub async fn refresh(&self) -> Result<bool, SourceError> {
        if self.is_fixed() {
            return Ok(false);
        }
        let _turn = self.reading.lock().await;
        let chosen = self.choose().await?;
        if self.known().is_some_and(|c| c.digest == chosen.digest()) {
            return Ok(false);
        }
        self.build(chosen).await.map(|_| true)
    }

    /// Would reading the kubeconfig now give something other than what was last tried? Runs no plugin and dials nothing.
    pub async fn has_news(&self) -> bool {
        !self.is_fixed() && self.choose().await.is_ok_and(|chosen| chosen.digest() != self.tried.load(Ordering::Relaxed))
    }

    /// How often [`Api::has_news`] may be asked: a file costs nothing, a kubeconfig from afar costs its host a command.
    pub fn news_every(&self) -> Duration {
        match &self.reader {
            Reader::Files(_) => Duration::from_secs(3),
            Reader::Fetch { .. } => Duration::from_mins(1),
        }
    }

    /// Forgets the client and its credential: the next request reads all of it again, a credential plugin included.
    pub fn forget(&self) {
        if !self.is_fixed() {
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// The credential plugin's command, to be run in a terminal; `None` when the context has none.
    pub async fn login(&self) -> Result<Option<Login>, SourceError> {
        let chosen = self.choose().await?;
        Ok(chosen.user.exec.as_ref().and_then(|e| exec::login(e, true)))
    }

    async fn choose(&self) -> Result<Chosen, SourceError> {
        self.reader.read().await?.choose(self.context.as_deref())
    }

    async fn build(&self, mut chosen: Chosen) -> Result<Arc<Connection>, SourceError> {
        let digest = chosen.digest();
        self.tried.store(digest, Ordering::Relaxed);
        let plugin = chosen.user.exec.is_some();
        let valid_until = exec::resolve(&mut chosen.user).await?;
        for secret in [&chosen.user.token, &chosen.user.password, &chosen.user.client_key_data].into_iter().flatten() {
            self.redact.learn(secret.expose_secret());
        }
        let config = build::config(&chosen, self.compression).await?;
        let client = build::client(&config, self.via.as_ref())?;
        let made = Arc::new(Connection {
            client,
            context: Name::from(chosen.name),
            server: Name::from(config.cluster_url.to_string().trim_end_matches('/')),
            namespace: Name::from(config.default_namespace.as_str()),
            tls_verified: !config.accept_invalid_certs,
            plugin,
            config: Some(config),
            digest,
            valid_until,
        });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(made.clone());
        Ok(made)
    }

    /// Sends a request and returns as soon as the answer's head is here, which `limit` bounds. The body is the caller's
    /// to read, with a timeout of its own. Anything but a 2xx is a [`Failure`].
    pub async fn send(&self, request: Request<Vec<u8>>, limit: Duration, now: Moment, meter: &Meter) -> Result<Response<Body>, Failure> {
        let response = self.ask(request, limit, now, meter).await?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response, meter).await) }
    }

    async fn ask(&self, request: Request<Vec<u8>>, limit: Duration, now: Moment, meter: &Meter) -> Result<Response<Body>, Failure> {
        let connection = self.connection(now).await.map_err(Failure::Setup)?;
        send_on(&connection.client, request, limit, meter).await
    }

    /// GETs a small answer whole, whatever its status.
    pub async fn get(&self, path: &str, accept: &str, limit: Duration, now: Moment, meter: &Meter) -> Result<(StatusCode, Bytes), Failure> {
        let response = self.ask(get(path, accept)?, limit, now, meter).await?;
        whole(response, limit, meter).await
    }

    /// GETs `path` from one master at `host:port` instead of the kubeconfig's address, with the same credentials. TLS is
    /// verified against `host`, and where its certificate does not name that, against the name in the kubeconfig.
    pub async fn get_direct(&self, host: &str, port: u16, path: &str, limit: Duration, now: Moment, meter: &Meter) -> Result<Direct, Failure> {
        let connection = self.connection(now).await.map_err(Failure::Setup)?;
        let Some(base) = &connection.config else { return Err(Failure::Transport("no address to dial directly".to_owned())) };
        let mut config = base.clone();
        let literal = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        config.cluster_url = format!("https://{literal}:{port}").parse().map_err(|e| Failure::Transport(format!("{host}:{port}: {e}")))?;
        let own_name = base.tls_server_name.clone().or_else(|| base.cluster_url.host().map(|h| h.trim_matches(['[', ']']).to_owned()));
        let mut expires = Err(String::new());
        for name in [Some(host.to_owned()), own_name] {
            config.tls_server_name = name;
            expires = tls::expiry(&config, self.via.as_ref()).await;
            meter.request();
            if !matches!(&expires, Err(text) if text.contains("not valid for name")) {
                break;
            }
        }
        let expires_at = expires.map_err(Failure::Transport)?;
        let client = build::client(&config, self.via.as_ref()).map_err(Failure::Setup)?;
        let response = send_on(&client, get(path, "*/*")?, limit, meter).await?;
        let (status, _) = whole(response, limit, meter).await?;
        Ok(Direct { status, expires_at })
    }

    /// When the server's certificate runs out.
    pub async fn certificate_expiry(&self, now: Moment) -> Result<Option<Moment>, String> {
        let connection = self.connection(now).await.map_err(|e| e.text)?;
        match &connection.config {
            Some(config) => tls::expiry(config, self.via.as_ref()).await,
            None => Ok(None),
        }
    }
}

/// What one master said when it was dialled directly.
#[derive(Clone, Copy, Debug)]
pub struct Direct {
    pub status: StatusCode,
    pub expires_at: Option<Moment>,
}

fn get(path: &str, accept: &str) -> Result<Request<Vec<u8>>, Failure> {
    Request::get(path).header(http::header::ACCEPT, accept).body(Vec::new()).map_err(|e| Failure::Transport(e.to_string()))
}

async fn send_on(client: &Client, request: Request<Vec<u8>>, limit: Duration, meter: &Meter) -> Result<Response<Body>, Failure> {
    meter.request();
    meter.sent(request.uri().to_string().len() + request.body().len());
    let sent = client.send(request.map(Body::from));
    match tokio::time::timeout(limit, sent).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => Err(Failure::Transport(clean(&chain(&error)).into_owned())),
        Err(_) => Err(Failure::Transport(format!("no answer within {} s", limit.as_secs()))),
    }
}

async fn whole(response: Response<Body>, limit: Duration, meter: &Meter) -> Result<(StatusCode, Bytes), Failure> {
    let status = response.status();
    let retry_after = retry_after(&response);
    let body = http_body_util::Limited::new(response.into_body(), MOST);
    let bytes = tokio::time::timeout(limit, body.collect())
        .await
        .map_err(|_| Failure::Transport(format!("the answer stopped for {} s", limit.as_secs())))?
        .map_err(|e| Failure::Transport(clean(&e.to_string()).into_owned()))?
        .to_bytes();
    meter.received(bytes.len());
    match status {
        StatusCode::UNAUTHORIZED => Err(Failure::Unauthorized(message(&bytes))),
        StatusCode::TOO_MANY_REQUESTS => Err(Failure::Status { code: status, text: message(&bytes), retry_after }),
        _ => Ok((status, bytes)),
    }
}

/// A refusal in the server's own words.
async fn refusal(response: Response<Body>, meter: &Meter) -> Failure {
    let code = response.status();
    let retry_after = retry_after(&response);
    let text = match whole(response, Duration::from_secs(5), meter).await {
        Ok((_, bytes)) => message(&bytes),
        Err(other @ Failure::Unauthorized(_)) => return other,
        Err(_) => String::new(),
    };
    Failure::Status { code, text, retry_after }
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds.clamp(1, 120)))
}

/// `message` of a Status object, or the body's first line.
fn message(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Status {
        #[serde(default)]
        message: String,
    }
    #[derive(prost::Message)]
    struct Unknown {
        #[prost(bytes = "vec", tag = "2")]
        raw: Vec<u8>,
    }
    #[derive(prost::Message)]
    struct WireStatus {
        #[prost(string, tag = "3")]
        message: String,
    }
    // A refusal comes in the encoding that the request preferred.
    if let Some(envelope) = body.strip_prefix(b"k8s\0") {
        let status = Unknown::decode(envelope).and_then(|u| WireStatus::decode(u.raw.as_slice()));
        return clean(&status.unwrap_or_default().message).into_owned();
    }
    if let Ok(status) = serde_json::from_slice::<Status>(body) {
        return clean(&status.message).into_owned();
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    clean(text.lines().next().unwrap_or_default()).into_owned()
}
