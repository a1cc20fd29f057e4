//! Rules that real servers show rarely; the common ones are shown against real servers in `tests/it/nacos.rs`.

use std::time::Duration;

use serde_json::json;

use super::super::answer::Service;
use super::super::dialect::Dialect;
use super::super::seen::{Door, Grpc, Seen, Services};
use super::{announced, picture};
use crate::base::clock::Moment;
use crate::model::group::Group;
use crate::model::verdict::Verdict;
use crate::source::middleware::Spec;
use crate::source::middleware::member::{State, Trouble, TroubleKind, View};

pub(super) const NOW: Moment = Moment::from_seconds(1000);
pub(super) const ALL: [&str; 3] = ["a", "b", "c"];

pub(super) fn node(own: &str, leader: &str, states: &[(&str, &str)]) -> Seen {
    let members: Vec<String> = states.iter().map(|(n, _)| format!("{n}:7848")).collect();
    let leader = if leader.is_empty() { None } else { Some(format!("{leader}:7848")) };
    let raft = json!({"metaDataMap": {"naming_service_metadata": {"leader": leader, "raftGroupMember": members, "term": 1}}});
    let entry = |(name, state): &(&str, &str)| json!({"address": format!("{name}:8848"), "state": state, "extendInfo": {"version": "2.3.1", "raftPort": "7848", "raftMetaData": raft}});
    Seen {
        dialect: Dialect::Second,
        own: format!("{own}:8848"),
        version: "2.3.1".to_owned(),
        door: Door::Locked,
        round_trip: Duration::ZERO,
        nodes: serde_json::from_value(states.iter().map(entry).collect()).unwrap(),
        metrics: serde_json::from_value(json!({"status": "UP"})).unwrap(),
        registered: None,
        services: Some(Services::default()),
        grpc: Grpc::Open { at: NOW },
        denied: Vec::new(),
        odd: 0,
    }
}

fn answering(seen: Seen) -> View<Seen> {
    View { address: seen.own.as_str().into(), state: State::Answering, seen: Some(seen), answered_at: Some(NOW), took: Duration::ZERO }
}

fn silent(own: &str, kind: TroubleKind) -> View<Seen> {
    let trouble = Trouble::new(kind, format!("{own} is silent"), "");
    View { address: format!("{own}:8848").as_str().into(), state: State::Silent { since: NOW, trouble }, seen: None, answered_at: None, took: Duration::ZERO }
}

pub(super) fn up() -> Vec<(&'static str, &'static str)> {
    ALL.map(|n| (n, "UP")).to_vec()
}

pub(super) fn healthy() -> Vec<Seen> {
    ALL.iter().map(|own| node(own, "a", &up())).collect()
}

pub(super) fn judge(views: &[View<Seen>]) -> Group {
    let members: Vec<&str> = views.iter().map(|v| &*v.address).collect();
    picture(&Spec::new("nacos", "registry", &members), views, NOW)
}

pub(super) fn all(seen: Vec<Seen>) -> Vec<View<Seen>> {
    seen.into_iter().map(answering).collect()
}

fn codes(group: &Group) -> Vec<(&'static str, Verdict)> {
    group.reasons.iter().chain(group.members.iter().flat_map(|m| &m.reasons)).map(|r| (r.code, r.verdict)).collect()
}

fn says(group: &Group, code: &str, verdict: Verdict) -> bool {
    codes(group).iter().any(|(c, v)| *c == code && *v == verdict)
}

fn worst(group: &Group) -> Verdict {
    codes(group).iter().map(|(_, v)| *v).max().unwrap_or(Verdict::Ok)
}

#[test]
fn three_that_agree_are_ok_and_one_alone_is_not() {
    let group = judge(&all(healthy()));
    assert_eq!(worst(&group), Verdict::Ok, "{:?}", codes(&group));
    assert_eq!(group.members.iter().map(|m| &*m.role).collect::<Vec<_>>(), ["leader", "node", "node"]);
    let group = judge(&[answering(node("a", "a", &up())), silent("b", TroubleKind::Mute), silent("c", TroubleKind::Mute)]);
    assert!(says(&group, "nacos.few-witnesses", Verdict::Unknown) && says(&group, "nacos.peers.up", Verdict::Ok), "{:?}", codes(&group));
}

#[test]
fn one_server_with_another_leader_is_seen_beside_the_two_that_agree() {
    let mut seen = healthy();
    seen[2] = node("c", "c", &up());
    let group = judge(&all(seen));
    assert!(says(&group, "nacos.raft.split", Verdict::Crit), "{:?}", codes(&group));
    assert_eq!(&*group.members[0].role, "leader", "by the word of most");
    let mut seen = healthy();
    seen[2] = node("c", "", &up());
    let group = judge(&all(seen));
    assert!(says(&group, "nacos.raft.own-none", Verdict::Crit) && !says(&group, "nacos.raft.none", Verdict::Crit), "{:?}", codes(&group));
    let group = judge(&all(ALL.iter().map(|own| node(own, "", &up())).collect()));
    assert!(says(&group, "nacos.raft.none", Verdict::Crit));
}

/// As 2.3.1 does it: the last one goes on naming the leader that is gone, and goes on calling itself UP.
#[test]
fn a_leader_that_is_gone_and_a_majority_that_is() {
    let down = [("a", "DOWN"), ("b", "DOWN"), ("c", "UP")];
    let group = judge(&[silent("a", TroubleKind::Unreachable), silent("b", TroubleKind::Unreachable), answering(node("c", "a", &down))]);
    for code in ["nacos.raft.leader-gone", "nacos.raft.no-majority", "nacos.peers.gone", "middleware.member.unreachable"] {
        assert!(says(&group, code, Verdict::Crit), "{code}: {:?}", codes(&group));
    }
    // One of three is gone: the other two go on.
    let down = [("a", "UP"), ("b", "UP"), ("c", "DOWN")];
    let group = judge(&[answering(node("a", "a", &down)), answering(node("b", "a", &down)), silent("c", TroubleKind::Mute)]);
    assert!(!codes(&group).iter().any(|(c, _)| c.starts_with("nacos.raft.")), "{:?}", codes(&group));
    assert!(says(&group, "nacos.peers.gone", Verdict::Crit));
}

#[test]
fn one_accuser_of_three_does_not_make_a_server_down() {
    let mut seen = healthy();
    seen[0] = node("a", "a", &[("a", "UP"), ("b", "UP"), ("c", "DOWN")]);
    let group = judge(&all(seen));
    assert!(says(&group, "nacos.accused.disputed", Verdict::Warn) && worst(&group) == Verdict::Warn, "{:?}", codes(&group));
    let mut seen = healthy();
    seen[0] = node("a", "a", &[("a", "UP"), ("b", "UP"), ("c", "SUSPICIOUS")]);
    assert!(says(&judge(&all(seen)), "nacos.missed", Verdict::Warn));
}

#[test]
fn states_rolls_ports_and_doors() {
    let mut seen = healthy();
    seen[0].door = Door::Open;
    seen[1].grpc = Grpc::Closed { port: 9848, text: "refused".to_owned(), at: NOW };
    seen[1].metrics.as_mut().unwrap().status = "DOWN".to_owned();
    seen[2] = node("c", "a", &[("c", "ISOLATION")]);
    let group = judge(&all(seen));
    for (code, verdict) in [
        ("nacos.open", Verdict::Warn),
        ("nacos.grpc", Verdict::Crit),
        ("nacos.not-ready", Verdict::Crit),
        ("nacos.own-state", Verdict::Crit),
        ("nacos.rolls", Verdict::Crit),
    ] {
        assert!(says(&group, code, verdict), "{code}: {:?}", codes(&group));
    }
}

#[test]
fn services_without_healthy_instances_by_the_worst_word() {
    let service = |name: &str, all: u64, healthy: u64, guarded: &str| -> Service {
        serde_json::from_value(json!({"name": name, "groupName": "DEFAULT_GROUP", "ipCount": all, "healthyInstanceCount": healthy, "triggerFlag": guarded}))
            .unwrap()
    };
    let mut seen = healthy();
    let good = vec![service("order", 2, 2, "false"), service("pay", 2, 2, "false"), service("empty", 0, 0, "false")];
    for s in &mut seen {
        s.services = Some(Services { count: 700, list: good.clone() });
    }
    let group = judge(&all(seen.clone()));
    assert_eq!(worst(&group), Verdict::Ok, "an empty service is none that failed: {:?}", codes(&group));
    assert!(says(&group, "nacos.service.more", Verdict::Ok));
    seen[1].services = Some(Services { count: 3, list: vec![service("order", 2, 0, "true"), service("pay", 3, 2, "false")] });
    seen[1].odd = 3;
    let group = judge(&all(seen));
    for (code, verdict) in [
        ("nacos.service.none", Verdict::Crit),
        ("nacos.service.some", Verdict::Warn),
        ("nacos.service.guarded", Verdict::Warn),
        ("nacos.service.disputed", Verdict::Warn),
    ] {
        assert!(says(&group, code, verdict), "{code}: {:?}", codes(&group));
    }
}

#[test]
fn servers_that_are_only_listed_are_followed() {
    let views = [answering(node("a", "a", &up())), answering(node("b", "a", &up()))];
    assert_eq!(announced(&views).iter().map(|n| &**n).collect::<Vec<_>>(), ["a:8848", "b:8848", "c:8848"]);
    let views = [answering(node("a", "a", &up())), silent("elsewhere", TroubleKind::Mute), answering(node("b", "a", &up()))];
    assert!(!announced(&views).contains(&"c:8848".into()), "the silent member may be it");
}
