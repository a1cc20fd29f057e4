//! What scenarios can make happen. Each act changes the plain data of the world; what follows from it follows by the world's rules.

use serde::Deserialize;

use super::World;
use super::guest::GuestState;
use super::kube::{Ail, kind};
use super::machine::Reach;
use super::mysql::Fault;
use super::scenario::Span;

/// One thing that happens. Shares are percentages, as in the files.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Act {
    /// A file system fills to `percent` in the time `over`.
    Disk {
        on: String,
        mount: String,
        percent: f64,
        #[serde(default)]
        over: Span,
    },
    /// A storage pool of a host fills.
    Pool {
        on: String,
        pool: String,
        percent: f64,
        #[serde(default)]
        over: Span,
    },
    /// What is left of a machine's memory.
    MemoryLeft {
        on: String,
        percent: f64,
    },
    /// So many more cores are busy.
    Cpu {
        on: String,
        cores: f64,
    },
    /// Processors wait for disks.
    Iowait {
        on: String,
        percent: f64,
    },
    /// Other guests take time from this one.
    Stolen {
        on: String,
        percent: f64,
    },
    /// A host or guest falls silent, refuses, or is back.
    Machine {
        on: String,
        reach: ReachWord,
    },
    Guest {
        on: String,
        state: GuestWord,
    },
    /// Writes of a guest's disk in a second, and what each takes.
    GuestDisk {
        on: String,
        writes: f64,
        latency_ms: f64,
    },
    /// Its clock is ahead (negative: behind).
    Clock {
        on: String,
        seconds: f64,
    },
    /// The NFS server stops answering: every mount of it hangs.
    Nfs {
        hung: bool,
    },
    KernelLog {
        on: String,
        level: u8,
        text: String,
    },
    Unit {
        on: String,
        unit: String,
        failed: bool,
    },
    /// A container outside Kubernetes ends or runs again.
    Docker {
        on: String,
        name: String,
        running: bool,
    },
    /// The SQL thread of a replica stops, and again until it is repaired.
    MysqlPoison {
        on: String,
        code: u32,
        text: String,
    },
    /// How many transactions in a second a replica applies.
    MysqlApply {
        on: String,
        per_second: f64,
    },
    Mysql {
        on: String,
        up: bool,
    },
    MysqlConnections {
        on: String,
        held: u32,
    },
    MysqlReadOnly {
        on: String,
        read_only: bool,
    },
    /// A queue's consumers are gone although their pods live.
    QueueAbandoned {
        queue: String,
        abandoned: bool,
    },
    QueueRate {
        queue: String,
        publish: f64,
    },
    /// Somebody writes `to` for `from` in a configuration of Nacos.
    Setting {
        data_id: String,
        from: String,
        to: String,
    },
    RabbitDisk {
        on: String,
        free_mib: f64,
    },
    ElasticDisk {
        on: String,
        percent: f64,
        #[serde(default)]
        over: Span,
    },
    RedisMemory {
        on: String,
        percent: f64,
    },
    /// What ails the pods of `namespace/workload`.
    Pods {
        of: String,
        #[serde(flatten)]
        ail: Ail,
    },
    /// They are well again.
    Cure {
        of: String,
    },
    /// The process of one pod, or of all pods of a workload, ends now.
    Kill {
        of: String,
        code: i32,
        #[serde(default)]
        reason: Option<String>,
    },
    /// No image of the shop's registry can be pulled; empty: it can again.
    Registry {
        error: String,
    },
    /// A kubelet stops or is started.
    Kubelet {
        on: String,
        stopped: bool,
    },
    /// Checks of `/readyz` that fail, and what every request waits for.
    ApiServer {
        failing: Vec<String>,
        latency_ms: u64,
        #[serde(default)]
        refuses_writes: Option<String>,
    },
    /// A lease of the control plane is renewed no more.
    Lease {
        name: String,
        stopped: bool,
    },
    /// The API servers' certificate is good for so long; negative seconds: it has run out.
    Certificate {
        seconds: i64,
    },
    /// `kubectl rollout restart`
    Roll {
        of: String,
    },
    /// A deployment's image changes.
    Image {
        of: String,
        image: String,
    },
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReachWord {
    Up,
    Silent,
    Refusing,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestWord {
    Running,
    Suspended,
    PausedIo,
    Off,
    Crashed,
}

/// Something that fills slowly.
#[derive(Clone, Debug)]
pub(super) struct Ramp {
    what: Filling,
    from: f64,
    to: f64,
    /// Scenario seconds.
    start: f64,
    end: f64,
}

#[derive(Clone, Debug)]
enum Filling {
    Mount { on: String, path: String },
    Pool { on: String, name: String },
    Elastic { on: String },
}

impl World {
    pub(super) fn act(&mut self, act: &Act) {
        let now = self.now;
        match act.clone() {
            Act::Disk { on, mount, percent, over } => {
                let from = self.machine(&on).and_then(|m| m.mount(&mount).map(|m| m.used()));
                self.ramp(Filling::Mount { on, path: mount }, from, percent, over);
            }
            Act::Pool { on, pool, percent, over } => {
                let found = self.host(&on).and_then(|h| h.pools.iter().find(|p| p.name == pool));
                let from = found.map(|p| p.allocation_bytes as f64 / p.capacity_bytes.max(1) as f64);
                self.ramp(Filling::Pool { on, name: pool }, from, percent, over);
            }
            Act::ElasticDisk { on, percent, over } => {
                let from = self.elastic.node(&on).map(|n| n.disk_used);
                self.ramp(Filling::Elastic { on }, from, percent, over);
            }
            Act::Nfs { hung } => self.hang_nfs(hung),
            Act::Guest { on, state } => {
                if let Some(guest) = self.guest(&on) {
                    guest.state = match state {
                        GuestWord::Running => GuestState::Running,
                        GuestWord::Suspended => GuestState::Suspended,
                        GuestWord::PausedIo => GuestState::PausedIo,
                        GuestWord::Off => GuestState::Off,
                        GuestWord::Crashed => GuestState::Crashed,
                    };
                }
            }
            Act::GuestDisk { on, writes, latency_ms } => {
                if let Some(guest) = self.guest(&on) {
                    (guest.writes_per_second, guest.write_latency_seconds) = (writes, latency_ms / 1000.0);
                }
            }
            Act::MysqlPoison { .. } | Act::MysqlApply { .. } | Act::Mysql { .. } | Act::MysqlConnections { .. } | Act::MysqlReadOnly { .. } => {
                self.act_mysql(act);
            }
            Act::QueueAbandoned { queue, abandoned } => self.rabbit.queue(&queue).into_iter().for_each(|q| q.is_abandoned = abandoned),
            Act::QueueRate { queue, publish } => self.rabbit.queue(&queue).into_iter().for_each(|q| q.publish_per_second = publish),
            Act::Setting { data_id, from, to } => self.nacos.edit(&data_id, &from, &to),
            Act::RabbitDisk { on, free_mib } => {
                self.rabbit.nodes.iter_mut().filter(|n| n.pod == on).for_each(|n| n.disk_free_bytes = free_mib * 1_048_576.0);
            }
            Act::RedisMemory { on, percent } => {
                self.redis.node(&on).or_else(|| self.sessions.node(&on)).into_iter().for_each(|n| n.used_bytes = n.max_bytes * percent / 100.0);
            }
            Act::Pods { .. }
            | Act::Cure { .. }
            | Act::Kill { .. }
            | Act::Registry { .. }
            | Act::Kubelet { .. }
            | Act::ApiServer { .. }
            | Act::Lease { .. }
            | Act::Certificate { .. }
            | Act::Roll { .. }
            | Act::Image { .. } => self.act_kube(act),
            Act::MemoryLeft { .. }
            | Act::Cpu { .. }
            | Act::Iowait { .. }
            | Act::Stolen { .. }
            | Act::Machine { .. }
            | Act::Clock { .. }
            | Act::KernelLog { .. }
            | Act::Unit { .. }
            | Act::Docker { .. } => self.act_machine(act, now),
        }
    }

    fn act_machine(&mut self, act: &Act, now: crate::base::clock::Moment) {
        let (Act::MemoryLeft { on, .. }
        | Act::Cpu { on, .. }
        | Act::Iowait { on, .. }
        | Act::Stolen { on, .. }
        | Act::Machine { on, .. }
        | Act::Clock { on, .. }
        | Act::KernelLog { on, .. }
        | Act::Unit { on, .. }
        | Act::Docker { on, .. }) = act
        else {
            return;
        };
        let Some(machine) = self.machine(on) else { return };
        match act {
            Act::MemoryLeft { percent, .. } => machine.available_bytes = super::whole(machine.memory_bytes as f64 * percent / 100.0),
            Act::Cpu { cores, .. } => machine.extra_cores = *cores,
            Act::Iowait { percent, .. } => machine.extra_iowait = percent / 100.0,
            Act::Stolen { percent, .. } => machine.stolen = percent / 100.0,
            Act::Machine { reach, .. } => {
                machine.reach = match reach {
                    ReachWord::Up => Reach::Up,
                    ReachWord::Silent => Reach::Silent,
                    ReachWord::Refusing => Reach::Refusing,
                }
            }
            Act::Clock { seconds, .. } => machine.clock_ahead_ms = super::signed(seconds * 1000.0),
            Act::KernelLog { level, text, .. } => machine.say(now, *level, text.clone()),
            Act::Unit { unit, failed, .. } => {
                machine.failed_units.retain(|u| u != unit);
                if *failed {
                    machine.failed_units.push(unit.clone());
                }
            }
            Act::Docker { name, running, .. } => {
                for docker in machine.containers.iter_mut().filter(|c| c.name == *name) {
                    if *running {
                        docker.started_at = now;
                    } else {
                        docker.finished_at = Some(now);
                        docker.exit_code = 1;
                    }
                    docker.is_running = *running;
                }
            }
            _ => {}
        }
    }

    fn act_mysql(&mut self, act: &Act) {
        let (Act::MysqlPoison { on, .. }
        | Act::MysqlApply { on, .. }
        | Act::Mysql { on, .. }
        | Act::MysqlConnections { on, .. }
        | Act::MysqlReadOnly { on, .. }) = act
        else {
            return;
        };
        let Some(server) = self.mysql.server(on) else { return };
        match act {
            Act::MysqlPoison { code, text, .. } => {
                if let Some(link) = &mut server.replication {
                    link.poison = Some(Fault { code: *code, text: text.clone() });
                }
            }
            Act::MysqlApply { per_second, .. } => {
                if let Some(link) = &mut server.replication {
                    link.apply_per_second = *per_second;
                }
            }
            Act::Mysql { up, .. } => {
                server.is_up = *up;
                if *up {
                    server.up_seconds = 0.0;
                }
            }
            Act::MysqlConnections { held, .. } => server.held_connections = *held,
            Act::MysqlReadOnly { read_only, .. } => (server.read_only, server.super_read_only) = (*read_only, *read_only),
            _ => {}
        }
    }

    fn act_kube(&mut self, act: &Act) {
        let kube = &mut self.kube;
        match act {
            Act::Pods { of, ail } => kube.ail(of, Some(ail.clone())),
            Act::Cure { of } => kube.ail(of, None),
            Act::Kill { of, code, reason } => kube.kill(of, *code, reason.as_deref()),
            Act::Registry { error } => kube.registry = Some(error.clone()).filter(|e| !e.is_empty()),
            Act::Kubelet { on, stopped } => kube.nodes.get_mut(on.as_str()).into_iter().for_each(|n| n.is_stopped = *stopped),
            Act::ApiServer { failing, latency_ms, refuses_writes } => {
                kube.health.failing = failing.iter().cloned().collect();
                kube.health.latency_ms = *latency_ms;
                kube.health.refuses_writes.clone_from(refuses_writes);
            }
            Act::Lease { name, stopped } => {
                kube.health.stopped.remove(name);
                if *stopped {
                    kube.health.stopped.insert(name.clone());
                }
            }
            Act::Certificate { seconds } => kube.health.certificate_until = Some(self.now.0.saturating_add(seconds.saturating_mul(1000))),
            Act::Roll { of } => {
                let (space, name) = of.split_once('/').unwrap_or(("pro", of));
                if let Some(mut object) = kube.objects.get(kind::DEPLOYMENTS, space, name).map(|o| o.value()) {
                    object["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = self.now.to_string().into();
                    kube.write(kind::DEPLOYMENTS, object);
                }
            }
            Act::Image { of, image } => {
                let (space, name) = of.split_once('/').unwrap_or(("pro", of));
                if let Some(mut object) = kube.objects.get(kind::DEPLOYMENTS, space, name).map(|o| o.value()) {
                    object["spec"]["template"]["spec"]["containers"][0]["image"] = image.as_str().into();
                    kube.write(kind::DEPLOYMENTS, object);
                }
            }
            _ => {}
        }
    }

    fn hang_nfs(&mut self, hung: bool) {
        let now = self.now;
        let machines = self.hosts.iter_mut().map(|h| &mut h.machine).chain(self.guests.iter_mut().map(|g| &mut g.machine));
        for machine in machines {
            let mut touched = false;
            for mount in machine.mounts.iter_mut().filter(|m| m.kind.starts_with("nfs")) {
                touched |= mount.is_hung != hung;
                mount.is_hung = hung;
            }
            if touched {
                let (level, text) = if hung { (3, "nfs: server 10.20.0.9 not responding, still trying") } else { (5, "nfs: server 10.20.0.9 OK") };
                machine.say(now, level, text);
                // Whoever reads or writes there waits in state D and counts in the load.
                machine.blocked = u32::from(hung) * 14;
            }
        }
    }

    fn ramp(&mut self, what: Filling, from: Option<f64>, percent: f64, over: Span) {
        let Some(from) = from else { return };
        let start = self.scene.as_secs_f64();
        self.ramps.push(Ramp { what, from, to: percent / 100.0, start, end: start + over.0.as_secs_f64() });
    }

    /// Moves everything that fills on to the present.
    pub(super) fn fill(&mut self) {
        let at = self.scene.as_secs_f64();
        let ramps = std::mem::take(&mut self.ramps);
        for ramp in ramps {
            let part = if ramp.end > ramp.start { ((at - ramp.start) / (ramp.end - ramp.start)).clamp(0.0, 1.0) } else { 1.0 };
            let share = ramp.from + (ramp.to - ramp.from) * part;
            match &ramp.what {
                Filling::Mount { on, path } => self.machine(on).and_then(|m| m.mount(path)).into_iter().for_each(|m| m.fill(share)),
                Filling::Pool { on, name } => {
                    let pools = self.host(on).map(|h| h.pools.as_mut_slice()).unwrap_or_default();
                    for pool in pools.iter_mut().filter(|p| p.name == *name) {
                        pool.allocation_bytes = super::whole(pool.capacity_bytes as f64 * share);
                    }
                }
                Filling::Elastic { on } => self.elastic.node(on).into_iter().for_each(|n| n.disk_used = share),
            }
            if part < 1.0 {
                self.ramps.push(ramp);
            }
        }
    }
}
