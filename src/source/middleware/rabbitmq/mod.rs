//! RabbitMQ 3.8 to 4.x: the management API of every node for facts, and a kept AMQP connection as proof that clients get in.
//!
//! - `api`: answers to plain structs. `ask`: the questions of a poll. `seen`: one member's answers, with what only time tells.
//! - `amqp`: a client's connection. `proof`: when it is opened, and what a client meets.
//! - `judge`: the group as several observers see it.
//!
//! Settings of the entry: members are the nodes' management URLs, all of them; a `Companion` with the role `amqp` (account of its
//! own, setting `vhost`). The AMQP port is the one that the node itself announces, at the member's own address.

pub mod amqp;
pub mod api;
pub mod ask;
pub mod judge;
pub mod proof;
pub mod seen;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::Moment;
use crate::link::http::{Limits, Server};
use crate::model::group::Group;
use crate::model::source::SourceState;
use crate::port::{Source, SourceError};
use crate::source::middleware::Spec;
use crate::source::middleware::http;
use crate::source::middleware::member::{Probe, Question, Target, Trouble, TroubleKind, View};
use crate::source::middleware::poll::MiddlewareSource;
use crate::source::middleware::spec::{Companion, Tls};

use api::Overview;
use ask::{Link, Talk};
use proof::{Door, Proof};
use seen::{Api, Facts, Seen, Trend, Whole};

const PORT: u16 = 15672;
/// The most that an answer may hold; a page of queues is far below.
const MOST: usize = 8 << 20;

/// # Errors
/// Settings that this kind cannot work with.
pub fn source(spec: Spec) -> Result<Box<dyn Source>, SourceError> {
    let broken = |text: String, remedy: &str| Err(SourceError::new(SourceState::Broken, text, remedy));
    if let Some(other) = spec.companions.iter().find(|c| c.role.as_str() != "amqp") {
        return broken(format!("RabbitMQ `{}` has no use for `{}`.", spec.name, other.role), "Only `amqp` goes with RabbitMQ.");
    }
    if spec.companions.iter().any(|c| c.account.user.is_empty()) {
        return broken(format!("RabbitMQ `{}`: `amqp` names no user.", spec.name), "Write amqp = { vhost, user, password } as the application has them.");
    }
    for member in &spec.members {
        if let Err(text) = Server::parse(member, PORT) {
            return broken(format!("RabbitMQ `{}`: {text}.", spec.name), "Write the node's management URL: http://10.0.0.31:15672.");
        }
    }
    if spec.members.is_empty() {
        return broken(format!("RabbitMQ `{}` names no member.", spec.name), "Give it the management URL of every node.");
    }
    let amqp = spec.companions.first().cloned();
    Ok(Box::new(MiddlewareSource::new(Rabbit { amqp, proofs: Mutex::default() }, spec)))
}

/// Asks the nodes.
#[derive(Debug)]
pub struct Rabbit {
    amqp: Option<Companion>,
    /// By member.
    proofs: Mutex<BTreeMap<String, Arc<Proof>>>,
}

impl Rabbit {
    fn proof(&self, address: &str) -> Arc<Proof> {
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner).entry(address.to_owned()).or_default().clone()
    }

    /// Looks at the door for clients: at the port that the node announces, in the way that the API is reached.
    async fn door(&self, question: &Question<'_, Seen>, to: Target<'_>, facts: Option<&Facts>, tls: &Tls, limit: Duration) -> Door {
        let Some(amqp) = &self.amqp else { return Door::NotTried };
        let proof = self.proof(question.address);
        let Ok(server) = Server::parse(question.address, PORT) else { return Door::NotTried };
        let before = question.before.and_then(|b| match &b.seen.api {
            Api::Answers(facts) => Some(&**facts),
            Api::Closed | Api::Silent(_) => None,
        });
        let announced = facts.into_iter().chain(before).find_map(|f| clients_door(&f.overview, tls));
        let known = announced.is_some();
        let (port, tls) = announced.unwrap_or_else(|| match tls {
            Tls::Off => (5672, Tls::Off),
            protected => (5671, protected.clone()),
        });
        let at = Server { port, ..server }.address();
        match proof.look(to, amqp, &at, &tls, question.now, limit).await {
            Door::Unreachable(text) if !known => Door::NoPort(text),
            door => door,
        }
    }
}

impl Probe for Rabbit {
    type Link = Link;
    type Seen = Seen;

    /// The nodes gather their numbers every 5 s; asked more often they would only work more.
    const EVERY: Duration = Duration::from_secs(10);
    const SAMPLES: u32 = 2;

    async fn open(&self, to: Target<'_>) -> Result<Link, Trouble> {
        let login = http::basic(&to.spec.account, to).await?;
        let share = share(to.spec);
        let client = http::client(to, login, PORT, Limits { open: share, answer: share, body: MOST })?;
        Ok(Link { client, absent: Vec::new(), closed_at: None, redact: to.redact.clone() })
    }

    async fn ask(&self, link: &mut Link, question: Question<'_, Seen>) -> Result<Seen, Trouble> {
        let (user, tls) = (question.spec.account.user.as_str(), link.client.tls().clone());
        let mut talk = Talk { link: &mut *link, question: &question, user, denied: Vec::new(), whole: Whole::Told };
        let api = talk.api().await;
        let denied = std::mem::take(&mut talk.denied);
        let facts = match &api {
            Ok(Api::Answers(facts)) => Some(&**facts),
            // Whoever is refused asks no more, also not for the application.
            Err(trouble) if trouble.kind == TroubleKind::Refused => return Err(trouble.clone()),
            Ok(Api::Closed | Api::Silent(_)) | Err(_) => None,
        };
        let redact = link.redact.clone();
        let to = Target { spec: question.spec, address: question.address, redact: &redact };
        let door = self.door(&question, to, facts, &tls, share(question.spec)).await;
        let api = match api {
            Ok(api) => api,
            Err(trouble) if door.lets_in() => Api::Silent(trouble),
            Err(trouble) => return Err(trouble),
        };
        let listing = match &api {
            Api::Answers(facts) => facts.queues.as_ref(),
            Api::Closed | Api::Silent(_) => None,
        };
        let others = question.others.iter().filter_map(View::fresh).map(|s| &s.trend);
        let before = others.chain(question.before.map(|b| &b.seen.trend)).max_by_key(|t| t.at);
        let trend = Trend::of(question.now, listing, before);
        Ok(Seen { api, door, denied, trend })
    }

    fn picture(&self, spec: &Spec, views: &[View<Seen>], now: Moment) -> Group {
        // A pod that is gone takes its client's connection with it.
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner).retain(|address, _| views.iter().any(|v| *v.address == **address));
        judge::picture(spec, views, now)
    }
}

/// The node's own listener for clients: the protected one where the entry has TLS, the plain one where it has not, else the other.
fn clients_door(overview: &Overview, tls: &Tls) -> Option<(u16, Tls)> {
    let port = |protocol: &str| overview.listeners.iter().find(|l| l.node == overview.node && l.protocol == protocol).map(|l| l.port);
    let plain = port("amqp").map(|port| (port, Tls::Off));
    match tls {
        Tls::Off => plain.or_else(|| Some((port("amqp/ssl")?, Tls::Verified { ca: None, server_name: None }))),
        protected => port("amqp/ssl").map(|port| (port, protected.clone())).or(plain),
    }
}

/// Of the half interval that a poll may take: so much for the first silence, and as much again for the client's connection.
fn share(spec: &Spec) -> Duration {
    spec.every.unwrap_or(Rabbit::EVERY).mul_f64(0.5 * 0.45)
}
