//! Every rule, while the two other servers say that all is well: it holds against their word, and with either of them frozen.

use std::time::Duration;

use serde_json::json;

use super::super::seen::{Door, Grpc, Seen};
use super::tests::{NOW, all, healthy, judge, node, up};
use crate::model::fact::Denied;
use crate::model::verdict::Verdict::{self, Crit, Ok, Unknown, Warn};
use crate::source::middleware::witness::{self, Row};

#[track_caller]
fn holds(code: &str, verdict: Verdict, needs: &[usize], seen: Vec<Seen>) {
    witness::holds(judge, code, verdict, needs, &all(seen));
}

/// How server `of` is called in the list of server `by`.
fn called(seen: &mut [Seen], by: usize, of: usize, state: &str) {
    seen[by].nodes.as_mut().unwrap()[of].state = state.to_owned();
}

#[test]
fn what_one_server_says_of_itself() {
    let table: [Row<fn(&mut Seen)>; 11] = [
        ("nacos.open", Warn, |s| s.door = Door::Open),
        ("nacos.not-ready", Crit, |s| s.metrics = serde_json::from_value(json!({"status": "DOWN"})).unwrap()),
        ("nacos.own-state", Crit, |s| s.nodes.as_mut().unwrap()[1].state = "DOWN".to_owned()),
        ("nacos.starting", Warn, |s| s.nodes.as_mut().unwrap()[1].state = "STARTING".to_owned()),
        ("nacos.own-unlisted", Warn, |s| s.nodes.as_mut().unwrap().retain(|n| !n.address.starts_with('b'))),
        ("nacos.grpc", Crit, |s| s.grpc = Grpc::Closed { port: 9848, text: "refused".to_owned(), at: NOW }),
        ("nacos.slow", Warn, |s| s.round_trip = Duration::from_secs(2)),
        ("nacos.slow", Crit, |s| s.round_trip = Duration::from_secs(4)),
        ("nacos.versions", Warn, |s| s.version = "2.2.0".to_owned()),
        ("nacos.no-right", Unknown, |s| s.denied = vec![Denied { fact: "the list of servers".into(), need: "a login".into() }]),
        ("nacos.no-right", Ok, |s| s.denied = vec![Denied { fact: "services".into(), need: "a login".into() }]),
    ];
    for (code, verdict, change) in table {
        let mut seen = healthy();
        change(&mut seen[1]);
        holds(code, verdict, &[1], seen);
    }
}

#[test]
fn what_the_others_say_of_a_server_that_calls_itself_well() {
    let mut seen = healthy();
    called(&mut seen, 0, 2, "DOWN");
    called(&mut seen, 1, 2, "DOWN");
    holds("nacos.accused", Crit, &[2], seen);
    // One against one: neither is believed alone.
    let mut seen = healthy();
    called(&mut seen, 0, 2, "DOWN");
    holds("nacos.accused.disputed", Warn, &[0, 1, 2], seen);
    let mut seen = healthy();
    called(&mut seen, 0, 2, "SUSPICIOUS");
    holds("nacos.missed", Warn, &[0, 2], seen);
}

#[test]
fn what_one_server_says_of_the_leader() {
    let mut seen = healthy();
    seen[2] = node("c", "c", &up());
    holds("nacos.raft.split", Crit, &[2], seen);
    let mut seen = healthy();
    seen[2] = node("c", "", &up());
    holds("nacos.raft.own-none", Crit, &[2], seen);
}

#[test]
fn one_server_under_two_addresses() {
    let mut views = all(healthy());
    views.push(views[1].clone());
    views[3].address = "b.example:8848".into();
    witness::holds(judge, "nacos.twin", Warn, &[1, 3], &views);
}
