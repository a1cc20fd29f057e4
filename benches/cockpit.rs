//! What the cockpit itself costs: taking changes in, sorting and filtering, one frame. `cargo bench`.
#![allow(clippy::unwrap_used, reason = "a benchmark")]

use divan::{Bencher, black_box};

use quarterdeck::base::clock::Moment;
use quarterdeck::base::intern::Interner;
use quarterdeck::model::fact::{Batch, Change, Fact};
use quarterdeck::model::id::{SourceId, Uid};
use quarterdeck::model::limits::Limits;
use quarterdeck::model::pod::{Owner, Pod};
use quarterdeck::store::Store;
use quarterdeck::store::view::{View, by_severity};
use quarterdeck::ui::{Setup, Ui};
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

#[divan::bench(sample_count = 10)]
fn sort_100k(bencher: Bencher) {
    let store = filled();
    bencher.bench_local(|| {
        let mut view: View<Pod> = View::default();
        view.refresh(&store, &store.pods, false);
        black_box(view.rows().len())
    });
}

#[divan::bench(sample_count = 10)]
fn filter_100k(bencher: Bencher) {
    let store = filled();
    let mut view: View<Pod> = View::default();
    bencher.bench_local(|| {
        view.set_filter(Some(Box::new(|_, e| e.row.name.contains("service-77"))));
        view.refresh(&store, &store.pods, false);
        black_box(view.rows().len())
    });
}

/// 200 changes into a sorted view of 100,000: what a busy cluster asks of each second.
#[divan::bench(sample_count = 50)]
fn follow_200_changes(bencher: Bencher) {
    let mut store = filled();
    let mut view: View<Pod> = View::default();
    view.set_sort(Box::new(by_severity));
    view.refresh(&store, &store.pods, false);
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
