//! The questions of one poll: what a node knows by itself, and what it knows through the master.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::json;

use super::Link;
use super::answer::{Announced, Explanation, Installed, Metadata, Nodes, Recovery, Report, Root, Routing, Shard, State, Stats, Tasks};
use super::judge;
use super::rights;
use super::seen::{Door, Rules, Seen, Slow, Trend, Whole};
use super::watermark::Settings;
use crate::base::clock::Moment;
use crate::base::text::clean;
use crate::link::http::{Client, Failure, Request, Response};
use crate::model::fact::Denied;
use crate::port::Meter;
use crate::source::middleware::http;
use crate::source::middleware::member::{Question, Trouble, TroubleKind};

/// Plugins and settings change seldom.
const SLOW: Duration = Duration::from_mins(1);

const HEALTH: &[&str] = &["/_cluster/health?local=true", "/_cluster/health?timeout=1s&master_timeout=1s"];
const STATE: &[&str] =
    &["/_cluster/state/master_node,nodes,blocks?local=true&filter_path=cluster_uuid,master_node,cluster_manager_node,nodes.*.name,nodes.*.roles,blocks"];
const STATS: &[&str] = &["/_nodes/_local/stats/jvm,fs,thread_pool,os,breaker?filter_path=nodes.*.jvm.uptime_in_millis,nodes.*.jvm.mem.heap_used_percent,\
    nodes.*.jvm.mem.heap_max_in_bytes,nodes.*.jvm.gc.collectors.old.collection_time_in_millis,nodes.*.fs.data.total_in_bytes,\
    nodes.*.fs.data.available_in_bytes,nodes.*.thread_pool.*.rejected,nodes.*.os.cpu.percent,nodes.*.breakers.*.tripped"];
const PLUGINS: &[&str] = &["/_nodes/_local/plugins?filter_path=nodes.*.name,nodes.*.plugins.name,nodes.*.plugins.version"];
const THROUGH_MASTER: &[&str] = &["/_cluster/health?timeout=1s&master_timeout=1s"];
const UNASSIGNED: &[&str] = &["/_cluster/state/routing_nodes?filter_path=routing_nodes.unassigned.index,routing_nodes.unassigned.shard,\
    routing_nodes.unassigned.primary,routing_nodes.unassigned.unassigned_info.reason,routing_nodes.unassigned.unassigned_info.details"];
const EXPLAIN: &str = "/_cluster/allocation/explain?filter_path=index,shard,primary,can_allocate,allocate_explanation,remaining_delay_in_millis,\
    node_allocation_decisions.node_name,node_allocation_decisions.deciders";
const RECOVERIES: &[&str] =
    &["/_cat/recovery?active_only=true&format=json&bytes=b&h=index,shard,stage,source_node,target_node,bytes_percent,bytes_recovered,bytes_total"];
const PENDING: &[&str] = &["/_cluster/pending_tasks?filter_path=tasks.source"];
const SETTINGS: &[&str] = &[
    "/_cluster/settings?include_defaults=true&filter_path=*.cluster.routing.allocation.disk,*.cluster.routing.allocation.enable,*.cluster.max_shards_per_node",
];
const VOTERS: &[&str] = &["/_cluster/state/metadata?local=true&filter_path=metadata.cluster_coordination.last_committed_config"];
const ADDRESSES: &[&str] = &["/_nodes/http?filter_path=nodes.*.http.publish_address"];
const REPORT: &[&str] = &["/_health_report?verbose=false", "/_health_report"];

/// One conversation: what is refused is noted, what breaks ends it.
struct Talk<'a> {
    client: &'a mut Client,
    address: &'a str,
    meter: &'a Meter,
    opensearch: bool,
    denied: Vec<Denied>,
    overloaded: Option<String>,
    /// Of the last question that got no answer: the server's words.
    refusal: Option<String>,
}

impl Talk<'_> {
    async fn send(&mut self, request: &Request) -> Result<Response, Trouble> {
        http::send(self.client, request, self.address, self.meter).await
    }

    /// `fact` by one of `paths`: a version that does not know the first one is asked the next.
    async fn get<T: DeserializeOwned>(&mut self, fact: &'static str, paths: &[&str]) -> Result<Option<T>, Trouble> {
        for path in paths {
            let answer = self.send(&Request::get(*path)).await?;
            let unknown = answer.status.as_u16() == 400;
            if let Some(value) = self.read(fact, answer)? {
                return Ok(Some(value));
            }
            if !unknown {
                break;
            }
        }
        Ok(None)
    }

    /// What an answer holds, or `None` with a note why it holds nothing.
    fn read<T: DeserializeOwned>(&mut self, fact: &'static str, answer: Response) -> Result<Option<T>, Trouble> {
        let status = answer.status.as_u16();
        match answer.success() {
            Ok(answer) => answer.json().map(Some).map_err(|e| http::trouble(self.address, &Failure::Broken(format!("{fact}: {e}")))),
            Err(failure) => {
                let words = match &failure {
                    Failure::Refused { text, .. } | Failure::Status { text, .. } => text.clone(),
                    other => other.to_string(),
                };
                match status {
                    401 => return Err(http::trouble(self.address, &failure)),
                    403 => self.denied.push(rights::denied(fact, &words, self.opensearch)),
                    429 => self.overloaded = Some(clean(&words).into_owned()),
                    _ => {}
                }
                self.refusal = Some(clean(&words).into_owned());
                Ok(None)
            }
        }
    }
}

/// Everything a node is asked about itself.
pub(super) async fn own(link: &mut Link, question: &Question<'_, Seen>) -> Result<Seen, Trouble> {
    let (address, meter) = (question.address, question.meter);
    let opensearch = question.before.is_some_and(|b| b.seen.root.version.is_opensearch());
    let mut talk = Talk { client: &mut link.client, address, meter, opensearch, denied: Vec::new(), overloaded: None, refusal: None };
    let answer = talk.send(&Request::get("/")).await?;
    let round_trip = answer.took;
    // A node without a master says 503 and tells who it is all the same.
    let root: Root = match (answer.status.as_u16(), answer.json::<Root>()) {
        (200 | 503, Ok(root)) if !root.version.number.is_empty() => root,
        (403, _) => talk.read("version", answer)?.unwrap_or_default(),
        (401, _) => return Err(refused(address, talk.read::<Root>("version", answer))),
        (200, _) => return Err(Trouble::broken(format!("{address}: what answers is neither Elasticsearch nor OpenSearch."))),
        _ => {
            let failure = answer.success().err().unwrap_or_else(|| Failure::Broken("an empty answer".to_owned()));
            return Err(http::trouble(address, &failure));
        }
    };
    talk.opensearch = root.version.is_opensearch() || opensearch;
    let health = talk.get("cluster health", HEALTH).await?;
    let state: Option<State> = talk.get("cluster state", STATE).await?;
    let measured: Option<Nodes<Stats>> = talk.get("node stats", STATS).await?;
    let before = question.before.map(|b| (&b.seen, b.at));
    let (mut id, load) = measured.and_then(|n| n.nodes.into_iter().next()).map_or((String::new(), None), |(id, load)| (id, Some(load)));
    let slow = match before {
        Some((seen, _)) if question.now.since(seen.slow.at) < SLOW => seen.slow.clone(),
        _ => {
            let installed: Option<Nodes<Installed>> = talk.get("plugins", PLUGINS).await?;
            let plugins = installed.map(|n| n.nodes.into_values().next().unwrap_or_default().plugins);
            Arc::new(Slow { at: question.now, plugins })
        }
    };
    if id.is_empty()
        && let Some(state) = &state
    {
        id = state.nodes.iter().find(|(_, n)| n.name == root.name).map(|(id, _)| id.clone()).unwrap_or_default();
    }
    let (denied, overloaded) = (talk.denied, talk.overloaded);
    let door = if let Some(door) = link.door {
        door
    } else {
        let open = http::send(&mut link.stranger, &Request::get("/"), address, meter).await.is_ok_and(|a| a.status.is_success());
        *link.door.insert(if open { Door::Open } else { Door::Locked })
    };
    let trend = Trend::of(question.now, load.as_ref(), before);
    Ok(Seen { root, id, door, round_trip, health, state, stats: load, slow, whole: None, overloaded, denied, trend })
}

fn refused<T>(address: &str, read: Result<Option<T>, Trouble>) -> Trouble {
    read.err().unwrap_or_else(|| Trouble::new(TroubleKind::Refused, format!("{address}: HTTP 401."), ""))
}

/// What only the master knows, asked by one node for all; every node learns whether it differs from the others.
pub(super) async fn whole(link: &mut Link, question: &Question<'_, Seen>, mut own: Seen) -> Result<Seen, Trouble> {
    let odd = judge::is_odd(question.address, question.others);
    own.trend.odd = if odd { question.before.map_or(0, |b| b.seen.trend.odd) + 1 } else { 0 };
    if judge::speaker(question.others) != Some(question.address) {
        return Ok(own);
    }
    let opensearch = own.root.version.is_opensearch();
    let mut talk =
        Talk { client: &mut link.through, address: question.address, meter: question.meter, opensearch, denied: Vec::new(), overloaded: None, refusal: None };
    let mut whole = Whole::default();
    if own.state.as_ref().is_none_or(|s| s.master().is_some()) {
        match through_master(&mut talk, question, &own, &mut whole).await {
            // A master that hangs takes nothing away from what this node said itself.
            Err(trouble) if trouble.kind != TroubleKind::Refused => whole.refusal = Some(trouble.text),
            other => other?,
        }
    }
    for denied in talk.denied {
        if !own.denied.contains(&denied) {
            own.denied.push(denied);
        }
    }
    own.overloaded = own.overloaded.or(talk.overloaded);
    own.whole = Some(Arc::new(whole));
    Ok(own)
}

async fn through_master(talk: &mut Talk<'_>, question: &Question<'_, Seen>, own: &Seen, whole: &mut Whole) -> Result<(), Trouble> {
    let told = |v: &Seen| v.whole.as_ref().map(|w| w.rules.clone());
    let known = question.others.iter().filter_map(|v| told(v.seen.as_ref()?)).chain(question.before.and_then(|b| told(&b.seen))).max_by_key(|r| r.at);
    whole.rules = known.unwrap_or_default();
    whole.health = talk.get("cluster health", THROUGH_MASTER).await?;
    let Some(health) = whole.health.clone() else {
        whole.refusal = talk.refusal.take();
        return Ok(());
    };
    if whole.rules.at == Moment::default() || question.now.since(whole.rules.at) >= SLOW {
        whole.rules = Arc::new(rules(talk, question, own.root.version.at_least(8, 7)).await?);
    }
    if health.unassigned_shards > 0 {
        let routing: Option<Routing> = talk.get("unassigned shards", UNASSIGNED).await?;
        whole.unassigned = routing.map(|r| r.routing_nodes.unassigned).unwrap_or_default();
        explain(talk, &whole.unassigned, &mut whole.explained).await?;
    }
    if health.initializing_shards + health.relocating_shards > 0 {
        whole.recoveries = talk.get::<Vec<Recovery>>("recoveries", RECOVERIES).await?.unwrap_or_default();
    }
    if health.number_of_pending_tasks > 0 {
        let tasks: Option<Tasks> = talk.get("pending tasks", PENDING).await?;
        whole.tasks = tasks.map(|t| t.tasks.into_iter().take(3).map(|t| t.source).collect()).unwrap_or_default();
    }
    Ok(())
}

async fn rules(talk: &mut Talk<'_>, question: &Question<'_, Seen>, with_report: bool) -> Result<Rules, Trouble> {
    let settings: Option<serde_json::Value> = talk.get("cluster settings", SETTINGS).await?;
    let voters: Option<Metadata> = talk.get("voting configuration", VOTERS).await?;
    let addresses: Option<Nodes<Announced>> = talk.get("http addresses", ADDRESSES).await?;
    let report: Option<Report> = if with_report { talk.get("health report", REPORT).await? } else { None };
    Ok(Rules {
        at: question.now,
        settings: settings.map(|s| Settings::read(&s)).unwrap_or_default(),
        voters: voters.map(|m| m.metadata.cluster_coordination.last_committed_config).unwrap_or_default(),
        announced: addresses
            .map(|n| n.nodes.into_iter().map(|(id, a)| (id, a.http.publish_address)).filter(|(_, a)| !a.is_empty()).collect())
            .unwrap_or_default(),
        report: report.map(|r| r.indicators.into_iter().filter(|(_, i)| i.status != "green" && i.status != "unknown").collect()).unwrap_or_default(),
    })
}

/// Why one primary and one replica are not placed: asking for each would load the master when it has other cares.
async fn explain(talk: &mut Talk<'_>, unassigned: &[Shard], out: &mut Vec<Explanation>) -> Result<(), Trouble> {
    for primary in [true, false] {
        let Some(shard) = unassigned.iter().find(|s| s.primary == primary) else { continue };
        let body = json!({"index": shard.index, "shard": shard.shard, "primary": primary});
        let request = Request::post(EXPLAIN).json(&body).map_err(|e| http::trouble(talk.address, &e))?;
        let answer = talk.send(&request).await?;
        out.extend(talk.read("allocation", answer)?);
    }
    Ok(())
}
