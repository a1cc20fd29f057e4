//! Elasticsearch 7 to 9 and OpenSearch, over HTTP.
//!
//! - `answer`, `watermark`: answers to plain structs. `seen`: one node's answers of one poll.
//! - `ask`: the questions. Every node is asked for its own view; one node, the master if it can be, for what only the master knows.
//! - `rights`: the least rights. `judge`: the cluster as several observers see it.
//!
//! Settings of the entry: `plugins`, names that every node must have, with commas between them (`analysis-ik`). Nodes that the
//! cluster announces are found and asked by themselves.

pub mod answer;
pub mod ask;
pub mod judge;
pub mod rights;
pub mod seen;
pub mod watermark;

use std::time::Duration;

use crate::base::clock::Moment;
use crate::link::http::{Client, Limits, Login, Server};
use crate::model::group::Group;
use crate::model::id::Name;
use crate::model::source::SourceState;
use crate::port::{Source, SourceError};
use crate::source::middleware::member::{Probe, Question, Target, Trouble, View};
use crate::source::middleware::poll::MiddlewareSource;
use crate::source::middleware::spec::Tls;
use crate::source::middleware::{Spec, http};

use seen::{Door, Seen};

const PORT: u16 = 9200;

/// # Errors
/// Settings that this kind cannot work with.
pub fn source(mut spec: Spec) -> Result<Box<dyn Source>, SourceError> {
    let broken = |text: String, remedy: &str| Err(SourceError::new(SourceState::Broken, text, remedy));
    if let Some(other) = spec.companions.first() {
        return broken(format!("Elasticsearch `{}` has no use for `{}`.", spec.name, other.role), "Take it out of the entry.");
    }
    if spec.members.is_empty() {
        return broken(format!("Elasticsearch `{}` names no member.", spec.name), "Write members = [\"https://10.0.0.41:9200\"].");
    }
    for member in &mut spec.members {
        match Server::parse(member, PORT) {
            Ok(server) => *member = spelled(&server, scheme(&spec.tls, member)),
            Err(text) => return broken(format!("Elasticsearch `{}`: {text}.", spec.name), "Write it as https://10.0.0.41:9200."),
        }
    }
    Ok(Box::new(MiddlewareSource::new(Elasticsearch, spec)))
}

fn scheme(tls: &Tls, member: &str) -> &'static str {
    if *tls != Tls::Off || member.starts_with("https://") { "https" } else { "http" }
}

/// One spelling for a member, whoever names it: `10.0.0.41:9200`, with the scheme only where that is not `http`.
fn spelled(server: &Server, scheme: &str) -> String {
    let address = server.address();
    if scheme == "http" { format!("{address}{}", server.base) } else { format!("{scheme}://{address}{}", server.base) }
}

#[derive(Debug)]
pub struct Elasticsearch;

/// One kept connection; one for what goes on to the master, which may hang there while the node itself is well; and one without
/// a login that finds out whether it needs any. The last two are opened only by those who use them.
#[derive(Debug)]
pub struct Link {
    client: Client,
    through: Client,
    stranger: Client,
    door: Option<Door>,
}

impl Probe for Elasticsearch {
    type Link = Link;
    type Seen = Seen;

    const EVERY: Duration = Duration::from_secs(5);
    /// Every node's own view first; then one of them, chosen by what all said, tells of the cluster.
    const ROUNDS: u8 = 2;
    /// Rates need two; so do nodes that only the first poll made known.
    const SAMPLES: u32 = 2;

    async fn open(&self, to: Target<'_>) -> Result<Link, Trouble> {
        let limits = Limits { body: 8 << 20, ..Limits::default() };
        let login = http::login(to).await?;
        let stranger = http::client(to, Login::None, PORT, limits)?;
        // Well within the time that a round has.
        let answer = to.spec.every.unwrap_or(Self::EVERY) * 3 / 10 / u32::from(Self::ROUNDS);
        let through = http::client(to, login.clone(), PORT, Limits { answer, open: answer, ..limits })?;
        Ok(Link { client: http::client(to, login, PORT, limits)?, through, stranger, door: None })
    }

    async fn ask(&self, link: &mut Link, question: Question<'_, Seen>) -> Result<Seen, Trouble> {
        match question.so_far {
            None => ask::own(link, &question).await,
            Some(own) => ask::whole(link, &question, own.clone()).await,
        }
    }

    fn announced(&self, views: &[View<Seen>]) -> Vec<Name> {
        judge::announced(views)
    }

    fn picture(&self, spec: &Spec, views: &[View<Seen>], now: Moment) -> Group {
        judge::picture(spec, views, now)
    }
}
