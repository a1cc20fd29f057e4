//! Every rule, while all the others say that all is well: it holds against their word, it holds with any one of them frozen, and
//! freezing the one that it is about makes nothing ok.

use std::time::Duration;

use super::super::info::Role;
use super::super::nodes::{ClusterState, ClusterView, Health, Wire};
use super::super::seen::{Data, Door, Read, Seen, Writes};
use super::super::sentinel::{Flags, Quorum, SentinelView, Tilt};
use super::tests::{NOW, judge, master, node, replica, sentinel};
use crate::model::fact::Denied;
use crate::model::verdict::Verdict::{self, Crit, Ok, Unknown, Warn};
use crate::source::middleware::member::View;
use crate::source::middleware::witness::{self, Row, worst};

/// Two replicas that both ends agree on, with something more in the answers of the master and of the first replica.
fn trio(master_says: &str, replica_says: &str) -> Vec<View<Seen>> {
    let list = "slave0:ip=b,port=1,state=online,offset=0,lag=0\nslave1:ip=c,port=1,state=online,offset=0,lag=0";
    vec![master("a:1", &format!("{list}\n{master_says}")), replica("b:1", "a:1", replica_says), replica("c:1", "a:1", "")]
}

/// The same with three sentinels that agree.
fn watched() -> Vec<View<Seen>> {
    let mut views = trio("", "");
    views.extend(["s1:1", "s2:1", "s3:1"].map(|s| sentinel(s, "a:1", 2)));
    views
}

/// Three masters that know each other.
fn cluster() -> Vec<View<Seen>> {
    let of = |me: &str| {
        let line = |id: &str| format!("{id} {id}:1@1 {}master - 0 0 1 connected 0-1", if id == me { "myself," } else { "" });
        node(&format!("{me}:1"), "ok", &["a", "b", "c"].map(line).join("\n"))
    };
    ["a", "b", "c"].map(of).into()
}

fn data(views: &mut [View<Seen>], at: usize) -> &mut Data {
    match &mut views[at].seen {
        Some(Seen::Data(data)) => data,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn holds(code: &str, verdict: Verdict, needs: &[usize], views: &[View<Seen>]) {
    witness::holds(judge, code, verdict, needs, views);
}

#[test]
fn nothing_is_wrong_where_nothing_is() {
    assert_eq!(worst(&judge(&trio("", ""))), Ok);
    assert_eq!(worst(&judge(&watched())), Ok);
}

#[test]
fn what_one_server_says_of_itself() {
    let of_master = [
        ("redis.aof_failed", Crit, "aof_last_write_status:err"),
        ("redis.bgsave_failed", Crit, "rdb_last_bgsave_status:err"),
        ("redis.clients", Crit, "connected_clients:96\nmaxclients:100"),
        ("redis.clients", Warn, "connected_clients:85\nmaxclients:100"),
        ("redis.loading", Crit, "loading:1\nloading_eta_seconds:9"),
        ("redis.memory.full", Crit, "maxmemory:100\nused_memory:96\nmaxmemory_policy:noeviction"),
        ("redis.memory.unlimited", Warn, "maxmemory:0"),
        ("redis.memory.fragmented", Warn, "maxmemory:99999999999\nused_memory:536870912\nmem_fragmentation_ratio:1.9"),
        ("redis.slow_fork", Warn, "latest_fork_usec:1500000"),
    ];
    for (code, verdict, text) in of_master {
        holds(code, verdict, &[0], &trio(text, ""));
    }
    let of_replica = [
        ("redis.aof_failed", Warn, "aof_last_write_status:err"),
        ("redis.link.down", Crit, "master_link_status:down"),
        ("redis.link.silent", Warn, "master_last_io_seconds_ago:20"),
        ("redis.link.silent", Crit, "master_last_io_seconds_ago:70"),
        ("redis.link.syncing", Ok, "master_sync_in_progress:1"),
        ("redis.replica_writable", Warn, "slave_read_only:0"),
        ("redis.twin", Warn, "run_id:a:1"),
    ];
    for (code, verdict, text) in of_replica {
        holds(code, verdict, &[1], &trio("", text));
    }
}

#[test]
fn what_a_client_meets_and_what_only_time_tells() {
    let table: [Row<fn(&mut Data)>; 14] = [
        ("redis.read_refused", Crit, |d| d.read = Read::Refused("LOADING".to_owned())),
        ("redis.writes_refused", Crit, |d| d.writes = Writes::Refused("MISCONF".to_owned())),
        ("redis.open", Warn, |d| d.door = Door::Open),
        ("redis.slow", Warn, |d| d.round_trip = Duration::from_millis(300)),
        ("redis.slow", Crit, |d| d.round_trip = Duration::from_secs(2)),
        ("redis.evicting", Warn, |d| d.trend.evicted_per_second = Some(5.0)),
        ("redis.rejected", Warn, |d| d.trend.rejected_per_second = Some(1.0)),
        ("redis.refusing.misconf", Crit, |d| d.trend.refused = vec![("MISCONF".to_owned(), 3)]),
        ("redis.refusing.oom", Crit, |d| d.trend.refused = vec![("OOM".to_owned(), 3)]),
        ("redis.refusing.noreplicas", Crit, |d| d.trend.refused = vec![("NOREPLICAS".to_owned(), 3)]),
        ("redis.refusing.readonly", Warn, |d| d.trend.refused = vec![("READONLY".to_owned(), 3)]),
        ("redis.resync_loop", Warn, |d| d.trend.full_syncs = vec![NOW; 3]),
        ("redis.no_right", Unknown, |d| {
            d.info = None;
            d.denied = vec![Denied { fact: "INFO".into(), need: "+info".into() }];
        }),
        ("redis.no_right", Ok, |d| d.denied = vec![Denied { fact: "CONFIG".into(), need: "+config|get".into() }]),
    ];
    for (code, verdict, change) in table {
        let mut views = trio("", "");
        change(data(&mut views, 0));
        holds(code, verdict, &[0], &views);
    }
}

#[test]
fn what_takes_both_ends() {
    holds("redis.lag", Crit, &[0, 1], &trio("master_repl_offset:2000", "slave_repl_offset:900"));
    holds("redis.link.not_online", Ok, &[0, 1], &trio("slave0:ip=b,port=1,state=wait_bgsave,offset=0,lag=0", ""));
    let mut views = trio("master_repl_offset:2000", "slave_repl_offset:1800");
    data(&mut views, 1).trend.lags = vec![10, 20, 40, 80, 160, 200];
    holds("redis.lag.growing", Warn, &[0, 1], &views);
    let mut views = trio("", "");
    views[2] = master("c:1", "");
    holds("redis.masters.many", Crit, &[0, 2], &views);
}

#[test]
fn what_one_sentinel_says_against_the_others() {
    let table: [Row<fn(&mut SentinelView)>; 9] = [
        ("redis.sentinel.no_such_master", Crit, |v| v.master = None),
        ("redis.sentinel.quorum", Crit, |v| v.quorum = Quorum::Missed("NOQUORUM".to_owned())),
        ("redis.sentinel.tilt", Warn, |v| v.tilt = Tilt::On),
        ("redis.sentinel.master_down", Crit, |v| v.master.as_mut().unwrap().flags = Flags::Down),
        ("redis.sentinel.quorums_differ", Warn, |v| v.master.as_mut().unwrap().quorum = 3),
        ("redis.sentinel.quorum_too_high", Crit, |v| v.master.as_mut().unwrap().quorum = 4),
        ("redis.sentinel.strangers", Warn, |v| v.master.as_mut().unwrap().other_sentinels = 1),
        ("redis.sentinel.master_unasked", Unknown, |v| v.master.as_mut().unwrap().address = "z:1".to_owned()),
        ("redis.sentinel.split", Crit, |v| v.master.as_mut().unwrap().address = "b:1".to_owned()),
    ];
    let change = |change: fn(&mut SentinelView)| {
        let mut views = watched();
        match &mut views[3].seen {
            Some(Seen::Sentinel(sentinel)) => change(&mut sentinel.view),
            other => panic!("{other:?}"),
        }
        views
    };
    for (code, verdict, of) in table {
        holds(code, verdict, &[3], &change(of));
    }
    // Missed by one while it answers us: its own word is another one.
    holds("redis.missed", Warn, &[0, 3], &change(|v| v.master.as_mut().unwrap().flags = Flags::Missed));
    let mut views = watched();
    for at in [4, 5] {
        witness::freeze(&mut views[at]);
    }
    holds("redis.sentinel.few_heard", Unknown, &[], &views);
}

#[test]
fn what_one_node_of_a_cluster_says_against_the_others() {
    let table: [Row<fn(&mut ClusterView)>; 8] = [
        ("redis.cluster.own_fail", Crit, |v| v.state = ClusterState::Fail),
        ("redis.cluster.split", Crit, |v| v.state = ClusterState::Fail),
        ("redis.cluster.slots_unassigned", Crit, |v| v.slots_assigned = 16_000),
        ("redis.cluster.slots_fail", Crit, |v| v.slots_fail = 5),
        ("redis.cluster.slots_pfail", Warn, |v| v.slots_pfail = 5),
        ("redis.cluster.nodes_differ", Warn, |v| v.known_nodes = 4),
        ("redis.cluster.epochs_differ", Warn, |v| v.epoch = 9),
        ("redis.cluster.bus", Warn, |v| v.nodes[0].link = Wire::Disconnected),
    ];
    for (code, verdict, change) in table {
        let mut views = cluster();
        change(data(&mut views, 2).cluster.as_mut().unwrap());
        holds(code, verdict, &[2], &views);
    }
    let mut views = cluster();
    data(&mut views, 1).cluster.as_mut().unwrap().nodes.retain(|n| n.id != "c");
    holds("redis.cluster.stranger", Crit, &[1, 2], &views);
    let mut views = cluster();
    data(&mut views, 0).cluster.as_mut().unwrap().nodes[2].health = Health::Suspected;
    holds("redis.missed", Warn, &[0, 2], &views);
    let mut views = cluster();
    let outside = data(&mut views, 2);
    outside.cluster = None;
    outside.info.as_mut().unwrap().mode = "standalone".to_owned();
    holds("redis.cluster.off", Crit, &[2], &views);
}

#[test]
fn a_replica_of_a_node_that_is_no_master_itself() {
    let mut views = cluster();
    let lines = "a a:1@1 master - 0 0 1 connected 0-1\nb b:1@1 master - 0 0 1 connected\nc c:1@1 master - 0 0 1 connected\n\
                 d d:1@1 myself,slave a 0 0 1 connected";
    let mut follower = replica("d:1", "a:1", "redis_mode:cluster");
    data(std::slice::from_mut(&mut follower), 0).cluster = Some(ClusterView::parse("cluster_state:ok\ncluster_slots_assigned:16384", lines));
    views.push(follower);
    data(&mut views, 0).info.as_mut().unwrap().role = Some(Role::Replica);
    holds("redis.link.no_master", Crit, &[0, 3], &views);
}
