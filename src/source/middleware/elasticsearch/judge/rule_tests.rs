//! Every rule, while the two other nodes say that all is well: it holds against their word, and with either of them frozen.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::answer::{Health, Indicator};
use super::super::seen::{Door, Rules, Seen, Slow, Trend, Whole};
use super::tests::{ALL, NOW, answering, healthy, judge, node, picture_of, says, whole};
use crate::model::fact::Denied;
use crate::model::verdict::Verdict::{self, Crit, Ok, Unknown, Warn};
use crate::source::middleware::member::View;
use crate::source::middleware::witness::{self, Row};

#[track_caller]
fn holds(code: &str, verdict: Verdict, needs: &[usize], seen: Vec<Seen>) {
    let views: Vec<View<Seen>> = seen.into_iter().map(answering).collect();
    witness::holds(picture_of, code, verdict, needs, &views);
}

fn with(change: impl FnOnce(&mut [Seen])) -> Vec<Seen> {
    let mut seen = healthy();
    change(&mut seen);
    seen
}

fn disk(seen: &mut Seen, free: u64) {
    seen.stats = serde_json::from_value(json!({"fs": {"data": [{"total_in_bytes": 1000, "available_in_bytes": free}]}})).unwrap();
}

#[test]
fn what_one_node_says_of_itself() {
    let table: [Row<fn(&mut Seen)>; 14] = [
        ("elasticsearch.open", Warn, |s| s.door = Door::Open),
        ("elasticsearch.overloaded", Crit, |s| s.overloaded = Some("Data too large".to_owned())),
        ("elasticsearch.unformed", Crit, |s| s.root.cluster_uuid = "_na_".to_owned()),
        ("elasticsearch.no-master", Crit, |s| s.state.as_mut().unwrap().master_node = None),
        ("elasticsearch.slow", Crit, |s| s.round_trip = Duration::from_mins(1)),
        ("elasticsearch.heap", Crit, |s| s.trend.heap = [96.0, 97.0].into()),
        ("elasticsearch.gc", Crit, |s| s.trend.gc_percent = Some(60.0)),
        ("elasticsearch.rejected", Warn, |s| s.trend.rejected = vec![("write".to_owned(), 4.0)]),
        ("elasticsearch.breaker", Warn, |s| s.trend.tripped = vec![("parent".to_owned(), 2)]),
        ("elasticsearch.disk.low", Warn, |s| disk(s, 150)),
        ("elasticsearch.disk.high", Warn, |s| disk(s, 100)),
        ("elasticsearch.disk.flood", Crit, |s| disk(s, 50)),
        ("elasticsearch.no-right", Unknown, |s| s.denied = vec![Denied { fact: "cluster health".into(), need: "monitor".into() }]),
        ("elasticsearch.no-right", Ok, |s| s.denied = vec![Denied { fact: "plugins".into(), need: "monitor".into() }]),
    ];
    for (code, verdict, change) in table {
        holds(code, verdict, &[1], with(|all| change(&mut all[1])));
    }
}

#[test]
fn what_one_node_says_against_the_others() {
    let table: [Row<fn(&mut Seen)>; 6] = [
        ("elasticsearch.uuid.split", Crit, |s| s.root.cluster_uuid = "other".to_owned()),
        ("elasticsearch.master.split", Crit, |s| *s = node("b", Some("b"), &["b"], "green")),
        ("elasticsearch.red", Crit, |s| *s = node("b", Some("a"), &ALL, "red")),
        ("elasticsearch.yellow", Warn, |s| *s = node("b", Some("a"), &ALL, "yellow")),
        ("elasticsearch.colour.disputed", Warn, |s| s.trend = Trend { odd: 2, ..Trend::default() }),
        ("elasticsearch.versions", Warn, |s| s.root.version.number = "7.10.2".to_owned()),
    ];
    for (code, verdict, change) in table {
        holds(code, verdict, &[1], with(|all| change(&mut all[1])));
    }
    // By every list only the first may lead.
    let one_eligible = with(|all| {
        for (id, listed) in all.iter_mut().flat_map(|s| &mut s.state.as_mut().unwrap().nodes) {
            listed.roles = vec![if id == "a" { "master" } else { "data" }.to_owned()];
        }
    });
    holds("elasticsearch.eligible.few", Warn, &[], one_eligible);
    for (number, code, verdict) in [
        ("12", "elasticsearch.blocked.flood", Crit),
        ("8", "elasticsearch.blocked.write", Warn),
        ("7", "elasticsearch.blocked.read", Warn),
        ("9", "elasticsearch.blocked.metadata", Ok),
        ("99", "elasticsearch.blocked.other", Warn),
    ] {
        let blocks = json!({"indices": {"mall": {number: {"description": "x"}}}});
        holds(code, verdict, &[1], with(|all| all[1].state.as_mut().unwrap().blocks = serde_json::from_value(blocks).unwrap()));
    }
    let all = json!({"global": {"6": {"description": "cluster read-only (api)"}}});
    holds("elasticsearch.blocked.cluster", Crit, &[1], with(|seen| seen[1].state.as_mut().unwrap().blocks = serde_json::from_value(all).unwrap()));
}

#[test]
fn plugins_and_doors_that_differ() {
    let plugged = |versions: [&str; 3]| {
        with(|all| {
            for (seen, version) in all.iter_mut().zip(versions) {
                let list = if version.is_empty() { json!([]) } else { json!([{"name": "analysis-ik", "version": version}]) };
                seen.slow = Arc::new(Slow { at: NOW, plugins: serde_json::from_value(list).unwrap() });
            }
        })
    };
    holds("elasticsearch.plugin.missing", Crit, &[1], plugged(["7.17.28", "", "7.17.28"]));
    holds("elasticsearch.plugin.not-here", Crit, &[1], plugged(["7.17.28", "", "7.17.28"]));
    holds("elasticsearch.plugin.versions", Warn, &[1], plugged(["7.17.28", "7.17.1", "7.17.28"]));
    let mut one_open = plugged(["7.17.28"; 3]);
    one_open[1].door = Door::Open;
    holds("elasticsearch.doors", Warn, &[1], one_open);
}

#[test]
fn what_the_others_say_of_a_node_that_calls_itself_well() {
    let forgotten_by = |who: &[usize]| {
        with(|all| {
            for at in who {
                all[*at].state.as_mut().unwrap().nodes.remove("c");
            }
        })
    };
    holds("elasticsearch.accused", Crit, &[2], forgotten_by(&[0, 1]));
    // One against one: neither is believed alone.
    holds("elasticsearch.accused.disputed", Warn, &[0, 1, 2], forgotten_by(&[0]));
    let mut views: Vec<View<Seen>> = healthy().into_iter().map(answering).collect();
    views.push(views[1].clone());
    views[3].address = "b.example:9200".into();
    witness::holds(picture_of, "elasticsearch.twin", Warn, &[1, 3], &views);
}

/// What is asked of one node only, which here is the first.
#[test]
fn what_the_cluster_says_through_its_master() {
    let health = |rest: Value| -> Health {
        let mut all = json!({"status": "green", "number_of_nodes": 3, "number_of_data_nodes": 3});
        all.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    };
    for (rest, code, verdict) in [
        (json!({"number_of_pending_tasks": 12}), "elasticsearch.pending", Warn),
        (json!({"task_max_waiting_in_queue_millis": 130_000}), "elasticsearch.pending.old", Crit),
        (json!({"active_shards": 2990}), "elasticsearch.shards.limit", Warn),
        (json!({"relocating_shards": 2}), "elasticsearch.moving", Ok),
        (json!({"delayed_unassigned_shards": 2}), "elasticsearch.delayed", Ok),
    ] {
        let told = with(|all| {
            all[0].health = Some(health(rest));
            whole(&mut all[0], Whole::default());
        });
        holds(code, verdict, &[0], told);
    }
    let by = |rules: Rules| with(|all| whole(&mut all[0], Whole { rules: Arc::new(rules), ..Whole::default() }));
    let mut half_done = Rules::default();
    half_done.settings.allocation = "primaries".to_owned();
    holds("elasticsearch.allocation.off", Warn, &[0], by(half_done));
    for (status, verdict) in [("yellow", Warn), ("red", Crit)] {
        let found = Indicator { status: status.to_owned(), symptom: "full".to_owned(), diagnosis: Vec::new() };
        holds("elasticsearch.report", verdict, &[0], by(Rules { report: vec![("disk".to_owned(), found)], ..Rules::default() }));
    }
    holds("elasticsearch.votes.thin", Warn, &[0], by(Rules { voters: ["a", "b", "gone"].map(str::to_owned).to_vec(), ..Rules::default() }));
    let mute = with(|all| all[0].whole = Some(Arc::new(Whole { refusal: Some("not within 0.8 s".to_owned()), ..Whole::default() })));
    holds("elasticsearch.master.mute", Crit, &[0], mute);
}

#[test]
fn why_a_shard_is_nowhere() {
    let told = |reason: &str, decider: &str| {
        let shard = json!({"index": "mall", "shard": 1, "primary": false, "unassigned_info": {"reason": reason, "details": ""}});
        let explained = json!({"index": "mall", "shard": 1, "primary": false, "can_allocate": "no", "node_allocation_decisions": [
            {"node_name": "es-b", "deciders": [{"decider": decider, "decision": "NO", "explanation": "x"}]}]});
        let (unassigned, explained) = (vec![serde_json::from_value(shard).unwrap()], vec![serde_json::from_value(explained).unwrap()]);
        judge(with(|all| whole(&mut all[0], Whole { unassigned, explained, ..Whole::default() })))
    };
    for (reason, name) in [
        ("NODE_LEFT", "node-left"),
        ("NODE_RESTARTING", "node-restarting"),
        ("ALLOCATION_FAILED", "failed"),
        ("INDEX_CREATED", "created"),
        ("REPLICA_ADDED", "replica-added"),
        ("CLUSTER_RECOVERED", "cluster-recovered"),
        ("INDEX_REOPENED", "reopened"),
        ("DANGLING_INDEX_IMPORTED", "dangling"),
        ("NEW_INDEX_RESTORED", "restored"),
        ("PRIMARY_FAILED", "primary-failed"),
        ("MANUAL_ALLOCATION", "rerouted"),
        ("REINITIALIZED", "reinitialized"),
        ("FORCED_EMPTY_PRIMARY", "forced-empty"),
        ("INDEX_CLOSED", "closed"),
    ] {
        let code = format!("elasticsearch.since.{name}");
        assert!(says(&told(reason, "filter"), &code, Warn), "{reason}");
    }
    for (decider, name) in [
        ("same_shard", "same-shard"),
        ("disk_threshold", "disk"),
        ("max_retry", "max-retry"),
        ("filter", "filter"),
        ("enable", "enable"),
        ("awareness", "awareness"),
        ("shards_limit", "shards-limit"),
        ("node_version", "node-version"),
        ("replica_after_primary_active", "primary-first"),
        ("data_tier", "tier"),
        ("throttling", "throttling"),
    ] {
        let code = format!("elasticsearch.why.{name}");
        assert!(says(&told("NODE_LEFT", decider), &code, Warn), "{decider}");
    }
}
