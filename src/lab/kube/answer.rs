//! Answers, in the encoding that the request prefers.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::wire;

pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;
pub(super) type Answer = Response<Body>;

/// What the client can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    Table,
    Protobuf,
}

impl Encoding {
    /// The first of the accepted ones that this server has.
    pub(super) fn wanted(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
        for one in accept.split(',').map(str::trim) {
            if one.contains("as=Table") && one.contains("v=v1;") || one.contains("as=Table") && one.ends_with("v=v1") {
                return Self::Table;
            }
            if one.starts_with("application/vnd.kubernetes.protobuf") {
                return Self::Protobuf;
            }
            if one.starts_with("application/json") && !one.contains("as=") {
                return Self::Json;
            }
        }
        Self::Json
    }
}

/// A refusal as the API words it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: StatusCode,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into() }
    }

    pub(super) fn not_found(group: &str, plural: &str, name: &str) -> Self {
        let of = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
        Self::new(StatusCode::NOT_FOUND, "NotFound", format!("{of} \"{name}\" not found"))
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// A path outside of every API group: Go's own words, no `Status`.
    pub(super) fn page() -> Self {
        Self::new(StatusCode::NOT_FOUND, "", "404 page not found\n")
    }

    pub(super) fn status(&self) -> Value {
        json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message, "reason": self.reason, "code": self.code.as_u16() })
    }

    pub(super) fn answer(&self, encoding: Encoding) -> Answer {
        if self.reason.is_empty() {
            return whole(self.code, "text/plain; charset=utf-8", self.message.clone());
        }
        if encoding == Encoding::Protobuf {
            return whole(self.code, "application/vnd.kubernetes.protobuf", wire::refusal(self.code.as_u16(), self.reason, &self.message));
        }
        json(self.code, &self.status())
    }
}

pub(super) fn whole(code: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()).boxed_unsync());
    *answer.status_mut() = code;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer
}

pub(super) fn json(code: StatusCode, value: &Value) -> Answer {
    whole(code, "application/json", value.to_string())
}

pub(super) fn text(code: StatusCode, body: impl Into<Bytes>) -> Answer {
    whole(code, "text/plain; charset=utf-8", body)
}

/// A body that comes piece by piece until the sender is dropped.
pub(super) fn stream(kind: &'static str, pieces: mpsc::Receiver<Bytes>) -> Answer {
    let frames = futures::stream::unfold(pieces, |mut pieces| async move { pieces.recv().await.map(|piece| (Ok(Frame::data(piece)), pieces)) });
    let mut answer = Response::new(StreamBody::new(frames).boxed_unsync());
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer
}
