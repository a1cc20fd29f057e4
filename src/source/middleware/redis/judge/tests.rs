//! Rules that real servers show rarely, or only after a long time; the common ones are shown against real servers in `tests/it/redis.rs`.

use std::time::Duration;

use super::super::info::Info;
use super::super::nodes::ClusterView;
use super::super::seen::{Data, Read, Seen, Sentinel};
use super::super::sentinel::{Quorum, SentinelView, Watched};
use super::picture;
use crate::base::clock::Moment;
use crate::model::group::Group;
use crate::model::verdict::Verdict;
use crate::source::middleware::Spec;
use crate::source::middleware::member::{State, Trouble, TroubleKind, View};
use crate::source::middleware::witness::worst;

pub(super) const NOW: Moment = Moment::from_seconds(1000);

pub(super) fn answering(address: &str, seen: Seen) -> View<Seen> {
    View { address: address.into(), state: State::Answering, seen: Some(seen), answered_at: Some(NOW), took: Duration::ZERO }
}

pub(super) fn silent(address: &str, kind: TroubleKind) -> View<Seen> {
    let trouble = Trouble::new(kind, format!("{address} is silent"), "");
    View { address: address.into(), state: State::Silent { since: NOW, trouble }, seen: None, answered_at: None, took: Duration::ZERO }
}

fn data(info: &str) -> Data {
    Data { info: Some(Info::parse(&format!("maxmemory:99\nused_memory:1\n{info}"))), read: Read::Served, ..Data::default() }
}

pub(super) fn master(address: &str, extra: &str) -> View<Seen> {
    answering(address, Seen::Data(Box::new(data(&format!("run_id:{address}\nrole:master\nrepl_backlog_size:1000\n{extra}")))))
}

pub(super) fn replica(address: &str, of: &str, extra: &str) -> View<Seen> {
    let (host, port) = of.split_once(':').unwrap();
    let link = "master_link_status:up\nmaster_last_io_seconds_ago:1";
    answering(address, Seen::Data(Box::new(data(&format!("run_id:{address}\nrole:slave\nmaster_host:{host}\nmaster_port:{port}\n{link}\n{extra}")))))
}

pub(super) fn sentinel(address: &str, stands_by: &str, others: u32) -> View<Seen> {
    let master = Some(Watched { name: "m".into(), address: stands_by.into(), quorum: 2, other_sentinels: others, ..Watched::default() });
    let view = SentinelView { run_id: address.into(), master, quorum: Quorum::Reached, ..SentinelView::default() };
    answering(address, Seen::Sentinel(Box::new(Sentinel { view, ..Sentinel::default() })))
}

pub(super) fn judge(views: &[View<Seen>]) -> Group {
    let members: Vec<&str> = views.iter().map(|v| v.address.as_ref()).collect();
    let sentinels: Vec<String> = members.iter().filter(|m| m.starts_with('s')).map(|m| (*m).to_owned()).collect();
    picture(&Spec::new("redis", "t", &members), &sentinels, views, NOW)
}

fn codes(group: &Group) -> Vec<&'static str> {
    group.reasons.iter().chain(group.members.iter().flat_map(|m| &m.reasons)).map(|r| r.code).collect()
}

#[test]
fn one_members_word_makes_no_group_ok() {
    let alone = judge(&[master("a:1", "slave0:ip=b,port=1,state=online,offset=0,lag=0"), silent("b:1", TroubleKind::Mute)]);
    assert!(codes(&alone).contains(&"redis.few_witnesses"), "{alone:?}");
    assert_eq!(worst(&alone), Verdict::Unknown);
    let gone = judge(&[silent("a:1", TroubleKind::Unreachable)]);
    assert_eq!(worst(&gone), Verdict::Crit, "nobody listens, and nobody contradicts: {gone:?}");
    // A server that is meant to stand alone is its only witness, beside the client's read.
    assert_eq!(worst(&judge(&[master("a:1", "")])), Verdict::Ok);
}

#[test]
fn a_silent_master_is_unknown_while_its_replicas_hear_it_and_crit_when_they_do_not() {
    let views = [silent("a:1", TroubleKind::Mute), replica("b:1", "a:1", ""), replica("c:1", "a:1", "")];
    let group = judge(&views);
    assert_eq!(worst(&group), Verdict::Unknown, "{group:?}");
    assert!(codes(&group).contains(&"redis.peers.up") && codes(&group).contains(&"redis.master_unseen"));
    let late = "master_last_io_seconds_ago:30";
    let group = judge(&[silent("a:1", TroubleKind::Mute), replica("b:1", "a:1", late), replica("c:1", "a:1", late)]);
    assert!(codes(&group).contains(&"redis.peers.gone") && codes(&group).contains(&"redis.no_master"), "{group:?}");
}

#[test]
fn lag_counts_against_the_backlog() {
    let list = "slave0:ip=b,port=1,state=online,offset=0,lag=0";
    let group =
        |offset: u32| judge(&[master("a:1", &format!("master_repl_offset:2000\n{list}")), replica("b:1", "a:1", &format!("slave_repl_offset:{offset}"))]);
    assert_eq!(worst(&group(1900)), Verdict::Ok);
    let first: Vec<_> = group(1900).members.iter().map(|m| (m.metrics[0].key, m.metrics[0].value)).collect();
    assert_eq!(first, [("followers_lag_bytes", 100.0), ("lag_bytes", 100.0)]);
    assert_eq!(judge(&[master("a:1", "")]).members[0].metrics[0].key, "memory_used_bytes");
    assert_eq!(worst(&group(1400)), Verdict::Warn);
    assert_eq!(worst(&group(900)), Verdict::Crit);
}

#[test]
fn a_replica_behind_a_translated_address_is_no_contradiction() {
    let listed = "slave0:ip=172.17.0.3,port=6379,state=online,offset=0,lag=0";
    assert_eq!(worst(&judge(&[master("a:1", listed), replica("b:1", "a:1", "")])), Verdict::Ok);
    let group = judge(&[master("a:1", listed), replica("b:1", "a:1", ""), replica("c:1", "a:1", "")]);
    assert!(codes(&group).contains(&"redis.link.disputed"), "two claim, one is listed: {group:?}");
}

#[test]
fn sentinels_against_each_other_and_against_the_member() {
    let list = "slave0:ip=b,port=1,state=online,offset=0,lag=0";
    let pair = [master("a:1", list), replica("b:1", "a:1", "")];
    let with = |named: [&str; 3]| {
        let mut views = pair.to_vec();
        views.extend(["s1:1", "s2:1", "s3:1"].iter().zip(named).map(|(s, m)| sentinel(s, m, 2)));
        judge(&views)
    };
    assert_eq!(worst(&with(["a:1", "a:1", "a:1"])), Verdict::Ok);
    assert!(codes(&with(["a:1", "a:1", "b:1"])).contains(&"redis.sentinel.split"));
    assert!(codes(&with(["b:1", "b:1", "b:1"])).contains(&"redis.sentinel.role_disputed"));
    let mut views = pair.to_vec();
    views.extend([sentinel("s1:1", "a:1", 1), sentinel("s2:1", "a:1", 1)]);
    assert!(codes(&judge(&views)).contains(&"redis.sentinel.few"));
}

pub(super) fn node(address: &str, state: &str, lines: &str) -> View<Seen> {
    let mut data = data("redis_mode:cluster\nrole:master");
    data.cluster = Some(ClusterView::parse(&format!("cluster_state:{state}\ncluster_slots_assigned:16384\ncluster_known_nodes:3"), lines));
    answering(address, Seen::Data(Box::new(data)))
}

#[test]
fn a_minority_that_calls_a_node_failed_does_not_make_it_so() {
    let line = |id: &str, flags: &str, slots: &str| format!("{id} {id}:1@1 {flags} - 0 0 1 connected {slots}");
    let seen_by = |me: &str, of_c: &str| {
        ["a", "b", "c"].map(|id| line(id, &format!("{}master{}", if id == me { "myself," } else { "" }, if id == "c" { of_c } else { "" }), "0-1")).join("\n")
    };
    let group = judge(&[node("a:1", "ok", &seen_by("a", ",fail")), node("b:1", "ok", &seen_by("b", "")), node("c:1", "ok", &seen_by("c", ""))]);
    assert!(codes(&group).contains(&"redis.accused.disputed"), "{group:?}");
    assert_eq!(worst(&group), Verdict::Warn);
    let group = judge(&[node("a:1", "ok", &seen_by("a", ",fail")), node("b:1", "ok", &seen_by("b", ",fail")), node("c:1", "ok", &seen_by("c", ""))]);
    assert!(codes(&group).contains(&"redis.accused"), "{group:?}");
    assert_eq!(worst(&group), Verdict::Crit);
}
