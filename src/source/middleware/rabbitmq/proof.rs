//! The kept connection of a client to each member, with the application's virtual host and credentials: proof that clients get in.
//! It is opened again at most once a minute, and never with credentials that were refused.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use super::amqp::{Closed, Session, Trip};
use crate::base::clock::Moment;
use crate::source::middleware::line;
use crate::source::middleware::member::{Target, Trouble, TroubleKind};
use crate::source::middleware::spec::{Companion, Tls};

/// Between two attempts to open it; also how often it is looked up whether a refused password has changed.
const AGAIN: Duration = Duration::from_mins(1);

/// What a client meets at the member.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Door {
    /// No `amqp` in the entry.
    #[default]
    NotTried,
    /// Let in; a message's way there and back.
    Open(Duration),
    /// Let in, but the account may not publish, so that a held-up publisher would not be seen.
    Unwritable(Duration, String),
    /// Let in, but whatever it publishes is held up; why.
    Blocked(String),
    /// The broker refuses the credentials. Not tried again until they change.
    Refused(String),
    NoVhost(String),
    NoAccess(String),
    /// Nobody listens on the usual AMQP port, and the node's own is not known: its API tells it to the tag `monitoring` only.
    NoPort(String),
    /// Nobody listens on the AMQP port.
    Unreachable(String),
    /// The connection is taken and nothing follows.
    Mute(String),
    Tls(String),
    Broken(String),
}

impl Door {
    /// Does a client get in at all?
    pub fn lets_in(&self) -> bool {
        matches!(self, Self::Open(_) | Self::Unwritable(..) | Self::Blocked(_))
    }
}

#[derive(Default)]
struct Inner {
    session: Option<Session>,
    tried_at: Option<Moment>,
    /// Where that was; another place is tried at once.
    tried: String,
    last: Door,
    refused: Option<SecretString>,
}

/// One member's. Outlives the connection to its API, so that a refusal is never forgotten.
#[derive(Default)]
pub struct Proof {
    inner: Mutex<Inner>,
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proof")
    }
}

impl Proof {
    fn with<T>(&self, how: impl FnOnce(&mut Inner) -> T) -> T {
        how(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends a message on the kept connection, or opens one when it is time. `at` is the AMQP listener as it is dialled.
    pub async fn look(&self, to: Target<'_>, amqp: &Companion, at: &str, tls: &Tls, now: Moment, limit: Duration) -> Door {
        let kept = self.with(|inner| inner.session.take());
        let door = match kept {
            Some(kept) => self.again(kept, now, limit).await,
            None if self.with(|inner| inner.tried == at && inner.tried_at.is_some_and(|then| now.since(then) < AGAIN)) => {
                return self.with(|inner| inner.last.clone());
            }
            None => self.open(to, amqp, at, tls, now, limit).await,
        };
        self.with(|inner| inner.last.clone_from(&door));
        door
    }

    async fn again(&self, mut kept: Session, now: Moment, limit: Duration) -> Door {
        match timeout(limit, kept.trip()).await {
            Ok(Ok(trip)) => {
                self.with(|inner| inner.session = Some(kept));
                door_of(trip)
            }
            Ok(Err(closed)) => {
                // A broken connection may have ended for good reason long ago: it is looked at once more before a minute is over.
                self.with(|inner| inner.tried_at = inner.tried_at.filter(|at| now.since(*at) < AGAIN));
                shut(closed)
            }
            Err(_) => Door::Mute(format!("no confirm within {:.1} s", limit.as_secs_f64())),
        }
    }

    async fn open(&self, to: Target<'_>, amqp: &Companion, at: &str, tls: &Tls, now: Moment, limit: Duration) -> Door {
        self.with(|inner| (inner.tried_at, inner.tried) = (Some(now), at.to_owned()));
        let password = match amqp.account.password.fetch().await {
            Ok(password) => password.unwrap_or_default(),
            Err(text) => return Door::Broken(text),
        };
        to.redact.learn(password.expose_secret());
        let known_bad = self.with(|inner| inner.refused.as_ref().is_some_and(|r| r.expose_secret() == password.expose_secret()));
        if known_bad {
            return self.with(|inner| inner.last.clone());
        }
        let vhost = amqp.settings.get("vhost").map_or("/", String::as_str);
        let mut connected = false;
        let work = async {
            let stream = line::open(&to.spec.reach, tls, at, 5672).await.map_err(|t| untold(t, at))?;
            connected = true;
            let mut session = Session::open(stream, &amqp.account.user, &password, vhost).await.map_err(shut)?;
            let trip = session.trip().await.map_err(shut)?;
            Ok((session, door_of(trip)))
        };
        match timeout(limit, work).await {
            Ok(Ok((kept, door))) => {
                self.with(|inner| (inner.session, inner.refused) = (Some(kept), None));
                door
            }
            Ok(Err(door)) => {
                if matches!(door, Door::Refused(_)) {
                    self.with(|inner| inner.refused = Some(password));
                }
                door
            }
            Err(_) if connected => Door::Mute(format!("{at} takes connections, but no login within {:.1} s", limit.as_secs_f64())),
            Err(_) => Door::Unreachable(format!("{at}: no connection within {:.1} s", limit.as_secs_f64())),
        }
    }
}

fn door_of(trip: Trip) -> Door {
    match trip {
        Trip::Confirmed(took) => Door::Open(took),
        Trip::Blocked(reason) => Door::Blocked(reason),
        Trip::Unwritable(took, text) => Door::Unwritable(took, text),
    }
}

fn shut(closed: Closed) -> Door {
    match closed {
        Closed::Refused(text) => Door::Refused(text),
        Closed::NoVhost(text) => Door::NoVhost(text),
        Closed::NoAccess(text) => Door::NoAccess(text),
        Closed::Broken(text) => Door::Broken(text),
    }
}

fn untold(trouble: Trouble, at: &str) -> Door {
    match trouble.kind {
        TroubleKind::Tls if trouble.remedy.is_empty() => Door::Tls(trouble.text),
        TroubleKind::Tls => Door::Tls(format!("{} {}", trouble.text, trouble.remedy)),
        _ if trouble.text.contains(at) => Door::Unreachable(trouble.text),
        _ => Door::Unreachable(format!("{at}: {}", trouble.text)),
    }
}
