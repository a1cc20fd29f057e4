//! Every rule, while the two other nodes say that all is well: it holds against their word, and with either of them frozen.

use std::time::Duration;

use super::super::api::{Check, Connection, Node, Queue, Resource, Statistics};
use super::super::proof::Door;
use super::super::seen::{Age, Api, Facts, Kind, Listing, Seen, Trend, Whole};
use super::tests::{ALL, answering, facts, judge, queue, seen, view, with_queues};
use crate::base::clock::Moment;
use crate::model::fact::Denied;
use crate::model::verdict::Verdict::{self, Crit, Ok, Unknown, Warn};
use crate::source::middleware::member::View;
use crate::source::middleware::witness::{self, Row};

/// The one that the rule is about is the second; all three see each other run.
fn trio(change: impl FnOnce(&mut Facts)) -> Vec<View<Seen>> {
    let mut b = facts("b", &ALL);
    change(&mut b);
    vec![answering(facts("a", &ALL)), answering(b), answering(facts("c", &ALL))]
}

#[track_caller]
fn holds(code: &str, verdict: Verdict, needs: &[usize], views: &[View<Seen>]) {
    witness::holds(judge, code, verdict, needs, views);
}

#[test]
fn what_a_node_has_left() {
    let table: [Row<fn(&mut Node)>; 12] = [
        ("rabbitmq.alarm.disk", Crit, |n| n.alarms = vec![Resource::Disk]),
        ("rabbitmq.alarm.memory", Crit, |n| n.alarms = vec![Resource::Memory]),
        ("rabbitmq.disk", Crit, |n| n.disk_free = Some(1)),
        ("rabbitmq.disk", Warn, |n| n.disk_free = Some(1_000_000_000)),
        ("rabbitmq.memory", Crit, |n| n.memory_used = Some(96)),
        ("rabbitmq.memory", Warn, |n| n.memory_used = Some(85)),
        ("rabbitmq.files", Crit, |n| n.files = Some((96, 100))),
        ("rabbitmq.sockets", Crit, |n| n.sockets = Some((96, 100))),
        ("rabbitmq.processes", Crit, |n| n.processes = Some((96, 100))),
        ("rabbitmq.processes", Warn, |n| n.processes = Some((85, 100))),
        ("rabbitmq.draining", Warn, |n| n.draining = true),
        ("rabbitmq.partition", Crit, |n| n.partitions = vec!["c".to_owned()]),
    ];
    for (code, verdict, change) in table {
        holds(code, verdict, &[1], &trio(|f| change(&mut f.nodes.as_mut().unwrap()[1])));
    }
}

#[test]
fn what_a_node_checks_of_itself() {
    let table = [
        (Kind::Vhosts, "rabbitmq.vhost_down", Crit),
        (Kind::QuorumCritical, "rabbitmq.quorum_critical", Warn),
        (Kind::MirrorCritical, "rabbitmq.mirror_critical", Warn),
        (Kind::Certificates, "rabbitmq.certificate", Warn),
        (Kind::InService, "rabbitmq.not_in_service", Warn),
        (Kind::ConnectionLimit, "rabbitmq.connection_limit", Crit),
        (Kind::ReadyForClients, "rabbitmq.not_ready", Crit),
        (Kind::LeaderlessQueues, "rabbitmq.queue.no_leader", Crit),
    ];
    for (kind, code, verdict) in table {
        holds(code, verdict, &[1], &trio(|f| f.checks = vec![(kind, Check::Failed { reason: "r".into(), names: vec!["x".into()] })]));
    }
    holds("rabbitmq.waits", Unknown, &[1], &trio(|f| f.whole = Whole::Hung));
    holds("rabbitmq.no_statistics", Ok, &[1], &trio(|f| f.overview.statistics = Statistics::Off));
    holds("rabbitmq.versions_differ", Warn, &[1], &trio(|f| f.overview.version = "4.0.1".into()));
    let held = |state: &str| vec![Connection { name: "1".into(), user: "mall".into(), state: state.into() }];
    holds("rabbitmq.connections.blocked", Crit, &[1], &trio(|f| f.blocked = held("blocked")));
    holds("rabbitmq.connections.flow", Ok, &[1], &trio(|f| f.blocked = held("flow")));
}

#[test]
fn what_a_client_meets_at_one_node() {
    let table = [
        (Door::Refused("x".into()), "rabbitmq.client.refused", Crit),
        (Door::NoVhost("x".into()), "rabbitmq.client.no_vhost", Crit),
        (Door::NoAccess("x".into()), "rabbitmq.client.no_access", Crit),
        (Door::Blocked("x".into()), "rabbitmq.client.blocked", Crit),
        (Door::Unreachable("x".into()), "rabbitmq.client.unreachable", Crit),
        (Door::Mute("x".into()), "rabbitmq.client.mute", Crit),
        (Door::Tls("x".into()), "rabbitmq.client.tls", Crit),
        (Door::Broken("x".into()), "rabbitmq.client.broken", Crit),
        (Door::NoPort("x".into()), "rabbitmq.client.no_port", Unknown),
        (Door::Unwritable(Duration::ZERO, "x".into()), "rabbitmq.client.unwritable", Ok),
        (Door::Open(Duration::from_secs(1)), "rabbitmq.client.slow", Warn),
        (Door::Open(Duration::from_secs(3)), "rabbitmq.client.slow", Crit),
    ];
    for (door, code, verdict) in table {
        let mut views = trio(|_| ());
        views[1].seen.as_mut().unwrap().door = door;
        holds(code, verdict, &[1], &views);
    }
    for (fact, verdict) in [("nodes", Unknown), ("queues", Ok)] {
        let mut views = trio(|_| ());
        views[1].seen.as_mut().unwrap().denied = vec![Denied { fact: fact.into(), need: "the tag monitoring".into() }];
        holds("rabbitmq.no_right", verdict, &[1], &views);
    }
    let mut views = trio(|_| ());
    views[1].seen.as_mut().unwrap().api = Api::Silent(crate::source::middleware::member::Trouble::unreachable("refused"));
    holds("rabbitmq.api_silent", Unknown, &[1], &views);
}

#[test]
fn what_the_others_say_of_a_node_that_calls_itself_well() {
    // Two see it gone; it sees all three run.
    let cut = |n: &str| answering(facts(n, &["a", "b"]));
    holds("rabbitmq.cut_off", Crit, &[2], &[cut("a"), cut("b"), answering(facts("c", &ALL))]);
    holds("rabbitmq.split_view", Crit, &[2], &[cut("a"), cut("b"), answering(facts("c", &ALL))]);
    let mut views = trio(|_| ());
    views.push(view("http://b.example", seen(facts("b", &ALL))));
    holds("rabbitmq.twin", Warn, &[], &views);
}

#[test]
fn what_one_listing_of_the_queues_says() {
    let listed = |q: Queue| trio(|f| *f = with_queues(f.clone(), vec![q]));
    holds("rabbitmq.queue.no_majority", Crit, &[1], &listed(queue("orders", &["a"])));
    holds("rabbitmq.queue.member_missing", Warn, &[1], &listed(queue("orders", &["a", "b"])));
    let classic = Queue { name: "x".into(), vhost: "/".into(), state: "down".into(), ..Queue::default() };
    holds("rabbitmq.queue.down", Crit, &[1], &listed(classic));
    let mirrored = Queue { mirrors: vec!["b".into()], leader: "a".into(), name: "m".into(), vhost: "/".into(), ..Queue::default() };
    holds("rabbitmq.queue.unsynced", Warn, &[1], &listed(mirrored));
    let mut views = listed(queue("orders", &ALL));
    let mut other = queue("orders", &ALL);
    other.leader = "b".into();
    views[2] = answering(with_queues(facts("c", &ALL), vec![other]));
    holds("rabbitmq.queue.leaders_differ", Warn, &[1, 2], &views);
    let partly = trio(|f| {
        *f = with_queues(f.clone(), vec![queue("orders", &ALL)]);
        f.queues.as_mut().unwrap().total = 900;
    });
    holds("rabbitmq.queues_partly", Ok, &[1], &partly);
}

#[test]
fn what_a_queue_does_over_time() {
    let followed = |at: fn(u64) -> Queue| {
        let mut trend = Trend::default();
        for step in 0..8_u64 {
            let listing = Listing { pages: [(1, vec![at(step)])].into(), page_count: 1, total: 1, next: 1, age: Age::Fresh };
            trend = Trend::of(Moment::from_seconds(i64::try_from(step).unwrap() * 5), Some(&listing), Some(&trend));
        }
        let mut views = trio(|f| *f = with_queues(f.clone(), vec![at(8)]));
        views[1].seen.as_mut().unwrap().trend = trend;
        views
    };
    holds("rabbitmq.queue.no_consumer", Crit, &[1], &followed(|n| Queue { consumers: 0, ready: n + 1, ..queue("orders", &ALL) }));
    holds("rabbitmq.queue.stuck", Warn, &[1], &followed(|_| Queue { consumers: 1, ready: 9, unacked: 5, ..queue("orders", &ALL) }));
}
