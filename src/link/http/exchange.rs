//! A request, its answer, a login, and what can go wrong.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::text::clean;

/// How a request says who asks.
#[derive(Clone, Debug, Default)]
pub enum Login {
    #[default]
    None,
    Basic {
        user: String,
        password: SecretString,
    },
    Bearer(SecretString),
    /// Elasticsearch: `id:key` as the server shows it, or that in base64.
    ApiKey(SecretString),
}

impl Login {
    pub(super) fn header(&self) -> Result<Option<HeaderValue>, Failure> {
        let text = match self {
            Self::None => return Ok(None),
            Self::Basic { user, password } => format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose_secret()))),
            Self::Bearer(token) => format!("Bearer {}", token.expose_secret().trim()),
            Self::ApiKey(key) => match key.expose_secret().trim() {
                pair if pair.contains(':') => format!("ApiKey {}", STANDARD.encode(pair)),
                coded => format!("ApiKey {coded}"),
            },
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| Failure::Broken("the credentials hold characters that no header can carry".to_owned()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// One request. The path is escaped already and may carry a query.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Request {
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"))]),
            body: Bytes::new(),
        }
    }
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }
    pub fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path)
    }
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    #[must_use]
    pub fn body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = body.into();
        self
    }

    /// # Errors
    /// The value cannot be written as JSON.
    pub fn json(self, value: &impl Serialize) -> Result<Self, Failure> {
        let body = serde_json::to_vec(value).map_err(|e| Failure::Broken(format!("the request cannot be written as JSON: {e}")))?;
        Ok(self.body("application/json", body))
    }

    /// # Errors
    /// The name or the value is none that a header can have.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, Failure> {
        let wrong = || Failure::Broken(format!("`{name}` cannot be sent as a header"));
        self.headers.insert(HeaderName::try_from(name).map_err(|_| wrong())?, HeaderValue::try_from(value).map_err(|_| wrong())?);
        Ok(self)
    }
}

/// The whole answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// From the first byte sent to the last byte received.
    pub took: Duration,
    /// What went over the line for it, about.
    pub sent_bytes: usize,
    pub received_bytes: usize,
}

impl Response {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// # Errors
    /// [`Failure::Refused`] for 401 and 403, [`Failure::Status`] for all others but 2xx.
    pub fn success(self) -> Result<Self, Failure> {
        if self.status.is_success() {
            return Ok(self);
        }
        let (status, text) = (self.status.as_u16(), gist(&self.body));
        Err(match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::Refused { status, text },
            _ => Failure::Status { status, text },
        })
    }

    /// # Errors
    /// The body is not the JSON that was expected.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|e| Failure::Broken(format!("the answer is not the JSON that was expected: {e}")))
    }
}

/// The most that is quoted of an error's body.
const GIST: usize = 400;

/// What an error's body says: the words of the usual JSON fields, else its beginning.
fn gist(body: &[u8]) -> String {
    let fields = serde_json::from_slice::<serde_json::Value>(body).ok().and_then(|value| {
        ["reason", "message", "error"].iter().find_map(|key| {
            let found = value.get(key)?;
            found.as_str().map(ToOwned::to_owned).or_else(|| found.get("reason")?.as_str().map(ToOwned::to_owned))
        })
    });
    let text = fields.unwrap_or_else(|| String::from_utf8_lossy(&body[..body.len().min(GIST)]).into_owned());
    let short: String = text.chars().take(GIST).collect();
    clean(short.trim()).into_owned()
}

/// Why a request gave nothing that can be used. The place is not named; whoever shows it knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody listens, no route, no such name.
    Unreachable(String),
    /// It takes the connection, but gives no answer in time.
    Mute { after: Duration },
    /// The protection of the line could not be agreed on.
    Tls { text: String, remedy: &'static str },
    /// 401 or 403. Whoever asks does not ask again with the same credentials.
    Refused { status: u16, text: String },
    /// Any other status than success.
    Status { status: u16, text: String },
    /// The answer is longer than what we take.
    TooLong { most: usize },
    /// Broken off, or not what the protocol says.
    Broken(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(text) | Self::Tls { text, .. } | Self::Broken(text) => f.write_str(text),
            Self::Mute { after } => write!(f, "takes connections but has not answered within {:.1} s", after.as_secs_f64()),
            Self::Refused { status, text } | Self::Status { status, text } if text.is_empty() => write!(f, "HTTP {status}"),
            Self::Refused { status, text } | Self::Status { status, text } => write!(f, "HTTP {status}: {text}"),
            Self::TooLong { most } => write!(f, "the answer is longer than {}", crate::base::text::bytes(*most as u64)),
        }
    }
}

impl std::error::Error for Failure {}
