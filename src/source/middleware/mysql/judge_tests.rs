//! The table of observers: who says what, and what is made of it. Most rows have one member that lies, is frozen or is silent.

use std::time::Duration;

use crate::base::clock::Moment;
use crate::model::group::Group;
use crate::model::verdict::Verdict::{self, Crit, Ok, Unknown, Warn};
use crate::source::middleware::member::{State, Trouble, TroubleKind, View};
use crate::source::middleware::mysql::dialect::Dialect;
use crate::source::middleware::mysql::gtid::{GtidPosition, GtidSet};
use crate::source::middleware::mysql::log::LogPlace;
use crate::source::middleware::mysql::picture::picture;
use crate::source::middleware::mysql::read;
use crate::source::middleware::mysql::record::Record;
use crate::source::middleware::mysql::seen::{Compared, Gtid, Guard, LogEnd, LogWriting, Peer, Receiver, Seen, SemiSync};
use crate::source::middleware::spec::Spec;

pub(super) const NOW: Moment = Moment::from_seconds(1_000_000);

pub(super) fn seen(id: u32) -> Seen {
    Seen {
        dialect: Dialect::parse("9.7.4", "MySQL Community Server - GPL"),
        version: "9.7.4".to_owned(),
        server_uuid: format!("00000000-0000-0000-0000-{id:012}"),
        server_id: id,
        host: format!("db{id}"),
        port: 3306,
        read_only: Guard::Writable,
        logs_own: LogWriting::All,
        gtid: Gtid::None,
        connections: 5,
        max_connections: 100,
        running: 2,
        lock_waits: 0,
        uptime_seconds: 9000,
        log_kept_seconds: Some(2_592_000.0),
        semi_sync: SemiSync::default(),
        senders: None,
        channels: Vec::new(),
        workers: Vec::new(),
        parallel: 4,
        peers: Vec::new(),
        clock_offset_seconds: None,
        beat_at_seconds: None,
        databases: Vec::new(),
        denied: Vec::new(),
        tls: String::new(),
        end: None,
        files: Vec::new(),
        compared: Vec::new(),
    }
}

/// A replica of server 1 that says all is well.
pub(super) fn replica(id: u32) -> Seen {
    let row = Record::of(&[
        ("Replica_IO_Running", "Yes"),
        ("Replica_SQL_Running", "Yes"),
        ("Source_Host", "db1"),
        ("Source_Port", "3306"),
        ("Source_UUID", "00000000-0000-0000-0000-000000000001"),
        ("Source_Server_Id", "1"),
        ("Seconds_Behind_Source", "0"),
        ("Source_Log_File", "bin.000001"),
        ("Read_Source_Log_Pos", "100"),
        ("Relay_Source_Log_File", "bin.000001"),
        ("Exec_Source_Log_Pos", "100"),
    ]);
    Seen { read_only: Guard::SuperReadOnly, channels: vec![read::channel(&row, None, NOW.minus(Duration::from_mins(5)))], ..seen(id) }
}

pub(super) fn answers(seen: Seen) -> View<Seen> {
    let address = format!("db{}:3306", seen.server_id).into();
    View { address, state: State::Answering, seen: Some(seen), answered_at: Some(NOW), took: Duration::from_millis(3) }
}

fn silent(seen: Seen, kind: TroubleKind) -> View<Seen> {
    View { state: State::Silent { since: NOW, trouble: Trouble::new(kind, "no answer", "") }, ..answers(seen) }
}

pub(super) fn judge(views: &[View<Seen>]) -> Group {
    picture(&Spec::new("mysql", "orders", &[]), views, NOW)
}

fn found(group: &Group) -> Vec<(&'static str, Verdict)> {
    let mut all: Vec<_> = group.reasons.iter().chain(group.members.iter().flat_map(|m| &m.reasons)).map(|r| (r.code, r.verdict)).collect();
    all.sort_unstable();
    all
}

pub(super) fn deaf(mut seen: Seen, receiver: Receiver) -> Seen {
    seen.channels[0].receiver = receiver;
    seen.channels[0].seconds_behind = None;
    seen.channels[0].trend.connecting_since = Some(NOW.minus(Duration::from_mins(1)));
    seen
}

#[test]
fn everybody_agrees() {
    assert_eq!(found(&judge(&[answers(seen(1)), answers(replica(2)), answers(replica(3))])), []);
}

#[test]
fn a_silent_source_is_judged_by_what_its_followers_hear() {
    let table = [
        (TroubleKind::Mute, Receiver::Running, ("middleware.member.mute", Crit), ("mysql.source.mute", Crit)),
        (TroubleKind::Unreachable, Receiver::Running, ("middleware.member.unreachable", Unknown), ("mysql.source.unseen", Unknown)),
    ];
    for (kind, receiver, own, group) in table {
        let views = [silent(seen(1), kind), answers(deaf(replica(2), receiver))];
        assert_eq!(found(&judge(&views)), [own, group], "{kind:?} {receiver:?}");
    }
    for kind in [TroubleKind::Mute, TroubleKind::Unreachable] {
        let all = found(&judge(&[silent(seen(1), kind), answers(deaf(replica(2), Receiver::Connecting))]));
        assert!(all.contains(&("mysql.source.down", Crit)) && all.contains(&("mysql.io.connecting", Crit)), "{all:?}");
    }
}

#[test]
fn a_refused_login_says_nothing_about_the_server() {
    let all = found(&judge(&[silent(seen(1), TroubleKind::Refused), answers(replica(2))]));
    assert_eq!(all, [("middleware.member.refused", Unknown)]);
}

#[test]
fn a_source_that_nobody_hears_is_not_ok_by_its_own_word() {
    let all = found(&judge(&[answers(seen(1)), answers(deaf(replica(2), Receiver::Connecting))]));
    assert!(all.contains(&("mysql.source.unheard", Crit)), "{all:?}");
}

#[test]
fn a_replica_that_its_source_does_not_know_is_not_ok_by_its_own_word() {
    let source = Seen { senders: Some(1), ..seen(1) };
    let all = found(&judge(&[answers(source), answers(replica(2)), answers(replica(3))]));
    assert_eq!(all, [("mysql.source.fewer-senders", Warn)]);
}

#[test]
fn zero_seconds_with_unread_bytes_is_a_dead_line() {
    let source = Seen { end: Some(LogEnd { place: LogPlace::new("bin.000001", 5000), ..LogEnd::default() }), ..seen(1) };
    let group = judge(&[answers(source), answers(replica(2))]);
    assert_eq!(found(&group), [("mysql.io.stalled", Crit)]);
    assert!(group.members[1].metrics.iter().any(|m| m.key == "lag_seconds" && m.value == 0.0));
    assert!(group.members[1].metrics.iter().any(|m| m.key == "lag_unread_bytes" && m.value > 4899.0));
}

#[test]
fn nobody_answers() {
    let all = found(&judge(&[silent(seen(1), TroubleKind::Unreachable), silent(replica(2), TroubleKind::Mute)]));
    assert!(all.contains(&("middleware.group.silent", Crit)), "{all:?}");
}

#[test]
fn a_lone_follower_is_not_enough() {
    assert_eq!(found(&judge(&[answers(replica(2))])), [("mysql.source.not-listed", Warn)]);
}

#[test]
fn lag_has_steps_a_delay_and_a_direction() {
    let with = |lag: f64, delay: u64, lags: &[f64]| {
        let mut seen = replica(2);
        seen.channels[0].seconds_behind = Some(lag);
        seen.channels[0].delay_seconds = delay;
        seen.channels[0].trend.lags = lags.to_vec();
        found(&judge(&[answers(self::seen(1)), answers(seen)]))
    };
    assert_eq!(with(9.0, 0, &[]), []);
    assert_eq!(with(10.0, 0, &[]), [("mysql.lag", Warn)]);
    assert_eq!(with(60.0, 0, &[]), [("mysql.lag", Crit)]);
    assert_eq!(with(605.0, 600, &[]), [("mysql.delayed", Ok)]);
    assert_eq!(with(6.0, 0, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), [("mysql.lag.growing", Warn)]);
    assert_eq!(with(16.0, 0, &[11.0, 12.0, 13.0, 14.0, 15.0, 16.0]), [("mysql.lag.growing", Crit)]);
}

#[test]
fn what_came_from_another_source_is_not_errant() {
    let (one, two) = ("00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002");
    let sources = |errant: &str| {
        let executed = |u: &str| Gtid::MySql { executed: GtidSet::parse(&format!("{u}:1-9")) };
        let compared = Compared { follower: "db3:3306".into(), missing: GtidSet::default(), errant: GtidSet::parse(errant), lost: GtidSet::default() };
        let mut both = replica(3);
        let mut second = both.channels[0].clone();
        second.name = "two".to_owned();
        second.source_uuid = two.to_owned();
        both.channels.push(second);
        both.gtid = executed(one);
        let a = Seen { gtid: executed(one), compared: vec![compared], ..seen(1) };
        let b = Seen { gtid: executed(two), read_only: Guard::Writable, ..seen(2) };
        found(&judge(&[answers(a), answers(b), answers(both)]))
    };
    assert_eq!(sources(&format!("{two}:1-9")), [("mysql.group.two-sources", Warn)]);
    assert_eq!(sources("00000000-0000-0000-0000-000000000003:1"), [("mysql.group.two-sources", Warn), ("mysql.gtid.errant", Warn)]);
}

#[test]
fn mariadb_finds_a_stray_write_by_its_server_id() {
    let maria = |mut s: Seen, state: &str| {
        s.dialect = Dialect::parse("10.11.19-MariaDB", "");
        s.server_uuid = String::new();
        let applied = GtidPosition::parse("0-1-20");
        s.gtid = Gtid::MariaDb { applied: applied.clone(), written: applied, state: GtidPosition::parse(state) };
        s
    };
    let all = |own: &str| {
        let mut r = maria(replica(2), own);
        r.channels[0].source_uuid = String::new();
        found(&judge(&[answers(maria(seen(1), "0-1-20")), answers(r)]))
    };
    assert_eq!(all("0-1-20"), []);
    assert_eq!(all("0-1-20,0-2-21"), [("mysql.gtid.errant", Warn)]);
}

#[test]
fn a_replication_group_is_read_from_every_member() {
    let peers = |rows: &[(u32, &str, &str)]| -> Vec<Peer> {
        let peer = |(id, state, role): &(u32, &str, &str)| Peer {
            uuid: format!("00000000-0000-0000-0000-{id:012}"),
            host: format!("db{id}"),
            port: 3306,
            state: (*state).to_owned(),
            role: (*role).to_owned(),
            queue: Some(0),
        };
        rows.iter().map(peer).collect()
    };
    let well = [(1, "ONLINE", "PRIMARY"), (2, "ONLINE", "SECONDARY"), (3, "ONLINE", "SECONDARY")];
    let member = |id, rows: &[(u32, &str, &str)]| answers(Seen { peers: peers(rows), ..seen(id) });
    let group = judge(&[member(1, &well), member(2, &well), member(3, &well)]);
    assert_eq!(found(&group), []);
    assert_eq!(group.members.iter().map(|m| &*m.role).collect::<Vec<_>>(), ["primary", "secondary", "secondary"]);
    // Cut off from the others, the third thinks that it leads a group of its own.
    let alone = [(1, "UNREACHABLE", "SECONDARY"), (2, "UNREACHABLE", "SECONDARY"), (3, "ONLINE", "PRIMARY")];
    let all = found(&judge(&[member(1, &well), member(2, &well), member(3, &alone)]));
    assert_eq!(all, [("mysql.group.no-majority", Crit), ("mysql.group.split", Crit)]);
    let lost = [(1, "ONLINE", "PRIMARY"), (2, "ONLINE", "SECONDARY"), (3, "ERROR", "")];
    assert_eq!(found(&judge(&[member(1, &lost), member(2, &lost)])), [("mysql.group.member-lost", Crit)]);
}
