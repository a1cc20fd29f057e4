//! What the cockpit itself costs: taking changes in, sorting and filtering, one frame. `cargo bench`.
#![allow(clippy::unwrap_used, reason = "a benchmark")]

use divan::{Bencher, black_box};

use quarterdeck::base::clock::Moment;
use quarterdeck::base::intern::Interner;
use quarterdeck::base::ring::Ring;
use quarterdeck::base::stamp::Stamp;
use quarterdeck::config::keys::parse_sequence;
use quarterdeck::model::fact::{Batch, Change, Fact};
use quarterdeck::model::id::{Name, NodeKey, SourceId, Target, Uid};
use quarterdeck::model::limits::Limits;
use quarterdeck::model::log::{Chunk, LogEvent, LogFact, LogId, Mark, Speaker, StreamId};
use quarterdeck::model::pod::{Owner, Pod};
use quarterdeck::store::Store;
use quarterdeck::store::log::query::{Pattern, Query};
use quarterdeck::store::log::search::{Found, Goal, Scan};
use quarterdeck::store::view::{View, by_severity};
use quarterdeck::ui::{Input, Setup, Ui};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const PODS: u32 = 100_000;

fn main() {
    divan::main();
}

fn pods(restarts: u32) -> Vec<Fact> {
    let mut names = Interner::default();
    (0..PODS)
        .map(|n| {
            let app = n / 10;
            Fact::Pod(Box::new(Change::Upsert(Pod {
                cluster: names.name("main"),
                namespace: names.name(&format!("team-{}", n % 40)),
                name: format!("service-{app}-{:08x}-{n:05x}", app.wrapping_mul(2_654_435_761)).into(),
                uid: Uid(u128::from(n) << 64 | 0x4000),
                node: Some(names.name(&format!("worker-{:04}", n % 5000))),
                status: names.name(if n % 97 == 0 { "CrashLoopBackOff" } else { "Running" }),
                ready: u16::from(n % 97 != 0),
                containers: 1,
                restarts: if n % 97 == 0 { restarts } else { 0 },
                created_at: Moment(i64::from(n)),
                deleting_at: None,
                since: None,
                owner: Some(Owner { kind: names.name("ReplicaSet"), name: names.name(&format!("service-{app}")) }),
                cpu_request_millicores: 100,
                memory_request_bytes: 64 << 20,
                ip: None,
                trouble: None,
            })))
        })
        .collect()
}

fn filled() -> Store {
    let mut store = Store::new(Limits::default());
    store.apply(Batch { source: SourceId(0), at: Moment(0), facts: pods(1) }, Moment(0));
    store.tick(Moment(0));
    store
}

/// A first listing: 100,000 pods into an empty store.
#[divan::bench(sample_count = 10)]
fn apply_100k_new(bencher: Bencher) {
    bencher.with_inputs(|| (Store::new(Limits::default()), pods(1))).bench_local_values(|(mut store, facts)| {
        store.apply(Batch { source: SourceId(0), at: Moment(0), facts }, Moment(0));
        store
    });
}

/// 100,000 upserts of which one in 97 changes something.
#[divan::bench(sample_count = 10)]
fn apply_100k_again(bencher: Bencher) {
    let mut store = filled();
    let mut round = 1;
    bencher
        .with_inputs(|| {
            round += 1;
            pods(round)
        })
        .bench_local_values(|facts| store.apply(Batch { source: SourceId(0), at: Moment(1), facts }, Moment(1)));
}

/// What a large table in a new order takes in all, in the parts that leave room for keys.
fn settled(view: &mut View<Pod>, store: &Store) -> usize {
    view.refresh(store, &store.pods, false);
    while view.is_sorting() {
        view.work(store, &store.pods);
    }
    view.rows().len()
}

#[divan::bench(sample_count = 10)]
fn sort_100k(bencher: Bencher) {
    let store = filled();
    bencher.bench_local(|| black_box(settled(&mut View::default(), &store)));
}

#[divan::bench(sample_count = 10)]
fn filter_100k(bencher: Bencher) {
    let store = filled();
    let mut view: View<Pod> = View::default();
    bencher.bench_local(|| {
        view.set_filter(Some(Box::new(|_, e| e.row.name.contains("service-77"))));
        black_box(settled(&mut view, &store))
    });
}

/// Of the same sort, what a frame waits for.
#[divan::bench(sample_count = 10)]
fn sort_100k_first_frame(bencher: Bencher) {
    let store = filled();
    bencher.bench_local(|| {
        let mut view: View<Pod> = View::default();
        view.refresh(&store, &store.pods, false);
        black_box(view.is_sorting())
    });
}

/// Everything that runs on one node, and everything of a cluster: looked for twice a second while rows change.
#[divan::bench(sample_count = 10, args = ["node", "cluster"])]
fn relatives_among_100k(bencher: Bencher, of: &str) {
    let store = filled();
    let cluster = Name::from("main");
    let target = if of == "node" { Target::Node(NodeKey { cluster, name: Name::from("worker-0001") }) } else { Target::Cluster(cluster) };
    bencher.bench_local(|| black_box(store.relatives(&target).is_empty()));
}

/// 200 changes into a sorted view of 100,000: what a busy cluster asks of each second.
#[divan::bench(sample_count = 50)]
fn follow_200_changes(bencher: Bencher) {
    let mut store = filled();
    let mut view: View<Pod> = View::default();
    view.set_sort(Box::new(by_severity));
    settled(&mut view, &store);
    let mut round = 1;
    bencher.bench_local(|| {
        round += 1;
        let facts = pods_of(&store, round);
        store.apply(Batch { source: SourceId(0), at: Moment(1), facts }, Moment(1));
        store.tick(Moment(1));
        view.refresh(&store, &store.pods, false);
        black_box(view.rows().len())
    });
}

fn pods_of(store: &Store, round: u32) -> Vec<Fact> {
    store
        .pods
        .iter()
        .step_by(500)
        .take(200)
        .map(|(_, e)| {
            let mut pod = e.row.clone();
            pod.restarts = round;
            Fact::Pod(Box::new(Change::Upsert(pod)))
        })
        .collect()
}

/// One frame at 160x45 over 100,000 pods, nothing changed since the last one: what a moved cursor costs.
#[divan::bench(sample_count = 50)]
fn one_frame(bencher: Bencher) {
    let store = filled();
    let mut ui = Ui::new(Setup::default());
    let area = Rect::new(0, 0, 160, 45);
    let mut frame = Buffer::empty(area);
    ui.draw(&store, area, &mut frame);
    while ui.is_busy() {
        ui.work(&store);
    }
    bencher.bench_local(|| {
        frame.reset();
        ui.draw(&store, area, &mut frame);
        black_box(frame.content.len())
    });
}

/// The same with 200 pods changed in between, which the sorted pane follows.
#[divan::bench(sample_count = 50)]
fn one_frame_after_200_changes(bencher: Bencher) {
    let mut store = filled();
    let mut ui = Ui::new(Setup::default());
    let area = Rect::new(0, 0, 160, 45);
    let mut frame = Buffer::empty(area);
    ui.draw(&store, area, &mut frame);
    while ui.is_busy() {
        ui.work(&store);
    }
    let mut round = 1;
    bencher.bench_local(|| {
        round += 1;
        let facts = pods_of(&store, round);
        store.apply(Batch { source: SourceId(0), at: Moment(1), facts }, Moment(1));
        store.tick(Moment(1));
        frame.reset();
        ui.draw(&store, area, &mut frame);
        black_box(frame.content.len())
    });
}

/// A ring of 256 MB with lines of the kind that services write, and a word that stands near its start only.
fn ring() -> Ring {
    let mut ring = Ring::new(256 << 20);
    let mut n = 0_u32;
    while ring.evicted() == 0 {
        let line = format!(
            "2026-11-21 02:14:07.{:03}  INFO 1 --- [nio-8080-exec-{}] c.m.order.OrderController : request {n} of user {:x} took {} ms{}",
            n % 1000,
            n % 16,
            n.wrapping_mul(2_654_435_761),
            n % 97,
            if n == 200_000 { " needle" } else { "" }
        );
        ring.push(Stamp(i64::from(n)), n % 3, line.as_bytes(), 0);
        n += 1;
    }
    ring
}

fn whole(scan: &mut Scan, ring: &Ring) -> u64 {
    scan.work(ring, &[], u64::MAX, usize::MAX);
    scan.count()
}

/// A word that is nearly nowhere, through all of it.
#[divan::bench(sample_count = 5)]
fn search_256mb_rare(bencher: Bencher) {
    let ring = ring();
    bencher.bench_local(|| black_box(whole(&mut Scan::new(Goal::Pattern(Pattern::typed("needle").unwrap())), &ring)));
}

/// A word that is in every line.
#[divan::bench(sample_count = 5)]
fn search_256mb_everywhere(bencher: Bencher) {
    let ring = ring();
    bencher.bench_local(|| black_box(whole(&mut Scan::new(Goal::Pattern(Pattern::typed("request").unwrap())), &ring)));
}

#[divan::bench(sample_count = 5)]
fn search_256mb_regex(bencher: Bencher) {
    let ring = ring();
    bencher.bench_local(|| black_box(whole(&mut Scan::new(Goal::Pattern(Pattern::typed(r"/took 9\d ms/").unwrap())), &ring)));
}

/// The first hit on the way up from the end, the word being near the other end: what a person waits for, at worst.
#[divan::bench(sample_count = 5)]
fn search_256mb_first_hit(bencher: Bencher) {
    let ring = ring();
    bencher.bench_local(|| {
        let mut scan = Scan::new(Goal::Pattern(Pattern::typed("needle").unwrap()));
        while scan.previous(&ring, u64::MAX) == Found::NotYet {
            scan.work(&ring, &[], u64::MAX, 512 << 10);
        }
        black_box(scan.count())
    });
}

/// A filter that has to look at the level of every line.
#[divan::bench(sample_count = 5)]
fn filter_256mb_by_level(bencher: Bencher) {
    let ring = ring();
    bencher.bench_local(|| black_box(whole(&mut Scan::new(Goal::Query(Query::parse("level>=warn").unwrap())), &ring)));
}

/// A million lines into a ring of the default size.
#[divan::bench(sample_count = 5)]
fn append_1m_lines(bencher: Bencher) {
    let line = [b'x'; 120];
    bencher.bench_local(|| {
        let mut ring = Ring::new(16 << 20);
        for n in 0..1_000_000 {
            ring.push(Stamp(n), 0, &line, 0);
        }
        black_box(ring.evicted())
    });
}

/// A whole screen of a log that is followed.
#[divan::bench(sample_count = 50)]
fn one_frame_of_a_log(bencher: Bencher) {
    let mut store = filled();
    let mut say = |event: LogEvent| {
        store.apply(Batch { source: SourceId(0), at: Moment(0), facts: vec![Fact::Log(Box::new(LogFact { log: LogId(1), event }))] }, Moment(0));
    };
    say(LogEvent::Opened);
    for (i, name) in ["db-1", "db-2", "db-3"].into_iter().enumerate() {
        say(LogEvent::Stream { stream: StreamId(u32::try_from(i).unwrap()), speaker: Speaker::Kernel { host: name.into() } });
    }
    for n in 0..100_000_u32 {
        let text =
            format!(r#"{{"ts":"2026-11-21T02:14:07Z","level":"info","msg":"request {n} was served","status":200,"took_ms":{},"user":{{"id":{n}}}}}"#, n % 97);
        let marks = vec![Mark { start: 0, end: u32::try_from(text.len()).unwrap(), stamp: Stamp(i64::from(n)), cut: 0 }];
        say(LogEvent::Lines { stream: StreamId(n % 3), chunk: Chunk { bytes: text.into(), marks } });
    }
    store.tick(Moment(10_000));
    let mut ui = Ui::new(Setup::default());
    let area = Rect::new(0, 0, 160, 45);
    let mut frame = Buffer::empty(area);
    ui.draw(&store, area, &mut frame);
    for key in parse_sequence("4 l z").unwrap() {
        ui.update(&store, Input::Key(key));
    }
    bencher.bench_local(|| {
        frame.reset();
        ui.draw(&store, area, &mut frame);
        black_box(frame.content.len())
    });
}
