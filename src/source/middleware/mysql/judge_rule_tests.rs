//! Every rule, while all the others say that all is well: it holds against their word, and with any one of them frozen.

use super::dialect::Dialect;
use super::gtid::GtidSet;
use super::judge_tests::{NOW, answers, deaf, judge, replica, seen};
use super::log::LogPlace;
use super::picture::picture;
use super::seen::{Applier, Channel, Compared, Filter, Gtid, Guard, LogEnd, LogWriting, Peer, REPLICATION, Receiver, Seen, SemiSyncState, ThreadError};
use crate::model::fact::Denied;
use crate::model::verdict::Verdict::{self, Crit, Ok, Unknown, Warn};
use crate::source::middleware::member::View;
use crate::source::middleware::spec::Spec;
use crate::source::middleware::witness::{self, Row};

type Trio = [Seen; 3];

fn trio() -> Trio {
    [seen(1), replica(2), replica(3)]
}

#[track_caller]
fn holds(code: &str, verdict: Verdict, needs: &[usize], all: Trio) {
    witness::holds(judge, code, verdict, needs, &all.map(answers));
}

fn with(change: impl FnOnce(&mut Trio)) -> Trio {
    let mut all = trio();
    change(&mut all);
    all
}

#[test]
fn what_a_source_says_of_itself() {
    let table: [Row<fn(&mut Seen)>; 8] = [
        ("mysql.connections", Crit, |s| s.connections = 96),
        ("mysql.connections", Warn, |s| s.connections = 85),
        ("mysql.running", Warn, |s| s.running = 100),
        ("mysql.lock-waits", Warn, |s| s.lock_waits = 10),
        ("mysql.log.short", Warn, |s| s.log_kept_seconds = Some(7200.0)),
        ("mysql.semi-sync.degraded", Warn, |s| s.semi_sync.source = SemiSyncState::Degraded),
        ("mysql.source.read-only", Crit, |s| s.read_only = Guard::ReadOnly),
        ("mysql.no-right", Unknown, |s| s.denied = vec![Denied { fact: REPLICATION.into(), need: "REPLICATION CLIENT".into() }]),
    ];
    for (code, verdict, change) in table {
        holds(code, verdict, &[0], with(|all| change(&mut all[0])));
    }
    let mut strict = Spec::new("mysql", "orders", &[]);
    strict.settings.insert("semi_sync".to_owned(), "required".to_owned());
    let judge = |views: &[View<Seen>]| picture(&strict, views, NOW);
    witness::holds(judge, "mysql.semi-sync.none", Crit, &[0], &trio().map(answers));
}

#[test]
fn what_a_replica_says_of_itself() {
    let table: [Row<fn(&mut Seen)>; 13] = [
        ("mysql.replica.writable", Crit, |s| s.read_only = Guard::Writable),
        ("mysql.replica.super-writable", Ok, |s| s.read_only = Guard::ReadOnly),
        ("mysql.replica.stopped", Warn, |s| (s.channels[0].receiver, s.channels[0].applier) = (Receiver::Stopped, Applier::Stopped)),
        ("mysql.io.stopped", Warn, |s| s.channels[0].receiver = Receiver::Stopped),
        ("mysql.lag.draining", Ok, |s| (s.channels[0].receiver, s.channels[0].seconds_behind) = (Receiver::Stopped, Some(5.0))),
        ("mysql.sql.stopped", Warn, |s| s.channels[0].applier = Applier::Stopped),
        ("mysql.sql.waits", Warn, |s| s.channels[0].applier_state = "Waiting for table metadata lock".to_owned()),
        ("mysql.filter", Warn, |s| s.channels[0].filters = vec![Filter { rule: "Replicate_Ignore_DB".to_owned(), of: "pay".to_owned() }]),
        ("mysql.lag", Crit, |s| s.channels[0].seconds_behind = Some(70.0)),
        ("mysql.lag.growing", Warn, |s| {
            s.channels[0].seconds_behind = Some(6.0);
            s.channels[0].trend.lags = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        }),
        ("mysql.delayed", Ok, |s| s.channels[0].delay_seconds = 600),
        ("mysql.io.connecting", Crit, |s| *s = deaf(s.clone(), Receiver::Connecting)),
        ("mysql.source.not-listed", Warn, |s| (s.channels[0].host, s.channels[0].source_uuid) = ("elsewhere".to_owned(), "x".to_owned())),
    ];
    for (code, verdict, change) in table {
        holds(code, verdict, &[1], with(|all| change(&mut all[1])));
    }
}

fn failed(change: fn(&mut Channel, ThreadError), number: u32, text: &str) -> Trio {
    with(|all| change(&mut all[1].channels[0], ThreadError { number, text: text.to_owned() }))
}

#[test]
fn what_stopped_the_receiver() {
    let table = [
        (1236, "Could not find first log file name in binary log index file", "no-such-log"),
        (1236, "the source has purged binary logs containing GTIDs that the replica requires", "purged"),
        (1236, "log event entry exceeded max_allowed_packet", "position"),
        (1236, "A replica with the same server_uuid/server_id as this replica has connected", "same-id"),
        (1593, "equal MySQL server ids", "equal-id"),
        (1593, "equal MySQL server UUIDs", "equal-uuid"),
        (1593, "something else", "fatal"),
        (1045, "Access denied", "credentials"),
        (2061, "Authentication requires secure connection", "insecure-login"),
        (2026, "SSL connection error", "tls"),
        (1129, "Host is blocked", "host-blocked"),
        (1130, "Host is not allowed", "host-refused"),
        (1040, "Too many connections", "too-many"),
        (1227, "Access denied; you need REPLICATION SLAVE", "grant"),
        (1872, "metadata", "setup"),
        (2003, "Can't connect", "unreachable"),
        (4711, "?", "error"),
    ];
    for (number, text, name) in table {
        let stopped = |c: &mut Channel, e| (c.receiver, c.receiver_error) = (Receiver::Stopped, e);
        holds(&format!("mysql.io.{name}"), Crit, &[1], failed(stopped, number, text));
    }
}

#[test]
fn what_stopped_the_applier() {
    let table = [
        (1062, "duplicate"),
        (1032, "missing-row"),
        (1146, "missing-table"),
        (1050, "exists"),
        (1594, "relay-log"),
        (1872, "repository"),
        (1205, "lock"),
        (1452, "foreign-key"),
        (1290, "read-only"),
        (1021, "disk-full"),
        (1677, "conversion"),
        (1950, "gtid-order"),
        (1590, "incident"),
        (4711, "error"),
    ];
    for (number, name) in table {
        let stopped = |c: &mut Channel, e| (c.applier, c.applier_error) = (Applier::Stopped, e);
        holds(&format!("mysql.sql.{name}"), Crit, &[1], failed(stopped, number, "why"));
    }
}

#[test]
fn what_takes_both_ends() {
    let set = |text: &str| GtidSet::parse(&text.replace('U', "00000000-0000-0000-0000-000000000009"));
    let compared = |errant: &str, lost: &str| {
        with(|all| {
            all[0].gtid = Gtid::MySql { executed: set("U:1-9") };
            all[1].gtid = Gtid::MySql { executed: set("U:1-9") };
            all[0].compared = vec![Compared { follower: "db2:3306".into(), missing: set(lost), errant: set(errant), lost: set(lost) }];
        })
    };
    holds("mysql.gtid.errant", Warn, &[0, 1], compared("U:10", ""));
    holds("mysql.gtid.lost", Crit, &[0, 1], compared("", "U:1-3"));
    let unread = with(|all| all[0].end = Some(LogEnd { place: LogPlace::new("bin.000001", 5000), ..LogEnd::default() }));
    holds("mysql.io.stalled", Crit, &[0, 1], unread);
    holds("mysql.lag.heartbeat", Crit, &[0, 1], with(|all| (all[0].beat_at_seconds, all[1].beat_at_seconds) = (Some(100.0), Some(20.0))));
    let filtered = with(|all| {
        all[0].databases = vec!["pay".to_owned()];
        all[1].channels[0].filters = vec![Filter { rule: "Replicate_Ignore_DB".to_owned(), of: "pay".to_owned() }];
    });
    holds("mysql.filter.lost", Warn, &[0, 1], filtered);
    holds("mysql.version.newer-source", Warn, &[0, 1], with(|all| all[1].dialect = Dialect::parse("8.0.36", "MySQL Community Server - GPL")));
    holds("mysql.source.fewer-senders", Warn, &[0, 1, 2], with(|all| all[0].senders = Some(1)));
    let nobody_hears = with(|all| {
        for one in &mut all[1..] {
            *one = deaf(one.clone(), Receiver::Connecting);
        }
    });
    holds("mysql.source.unheard", Crit, &[0], nobody_hears);
}

fn follows(follower: &mut Seen, source: u32) {
    let channel = &mut follower.channels[0];
    (channel.host, channel.source_id) = (format!("db{source}"), source);
    channel.source_uuid = format!("00000000-0000-0000-0000-{source:012}");
}

#[test]
fn what_the_shape_of_a_group_tells() {
    let chain = with(|all| {
        all[1].logs_own = LogWriting::Own;
        follows(&mut all[2], 2);
    });
    holds("mysql.chain.no-log", Crit, &[1], chain);
    holds("mysql.member.alone", Warn, &[2], with(|all| all[2] = seen(3)));
    let mut two = [seen(1), replica(2), seen(3), replica(4)];
    follows(&mut two[3], 3);
    witness::holds(judge, "mysql.group.two-sources", Warn, &[0, 2], &two.map(answers));
    let twins = |change: fn(&mut Seen)| {
        let mut views = trio().map(answers);
        change(views[2].seen.as_mut().unwrap());
        views
    };
    witness::holds(judge, "mysql.id.equal", Crit, &[], &twins(|s| s.server_id = 2));
    witness::holds(judge, "mysql.uuid.equal", Crit, &[], &twins(|s| s.server_uuid = seen(2).server_uuid));
}

fn group(lists: [&[(u32, &str, &str)]; 3]) -> Trio {
    let peer = |(id, state, role): &(u32, &str, &str)| Peer {
        uuid: format!("00000000-0000-0000-0000-{id:012}"),
        host: format!("db{id}"),
        port: 3306,
        state: (*state).to_owned(),
        role: (*role).to_owned(),
        queue: Some(0),
    };
    let member = |(id, list): (u32, &[(u32, &str, &str)])| Seen { peers: list.iter().map(peer).collect(), ..seen(id) };
    [(1, lists[0]), (2, lists[1]), (3, lists[2])].map(member)
}

#[test]
fn a_member_of_a_replication_group_that_lies() {
    let well: &[(u32, &str, &str)] = &[(1, "ONLINE", "PRIMARY"), (2, "ONLINE", "SECONDARY"), (3, "ONLINE", "SECONDARY")];
    let lost: &[(u32, &str, &str)] = &[(1, "ONLINE", "PRIMARY"), (2, "ONLINE", "SECONDARY"), (3, "ERROR", "")];
    let behind: &[(u32, &str, &str)] = &[(1, "ONLINE", "PRIMARY"), (2, "ONLINE", "SECONDARY"), (3, "RECOVERING", "SECONDARY")];
    let alone: &[(u32, &str, &str)] = &[(1, "UNREACHABLE", "SECONDARY"), (2, "UNREACHABLE", "SECONDARY"), (3, "ONLINE", "PRIMARY")];
    holds("mysql.group.member-lost", Crit, &[], group([lost, lost, well]));
    holds("mysql.group.recovering", Warn, &[], group([behind, behind, well]));
    holds("mysql.group.no-majority", Crit, &[2], group([well, well, alone]));
    holds("mysql.group.split", Crit, &[2], group([well, well, alone]));
}
