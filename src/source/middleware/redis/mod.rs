//! Redis 4 to 8 and Valkey: standalone, primary and replicas, sentinel, cluster.
//!
//! - `info`, `nodes`, `sentinel`: answers to plain structs. `seen`: one member's answers of one poll.
//! - `link`: one connection, one login. `ask`: the questions of a poll. `acl`: the least rights.
//! - `judge`: the group as several observers see it.
//!
//! Settings of the entry: `companions` with the role `sentinel` (members, account of their own, setting `master`). Members that
//! sentinels, masters and cluster nodes announce are found and asked by themselves.

pub mod acl;
pub mod ask;
pub mod info;
pub mod judge;
pub mod link;
pub mod nodes;
pub mod seen;
pub mod sentinel;

use std::time::Duration;

use crate::base::clock::Moment;
use crate::model::group::Group;
use crate::model::id::Name;
use crate::model::source::SourceState;
use crate::port::{Source, SourceError};
use crate::source::middleware::Spec;
use crate::source::middleware::member::{Probe, Question, Target, Trouble, View};
use crate::source::middleware::poll::MiddlewareSource;
use crate::source::middleware::reach::split;
use crate::source::middleware::spec::{Account, Companion};

use ask::Talk;
use link::Link;
use seen::Seen;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// # Errors
/// Settings that this kind cannot work with.
pub fn source(mut spec: Spec) -> Result<Box<dyn Source>, SourceError> {
    let broken = |text: String, remedy: &str| Err(SourceError::new(SourceState::Broken, text, remedy));
    if let Some(other) = spec.companions.iter().find(|c| c.role.as_str() != "sentinel") {
        return broken(format!("Redis `{}` has no use for `{}`.", spec.name, other.role), "Only `sentinel` goes with Redis.");
    }
    for (address, port) in spec.members.iter().map(|m| (m, PORT)).chain(spec.companions.iter().flat_map(|c| &c.members).map(|m| (m, SENTINEL_PORT))) {
        if split(address, port).is_none() {
            return broken(format!("`{address}` of Redis `{}` is not a host:port.", spec.name), "Write it as 10.0.0.51:6379.");
        }
    }
    let with_port = |members: &[String], port| members.iter().filter_map(|m| split(m, port)).map(|(host, port)| address(&host, port)).collect::<Vec<_>>();
    spec.members = with_port(&spec.members, PORT);
    let sentinel = spec.companions.first().map(|c| Companion { members: with_port(&c.members, SENTINEL_PORT), ..c.clone() });
    if let Some(sentinel) = &sentinel {
        spec.members.extend(sentinel.members.iter().cloned());
    }
    if spec.members.is_empty() {
        return broken(format!("Redis `{}` names no member.", spec.name), "Give it members, or sentinel.members.");
    }
    Ok(Box::new(MiddlewareSource::new(Redis { sentinel }, spec)))
}

/// As members announce it, so that both spellings are one member.
fn address(host: &str, port: u16) -> String {
    format!("{host}:{port}")
}

/// Asks data members and sentinels.
#[derive(Debug)]
pub struct Redis {
    sentinel: Option<Companion>,
}

impl Redis {
    fn is_sentinel(&self, address: &str) -> bool {
        self.sentinel.as_ref().is_some_and(|s| s.members.iter().any(|m| m == address))
    }

    /// Sentinels have passwords of their own.
    fn account<'a>(&'a self, spec: &'a Spec, address: &str) -> &'a Account {
        self.sentinel.as_ref().filter(|_| self.is_sentinel(address)).map_or(&spec.account, |s| &s.account)
    }
}

impl Probe for Redis {
    type Link = Link;
    type Seen = Seen;

    const EVERY: Duration = Duration::from_secs(5);
    /// Rates need two; so do members that only the first poll made known.
    const SAMPLES: u32 = 2;

    async fn open(&self, to: Target<'_>) -> Result<Link, Trouble> {
        let port = if self.is_sentinel(to.address) { SENTINEL_PORT } else { PORT };
        Link::open(to, self.account(to.spec, to.address), port).await
    }

    async fn ask(&self, link: &mut Link, question: Question<'_, Seen>) -> Result<Seen, Trouble> {
        let user = &self.account(question.spec, question.address).user;
        let talk = Talk { link, address: question.address, user, meter: question.meter, denied: Vec::new() };
        if self.is_sentinel(question.address) {
            let master = self.sentinel.as_ref().and_then(|s| s.settings.get("master")).map_or("", String::as_str);
            return Ok(Seen::Sentinel(Box::new(talk.sentinel(master).await?)));
        }
        let before = question.before.and_then(|b| match &b.seen {
            Seen::Data(data) => Some((&**data, b.at)),
            Seen::Sentinel(_) => None,
        });
        let mut data = talk.data(question.now, before).await?;
        if let Some(lag) = judge::replication::lag_now(question.address, question.others) {
            data.trend.behind(lag);
        }
        Ok(Seen::Data(Box::new(data)))
    }

    fn announced(&self, views: &[View<Seen>]) -> Vec<Name> {
        judge::cast::announced(views).iter().map(|a| Name::from(a.as_str())).collect()
    }

    fn picture(&self, spec: &Spec, views: &[View<Seen>], now: Moment) -> Group {
        let sentinels = self.sentinel.as_ref().map_or(&[][..], |s| &s.members);
        judge::picture(spec, sentinels, views, now)
    }
}
