//! The view over groups as the kinds make them, with a past.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::base::clock::Moment;
use crate::config::keys::parse_sequence;
use crate::config::lang::Lang;
use crate::model::fact::{Batch, Change, Fact};
use crate::model::group::{Detail, Edge, EdgeState, Group, Member, Metric, Unit};
use crate::model::id::SourceId;
use crate::model::limits::Limits;
use crate::model::reason::Reason;
use crate::model::source::{SourceState, SourceStatus, Subject};
use crate::store::Store;
use crate::ui::glyph::ASCII;
use crate::ui::{Input, Setup, Ui};

const NOW: i64 = 1_795_227_200;

fn metric(key: &'static str, unit: Unit, value: f64) -> Metric {
    Metric { key, unit, value }
}

fn member(address: &str, role: &str, at: i64, metrics: Vec<Metric>, reasons: Vec<Reason>) -> Member {
    Member { role: role.into(), answered_at: Some(Moment::from_seconds(at)), metrics, reasons, ..Member::new(address) }
}

fn edge(from: &str, to: &str, channel: &str, state: EdgeState, metrics: Vec<Metric>) -> Edge {
    Edge { from: from.into(), from_identity: "".into(), to: to.into(), channel: channel.into(), state, metrics, details: Vec::new() }
}

fn store(pictures: impl IntoIterator<Item = (i64, Group)>) -> Store {
    let mut store = Store::new(Limits::default());
    let mut last = Moment::default();
    for (second, group) in pictures {
        let at = Moment::from_seconds(NOW + second);
        last = at;
        let subject = Subject::Middleware { kind: group.kind.clone(), name: group.name.clone() };
        let mut status = SourceStatus::new(SourceId(1), subject, std::time::Duration::from_secs(5), at);
        (status.state, status.answered_at) = (SourceState::Live, Some(at));
        let facts = vec![Fact::Source(status), Fact::Group(Box::new(Change::Upsert(group)))];
        store.apply(Batch { source: SourceId(1), at, facts }, at);
    }
    store.tick(last);
    store
}

/// A source, a replica that lags more and more and then breaks, a replica of that replica, one that is delayed on purpose.
fn mysql() -> Store {
    store((0..24).map(|n: u32| {
        let at = NOW + i64::from(n) * 5;
        let broken = n >= 20;
        let lag = f64::from(n * n);
        let mut group = Group::new("mysql", "orders");
        let own = |lag: f64| {
            vec![metric("lag_seconds", Unit::Seconds, lag), metric("round_trip_seconds", Unit::Seconds, 0.002), metric("connections", Unit::Count, 41.0)]
        };
        let error = "Could not execute Write_rows event on table mall.oms_order; Duplicate entry '10086' for key 'PRIMARY'";
        let reasons = if broken { vec![Reason::crit("mysql.sql.duplicate").with("errno", 1062).with("text", error)] } else { Vec::new() };
        group.members = vec![
            member(
                "10.0.0.21:3306",
                "source",
                at,
                vec![metric("round_trip_seconds", Unit::Seconds, 0.001), metric("connections", Unit::Count, 212.0), metric("running", Unit::Count, 9.0)],
                Vec::new(),
            ),
            member("10.0.0.22:3306", "replica", at, own(lag), reasons),
            member("10.0.0.23:3306", "replica", at, own(0.0), Vec::new()),
            member("10.0.0.24:3306", "replica", at, own(0.0), Vec::new()),
        ];
        group.members[0].detail("version", "8.0.36");
        let state = if broken { EdgeState::Broken } else { EdgeState::Flowing };
        let mut first = edge(
            "10.0.0.21:3306",
            "10.0.0.22:3306",
            "",
            state,
            vec![
                metric("lag_seconds", Unit::Seconds, lag),
                metric("lag_unapplied_bytes", Unit::Bytes, lag * 9000.0),
                metric("missing_transactions", Unit::Count, 17.0),
            ],
        );
        first.details =
            vec![Detail { key: "applied_position", text: "binlog.000042:1337".into() }, Detail { key: "applier_error", text: format!("1062: {error}") }];
        group.edges = vec![
            first,
            edge("10.0.0.22:3306", "10.0.0.23:3306", "", EdgeState::Flowing, vec![metric("lag_seconds", Unit::Seconds, 1.0)]),
            edge(
                "10.0.0.21:3306",
                "10.0.0.24:3306",
                "",
                EdgeState::Flowing,
                vec![metric("lag_seconds", Unit::Seconds, 0.0), metric("delay_seconds", Unit::Seconds, 3600.0)],
            ),
        ];
        (i64::from(n) * 5, group)
    }))
}

/// A failover: the master falls silent, a replica takes over, the old one comes back as its replica.
fn redis() -> Store {
    store((0..12).map(|n: u32| {
        let at = NOW + i64::from(n) * 5;
        let over = n >= 6;
        let gone = (4..8).contains(&n);
        let mut group = Group::new("redis", "cache\u{1b}[2J");
        let ops = |v: f64| vec![metric("operations_per_second", Unit::PerSecond, v), metric("memory_used_bytes", Unit::Bytes, 9e6)];
        let lag = || vec![metric("lag_bytes", Unit::Bytes, f64::from(n % 5) * 100.0)];
        let (new, old) = (if over { "master" } else { "replica" }, if over && !gone { "replica" } else { "master" });
        let silent = vec![Reason::unknown("middleware.member.mute").with("text", "127.0.0.1:7001 takes connections but has not answered within 2.5 s.")];
        group.members = vec![
            member("127.0.0.1:7001", old, if gone { NOW + 15 } else { at }, ops(1200.0), if gone { silent } else { Vec::new() }),
            member("127.0.0.1:7002", new, at, ops(900.0), Vec::new()),
            member("127.0.0.1:7003", "replica", at, ops(20.0), Vec::new()),
            member("127.0.0.1:26379", "sentinel", at, Vec::new(), Vec::new()),
        ];
        let source = if over { "127.0.0.1:7002" } else { "127.0.0.1:7001" };
        let followers =
            if over { if gone { vec!["127.0.0.1:7003"] } else { vec!["127.0.0.1:7001", "127.0.0.1:7003"] } } else { vec!["127.0.0.1:7002", "127.0.0.1:7003"] };
        group.edges = followers.into_iter().map(|f| edge(source, f, "", EdgeState::Flowing, lag())).collect();
        (i64::from(n) * 5, group)
    }))
}

/// Peers that lead one queue each.
fn rabbitmq() -> Store {
    store((0..6).map(|n: u32| {
        let at = NOW + i64::from(n) * 10;
        let mut group = Group::new("rabbitmq", "mq");
        let down = n >= 4;
        let gone = vec![Reason::crit("rabbitmq.peers.gone").with("who", "http://10.0.0.31:15672")];
        let own = || vec![metric("memory_used_percent", Unit::Percent, 31.0), metric("queues_led", Unit::Count, 2.0)];
        group.members = vec![
            member("http://10.0.0.31:15672", "node", at, own(), Vec::new()),
            member("http://10.0.0.32:15672", "node", at, own(), Vec::new()),
            member(
                "http://10.0.0.33:15672",
                "node",
                if down { NOW + 30 } else { at },
                if down { Vec::new() } else { own() },
                if down { gone } else { Vec::new() },
            ),
        ];
        if down {
            group.reasons.push(Reason::warn("rabbitmq.queue.member_missing").with("count", 2).with("queues", "/mall orders (2/3), /mall mails (2/3)"));
        }
        let state = if down { EdgeState::Broken } else { EdgeState::Flowing };
        let ready = || vec![metric("ready", Unit::Count, f64::from(n * 7))];
        for (leader, queue) in [(1, "/mall orders"), (2, "/mall mails")] {
            for follower in (1..=3).filter(|f| *f != leader) {
                let state = if follower == 3 { state } else { EdgeState::Flowing };
                group.edges.push(edge(&format!("http://10.0.0.3{leader}:15672"), &format!("http://10.0.0.3{follower}:15672"), queue, state, ready()));
            }
        }
        (i64::from(n) * 10, group)
    }))
}

fn screen(store: &Store, setup: Setup, w: u16, h: u16, keys: &str) -> String {
    let area = Rect::new(0, 0, w, h);
    let mut frame = Buffer::empty(area);
    let mut ui = Ui::new(setup);
    ui.draw(store, area, &mut frame);
    for key in parse_sequence(keys).unwrap_or_default() {
        ui.update(store, Input::Key(key));
        ui.draw(store, area, &mut frame);
    }
    let mut out = String::new();
    for y in 0..h {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..w {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let symbol = frame[(x, y)].symbol();
            line.push_str(symbol);
            skip = crate::base::text::width(symbol).saturating_sub(1);
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

#[test]
fn the_tree_looks_as_it_did() {
    for (name, store) in [("mysql", mysql()), ("redis", redis()), ("rabbitmq", rabbitmq())] {
        for (w, h) in [(160, 45), (80, 24)] {
            insta::assert_snapshot!(format!("{name}-{w}x{h}"), screen(&store, Setup::default(), w, h, "5 v"));
            insta::assert_snapshot!(format!("{name}-whole-{w}x{h}"), screen(&store, Setup::default(), w, h, "5 enter enter"));
        }
    }
    insta::assert_snapshot!("mysql-whole-ascii", screen(&mysql(), Setup { glyphs: &ASCII, ..Setup::default() }, 120, 40, "5 enter enter"));
    insta::assert_snapshot!("redis-whole-chinese", screen(&redis(), Setup { lang: Lang::load("zh-CN"), ..Setup::default() }, 120, 40, "5 enter enter"));
}

#[test]
fn it_opens_beside_the_panes_then_in_their_place_and_back() {
    let store = redis();
    let at = |keys: &str| screen(&store, Setup::default(), 160, 45, keys);
    assert!(!at("5").contains("Changes"));
    assert!(at("5 enter").contains("Changes") && at("5 enter").contains("1 Hosts"));
    assert!(!at("5 enter enter").contains(" 1 Hosts"), "in the place of the panes");
    assert!(at("5 enter enter esc").contains("1 Hosts"));
    assert!(at("5 enter tab tab z").contains("Changes"));
    assert!(!at("5 enter enter").contains('\u{1b}'));
}

#[test]
fn a_ring_and_a_stranger_are_drawn_once() {
    let mut ring = Group::new("mysql", "ring");
    ring.members = vec![member("a", "source", NOW, Vec::new(), Vec::new()), member("b", "replica", NOW, Vec::new(), Vec::new())];
    ring.edges = vec![
        edge("a", "b", "", EdgeState::Flowing, Vec::new()),
        edge("b", "a", "", EdgeState::Flowing, Vec::new()),
        edge("elsewhere", "a", "east", EdgeState::Connecting, Vec::new()),
    ];
    let shown = screen(&store([(0, ring)]), Setup::default(), 100, 40, "5 enter enter");
    assert!(shown.contains("elsewhere") && shown.contains("east") && shown.contains("connecting"), "{shown}");
    assert_eq!((shown.matches("● a ").count(), shown.matches("● b ").count()), (2, 1), "once more as b's follower: {shown}");
}
