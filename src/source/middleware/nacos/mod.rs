//! Nacos 1.x, 2.x and 3.x, over HTTP.
//!
//! - `answer`: answers to plain structs. `dialect`: which API a server speaks. `seen`: one server's answers of one poll.
//! - `token`: the login. `ask`: the questions. `judge`: the cluster as several observers see it.
//!
//! Settings of the entry: `namespaces`, the ids of those whose services are looked at, with commas between them; without it the
//! public one. Servers that the members list are found and asked by themselves.

pub mod answer;
pub mod ask;
pub mod dialect;
pub mod judge;
pub mod seen;
pub mod token;

use std::time::Duration;

use crate::base::clock::Moment;
use crate::link::http::{Client, Limits, Login, Server};
use crate::model::group::Group;
use crate::model::id::Name;
use crate::model::source::SourceState;
use crate::port::{Source, SourceError};
use crate::source::middleware::member::{Probe, Question, Target, Trouble, View};
use crate::source::middleware::poll::MiddlewareSource;
use crate::source::middleware::reach::Reach;
use crate::source::middleware::spec::Account;
use crate::source::middleware::{Spec, http};

use dialect::Dialect;
use seen::{Door, Seen};
use token::Token;

const PORT: u16 = 8848;
/// Where Nacos answers, unless the member's address has a path of its own.
const CONTEXT: &str = "/nacos";

/// # Errors
/// Settings that this kind cannot work with.
pub fn source(mut spec: Spec) -> Result<Box<dyn Source>, SourceError> {
    let broken = |text: String, remedy: &str| Err(SourceError::new(SourceState::Broken, text, remedy));
    if let Some(other) = spec.companions.first() {
        return broken(format!("Nacos `{}` has no use for `{}`.", spec.name, other.role), "Take it out of the entry.");
    }
    if spec.members.is_empty() {
        return broken(format!("Nacos `{}` names no member.", spec.name), "Write members = [\"10.0.0.51:8848\"].");
    }
    for member in &mut spec.members {
        match Server::parse(member, PORT) {
            // As the servers list each other, so that both spellings are one member.
            Ok(server) if server.base.is_empty() || server.base == CONTEXT => {
                let scheme = if member.starts_with("https://") { "https://" } else { "" };
                *member = format!("{scheme}{}", server.address());
            }
            Ok(_) => {}
            Err(text) => return broken(format!("Nacos `{}`: {text}.", spec.name), "Write it as 10.0.0.51:8848."),
        }
    }
    Ok(Box::new(MiddlewareSource::new(Nacos, spec)))
}

#[derive(Debug)]
pub struct Nacos;

/// One kept connection and its login; one without a login that finds out whether any is needed.
#[derive(Debug)]
pub struct Link {
    client: Client,
    stranger: Client,
    account: Account,
    token: Token,
    dialect: Option<Dialect>,
    door: Option<Door>,
    reach: Reach,
}

impl Probe for Nacos {
    type Link = Link;
    type Seen = Seen;

    const EVERY: Duration = Duration::from_secs(10);
    /// All servers' own words first; then each learns whether it stands alone with its own.
    const ROUNDS: u8 = 2;
    /// Servers that only the first poll made known need a second.
    const SAMPLES: u32 = 2;

    async fn open(&self, to: Target<'_>) -> Result<Link, Trouble> {
        let limits = Limits { body: 4 << 20, ..Limits::default() };
        let client = http::client(to, Login::None, PORT, limits)?;
        let stranger = http::client(to, Login::None, PORT, limits)?;
        Ok(Link { client, stranger, account: to.spec.account.clone(), token: Token::none(to.redact), dialect: None, door: None, reach: to.spec.reach.clone() })
    }

    async fn ask(&self, link: &mut Link, question: Question<'_, Seen>) -> Result<Seen, Trouble> {
        match question.so_far {
            None => ask::own(link, &question).await,
            Some(own) => Ok(judge::compared(&question, own.clone())),
        }
    }

    fn announced(&self, views: &[View<Seen>]) -> Vec<Name> {
        judge::announced(views)
    }

    fn picture(&self, spec: &Spec, views: &[View<Seen>], now: Moment) -> Group {
        judge::picture(spec, views, now)
    }
}

/// Where a request goes at a server whose address has no path.
fn context(client: &Client) -> &'static str {
    if client.server().base.is_empty() { CONTEXT } else { "" }
}
