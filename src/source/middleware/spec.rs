//! One `[[middleware]]` entry as a source needs it: expanded, with secrets that are fetched when they are used.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use secrecy::SecretString;

use super::reach::Reach;
use crate::model::id::Name;
use crate::model::limits::MiddlewareLimits;

pub use crate::link::tls::{Identity, Tls};

/// Everything a kind is told. Fields that a kind has no use for are ignored by it.
#[derive(Clone, Debug)]
pub struct Spec {
    pub kind: Name,
    pub name: Name,
    /// `host:port`, or a URL for kinds that speak HTTP.
    pub members: Vec<String>,
    pub account: Account,
    pub credential: Credential,
    pub tls: Tls,
    pub reach: Reach,
    /// How often each member is asked; `None` is the kind's own default.
    pub every: Option<Duration>,
    pub limits: MiddlewareLimits,
    /// Others that belong to the group and have a login of their own: the sentinels of a Redis, the AMQP side of a RabbitMQ.
    pub companions: Vec<Companion>,
    /// What only this kind knows: `heartbeat = "ops.heartbeat.ts"`, `master = "mymaster"`.
    pub settings: BTreeMap<String, String>,
}

impl Spec {
    /// An entry with defaults: no account, no TLS, reached directly.
    pub fn new(kind: &str, name: &str, members: &[&str]) -> Self {
        Self {
            kind: Name::from(kind),
            name: Name::from(name),
            members: members.iter().map(|m| (*m).to_owned()).collect(),
            account: Account::default(),
            credential: Credential::default(),
            tls: Tls::default(),
            reach: Reach::default(),
            every: None,
            limits: MiddlewareLimits::default(),
            companions: Vec::new(),
            settings: BTreeMap::new(),
        }
    }
}

/// A part of the group with members and a login of its own.
#[derive(Clone, Debug)]
pub struct Companion {
    /// `sentinel`, `amqp`.
    pub role: Name,
    pub members: Vec<String>,
    pub account: Account,
    pub settings: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Empty where the kind needs none.
    pub user: String,
    pub password: Password,
}

/// What the password of the entry's own account is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Credential {
    #[default]
    Password,
    /// An API key, which stands for user and password.
    ApiKey,
}

/// Fetches the password when a connection is opened, so that a changed one is used without a restart. It is asked once a
/// connection, never while one is open. The error is a sentence for a person.
#[derive(Clone, Default)]
pub enum Password {
    #[default]
    None,
    Fetched(PasswordFetch),
}

pub type PasswordFetch = Arc<dyn Fn() -> BoxFuture<'static, Result<SecretString, String>> + Send + Sync>;

impl Password {
    /// One that is known already.
    pub fn known(secret: SecretString) -> Self {
        Self::Fetched(Arc::new(move || {
            let secret = secret.clone();
            Box::pin(async move { Ok(secret) })
        }))
    }

    /// The password, or `None` where the account has none.
    pub async fn fetch(&self) -> Result<Option<SecretString>, String> {
        match self {
            Self::None => Ok(None),
            Self::Fetched(fetch) => fetch().await.map(Some),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Fetched(_) => "Fetched(***)",
        })
    }
}
