// A made-up cluster with everything that is hard to draw: trouble on every floor, wide names, hostile names, a lost host.

use qd::base::clock::Moment;
use qd::base::intern::Name;
use qd::model::container::{Container, ContainerState};
use qd::model::event::Event;
use qd::model::fact::{Batch, Change, Denied, Fact};
use qd::model::group::{Group, Member, Metric, Unit};
use qd::model::host::{CpuShare, Host, HostIdentity, Mount, MountProbe, Vitals};
use qd::model::id::{Kind, SourceId, Uid};
use qd::model::limits::Limits;
use qd::model::node::{Node, Readiness, Resources};
use qd::model::pod::{Owner, Pod, Trouble};
use qd::model::reason::Reason;
use qd::model::source::{Load, SourceState, SourceStatus, Subject};
use qd::model::vm::{Vm, VmState};
use qd::model::workload::{Workload, WorkloadKind};
use qd::store::Store;

pub const NOW: Moment = Moment(1_795_227_247_000);

fn ago(seconds: i64) -> Moment {
    Moment(NOW.0 - seconds * 1000)
}

fn source(id: u32, subject: Subject, state: SourceState, error: &str, remedy: &str) -> Fact {
    Fact::Source(SourceStatus {
        id: SourceId(id),
        subject,
        state,
        error: error.into(),
        remedy: remedy.into(),
        since: ago(95),
        retry_at: None,
        answered_at: state.is_live().then_some(NOW),
        every_ms: 5000,
        complete: true, load: Load { requests: 120, bytes_received: 48_000, bytes_sent: 1_900 },
    })
}

fn host(name: &str, busy: f64, memory: f64, disk: MountProbe) -> Host {
    let total: u64 = 128 << 30;
    Host {
        name: name.into(),
        address: "10.0.0.11".into(),
        groups: vec!["kvm".into()],
        identity: HostIdentity { hostname: name.into(), os: "CentOS Linux 7".into(), kernel: "3.10.0-1160.el7.x86_64".into(), cores: 32, ..HostIdentity::default() },
        vitals: Some(Vitals {
            load: [busy / 10.0, busy / 12.0, busy / 14.0],
            cpu: Some(CpuShare { user_percent: busy * 0.7, system_percent: busy * 0.3, iowait_percent: 1.0, steal_percent: 0.0, idle_percent: 99.0 - busy }),
            memory_total_bytes: total,
            memory_available_bytes: (total as f64 * (1.0 - memory / 100.0)) as u64,
            mounts: vec![Mount { path: "/data".into(), device: "/dev/sdb".into(), filesystem: "xfs".into(), read_only: false, probe: disk }],
            uptime_seconds: 86_400 * 41,
            ..Vitals::default()
        }),
        hypervisor: None,
        runtimes: Vec::new(),
        denied: Vec::new(),
    }
}

fn vm(n: u32, host: &str, name: &str, state: VmState) -> Vm {
    Vm {
        host: host.into(),
        name: name.into(),
        uuid: Uid(u128::from(n) + 1000),
        state,
        state_reason: "booted".into(),
        autostart: true,
        persistent: true,
        vcpus: 8,
        cpu_percent: Some(f64::from(n * 37 % 400)),
        steal_percent: Some(f64::from(n % 4)),
        memory_max_bytes: 16 << 30,
        memory_used_bytes: None,
        disks: Vec::new(),
        disk_read_bytes_per_second: None,
        disk_write_bytes_per_second: None,
        disk_latency_seconds: None,
        net_received_bytes_per_second: None,
        net_sent_bytes_per_second: None,
        macs: Vec::new(),
        addresses: vec!["10.0.1.7".into()],
    }
}

fn node(n: u32, name: &str, ready: Readiness) -> Node {
    Node {
        cluster: "main".into(),
        name: name.into(),
        uid: Uid(u128::from(n) + 2000),
        created_at: Some(ago(86_400 * 200)),
        ready,
        conditions: Vec::new(),
        lease_renewed_at: Some(ago(if ready == Readiness::True { 3 } else { 700 })),
        cordoned: n == 5,
        taints: Vec::new(),
        roles: vec![if n < 3 { "master".into() } else { "worker".into() }],
        addresses: vec![format!("10.0.1.{n}")],
        kubelet_version: "v1.20.2".into(),
        runtime: "docker://19.3.15".into(),
        os_image: "CentOS Linux 7".into(),
        kernel: "3.10.0".into(),
        system_uuid: Some(Uid(u128::from(n) + 1000)),
        machine_id: None,
        boot_id: None,
        allocatable: Resources { cpu_millicores: 8000, memory_bytes: 16 << 30, pods: 110 },
        usage: None,
    }
}

fn pod(n: u32, namespace: &str, name: &str, status: &str, ready: u16, restarts: u32) -> Pod {
    let sick = status != "Running" && status != "Completed";
    Pod {
        cluster: "main".into(),
        namespace: namespace.into(),
        name: name.into(),
        uid: Uid(u128::from(n) + 5000),
        node: Some(format!("k8s-n-{}", n % 9 + 1).into()),
        status: status.into(),
        ready,
        containers: if n % 3 == 0 { 2 } else { 1 },
        restarts,
        created_at: ago(i64::from(n) * 4000 + 100),
        deleting_at: None,
        since: Some(ago(400)),
        owner: Some(Owner { kind: "ReplicaSet".into(), name: name.rsplit_once('-').map_or(name, |p| p.0).into() }),
        cpu_request_millicores: 250,
        memory_request_bytes: 512 << 20,
        ip: None,
        trouble: sick.then(|| Box::new(Trouble { container: "app".into(), message: "back-off 5m0s restarting failed container".into(), exit_code: Some(137), last_reason: "OOMKilled".into(), last_finished_at: Some(ago(30)) })),
    }
}

fn up<T: qd::model::fact::Row>(rows: Vec<T>, wrap: fn(Box<Change<T>>) -> Fact) -> Vec<Fact> {
    rows.into_iter().map(|r| wrap(Box::new(Change::Upsert(r)))).collect()
}

/// `strange`: names that no one should be able to choose.
pub fn store(strange: &[&str]) -> Store {
    let mut store = Store::new(Limits::default());
    let full = |p: f64| MountProbe::Answered { total_bytes: 4 << 40, used_bytes: ((4u64 << 40) as f64 * p / 100.0) as u64, used_percent: p, inodes_used_percent: 3.0 };
    let sources = vec![
        source(1, Subject::Host("kvm-1".into()), SourceState::Live, "", ""),
        source(2, Subject::Host("kvm-5".into()), SourceState::Unreachable, "connect 10.0.0.15:22: no route to host", ""),
        source(3, Subject::Cluster("main".into()), SourceState::Live, "", ""),
        source(4, Subject::Host("bastion".into()), SourceState::AuthLost, "publickey refused for root", "run ssh-add"),
        source(5, Subject::Middleware { kind: "mysql".into(), name: "orders".into() }, SourceState::Live, "", ""),
    ];
    store.apply(Batch { source: SourceId(1), at: NOW, facts: sources }, NOW);
    for i in 0..40u32 {
        let wave = f64::from((i * 13) % 60);
        let mut facts = up(vec![host("kvm-1", 20.0 + wave, 61.0, full(71.0)), host("kvm-2", 12.0, 96.0, full(88.0)), host("存储节点-北京-3", 44.0, 50.0, MountProbe::Hung { for_seconds: 310 }), host("kvm-4", 31.0, 40.0, full(12.0))], Fact::Host);
        facts.extend(up((1..15).map(|n| vm(n, if n % 2 == 0 { "kvm-1" } else { "kvm-2" }, &format!("k8s-n-{n}"), if n == 14 { VmState::ShutOff } else { VmState::Running })).collect(), Fact::Vm));
        store.apply(Batch { source: SourceId(1), at: Moment(NOW.0 - i64::from(40 - i) * 1000), facts }, Moment(NOW.0 - i64::from(40 - i) * 1000));
    }
    let mut facts = up((1..13).map(|n| node(n, &format!("k8s-n-{n}"), if n == 7 { Readiness::Unknown } else { Readiness::True })).collect(), Fact::Node);
    let mut pods: Vec<Pod> = (0..200).map(|n| pod(n, if n % 4 == 0 { "mall" } else { "订单" }, &format!("{}-5b49d784c-{:05x}", ["mall-order", "mall-cart", "订单服务", "gateway-ingress-controller"][n as usize % 4], n * 7919), "Running", if n % 3 == 0 { 2 } else { 1 }, n % 3)).collect();
    pods.push(pod(300, "mall", "mall-order-5b49d784c-gbr8m", "CrashLoopBackOff", 0, 41));
    pods.push(pod(301, "mall", "mall-search-elasticsearch-indexer-7c9f8d6b5-x2x9q", "ImagePullBackOff", 0, 0));
    pods.push(pod(302, "订单", "订单结算批处理任务-28473920-k8z2p", "Pending", 0, 0));
    pods.push(pod(303, "kube-system", "coredns-74ff55c5b-7tq2v", "OOMKilled", 0, 3));
    pods.push(pod(305, "batch", "report-28473000-abcde", "Completed", 0, 0));
    for (i, name) in strange.iter().enumerate() {
        pods.push(pod(900 + i as u32, name, name, name, 0, 9));
    }
    facts.extend(up(pods, Fact::Pod));
    facts.extend(up(
        vec![Workload { cluster: "main".into(), namespace: "mall".into(), kind: WorkloadKind::Deployment, name: "mall-order".into(), uid: Uid(7001), created_at: Some(ago(900_000)), desired: 3, ready: 2, available: 2, updated: 3, misscheduled: 0, failed: 0, complete: false, suspended: false, stuck: "ProgressDeadlineExceeded".into(), message: strange.first().map_or("", |s| s).into() }],
        Fact::Workload,
    ));
    facts.extend(up(
        vec![Event { cluster: "main".into(), namespace: "mall".into(), uid: Uid(8001), about_kind: "Pod".into(), about_name: "mall-order-5b49d784c-gbr8m".into(), about_uid: Some(Uid(5300)), reason: "BackOff".into(), message: strange.first().map_or("Back-off restarting failed container", |s| s).into(), count: 77, last_seen_at: ago(12) }],
        Fact::Event,
    ));
    facts.push(Fact::Denied { kind: Kind::Workload, namespace: None, denied: Denied { fact: "list cronjobs".into(), need: "ClusterRole view".into() } });
    store.apply(Batch { source: SourceId(3), at: NOW, facts }, NOW);
    let mut hosts = up(vec![host("kvm-1", 64.0, 61.0, full(71.0)), host("kvm-2", 12.0, 96.0, full(88.0)), host("存储节点-北京-3", 44.0, 50.0, MountProbe::Hung { for_seconds: 310 })], Fact::Host);
    hosts.extend(up((1..15).map(|n| vm(n, if n % 2 == 0 { "kvm-1" } else { "kvm-2" }, &format!("k8s-n-{n}"), if n == 14 { VmState::ShutOff } else { VmState::Running })).collect(), Fact::Vm));
    hosts.extend(up(vec![Container { host: "kvm-1".into(), id: "abc".into(), name: strange.first().copied().unwrap_or("nacos").into(), image: "nacos/nacos-server:2.0.3".into(), runtime: "docker".into(), state: ContainerState::Running, health: None, exit_code: None, oom_killed: false, restarts: 2, restarts_by_itself: true, started_at: Some(ago(90_000)), finished_at: None, ports: vec!["0.0.0.0:8848->8848/tcp".into()] }], Fact::Container));
    store.apply(Batch { source: SourceId(1), at: NOW, facts: hosts }, NOW);
    let member = |address: &str, role: &str, lag: f64| Member { denied: Vec::new(), details: Vec::new(), address: address.into(), identity: Name::from(""), role: role.into(), upstream: None, answered_at: Some(NOW), metrics: vec![Metric { key: "lag", unit: Unit::Seconds, value: lag }], reasons: if lag > 60.0 { vec![Reason::crit("middleware.lag").with("name", address).with("value", lag)] } else { Vec::new() } };
    let groups = up(vec![Group { edges: Vec::new(), endpoints: Vec::new(), kind: "mysql".into(), name: "orders".into(), members: vec![member("10.0.0.21:3306", "source", 0.0), member("10.0.0.22:3306", "replica", 412.0)], reasons: Vec::new() }], Fact::Group);
    store.apply(Batch { source: SourceId(5), at: NOW, facts: groups }, NOW);
    // Twenty seconds on: whoever kept silent is stale by now.
    let later = Moment(NOW.0 + 1000);
    store.tick(later);
    store
}
