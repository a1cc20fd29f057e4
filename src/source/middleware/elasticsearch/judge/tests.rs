//! Rules that real nodes show rarely; the common ones are shown against real nodes in `tests/it/elasticsearch.rs`. Answers are as the
//! manuals of 7.17, 8.15 and OpenSearch 2 document them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::super::answer::{Indicator, Recovery};
use super::super::seen::{Door, Rules, Seen, Slow, Trend, Whole};
use super::super::watermark::Mark;
use super::{announced, is_odd, picture, speaker};
use crate::base::clock::Moment;
use crate::model::group::{EdgeState, Group};
use crate::model::verdict::Verdict;
use crate::source::middleware::Spec;
use crate::source::middleware::member::{State, Trouble, TroubleKind, View};

pub(super) const NOW: Moment = Moment::from_seconds(1000);
pub(super) const ALL: [&str; 3] = ["a", "b", "c"];

pub(super) fn node(id: &str, master: Option<&str>, nodes: &[&str], colour: &str) -> Seen {
    let list: serde_json::Map<_, _> = nodes.iter().map(|n| ((*n).to_owned(), json!({"name": format!("es-{n}"), "roles": ["data", "master"]}))).collect();
    Seen {
        root: serde_json::from_value(json!({"name": format!("es-{id}"), "cluster_uuid": "u", "version": {"number": "7.17.28"}})).unwrap(),
        id: id.to_owned(),
        health: serde_json::from_value(json!({"status": colour, "number_of_nodes": nodes.len(), "number_of_data_nodes": nodes.len()})).unwrap(),
        state: serde_json::from_value(json!({"cluster_uuid": "u", "master_node": master, "nodes": list})).unwrap(),
        ..Seen::default()
    }
}

pub(super) fn answering(seen: Seen) -> View<Seen> {
    let address = format!("{}:9200", seen.id);
    View { address: address.as_str().into(), state: State::Answering, seen: Some(seen), answered_at: Some(NOW), took: Duration::ZERO }
}

fn silent(id: &str, kind: TroubleKind, last: Option<Seen>) -> View<Seen> {
    let trouble = Trouble::new(kind, format!("{id} is silent"), "");
    let address = format!("{id}:9200");
    View { address: address.as_str().into(), state: State::Silent { since: NOW, trouble }, seen: last, answered_at: None, took: Duration::ZERO }
}

pub(super) fn healthy() -> Vec<Seen> {
    ALL.iter().map(|id| node(id, Some("a"), &ALL, "green")).collect()
}

pub(super) fn judge(seen: Vec<Seen>) -> Group {
    picture_of(&seen.into_iter().map(answering).collect::<Vec<_>>())
}

pub(super) fn picture_of(views: &[View<Seen>]) -> Group {
    let members: Vec<&str> = views.iter().map(|v| &*v.address).collect();
    picture(&Spec::new("elasticsearch", "search", &members), views, NOW)
}

fn codes(group: &Group) -> Vec<(&'static str, Verdict)> {
    group.reasons.iter().chain(group.members.iter().flat_map(|m| &m.reasons)).map(|r| (r.code, r.verdict)).collect()
}

fn worst(group: &Group) -> Verdict {
    codes(group).iter().map(|(_, v)| *v).max().unwrap_or(Verdict::Ok)
}

pub(super) fn says(group: &Group, code: &str, verdict: Verdict) -> bool {
    codes(group).contains(&(codes(group).iter().find(|(c, _)| *c == code).map_or("", |(c, _)| *c), verdict))
}

pub(super) fn whole(seen: &mut Seen, whole: Whole) {
    seen.whole = Some(Arc::new(Whole { health: seen.health.clone(), ..whole }));
}

#[test]
fn three_that_agree_are_ok_and_one_alone_of_three_is_not() {
    assert_eq!(worst(&judge(healthy())), Verdict::Ok);
    let mut views: Vec<_> = healthy().into_iter().map(answering).collect();
    views[1] = silent("b", TroubleKind::Mute, Some(node("b", Some("a"), &ALL, "green")));
    views[2] = silent("c", TroubleKind::Mute, None);
    let group = picture_of(&views);
    assert!(says(&group, "elasticsearch.few-witnesses", Verdict::Unknown), "{:?}", codes(&group));
    assert!(says(&group, "elasticsearch.peers.listed", Verdict::Ok), "b is known, c never said who it is: {:?}", codes(&group));
}

#[test]
fn one_node_with_another_master_or_none_is_seen_beside_the_two_that_agree() {
    let mut seen = healthy();
    seen[2] = node("c", Some("c"), &["c"], "green");
    let group = judge(seen);
    assert!(says(&group, "elasticsearch.master.split", Verdict::Crit), "{:?}", codes(&group));
    // a and b list c, c lists neither: it accuses them, and they do not accuse it.
    assert!(says(&group, "elasticsearch.accused.disputed", Verdict::Warn));
    let mut seen = healthy();
    seen[2].state.as_mut().unwrap().master_node = None;
    seen[0].state.as_mut().unwrap().nodes.remove("c");
    seen[1].state.as_mut().unwrap().nodes.remove("c");
    let group = judge(seen);
    assert!(says(&group, "elasticsearch.no-master", Verdict::Crit) && says(&group, "elasticsearch.accused", Verdict::Crit), "{:?}", codes(&group));
    assert!(!says(&group, "elasticsearch.master.none", Verdict::Crit), "the other two have one");
}

#[test]
fn two_clusters_under_one_name_and_a_node_that_never_joined() {
    let mut seen = healthy();
    seen[2].root.cluster_uuid = "other".to_owned();
    assert!(says(&judge(seen), "elasticsearch.uuid.split", Verdict::Crit));
    let mut seen = healthy();
    seen[2].root.cluster_uuid = "_na_".to_owned();
    let group = judge(seen);
    assert!(says(&group, "elasticsearch.unformed", Verdict::Crit) && !says(&group, "elasticsearch.uuid.split", Verdict::Crit));
}

#[test]
fn a_colour_that_only_one_tells_counts_when_it_is_worse_and_is_named_when_it_lasts() {
    let mut seen = healthy();
    seen[1] = node("b", Some("a"), &ALL, "red");
    let views: Vec<_> = seen.iter().cloned().map(answering).collect();
    assert!(is_odd("b:9200", &views) && !is_odd("a:9200", &views));
    assert!(!says(&judge(seen.clone()), "elasticsearch.colour.disputed", Verdict::Warn), "for one moment it may be news on its way");
    seen[1].trend = Trend { odd: 2, ..Trend::default() };
    let group = judge(seen);
    assert!(says(&group, "elasticsearch.red", Verdict::Crit) && says(&group, "elasticsearch.colour.disputed", Verdict::Warn), "{:?}", codes(&group));
}

#[test]
fn the_master_speaks_for_the_cluster_and_another_when_it_is_silent() {
    let mut views: Vec<_> = healthy().into_iter().map(answering).collect();
    assert_eq!(speaker(&views), Some("a:9200"));
    views[0] = silent("a", TroubleKind::Mute, None);
    assert_eq!(speaker(&views), Some("b:9200"));
    views[1].seen.as_mut().unwrap().state.as_mut().unwrap().master_node = None;
    assert_eq!(speaker(&views), Some("c:9200"));
    let mut seen = healthy();
    seen[1].whole = Some(Arc::new(Whole { refusal: Some("not within 0.8 s".to_owned()), ..Whole::default() }));
    assert!(says(&judge(seen), "elasticsearch.master.mute", Verdict::Crit));
}

#[test]
fn unassigned_shards_have_reasons_in_words() {
    for (reason, decider, since, why) in [
        ("NODE_LEFT", "same_shard", "elasticsearch.since.node-left", "elasticsearch.why.same-shard"),
        ("ALLOCATION_FAILED", "max_retry", "elasticsearch.since.failed", "elasticsearch.why.max-retry"),
        ("REPLICA_ADDED", "disk_threshold", "elasticsearch.since.replica-added", "elasticsearch.why.disk"),
        ("CLUSTER_RECOVERED", "filter", "elasticsearch.since.cluster-recovered", "elasticsearch.why.filter"),
        ("NEW_THING", "new_decider", "elasticsearch.since.other", "elasticsearch.why.other"),
    ] {
        let mut seen: Vec<_> = ALL.iter().map(|id| node(id, Some("a"), &ALL, "yellow")).collect();
        let shard = json!({"index": "mall", "shard": 1, "primary": false, "unassigned_info": {"reason": reason, "details": "node_left [c]"}});
        let explained = json!({"index": "mall", "shard": 1, "primary": false, "can_allocate": "no", "node_allocation_decisions": [
            {"node_name": "es-b", "deciders": [{"decider": decider, "decision": "NO", "explanation": "because\u{1b}[31m"}]}]});
        let told =
            Whole { unassigned: vec![serde_json::from_value(shard).unwrap()], explained: vec![serde_json::from_value(explained).unwrap()], ..Whole::default() };
        whole(&mut seen[0], told);
        let group = judge(seen);
        assert!(says(&group, since, Verdict::Warn) && says(&group, why, Verdict::Warn), "{:?}", codes(&group));
        let text = format!("{:?}", group.reasons);
        assert!(text.contains("c:9200") && text.contains("mall[1]") && !text.contains('\u{1b}'), "{text}");
    }
}

#[test]
fn a_lost_primary_is_worse_than_a_delayed_one() {
    let with = |can: &str| {
        let mut seen: Vec<_> = ALL.iter().map(|id| node(id, Some("a"), &ALL, "red")).collect();
        let shard = json!({"index": "lone", "shard": 0, "primary": true, "unassigned_info": {"reason": "NODE_LEFT"}});
        let explained = json!({"index": "lone", "primary": true, "can_allocate": can, "remaining_delay_in_millis": 30000});
        let (unassigned, explained) = (vec![serde_json::from_value(shard).unwrap()], vec![serde_json::from_value(explained).unwrap()]);
        whole(&mut seen[0], Whole { unassigned, explained, ..Whole::default() });
        judge(seen)
    };
    assert!(says(&with("no_valid_shard_copy"), "elasticsearch.why.no-copy", Verdict::Crit));
    assert!(says(&with("allocation_delayed"), "elasticsearch.why.delayed", Verdict::Crit));
    assert!(says(&with("throttled"), "elasticsearch.why.soon", Verdict::Ok));
}

#[test]
fn disks_are_held_against_the_clusters_own_watermarks() {
    let on = |free: u64, settings: Rules| {
        let mut seen = healthy();
        seen[1].stats = serde_json::from_value(
            json!({"fs": {"data": [{"total_in_bytes": 1000, "available_in_bytes": 900}, {"total_in_bytes": 1000, "available_in_bytes": free}]}}),
        )
        .unwrap();
        whole(&mut seen[0], Whole { rules: Arc::new(settings), ..Whole::default() });
        judge(seen)
    };
    assert_eq!(worst(&on(160, Rules::default())), Verdict::Ok);
    assert!(says(&on(150, Rules::default()), "elasticsearch.disk.low", Verdict::Warn));
    assert!(says(&on(100, Rules::default()), "elasticsearch.disk.high", Verdict::Warn));
    assert!(says(&on(50, Rules::default()), "elasticsearch.disk.flood", Verdict::Crit));
    let mut own = Rules::default();
    own.settings.low = Mark::UsedPercent(99.0);
    own.settings.high = Mark::UsedPercent(99.5);
    own.settings.flood = Mark::FreeBytes(4);
    assert_eq!(worst(&on(50, own)), Verdict::Ok);
}

#[test]
fn a_restart_that_was_left_half_done_and_votes_that_run_out() {
    let mut rules = Rules { voters: ALL.iter().map(|v| (*v).to_owned()).collect(), ..Rules::default() };
    rules.settings.allocation = "primaries".to_owned();
    rules.report =
        vec![("disk".to_owned(), Indicator { status: "yellow".to_owned(), symptom: "1 node is over the low watermark".to_owned(), diagnosis: Vec::new() })];
    let mut seen: Vec<_> = ["a", "b"].iter().map(|id| node(id, Some("a"), &["a", "b"], "green")).collect();
    whole(&mut seen[0], Whole { rules: Arc::new(rules), ..Whole::default() });
    let group = judge(seen);
    for code in ["elasticsearch.allocation.off", "elasticsearch.votes.thin", "elasticsearch.report"] {
        assert!(says(&group, code, Verdict::Warn), "{code}: {:?}", codes(&group));
    }
}

#[test]
fn the_queue_the_limits_and_the_doors() {
    let mut seen = healthy();
    seen[0].door = Door::Open;
    for s in &mut seen {
        s.slow = Arc::new(Slow { at: NOW, plugins: Some(Vec::new()) });
    }
    seen[0].health = serde_json::from_value(json!({"status": "green", "number_of_data_nodes": 3, "active_shards": 2990, "number_of_pending_tasks": 12,
        "task_max_waiting_in_queue_millis": 130_000}))
    .unwrap();
    whole(&mut seen[0], Whole { tasks: vec!["put-mapping".to_owned()], ..Whole::default() });
    seen[1].trend =
        Trend { rejected: vec![("write".to_owned(), 4.0)], tripped: vec![("parent".to_owned(), 2)], gc_percent: Some(60.0), heap: [96.0, 97.0].into(), odd: 0 };
    let group = judge(seen);
    for (code, verdict) in [
        ("elasticsearch.pending", Verdict::Warn),
        ("elasticsearch.pending.old", Verdict::Crit),
        ("elasticsearch.shards.limit", Verdict::Warn),
        ("elasticsearch.doors", Verdict::Warn),
        ("elasticsearch.rejected", Verdict::Warn),
        ("elasticsearch.breaker", Verdict::Warn),
        ("elasticsearch.gc", Verdict::Crit),
        ("elasticsearch.heap", Verdict::Crit),
    ] {
        assert!(says(&group, code, verdict), "{code}: {:?}", codes(&group));
    }
}

#[test]
fn copies_on_their_way_are_edges_and_unknown_nodes_are_followed() {
    let mut seen = healthy();
    let copy = Recovery {
        index: "mall".into(),
        shard: "0".into(),
        stage: "index".into(),
        source_node: "es-a".into(),
        target_node: "es-d".into(),
        bytes_percent: "40.0%".into(),
        bytes_recovered: "40".into(),
        bytes_total: "100".into(),
    };
    let own = Recovery { source_node: "n/a".into(), ..copy.clone() };
    let announced_by = [("a", "10.0.0.1:9200"), ("d", "es-d/10.0.0.4:9200")].map(|(id, a)| (id.to_owned(), a.to_owned())).into();
    whole(&mut seen[0], Whole { recoveries: vec![copy, own], rules: Arc::new(Rules { announced: announced_by, ..Rules::default() }), ..Whole::default() });
    let views: Vec<_> = seen.into_iter().map(answering).collect();
    let named: Vec<String> = announced(&views).iter().map(ToString::to_string).collect();
    assert!(named.contains(&"10.0.0.4:9200".to_owned()) && named.len() == 2, "the one of ours that is listed, and the new one: {named:?}");
    let group = picture_of(&views);
    let edges: Vec<_> = group.edges.iter().map(|e| (&*e.from, &*e.to, &*e.channel, e.state, e.metrics[0].value)).collect();
    assert_eq!(edges, [("a:9200", "es-d", "mall[0]", EdgeState::Flowing, 40.0)]);
}
