//! HTTP for the servers that answer by it: a question taken whole, an answer given whole.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::Lab;
use super::edge::{self, Doorman};

/// A body has at most so many bytes, and is sent within so much time.
const MOST_BYTES: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(20);

/// A question.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    pub method: Method,
    /// The parts of the path between slashes, each decoded: `%2F` is part of a name.
    pub path: Vec<String>,
    pub query: BTreeMap<String, String>,
    /// Of `Authorization: Basic`.
    pub login: Option<(String, String)>,
    /// Of `Authorization: Bearer`.
    pub bearer: Option<String>,
    pub body: Vec<u8>,
}

impl Ask {
    /// The path's parts as they are matched.
    pub fn parts(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    pub fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub kind: &'static str,
    pub body: String,
    pub challenge: Option<&'static str>,
}

impl Answer {
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { status, kind: "application/json", body: body.to_string(), challenge: None }
    }

    pub fn ok(body: &serde_json::Value) -> Self {
        Self::json(200, body)
    }

    pub fn empty(status: u16) -> Self {
        Self { status, kind: "application/json", body: String::new(), challenge: None }
    }

    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, kind: "text/plain;charset=UTF-8", body: body.into(), challenge: None }
    }
}

/// Answers one question; quick, for the world stands still meanwhile.
pub type Answerer = Arc<dyn Fn(&Lab, &Ask) -> Answer + Send + Sync>;

pub fn serve(lab: &Arc<Lab>, listener: TcpListener, doorman: Doorman, answerer: &Answerer) {
    let (owner, answerer) = (lab.clone(), answerer.clone());
    edge::serve(lab, listener, doorman, move |stream| {
        let (lab, answerer) = (owner.clone(), answerer.clone());
        async move {
            let service = service_fn(move |request| {
                let (lab, answerer) = (lab.clone(), answerer.clone());
                async move { Ok::<_, Infallible>(respond(&lab, &answerer, request).await) }
            });
            // However a connection ends: nobody else is concerned.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        }
    });
}

async fn respond(lab: &Lab, answerer: &Answerer, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = match timeout(PATIENCE, Limited::new(body, MOST_BYTES).collect()).await {
        Ok(Ok(body)) => body.to_bytes().to_vec(),
        _ => return built(&Answer::empty(413)),
    };
    let raw = head.uri.path().trim_matches('/');
    let path = if raw.is_empty() { Vec::new() } else { raw.split('/').map(|p| decoded(p, false)).collect() };
    let bearer = head.headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok()?.strip_prefix("Bearer ").map(str::to_owned));
    let ask =
        Ask { method: head.method, path, query: pairs(head.uri.query().unwrap_or("")), login: head.headers.get(AUTHORIZATION).and_then(login), bearer, body };
    built(&answerer(lab, &ask))
}

fn built(answer: &Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body.clone())));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !answer.body.is_empty() {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(answer.kind));
    }
    if let Some(challenge) = answer.challenge {
        response.headers_mut().insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

/// `a=b&c=d`, as queries and forms have it.
pub fn pairs(text: &str) -> BTreeMap<String, String> {
    text.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, ""))).map(|(k, v)| (decoded(k, true), decoded(v, true))).collect()
}

fn decoded(text: &str, plus_is_blank: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten().and_then(|h| u8::from_str_radix(h, 16).ok());
        out.push(code.unwrap_or(if plus_is_blank && bytes[at] == b'+' { b' ' } else { bytes[at] }));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn login(value: &HeaderValue) -> Option<(String, String)> {
    let text = value.to_str().ok()?;
    let raw = base64(text.strip_prefix("Basic ").or_else(|| text.strip_prefix("basic "))?.trim())?;
    let (user, password) = raw.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// RFC 4648, padded or not.
fn base64(text: &str) -> Option<String> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut out, mut bits, mut count) = (Vec::new(), 0_u32, 0_u32);
    for byte in text.trim_end_matches('=').bytes() {
        let value = LETTERS.iter().position(|l| *l == byte)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_and_names_with_slashes() {
        assert_eq!(login(&HeaderValue::from_static("Basic bWFsbDpwOnc=")), Some(("mall".into(), "p:w".into())));
        assert_eq!(login(&HeaderValue::from_static("Bearer x")), None);
        assert_eq!(decoded("%2Fmall%2", false), "/mall%2");
        assert_eq!(pairs("a=%E4%BA%8C+b&c").get("a").map(String::as_str), Some("二 b"));
    }
}
