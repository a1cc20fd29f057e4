//! The questions of one poll, to one member.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use super::api::{self, CONNECTIONS, Check, NODES, OVERVIEW, Overview, Page, QUEUES, Queue};
use super::seen::{Age, Api, Facts, Kind, Listing, Whole};
use crate::base::clock::Moment;
use crate::base::redact::Redactor;
use crate::base::text::clean;
use crate::link::http::{Client, Failure, Request};
use crate::model::fact::Denied;
use crate::port::Meter;
use crate::source::middleware::http::trouble;
use crate::source::middleware::member::{Question, Trouble, TroubleKind};

use super::seen::Seen;

/// Queues on a page, and pages at one poll: never all of very many, since each listing costs the whole cluster.
const PAGE: u64 = 500;
const PAGES: u64 = 2;
/// With no more queues than these every member lists them, so that they can be compared; else the first that answers.
const FEW_QUEUES: u64 = 200;
/// With more connections than these the held-up ones are not looked for.
const MANY_CONNECTIONS: u64 = 5000;

/// How often it is looked up whether a missing tag was given meanwhile.
const TAG_AGAIN: Duration = Duration::from_secs(30);

/// The connection to one member's API, and what it taught.
pub struct Link {
    pub client: Client,
    /// Checks that this version does not know.
    pub absent: Vec<Kind>,
    /// When the account was found to have no tag. The broker writes a warning each time it says so.
    pub closed_at: Option<Moment>,
    /// For the secrets of the client's connection.
    pub redact: Redactor,
}

/// One conversation.
pub struct Talk<'a> {
    pub link: &'a mut Link,
    pub question: &'a Question<'a, Seen>,
    pub user: &'a str,
    pub denied: Vec<Denied>,
    pub whole: Whole,
}

/// What became of one request.
enum Got {
    Said(u16, Value),
    /// The account's tags or rights do not reach so far.
    NoRight,
    Hung,
}

impl Talk<'_> {
    fn meter(&self) -> &Meter {
        self.question.meter
    }

    /// Everything that the member is asked.
    ///
    /// # Errors
    /// It gives no answer at all, or refuses the credentials.
    pub async fn api(&mut self) -> Result<Api, Trouble> {
        let closed = || Denied { fact: "management API".into(), need: format!("rabbitmqctl set_user_tags {} monitoring", self.user).as_str().into() };
        if self.link.closed_at.is_some_and(|at| self.question.now.since(at) < TAG_AGAIN) {
            self.denied.push(closed());
            return Ok(Api::Closed);
        }
        let first = self.link.client.send(&Request::get("/api/whoami")).await.map_err(|e| trouble(self.question.address, &e))?;
        self.count(first.sent_bytes, first.received_bytes);
        let mut facts = Facts { round_trip: first.took, ..Facts::default() };
        match self.read(first.status, &first.body)? {
            Got::NoRight => {
                self.link.closed_at = Some(self.question.now);
                self.denied.push(closed());
                return Ok(Api::Closed);
            }
            Got::Said(200, me) => {
                if !api::tags(&me).iter().any(|t| t == "monitoring" || t == "administrator") {
                    let need = format!("rabbitmqctl set_user_tags {} monitoring", self.user);
                    self.denied.push(Denied { fact: "nodes".into(), need: need.as_str().into() });
                }
            }
            Got::Said(status, _) => {
                return Err(Trouble::broken(format!("{}: HTTP {status}: this is not the management API of RabbitMQ.", self.question.address)));
            }
            Got::Hung => {}
        }
        for (kind, path) in Kind::ALL {
            if !self.link.absent.contains(&kind) {
                let check = self.check(kind, path).await?;
                facts.checks.push((kind, check));
            }
        }
        facts.overview = self.overview().await?;
        if self.denied.is_empty()
            && let Some(nodes) = self.whole(&format!("/api/nodes?columns={NODES}")).await?
        {
            facts.nodes = Some(api::nodes(&nodes));
        }
        facts.queues = self.queues(&facts.overview).await?;
        let many = facts.overview.connections.is_none_or(|n| n > MANY_CONNECTIONS);
        if self.reads() && !many && facts.overview.connections != Some(0) {
            let path = format!("/api/connections?page=1&page_size=100&sort=state&columns={CONNECTIONS}");
            let page = self.whole(&path).await?.map(|v| api::connections(&v)).unwrap_or_default();
            facts.blocked = page.items.into_iter().filter(|c| matches!(c.state.as_str(), "blocked" | "blocking" | "flow")).collect();
        }
        facts.whole = self.whole;
        Ok(Api::Answers(Box::new(facts)))
    }

    fn count(&self, sent: usize, received: usize) {
        self.meter().sent(sent);
        self.meter().received(received);
    }

    fn read(&self, status: StatusCode, body: &[u8]) -> Result<Got, Trouble> {
        let value = serde_json::from_slice::<Value>(body).unwrap_or_default();
        if status != StatusCode::UNAUTHORIZED && status != StatusCode::FORBIDDEN {
            return Ok(Got::Said(status.as_u16(), value));
        }
        let words = value.get("reason").and_then(Value::as_str).unwrap_or_default();
        // The password was right; only the tag or a permission is missing.
        if ["management user", "monitor user", "User not authorised", "user not authorised", "not authorised to access"].iter().any(|w| words.contains(w)) {
            return Ok(Got::NoRight);
        }
        let remedy = if words.contains("localhost") {
            "The account may log in on the broker's own host only; make one of its own for monitoring."
        } else if self.user.is_empty() {
            "Give the entry user and password of an account with the tag monitoring; none was tried."
        } else {
            "Check user and password of the entry."
        };
        Err(Trouble::new(TroubleKind::Refused, format!("{}: HTTP {}: {}.", self.question.address, status.as_u16(), clean(words)), remedy))
    }

    /// One request after the first: silence is a fact of its own, since the node may wait for another one.
    async fn get(&mut self, path: &str) -> Result<Got, Trouble> {
        if self.whole == Whole::Hung {
            return Ok(Got::Hung);
        }
        self.meter().request();
        match self.link.client.send(&Request::get(path)).await {
            Ok(answer) => {
                self.count(answer.sent_bytes, answer.received_bytes);
                self.read(answer.status, &answer.body)
            }
            Err(Failure::Mute { .. }) => {
                self.whole = Whole::Hung;
                Ok(Got::Hung)
            }
            Err(failure) => Err(trouble(self.question.address, &failure)),
        }
    }

    /// A question about more than this node; `None` where there is no answer to use.
    async fn whole(&mut self, path: &str) -> Result<Option<Value>, Trouble> {
        Ok(match self.get(path).await? {
            Got::Said(200, value) => Some(value),
            Got::Said(..) | Got::NoRight | Got::Hung => None,
        })
    }

    async fn check(&mut self, kind: Kind, path: &str) -> Result<Check, Trouble> {
        Ok(match self.get(&format!("/api/health/checks/{path}")).await? {
            Got::Said(status, value) => {
                let check = api::check(status, &value);
                if check == Check::Absent {
                    self.link.absent.push(kind);
                }
                check
            }
            Got::NoRight | Got::Hung => Check::Unknown,
        })
    }

    /// The node's own name and listeners hold also when they are not told again.
    async fn overview(&mut self) -> Result<Overview, Trouble> {
        if let Some(value) = self.whole(&format!("/api/overview?columns={OVERVIEW}")).await? {
            return Ok(api::overview(&value));
        }
        let before = self.facts_before().map(|f| &f.overview);
        Ok(before.map_or_else(Overview::default, |o| Overview {
            queues: None,
            connections: None,
            ready: None,
            unacked: None,
            publish_per_second: None,
            deliver_per_second: None,
            ..o.clone()
        }))
    }

    fn facts_before(&self) -> Option<&Facts> {
        match &self.question.before?.seen.api {
            Api::Answers(facts) => Some(facts),
            Api::Closed | Api::Silent(_) => None,
        }
    }

    /// Is it this member that reads what costs the whole cluster?
    fn reads(&self) -> bool {
        self.question.others.iter().find(|v| v.fresh().is_some()).is_none_or(|v| v.address.as_str() == self.question.address)
    }

    async fn queues(&mut self, overview: &Overview) -> Result<Option<Listing>, Trouble> {
        if !self.reads() && overview.queues.is_none_or(|n| n > FEW_QUEUES) {
            return Ok(None);
        }
        let kept = self.facts_before().and_then(|f| f.queues.clone());
        let mut listing = Listing { age: Age::Fresh, ..kept.clone().unwrap_or_default() };
        let mut pages_left = PAGES;
        while pages_left > 0 {
            let number = if listing.next == 0 { 1 } else { listing.next };
            let path = format!("/api/queues?page={number}&page_size={PAGE}&columns={QUEUES}");
            let page: Page<Queue> = match self.get(&path).await? {
                Got::Said(200, value) => api::queues(&value),
                // The page is gone with the queues that stood on it.
                Got::Said(400 | 404, _) if number > 1 => Page { page: number, ..Page::default() },
                Got::Hung => return Ok(kept.map(|l| Listing { age: Age::Kept, ..l })),
                Got::Said(..) | Got::NoRight => return Ok(None),
            };
            (listing.page_count, listing.total) = if page.pages == 0 && number > 1 { (number - 1, listing.total) } else { (page.pages, page.total) };
            listing.pages.insert(number, page.items);
            let pages = listing.page_count;
            listing.pages.retain(|n, _| *n <= pages.max(1));
            listing.next = if number >= pages { 1 } else { number + 1 };
            pages_left -= 1;
            if listing.next == 1 {
                break;
            }
        }
        if overview.queues.is_some_and(|all| listing.total < all) {
            self.unseen(&listing).await?;
        }
        Ok(Some(listing))
    }

    /// Queues exist that the account is not shown: it may not enter their virtual hosts.
    async fn unseen(&mut self, listing: &Listing) -> Result<(), Trouble> {
        let vhosts = self.whole("/api/vhosts?columns=name,messages").await?.map(|v| api::vhosts(&v)).unwrap_or_default();
        let first = vhosts.iter().find(|v| !listing.queues().any(|q| q.vhost == **v));
        let need = format!("rabbitmqctl set_permissions -p {} {} '' '' ''", first.map_or("VHOST", String::as_str), self.user);
        self.denied.push(Denied { fact: "queues".into(), need: clean(&need).as_ref().into() });
        Ok(())
    }
}
