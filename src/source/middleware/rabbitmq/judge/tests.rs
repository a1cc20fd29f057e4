//! Every rule with a node that lies or is frozen; the common ones are shown against real brokers in `tests/it/rabbitmq.rs`.

use std::time::Duration;

use super::super::api::{Check, Connection, Node, Overview, Queue, QueueKind};
use super::super::proof::Door;
use super::super::seen::{Age, Api, Facts, Kind, Listing, Seen, Trend, Whole};
use super::picture;
use crate::base::clock::Moment;
use crate::model::group::{EdgeState, Group};
use crate::model::verdict::Verdict;
use crate::source::middleware::Spec;
use crate::source::middleware::member::{State, Trouble, TroubleKind, View};

pub(super) const NOW: Moment = Moment::from_seconds(1000);
pub(super) const ALL: [&str; 3] = ["a", "b", "c"];

fn node(name: &str, running: bool) -> Node {
    Node { name: name.to_owned(), running, disk_free: Some(50_000_000_000), memory_used: Some(1), memory_limit: Some(100), ..Node::default() }
}

/// What node `name` says when it sees `up` run, of all three.
pub(super) fn facts(name: &str, up: &[&str]) -> Facts {
    Facts {
        overview: Overview { node: name.to_owned(), version: "3.13.7".into(), cluster: "mq".into(), queues: Some(1), ready: Some(0), ..Overview::default() },
        nodes: Some(ALL.iter().map(|n| node(n, up.contains(n))).collect()),
        ..Facts::default()
    }
}

pub(super) fn seen(facts: Facts) -> Seen {
    Seen { api: Api::Answers(Box::new(facts)), ..Seen::default() }
}

pub(super) fn view(address: &str, seen: Seen) -> View<Seen> {
    View { address: address.into(), state: State::Answering, seen: Some(seen), answered_at: Some(NOW), took: Duration::ZERO }
}

pub(super) fn answering(facts: Facts) -> View<Seen> {
    view(&format!("http://{}", facts.overview.node), seen(facts))
}

/// It answered once, as healthy as can be.
fn frozen(name: &str, kind: TroubleKind) -> View<Seen> {
    let trouble = Trouble::new(kind, format!("{name} is silent"), "");
    View { state: State::Silent { since: NOW, trouble }, ..answering(facts(name, &ALL)) }
}

pub(super) fn queue(name: &str, online: &[&str]) -> Queue {
    let names = |n: &[&str]| n.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    Queue {
        vhost: "/".into(),
        name: name.into(),
        kind: QueueKind::Quorum,
        leader: "a".into(),
        members: names(&ALL),
        online: names(online),
        consumers: 1,
        ..Queue::default()
    }
}

pub(super) fn with_queues(mut facts: Facts, queues: Vec<Queue>) -> Facts {
    facts.queues = Some(Listing { total: queues.len() as u64, pages: [(1, queues)].into(), page_count: 1, next: 1, age: Age::Fresh });
    facts
}

pub(super) fn judge(views: &[View<Seen>]) -> Group {
    let members: Vec<&str> = views.iter().map(|v| v.address.as_ref()).collect();
    picture(&Spec::new("rabbitmq", "mq", &members), views, NOW)
}

fn all_reasons(group: &Group) -> Vec<(&'static str, Verdict)> {
    group.reasons.iter().chain(group.members.iter().flat_map(|m| &m.reasons)).map(|r| (r.code, r.verdict)).collect()
}

#[track_caller]
fn has(group: &Group, code: &str, verdict: Verdict) {
    assert!(all_reasons(group).iter().any(|(c, v)| *c == code && *v == verdict), "{code} in {:?}", all_reasons(group));
}

fn worst(group: &Group) -> Verdict {
    all_reasons(group).iter().map(|(_, v)| *v).max().unwrap_or(Verdict::Ok)
}

#[test]
fn three_that_agree_are_well_and_one_alone_is_not_believed() {
    let well: Vec<_> = ALL.iter().map(|n| answering(facts(n, &ALL))).collect();
    assert_eq!(worst(&judge(&well)), Verdict::Ok, "{:?}", all_reasons(&judge(&well)));
    // One URL of a cluster of three.
    let group = judge(&well[..1]);
    has(&group, "rabbitmq.few_witnesses", Verdict::Unknown);
    has(&group, "rabbitmq.unlisted", Verdict::Ok);
    assert_eq!(group.members.len(), 3, "the others are shown by its word");
    // A broker on its own is a group of one.
    let mut lone = facts("a", &["a"]);
    lone.nodes.as_mut().unwrap().truncate(1);
    lone.checks = vec![(Kind::QuorumCritical, Check::Failed { reason: "r".into(), names: vec!["q".into()] })];
    assert_eq!(worst(&judge(&[answering(lone)])), Verdict::Ok);
}

#[test]
fn a_frozen_node_is_told_from_one_that_only_we_do_not_reach() {
    let well = |n: &str| answering(facts(n, &ALL));
    let group = judge(&[well("a"), well("b"), frozen("c", TroubleKind::Unreachable)]);
    has(&group, "rabbitmq.peers.up", Verdict::Ok);
    has(&group, "middleware.member.unreachable", Verdict::Unknown);
    let group = judge(&[answering(facts("a", &["a", "b"])), answering(facts("b", &["a", "b"])), frozen("c", TroubleKind::Mute)]);
    has(&group, "rabbitmq.peers.gone", Verdict::Crit);
    // One that lies about it is in contradiction with the other.
    let group = judge(&[answering(facts("a", &["a", "b"])), well("b"), frozen("c", TroubleKind::Mute)]);
    has(&group, "rabbitmq.peers.gone", Verdict::Crit);
    has(&group, "rabbitmq.split_view", Verdict::Crit);
}

#[test]
fn a_partition_shows_whoever_denies_it() {
    // By its own word all is well with c; by the others' it is cut off.
    let mut a = facts("a", &["a", "b"]);
    a.nodes.as_mut().unwrap()[0].partitions = vec!["c".into()];
    let group = judge(&[answering(a), answering(facts("b", &["a", "b"])), answering(facts("c", &ALL))]);
    has(&group, "rabbitmq.partition", Verdict::Crit);
    has(&group, "rabbitmq.cut_off", Verdict::Crit);
    // Nobody calls it a partition yet, and they do not see the same nodes.
    let group = judge(&[answering(facts("a", &["a", "b"])), answering(facts("b", &["a", "b"])), answering(facts("c", &["c"]))]);
    has(&group, "rabbitmq.split_view", Verdict::Crit);
}

#[test]
fn members_of_two_clusters_are_told() {
    let mut lone = facts("c", &["c"]);
    lone.nodes.as_mut().unwrap().retain(|n| n.name == "c");
    let two = |n: &str| {
        let mut f = facts(n, &["a", "b"]);
        f.nodes.as_mut().unwrap().retain(|n| n.name != "c");
        answering(f)
    };
    has(&judge(&[two("a"), two("b"), answering(lone)]), "rabbitmq.clusters_differ", Verdict::Crit);
}

#[test]
fn an_alarm_counts_also_when_its_own_node_denies_it() {
    let mut b = facts("b", &ALL);
    b.checks = vec![(Kind::Alarms, Check::Failed { reason: "r".into(), names: vec!["a memory".into()] })];
    let group = judge(&[answering(facts("a", &ALL)), answering(b), answering(facts("c", &ALL))]);
    has(&group, "rabbitmq.alarm.memory", Verdict::Crit);
    assert!(group.members[0].reasons.iter().any(|r| r.code == "rabbitmq.alarm.memory"), "at the node that it is about");
}

#[test]
fn a_majority_is_lost_by_any_word_and_by_our_own_eyes() {
    let listed = |n: &str, online: &[&str], up: &[&str]| answering(with_queues(facts(n, up), vec![queue("orders", online)]));
    let group = judge(&[listed("a", &ALL, &ALL), listed("b", &["a"], &ALL), answering(facts("c", &ALL))]);
    has(&group, "rabbitmq.queue.no_majority", Verdict::Crit);
    // A listing of before, since the node waits for the frozen ones: where the queues are still holds.
    let mut kept = with_queues(facts("a", &["a"]), vec![queue("orders", &ALL)]);
    (kept.whole, kept.queues.as_mut().unwrap().age) = (Whole::Hung, Age::Kept);
    let group = judge(&[answering(kept), frozen("b", TroubleKind::Mute), frozen("c", TroubleKind::Mute)]);
    has(&group, "rabbitmq.queue.no_majority", Verdict::Crit);
    assert!(group.edges.iter().all(|e| e.metrics.is_empty()), "no count is shown as live");
    // Its only witness calls all replicas online; two of the nodes are down.
    let group = judge(&[listed("a", &ALL, &["a"]), frozen("b", TroubleKind::Mute), frozen("c", TroubleKind::Mute)]);
    has(&group, "rabbitmq.queue.no_majority", Verdict::Crit);
    assert!(group.edges.iter().all(|e| e.state == EdgeState::Broken));
    let group = judge(&[listed("a", &["a", "b"], &["a", "b"]), listed("b", &["a", "b"], &["a", "b"]), frozen("c", TroubleKind::Mute)]);
    has(&group, "rabbitmq.queue.member_missing", Verdict::Warn);
    assert_eq!(group.edges.len(), 2);
}

#[test]
fn leaders_states_and_mirrors() {
    let mut other = queue("orders", &ALL);
    other.leader = "b".into();
    let group = judge(&[
        answering(with_queues(facts("a", &ALL), vec![queue("orders", &ALL)])),
        answering(with_queues(facts("b", &ALL), vec![other])),
        answering(facts("c", &ALL)),
    ]);
    has(&group, "rabbitmq.queue.leaders_differ", Verdict::Warn);
    let classic = |state: &str| Queue { name: "x".into(), vhost: "/".into(), state: state.into(), ..Queue::default() };
    let mirror = Queue { mirrors: vec!["b".into(), "c".into()], synced: vec!["b".into()], asks_mirrors: true, leader: "a".into(), ..classic("running") };
    let mut four = with_queues(facts("a", &ALL), vec![classic("down"), Queue { name: "m".into(), ..mirror }]);
    four.overview.version = "4.0.1".into();
    let group = judge(&[answering(four), answering(facts("b", &ALL)), answering(facts("c", &ALL))]);
    has(&group, "rabbitmq.queue.down", Verdict::Crit);
    has(&group, "rabbitmq.queue.unsynced", Verdict::Warn);
    has(&group, "rabbitmq.queue.not_mirrored", Verdict::Warn);
    has(&group, "rabbitmq.versions_differ", Verdict::Warn);
}

#[test]
fn growth_without_a_consumer_is_critical_whoever_claims_one() {
    let at = |ready: u64, consumers: u64| Queue { consumers, ready, ..queue("orders", &ALL) };
    let mut trend = Trend::default();
    for step in 0..6_u64 {
        let listing = Listing { pages: [(1, vec![at(step + 1, 0)])].into(), page_count: 1, total: 1, next: 1, age: Age::Fresh };
        trend = Trend::of(Moment::from_seconds(i64::try_from(step).unwrap() * 5), Some(&listing), Some(&trend));
    }
    let says = |n: &str, consumers| {
        let mut seen = seen(with_queues(facts(n, &ALL), vec![at(6, consumers)]));
        seen.trend = trend.clone();
        view(n, seen)
    };
    has(&judge(&[says("a", 0), says("b", 3), answering(facts("c", &ALL))]), "rabbitmq.queue.no_consumer", Verdict::Crit);
    let group = judge(&[says("a", 3), says("b", 3), answering(facts("c", &ALL))]);
    assert_eq!(worst(&group), Verdict::Ok, "{:?}", all_reasons(&group));
}

#[test]
fn what_a_client_meets_counts_beside_what_the_node_says() {
    for (door, code) in [
        (Door::Refused("ACCESS_REFUSED".into()), "rabbitmq.client.refused"),
        (Door::NoVhost("vhost /x not found".into()), "rabbitmq.client.no_vhost"),
        (Door::NoAccess("refused for user".into()), "rabbitmq.client.no_access"),
        (Door::Blocked("low on memory".into()), "rabbitmq.client.blocked"),
        (Door::Mute("no confirm".into()), "rabbitmq.client.mute"),
        (Door::Unreachable("refused".into()), "rabbitmq.client.unreachable"),
    ] {
        let mut views: Vec<_> = ALL.iter().map(|n| answering(facts(n, &ALL))).collect();
        views[1].seen.as_mut().unwrap().door = door;
        has(&judge(&views), code, Verdict::Crit);
    }
    // The API is silent and clients get in: that is said, and is not well.
    let mut views: Vec<_> = ALL.iter().map(|n| answering(facts(n, &ALL))).collect();
    views[0].seen = Some(Seen { api: Api::Silent(Trouble::unreachable("15672: refused")), door: Door::Open(Duration::from_millis(1)), ..Seen::default() });
    has(&judge(&views), "rabbitmq.api_silent", Verdict::Unknown);
}

#[test]
fn waiting_nodes_checks_and_held_up_publishers() {
    let mut a = facts("a", &ALL);
    a.whole = Whole::Hung;
    a.checks = vec![
        (Kind::Vhosts, Check::Failed { reason: "r".into(), names: vec!["/mall".into()] }),
        (Kind::QuorumCritical, Check::Failed { reason: "r".into(), names: vec!["orders".into()] }),
        (Kind::MirrorCritical, Check::Absent),
    ];
    a.blocked = vec![
        Connection { name: "1".into(), user: "mall".into(), state: "blocked".into() },
        Connection { name: "2".into(), user: "mall".into(), state: "flow".into() },
    ];
    let group = judge(&[answering(a), answering(facts("b", &ALL)), answering(facts("c", &ALL))]);
    has(&group, "rabbitmq.waits", Verdict::Unknown);
    has(&group, "rabbitmq.vhost_down", Verdict::Crit);
    has(&group, "rabbitmq.quorum_critical", Verdict::Warn);
    has(&group, "rabbitmq.connections.blocked", Verdict::Crit);
    has(&group, "rabbitmq.connections.flow", Verdict::Ok);
}
