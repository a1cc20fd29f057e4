//! The questions of one poll.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::answer::{Catalog, Metrics, Node, OldLeader, OldServers, Page, Raft, Wrapped};
use super::dialect::Dialect;
use super::seen::{Door, Grpc, Registered, Seen, Services};
use super::{Link, context, token};
use crate::base::text::clean;
use crate::link::http::{Client, Failure, Request, Response};
use crate::model::fact::Denied;
use crate::model::id::Name;
use crate::port::Meter;
use crate::source::middleware::http;
use crate::source::middleware::member::{Question, Trouble};
use crate::source::middleware::reach::Reach;

/// Services that are looked at, of each namespace; what is beyond is counted.
const PAGE: usize = 500;
/// How often the instances themselves are listed, and how many are looked at.
const INSTANCES: Duration = Duration::from_secs(30);
const MOST_INSTANCES: usize = 5000;
/// How often the port of the newer clients is tried.
const GRPC: Duration = Duration::from_secs(30);
const GRPC_WAIT: Duration = Duration::from_millis(500);

struct Talk<'a> {
    client: &'a mut Client,
    address: &'a str,
    meter: &'a Meter,
    denied: Vec<Denied>,
}

impl Talk<'_> {
    async fn send(&mut self, path: &str) -> Result<Response, Trouble> {
        let path = format!("{}{path}", context(self.client));
        http::send(self.client, &Request::get(path), self.address, self.meter).await
    }

    async fn get<T: DeserializeOwned>(&mut self, fact: &'static str, path: &str) -> Result<Option<T>, Trouble> {
        let answer = self.send(path).await?;
        self.read(fact, &answer)
    }

    /// What an answer holds; `None` where the server has no such path or the account no right.
    fn read<T: DeserializeOwned>(&mut self, fact: &'static str, answer: &Response) -> Result<Option<T>, Trouble> {
        let status = answer.status.as_u16();
        if let 401 | 403 = status {
            let need = if self.denied.is_empty() { "a user with the role ROLE_ADMIN, or nacos.core.auth.admin.enabled=false" } else { "the same" };
            self.denied.push(Denied { fact: Name::from(fact), need: Name::from(need) });
            return Ok(None);
        }
        if !answer.status.is_success() {
            return Ok(None);
        }
        let parsed = answer.json::<Wrapped<T>>().map(|w| Some(w.open()));
        parsed.map_err(|_| http::trouble(self.address, &Failure::Broken(format!("{fact}: what answers does not speak as Nacos does"))))
    }
}

/// Everything a server is asked.
pub(super) async fn own(link: &mut Link, question: &Question<'_, Seen>) -> Result<Seen, Trouble> {
    let (address, meter) = (question.address, question.meter);
    let dialect = match link.dialect {
        Some(dialect) => dialect,
        None => *link.dialect.insert(find(&mut link.client, address, meter).await?),
    };
    token::hold(link, dialect, address, question.now, meter).await?;
    let mut talk = Talk { client: &mut link.client, address, meter, denied: Vec::new() };
    let answer = talk.send(dialect.nodes()).await?;
    let round_trip = answer.took;
    let mut nodes: Option<Vec<Node>> = match dialect {
        Dialect::First => talk.read::<OldServers>("the list of servers", &answer)?.map(|old| old.servers.into_iter().map(Node::from).collect()),
        Dialect::Second | Dialect::Third => talk.read("the list of servers", &answer)?,
    };
    let before = question.before.map(|b| &b.seen);
    let mut own = before.map(|b| b.own.clone()).unwrap_or_default();
    if own.is_empty()
        && let Some(path) = dialect.own()
    {
        own = talk.get::<Node>("the server itself", path).await?.map(|n| n.address).unwrap_or_default();
    }
    if dialect == Dialect::First {
        own = first_raft(&mut talk, nodes.as_deref_mut().unwrap_or_default()).await?.unwrap_or(own);
    }
    let mut metrics = None;
    for path in dialect.metrics() {
        metrics = talk.get::<Metrics>("the naming service's state", path).await?;
        if metrics.is_some() {
            break;
        }
    }
    let services = services(&mut talk, dialect, question).await?;
    let registered = registered(&mut talk, dialect, question).await?;
    let denied = talk.denied;
    let version = nodes.iter().flatten().find(|n| n.address == own).or(nodes.iter().flatten().next()).map(|n| n.extend_info.version.clone());
    let mut seen = Seen {
        dialect,
        own,
        version: version.unwrap_or_default(),
        door: Door::Locked,
        round_trip,
        nodes,
        metrics,
        services,
        registered,
        grpc: before.map(|b| b.grpc.clone()).unwrap_or_default(),
        denied,
        odd: 0,
    };
    seen.door = match link.door {
        Some(door) => door,
        None => *link.door.insert(door(&mut link.stranger, dialect, address, meter).await),
    };
    let due = match &seen.grpc {
        Grpc::NotTried => true,
        Grpc::Open { at } | Grpc::Closed { at, .. } => question.now.since(*at) >= GRPC,
    };
    if due && seen.major() >= 2 {
        seen.grpc = grpc(&link.reach, &link.client, question).await;
    }
    Ok(seen)
}

/// Which API does it speak? A path that it does not have is 404, or 501 at some older ones; 3.x says 410.
async fn find(client: &mut Client, address: &str, meter: &Meter) -> Result<Dialect, Trouble> {
    let mut last = String::new();
    for dialect in Dialect::ALL {
        let path = format!("{}{}", context(client), dialect.nodes());
        let answer = http::send(client, &Request::get(path), address, meter).await?;
        match answer.status.as_u16() {
            200 | 401 | 403 => return Ok(dialect),
            502..=504 => {
                return Err(http::trouble(address, &Failure::Status { status: answer.status.as_u16(), text: "still starting, or a proxy".to_owned() }));
            }
            status => last = format!("HTTP {status}"),
        }
    }
    Err(Trouble::broken(format!("{address}: no API of Nacos was found there ({last}). The address may need its context path.")))
}

/// 1.0 to 1.3 have one raft group, and its members are all servers.
async fn first_raft(talk: &mut Talk<'_>, nodes: &mut [Node]) -> Result<Option<String>, Trouble> {
    let Some(peer) = talk.get::<OldLeader>("the raft leader", "/v1/ns/raft/leader").await?.and_then(|l| l.peer()) else { return Ok(None) };
    let members: Vec<String> = nodes.iter().map(|n| n.address.clone()).collect();
    // It does not tell which server it is; the address we use is the one it is known by.
    let own = talk.client.server().address();
    if let Some(node) = nodes.iter_mut().find(|n| n.address == own) {
        let raft = Raft { leader: Some(peer.ip), raft_group_member: members, term: peer.term };
        node.extend_info.raft_meta_data.meta_data_map.insert("naming".to_owned(), raft);
        return Ok(Some(own));
    }
    Ok(None)
}

async fn services(talk: &mut Talk<'_>, dialect: Dialect, question: &Question<'_, Seen>) -> Result<Option<Services>, Trouble> {
    let mut all: Option<Services> = None;
    for id in namespaces(question) {
        if let Some(page) = talk.get::<Page>("services", &dialect.services(&id, PAGE)).await? {
            let all = all.get_or_insert_default();
            all.count += page.count;
            all.list.extend(page.service_list);
        }
    }
    Ok(all)
}

/// The instances themselves, asked of the first server that answers: the counts of the others are compared already.
async fn registered(talk: &mut Talk<'_>, dialect: Dialect, question: &Question<'_, Seen>) -> Result<Option<Registered>, Trouble> {
    let before = question.before.and_then(|b| b.seen.registered.clone());
    let first = question.others.iter().find(|v| v.fresh().is_some()).is_none_or(|v| *v.address == *question.address);
    if !first || before.as_ref().is_some_and(|b| question.now.since(b.at) < INSTANCES) {
        return Ok(before.filter(|_| first));
    }
    let mut list = Vec::new();
    for namespace in namespaces(question) {
        if let Some(catalog) = talk.get::<Catalog>("instances", &dialect.catalog(&namespace, PAGE)).await? {
            list.extend(catalog.instances());
        }
    }
    list.truncate(MOST_INSTANCES);
    Ok(Some(Registered { at: question.now, list }))
}

/// The ids of those that are looked at, as a query has them.
fn namespaces(question: &Question<'_, Seen>) -> Vec<String> {
    let wanted = question.spec.settings.get("namespaces").map_or("public", String::as_str);
    let names = wanted.split(',').map(str::trim).filter(|n| !n.is_empty());
    names.map(|n| form_urlencoded::byte_serialize(n.as_bytes()).collect()).collect()
}

/// A stranger who may list the services may also change them.
async fn door(stranger: &mut Client, dialect: Dialect, address: &str, meter: &Meter) -> Door {
    let path = format!("{}{}", context(stranger), dialect.services("public", 1));
    let open = http::send(stranger, &Request::get(path), address, meter).await.is_ok_and(|a| a.status.is_success());
    if open { Door::Open } else { Door::Locked }
}

/// Does anybody listen where clients of 2.0 and later connect?
async fn grpc(reach: &Reach, client: &Client, question: &Question<'_, Seen>) -> Grpc {
    let (server, at) = (client.server(), question.now);
    let Some(port) = server.port.checked_add(1000) else { return Grpc::NotTried };
    let target = if server.host.contains(':') { format!("[{}]:{port}", server.host) } else { format!("{}:{port}", server.host) };
    match timeout(GRPC_WAIT, reach.open(&target, port)).await {
        Ok(Ok(_)) => Grpc::Open { at },
        Ok(Err(trouble)) => Grpc::Closed { port, text: clean(&trouble.text).into_owned(), at },
        Err(_) => Grpc::Closed { port, text: format!("{target}: no answer to a connection within {:.1} s", GRPC_WAIT.as_secs_f64()), at },
    }
}
