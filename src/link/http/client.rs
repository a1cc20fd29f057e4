//! One kept connection to one server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::exchange::{Failure, Login, Request, Response};
use super::url::{Scheme, Server};
use crate::base::clock::Stopwatch;
use crate::link::tls::{Stream, Tls, protect};

/// Opens a way to the server, before any TLS; called again whenever the kept connection has ended.
pub type Connector = Arc<dyn Fn() -> BoxFuture<'static, Result<Box<dyn Stream>, Failure>> + Send + Sync>;

/// Dials the server itself.
pub fn direct(server: &Server) -> Connector {
    let (host, port) = (server.host.clone(), server.port);
    Arc::new(move || {
        let host = host.clone();
        Box::pin(async move {
            let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|e| Failure::Unreachable(e.to_string()))?;
            let _ = stream.set_nodelay(true);
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    })
}

/// How long things may take, and how much an answer may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the connection and its TLS.
    pub open: Duration,
    /// From the request to the end of its answer.
    pub answer: Duration,
    /// Bytes of an answer's body.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { open: Duration::from_secs(10), answer: Duration::from_secs(30), body: 16 << 20 }
    }
}

struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// Ended with the line.
    _driver: AbortOnDropHandle<()>,
}

/// A client of one server. The connection is opened by the first request and kept as long as the server keeps it.
pub struct Client {
    server: Server,
    tls: Tls,
    login: Login,
    limits: Limits,
    connector: Connector,
    line: Option<Line>,
    /// Connections opened so far.
    opened: u64,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Client {
    /// `tls` decides, and `https` without it means: verified by the well-known authorities. `http` and `tls` contradict each other.
    ///
    /// # Errors
    /// They do.
    pub fn new(server: Server, tls: Tls, login: Login, connector: Connector) -> Result<Self, Failure> {
        let tls = match (server.scheme, tls) {
            (Some(Scheme::Https), Tls::Off) => Tls::Verified { ca: None, server_name: None },
            (Some(Scheme::Http), tls) if tls != Tls::Off => {
                return Err(Failure::Tls {
                    text: format!("http://{} has no TLS, but tls is set", server.address()),
                    remedy: "Write https://, or take tls out.",
                });
            }
            (_, tls) => tls,
        };
        Ok(Self { server, tls, login, limits: Limits::default(), connector, line: None, opened: 0 })
    }

    #[must_use]
    pub fn limited(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    /// How the line is in fact protected.
    pub fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Other credentials from the next request on (a token that was renewed).
    pub fn set_login(&mut self, login: Login) {
        self.login = login;
    }

    /// Connections opened so far.
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Sends one request and reads its whole answer, whatever the status. When the server had ended the kept connection
    /// meanwhile, the request goes over a new one; a request that may have been carried out is never sent twice.
    ///
    /// # Errors
    /// No answer that can be used. The connection is given up then.
    pub async fn send(&mut self, request: &Request) -> Result<Response, Failure> {
        let kept = self.line.is_some();
        match self.once(request).await {
            Err(Lost::Unsent(_)) if kept => self.once(request).await,
            Err(Lost::Unknown(_)) if kept && (request.method == Method::GET || request.method == Method::HEAD) => self.once(request).await,
            other => other,
        }
        .map_err(Lost::failure)
    }

    /// GET; the answer must be a success.
    ///
    /// # Errors
    /// As [`send`](Self::send), and every other status than 2xx.
    pub async fn get(&mut self, path: &str) -> Result<Response, Failure> {
        self.send(&Request::get(path)).await?.success()
    }

    async fn once(&mut self, request: &Request) -> Result<Response, Lost> {
        let message = self.message(request).map_err(Lost::Told)?;
        if self.line.as_ref().is_none_or(|l| l.sender.is_closed()) {
            self.line = None;
            self.line = Some(self.open().await.map_err(Lost::Told)?);
        }
        let Some(line) = &mut self.line else { return Err(Lost::Told(Failure::Broken("no connection".to_owned()))) };
        let watch = Stopwatch::start();
        let sent_bytes = request.body.len() + length(message.headers()) + message.uri().path().len() + 16;
        let most = self.limits.body;
        let answer = timeout(self.limits.answer, exchange(&mut line.sender, message, most)).await;
        match answer {
            Ok(Ok((parts, body))) => {
                let received_bytes = body.len() + length(&parts.headers) + 17;
                Ok(Response { status: parts.status, headers: parts.headers, body, took: watch.elapsed(), sent_bytes, received_bytes })
            }
            Ok(Err(lost)) => {
                self.line = None;
                Err(lost)
            }
            Err(_) => {
                self.line = None;
                Err(Lost::Told(Failure::Mute { after: self.limits.answer }))
            }
        }
    }

    fn message(&self, request: &Request) -> Result<http::Request<Full<Bytes>>, Failure> {
        let path = format!("{}{}", self.server.base, request.path);
        let mut message = http::Request::builder()
            .method(request.method.clone())
            .uri(&path)
            .body(Full::new(request.body.clone()))
            .map_err(|e| Failure::Broken(format!("`{path}` is no path: {e}")))?;
        let headers = message.headers_mut();
        headers.insert(HOST, HeaderValue::try_from(self.server.address()).map_err(|e| Failure::Broken(format!("{e}")))?);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("quarterdeck/", env!("CARGO_PKG_VERSION"))));
        if let Some(login) = self.login.header()? {
            headers.insert(AUTHORIZATION, login);
        }
        headers.extend(request.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        if request.body.is_empty() && matches!(request.method, Method::POST | Method::PUT) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Ok(message)
    }

    async fn open(&mut self) -> Result<Line, Failure> {
        let work = async {
            let stream = (self.connector)().await?;
            let stream = protect(stream, &self.tls, &self.server.host).await.map_err(|e| Failure::Tls { text: e.text, remedy: e.remedy })?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| Failure::Broken(words(&e)))?;
            let driver = tokio::spawn(async move {
                // How it ended is told to the request that was waiting.
                let _ = connection.await;
            });
            Ok(Line { sender, _driver: AbortOnDropHandle::new(driver) })
        };
        let line = timeout(self.limits.open, work).await.map_err(|_| Failure::Mute { after: self.limits.open })??;
        self.opened += 1;
        Ok(line)
    }
}

/// How a request ended without an answer.
enum Lost {
    /// The server cannot have seen it.
    Unsent(Failure),
    /// It may have been carried out.
    Unknown(Failure),
    /// There is more to say than that the line broke.
    Told(Failure),
}

impl Lost {
    fn failure(self) -> Failure {
        match self {
            Self::Unsent(failure) | Self::Unknown(failure) | Self::Told(failure) => failure,
        }
    }
}

async fn exchange(sender: &mut SendRequest<Full<Bytes>>, message: http::Request<Full<Bytes>>, most: usize) -> Result<(http::response::Parts, Bytes), Lost> {
    sender.ready().await.map_err(|e| Lost::Unsent(Failure::Broken(words(&e))))?;
    let answer = match sender.try_send_request(message).await {
        Ok(answer) => answer,
        Err(mut error) => {
            let unsent = error.take_message().is_some();
            let error = error.into_error();
            let failure = Failure::Broken(words(&error));
            return Err(match () {
                () if unsent => Lost::Unsent(failure),
                () if error.is_parse() => Lost::Told(failure),
                () => Lost::Unknown(failure),
            });
        }
    };
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, most).collect().await.map_err(|error| {
        Lost::Told(match error.downcast_ref::<LengthLimitError>() {
            Some(_) => Failure::TooLong { most },
            None => Failure::Broken(format!("the answer broke off: {error}")),
        })
    })?;
    Ok((parts, body.to_bytes()))
}

/// hyper's error with what lies below it.
fn words(error: &hyper::Error) -> String {
    let mut text = if error.is_parse() { "what it says is not HTTP".to_owned() } else { error.to_string() };
    if let Some(source) = std::error::Error::source(error) {
        text = format!("{text}: {source}");
    }
    crate::base::text::clean(&text).into_owned()
}

fn length(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}
