//! The store against a plain map, and the views against a full sort.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::Store;
use super::view::{View, by_severity};
use crate::base::clock::Moment;
use crate::model::fact::{Batch, Change, Fact, Row};
use crate::model::host::Host;
use crate::model::id::{Name, NodeKey, ObjectKey, SourceId, Target, Uid};
use crate::model::limits::Limits;
use crate::model::node::{Node, Readiness, Resources};
use crate::model::pod::Pod;
use crate::model::source::{SourceState, SourceStatus, Subject};
use crate::model::verdict::Verdict;
use crate::model::vm::{Vm, VmState};

const SOURCE: SourceId = SourceId(1);

fn pod(n: u8, namespace: &str, restarts: u32) -> Pod {
    Pod {
        cluster: "main".into(),
        namespace: namespace.into(),
        name: format!("pod-{n}").into(),
        uid: Uid(u128::from(n)),
        node: Some("n1".into()),
        status: "Running".into(),
        ready: 1,
        containers: 1,
        restarts,
        created_at: Moment(0),
        deleting_at: None,
        since: None,
        owner: None,
        cpu_request_millicores: 100,
        memory_request_bytes: 1 << 20,
        ip: None,
        trouble: None,
    }
}

fn host(name: &str) -> Host {
    Host {
        name: name.into(),
        address: "10.0.0.1".into(),
        groups: Vec::new(),
        identity: crate::model::host::HostIdentity::default(),
        vitals: None,
        hypervisor: None,
        runtimes: Vec::new(),
        denied: Vec::new(),
    }
}

fn vm(host: &str, name: &str, uuid: u128) -> Vm {
    Vm {
        host: host.into(),
        name: name.into(),
        uuid: Uid(uuid),
        state: VmState::Running,
        state_reason: String::new(),
        autostart: true,
        persistent: true,
        vcpus: 2,
        cpu_percent: None,
        steal_percent: None,
        memory_max_bytes: 0,
        memory_used_bytes: None,
        disks: Vec::new(),
        disk_read_bytes_per_second: None,
        disk_write_bytes_per_second: None,
        disk_latency_seconds: None,
        net_received_bytes_per_second: None,
        net_sent_bytes_per_second: None,
        macs: Vec::new(),
        addresses: Vec::new(),
    }
}

fn node(name: &str, uuid: Option<u128>) -> Node {
    Node {
        cluster: "main".into(),
        name: name.into(),
        uid: Uid::parse(name),
        created_at: None,
        ready: Readiness::True,
        conditions: Vec::new(),
        lease_renewed_at: None,
        cordoned: false,
        taints: Vec::new(),
        roles: Vec::new(),
        addresses: Vec::new(),
        kubelet_version: "v1.20.2".into(),
        runtime: "".into(),
        os_image: "".into(),
        kernel: "".into(),
        system_uuid: uuid.map(Uid),
        machine_id: None,
        boot_id: None,
        allocatable: Resources::default(),
        usage: None,
    }
}

fn status(state: SourceState, answered: i64) -> SourceStatus {
    SourceStatus { state, answered_at: Some(Moment(answered)), ..SourceStatus::new(SOURCE, Subject::Cluster("main".into()), Duration::from_secs(5), Moment(0)) }
}

fn batch(at: i64, facts: Vec<Fact>) -> Batch {
    Batch { source: SOURCE, at: Moment(at), facts }
}

fn upsert(pod: Pod) -> Fact {
    Fact::Pod(Box::new(Change::Upsert(pod)))
}

#[derive(Clone, Debug)]
enum Step {
    Upsert(u8, u32),
    Remove(u8),
    /// A listing of these; `None` is all namespaces, whole or cut off before its end.
    List {
        namespace: Option<bool>,
        pods: Vec<(u8, u32)>,
        ends: bool,
    },
    Look {
        hold: bool,
    },
    /// Only what was started anew at least so often.
    Filter(u32),
}

fn namespace(n: u8) -> &'static str {
    if n % 2 == 0 { "a" } else { "b" }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..40, 0u32..3).prop_map(|(n, r)| Step::Upsert(n, r)),
        2 => (0u8..40).prop_map(Step::Remove),
        1 => (proptest::option::of(any::<bool>()), proptest::collection::vec((0u8..40, 0u32..3), 0..20), any::<bool>()).prop_map(|(namespace, pods, ends)| Step::List { namespace, pods, ends }),
        3 => any::<bool>().prop_map(|hold| Step::Look { hold }),
        1 => (0u32..3).prop_map(Step::Filter),
    ]
}

proptest! {
    #[test]
    fn the_store_holds_what_the_server_holds(steps in proptest::collection::vec(step(), 1..80)) {
        let mut store = Store::new(Limits::default());
        let mut truth: BTreeMap<u8, Pod> = BTreeMap::new();
        let mut view: View<Pod> = View::default().in_parts(1);
        let mut filter = 1;
        view.set_filter(Some(Box::new(|_, e| e.row.restarts > 0)));
        view.set_sort(Box::new(|s, a, b| b.row.restarts.cmp(&a.row.restarts).then_with(|| by_severity(s, a, b))));
        for (at, s) in (1i64..).zip(&steps) {
            match s {
                Step::Upsert(n, r) => {
                    let p = pod(*n, namespace(*n), *r);
                    truth.insert(*n, p.clone());
                    store.apply(batch(at, vec![upsert(p)]), Moment(at));
                }
                Step::Remove(n) => {
                    truth.remove(n);
                    let key = ObjectKey { cluster: "main".into(), uid: Uid(u128::from(*n)) };
                    store.apply(batch(at, vec![Fact::Pod(Box::new(Change::Remove(key)))]), Moment(at));
                }
                Step::List { namespace: scope, pods, ends } => {
                    let scope: Option<Name> = scope.map(|b| Name::from(if b { "a" } else { "b" }));
                    let listed: Vec<Pod> = pods.iter().filter(|(n, _)| scope.as_deref().is_none_or(|s| s == namespace(*n))).map(|(n, r)| pod(*n, namespace(*n), *r)).collect();
                    let mut facts = vec![Fact::Pod(Box::new(Change::Begin(scope.clone())))];
                    facts.extend(listed.iter().cloned().map(upsert));
                    if *ends {
                        facts.push(Fact::Pod(Box::new(Change::End(scope.clone()))));
                        truth.retain(|_, p| scope.as_ref().is_some_and(|s| *s != p.namespace));
                    }
                    for p in listed {
                        truth.insert(u8::try_from(p.uid.0).unwrap(), p);
                    }
                    store.apply(batch(at, facts), Moment(at));
                }
                Step::Filter(least) => {
                    let least = *least;
                    view.set_filter(Some(Box::new(move |_, e| e.row.restarts >= least)));
                    filter = least;
                }
                Step::Look { hold } => {
                    view.refresh(&store, &store.pods, *hold);
                    prop_assert!(view.rows().iter().all(|r| store.pods.at(*r).is_some()));
                }
            }
        }
        let held: BTreeMap<u8, Pod> = store.pods.iter().map(|(_, e)| (u8::try_from(e.row.uid.0).unwrap(), e.row.clone())).collect();
        prop_assert_eq!(&held, &truth);
        prop_assert_eq!(store.pods.counts().total(), truth.len());
        let load = store.node_load(&NodeKey { cluster: "main".into(), name: "n1".into() });
        prop_assert_eq!(load.pods as usize, truth.len());
        view.refresh(&store, &store.pods, false);
        while view.is_sorting() {
            view.work(&store, &store.pods);
        }
        let mut full: View<Pod> = View::default();
        full.set_filter(Some(Box::new(move |_, e| e.row.restarts >= filter)));
        full.set_sort(Box::new(|s, a, b| b.row.restarts.cmp(&a.row.restarts).then_with(|| by_severity(s, a, b))));
        full.refresh(&store, &store.pods, false);
        prop_assert_eq!(view.rows(), full.rows());
    }
}

#[test]
fn a_lost_source_makes_its_rows_unknown_and_finds_them_again() {
    let mut store = Store::new(Limits::default());
    store.apply(batch(1000, vec![Fact::Source(status(SourceState::Live, 1000)), upsert(pod(1, "a", 0))]), Moment(1000));
    store.tick(Moment(60_000));
    assert_eq!(store.pods.counts()[Verdict::Ok], 1, "a live source's silence is no news");
    store.apply(batch(60_000, vec![Fact::Source(status(SourceState::Unreachable, 58_000))]), Moment(60_000));
    let (_, next) = store.tick(Moment(60_000));
    assert_eq!((store.pods.counts()[Verdict::Ok], next), (1, Some(Moment(73_001))), "three intervals of grace, and the time to come back");
    store.tick(Moment(73_001));
    assert_eq!(store.pods.counts()[Verdict::Unknown], 1);
    let target = store.pods.iter().next().unwrap().1.row.target();
    assert_eq!(store.judge(&target).unwrap().reasons[0].code, "source.lost");
    store.apply(batch(80_000, vec![Fact::Source(status(SourceState::Live, 80_000))]), Moment(80_000));
    assert_eq!(store.pods.counts()[Verdict::Ok], 1);
}

#[test]
fn polled_rows_go_stale_by_themselves() {
    let mut store = Store::new(Limits::default());
    let mut s = status(SourceState::Live, 0);
    s.subject = Subject::Host("h".into());
    store.apply(batch(0, vec![Fact::Source(s), Fact::Host(Box::new(Change::Upsert(host("h"))))]), Moment(0));
    let (_, next) = store.tick(Moment(0));
    assert_eq!(next, Some(Moment(15_001)));
    store.tick(Moment(15_001));
    assert_eq!(store.hosts.counts()[Verdict::Unknown], 1);
    assert_eq!(store.problems().len(), 1);
}

#[test]
fn joins_need_proof_and_a_name_is_a_guess() {
    let mut store = Store::new(Limits::default());
    let facts = vec![
        Fact::Host(Box::new(Change::Upsert(host("kvm-1")))),
        Fact::Vm(Box::new(Change::Upsert(vm("kvm-1", "guest-a", 0x42)))),
        Fact::Vm(Box::new(Change::Upsert(vm("kvm-1", "worker-2", 0x43)))),
        Fact::Node(Box::new(Change::Upsert(node("worker-1", Some(0x42))))),
        Fact::Node(Box::new(Change::Upsert(node("worker-2", None)))),
        upsert(Pod { node: Some("worker-1".into()), ..pod(7, "a", 0) }),
    ];
    store.apply(batch(0, facts), Moment(0));
    store.tick(Moment(0));
    let pod = store.pods.iter().next().unwrap().1.row.target();
    let kin = store.relatives(&pod);
    assert!(kin.has(&Target::Host("kvm-1".into())), "{kin:?}");
    assert!(!kin.is_guess(&Target::Host("kvm-1".into())));
    let named = store.relatives(&Target::Node(NodeKey { cluster: "main".into(), name: "worker-2".into() }));
    assert!(named.is_guess(&store.vms.iter().find(|(_, e)| &*e.row.name == "worker-2").unwrap().1.row.target()));
    assert!(store.relatives(&Target::Host("kvm-1".into())).has(&pod));
    let whole = store.relatives(&Target::Cluster("main".into()));
    assert_eq!((whole.iter().count(), whole.has(&pod)), (2, false), "its nodes; a mark on every pod would say nothing: {whole:?}");
}

#[test]
fn ten_thousand_changes_between_looks_start_the_view_over() {
    let mut store = Store::new(Limits::default());
    let mut view: View<Pod> = View::default();
    view.refresh(&store, &store.pods, false);
    for round in 0..200u32 {
        let facts = (0..200u8).map(|n| upsert(pod(n, "a", round))).collect();
        store.apply(batch(i64::from(round), facts), Moment(i64::from(round)));
    }
    view.refresh(&store, &store.pods, false);
    assert_eq!(view.rows().len(), 200);
    assert!(store.tick(Moment(0).plus(Duration::from_secs(1))).1.is_none());
}
