//! The world: what exists and what happens, as plain data. [`World::advance`] moves it on; servers read and change its fields.

pub mod base64;
mod cast;
pub mod chance;
pub mod elastic;
pub mod fault;
pub mod guest;
pub mod kube;
pub mod machine;
pub mod mysql;
pub mod nacos;
pub mod rabbit;
pub mod redis;
mod restore;
pub mod scenario;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::chance::wander;
use self::elastic::Elastic;
use self::fault::Ramp;
use self::guest::{Guest, GuestState, Host};
use self::kube::{Kube, Surroundings};
use self::machine::{Machine, Reach};
use self::mysql::Mysql;
use self::nacos::Nacos;
use self::rabbit::Rabbit;
use self::redis::Redis;
use self::scenario::Scenario;
use crate::base::clock::Moment;
use crate::lab::ssh::shell::Disk;

/// The shop's day is lived here.
const EAST_OF_GREENWICH: f64 = 8.0;
/// World seconds that are lived in one go.
const STEP: f64 = 1.0;
/// A lab that slept for hours catches up in this many steps.
const MOST_STEPS: u32 = 4000;

/// How large the cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub nodes: u32,
    /// Pods in all; 0 is what the shop needs.
    pub pods: u32,
}

impl Default for Size {
    fn default() -> Self {
        Self { nodes: 12, pods: 0 }
    }
}

/// Everything.
#[derive(Debug)]
pub struct World {
    pub seed: u64,
    pub size: Size,
    /// World seconds in one second.
    pub speed: f64,
    /// Wall time up to which everything has happened.
    pub now: Moment,
    pub began: Moment,
    /// World time since the scenario began.
    pub scene: Duration,
    pub scenario: Scenario,
    /// 0 to 1: what the hour asks of the shop.
    pub load: f64,
    pub hosts: Vec<Host>,
    pub guests: Vec<Guest>,
    pub mysql: Mysql,
    pub redis: Redis,
    /// The pair that the sentinels watch.
    pub sessions: Redis,
    pub rabbit: Rabbit,
    pub elastic: Elastic,
    pub nacos: Nacos,
    pub kube: Kube,
    /// Files that were written in pods.
    pub pod_disk: Disk,
    ramps: Vec<Ramp>,
    /// When a full host pauses its next guest.
    next_pause: Duration,
    next_step: usize,
    revision: u64,
}

/// A number of things from a measure; never negative.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is clamped")]
pub fn whole(measure: f64) -> u64 {
    measure.clamp(0.0, 9e18) as u64
}

#[allow(clippy::cast_possible_truncation, reason = "the value is clamped")]
fn signed(measure: f64) -> i64 {
    measure.clamp(-9e18, 9e18) as i64
}

/// What the hour of the day asks of the shop, 0 to 1: little at four, most at eleven and at nine in the evening.
fn daily(hour: f64) -> f64 {
    let peak = |at: f64, width: f64| (-((hour - at) / width).powi(2)).exp();
    0.12 + 0.5 * peak(11.0, 3.0) + 0.25 * peak(15.5, 3.0) + 0.62 * peak(20.8, 2.4)
}

impl World {
    pub fn new(seed: u64, size: Size, began: Moment, scenario: Scenario) -> Self {
        let guests = cast::guests(seed, began);
        let mut kube = Kube::new(seed, began);
        kube.settle(&guests, size, seed);
        Self {
            seed,
            size,
            speed: 1.0,
            now: began,
            began,
            scene: Duration::ZERO,
            scenario,
            load: 0.4,
            hosts: cast::hosts(seed, began),
            guests,
            mysql: Mysql::new(seed),
            redis: Redis::new(seed),
            sessions: Redis::sessions(seed),
            rabbit: Rabbit::new(),
            elastic: Elastic::new(seed),
            nacos: Nacos::new(),
            kube,
            pod_disk: Disk::default(),
            ramps: Vec::new(),
            next_pause: Duration::ZERO,
            next_step: 0,
            revision: 0,
        }
    }

    /// Grows whenever something happened that those who watch are told.
    pub fn revision(&self) -> u64 {
        self.revision + self.kube.objects.version()
    }

    /// Lives through the time up to `now`.
    pub fn advance(&mut self, now: Moment) {
        let mut left = now.since(self.now).as_secs_f64();
        let step = (STEP / self.speed.max(0.01)).max(left / f64::from(MOST_STEPS));
        while left > 0.0005 {
            let wall = left.min(step);
            left -= wall;
            self.now = if left > 0.0005 { self.now.plus(Duration::from_secs_f64(wall)) } else { now };
            self.live(wall * self.speed, wall);
        }
    }

    /// `seconds` of the world, which take `wall` seconds.
    fn live(&mut self, seconds: f64, wall: f64) {
        self.scene += Duration::from_secs_f64(seconds);
        while let Some(step) = self.scenario.steps.get(self.next_step).filter(|s| s.at.0 <= self.scene).cloned() {
            self.next_step += 1;
            self.act(&step.act);
        }
        self.fill();
        // Its own hour: at tenfold speed the evening comes ten times as early.
        let began = self.began.0 as f64 / 1000.0;
        let at = began + self.scene.as_secs_f64();
        self.load = (daily((at / 3600.0 + EAST_OF_GREENWICH) % 24.0) + 0.14 * (wander(self.seed, "load", at - began, 90.0) - 0.5)).clamp(0.03, 1.0);
        self.live_machines(wall);
        self.pause_on_full_disks();
        let unreachable: BTreeSet<String> = self.guests.iter().map(|g| g.name.clone()).filter(|name| !self.is_reachable(name)).collect();
        self.mysql.advance(seconds, self.load, |guest| !unreachable.contains(guest));
        self.live_kube(&unreachable);
        let kube = &self.kube;
        let ready = |pod: &str| kube.is_ready(pod);
        self.redis.advance(seconds, self.load, ready);
        self.sessions.advance(seconds, self.load, ready);
        let consumers = |name: &str| u32::try_from(kube.ready_addresses(name).len()).unwrap_or(0);
        self.rabbit.advance(seconds, self.load, ready, consumers);
        self.elastic.advance(seconds, self.load, ready, |pod| kube.life_of(pod), |pod| kube.plugins_of(pod));
        self.nacos.advance(ready, |name| kube.ready_addresses(name));
    }

    fn live_kube(&mut self, unreachable: &BTreeSet<String>) {
        let images = |g: &Guest| g.machine.mounts.iter().find(|m| m.path == "/var/lib/docker").map(machine::Mount::used);
        let full: BTreeMap<String, f64> = self.guests.iter().filter_map(|g| Some((g.name.clone(), images(g)?))).filter(|(_, used)| *used > 0.75).collect();
        let nfs_hung = self.guests.iter().any(|g| g.machine.mounts.iter().any(|m| m.is_hung));
        let around = Surroundings { now: self.now, scene: self.scene.as_secs_f64(), load: self.load, unreachable, nfs_hung, full: &full };
        self.kube.live(&around);
    }

    /// A guest that writes to a disk its host has no room for is paused by the hypervisor.
    fn pause_on_full_disks(&mut self) {
        for host in &self.hosts {
            let full = host.machine.mounts.iter().any(|m| m.path == "/var/lib/libvirt/images" && m.used() >= 0.995);
            let on_it = |g: &&mut Guest| g.host == host.machine.name;
            if full && self.next_pause <= self.scene {
                self.next_pause = self.scene + Duration::from_secs(25);
                let writer = self.guests.iter_mut().filter(on_it).filter(|g| g.is_running()).max_by(|a, b| a.writes_per_second.total_cmp(&b.writes_per_second));
                if let Some(guest) = writer {
                    guest.state = GuestState::PausedIo;
                }
            }
        }
    }

    /// Sums of machines go by the wall clock, because whoever samples them divides by it.
    fn live_machines(&mut self, wall: f64) {
        let at = self.scene.as_secs_f64();
        let mut used_by_host = vec![0.0; self.hosts.len()];
        for guest in &mut self.guests {
            let own = wander(self.seed, &guest.name, at, 45.0);
            let busy = f64::from(guest.vcpus) * (0.06 + 0.5 * self.load * (0.6 + 0.8 * own));
            guest.advance(wall, busy);
            if let Some(host) = self.hosts.iter().position(|h| h.machine.name == guest.host) {
                used_by_host[host] += if guest.is_running() { (guest.machine.cpu.user + guest.machine.cpu.system) * f64::from(guest.vcpus) } else { 0.0 };
            }
        }
        for (host, used) in self.hosts.iter_mut().zip(used_by_host) {
            host.machine.advance(wall, used + 0.8);
        }
    }

    /// A host or guest as a machine, by its name.
    pub fn machine(&mut self, name: &str) -> Option<&mut Machine> {
        let host = self.hosts.iter_mut().map(|h| &mut h.machine).find(|m| m.name == name);
        host.or_else(|| self.guests.iter_mut().map(|g| &mut g.machine).find(|m| m.name == name))
    }

    pub fn host(&mut self, name: &str) -> Option<&mut Host> {
        self.hosts.iter_mut().find(|h| h.machine.name == name)
    }

    pub fn guest(&mut self, name: &str) -> Option<&mut Guest> {
        self.guests.iter_mut().find(|g| g.name == name)
    }

    /// Does the machine of this name run and answer, and what it stands on as well?
    pub fn is_reachable(&self, name: &str) -> bool {
        let host = |name: &str| self.hosts.iter().find(|h| h.machine.name == name).is_some_and(|h| h.machine.reach == Reach::Up);
        match self.guests.iter().find(|g| g.name == name) {
            Some(guest) => guest.is_running() && guest.machine.reach == Reach::Up && host(&guest.host),
            None => host(name),
        }
    }

    /// Does this pod run and is it ready?
    pub fn is_ready(&self, pod: &str) -> bool {
        self.kube.is_ready(pod)
    }

    /// Begins another scenario. What the last one broke is whole again; what people changed stays.
    pub fn play(&mut self, scenario: Scenario) {
        self.restore();
        self.scenario = scenario;
        self.scene = Duration::ZERO;
        self.next_pause = Duration::ZERO;
        self.kube.rewind();
        self.next_step = 0;
        self.began = self.now;
        self.revision += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: Moment = Moment(1_795_000_000_000);

    fn world() -> World {
        World::new(7, Size::default(), BEGAN, Scenario::named("calm").unwrap())
    }

    #[test]
    fn the_same_seed_makes_the_same_world() {
        let (mut a, mut b) = (world(), world());
        a.advance(BEGAN.plus(Duration::from_mins(3)));
        for second in 1..=180 {
            b.advance(BEGAN.plus(Duration::from_secs(second)));
        }
        assert_eq!(a.guests.iter().map(|g| &g.machine.uuid).collect::<Vec<_>>(), b.guests.iter().map(|g| &g.machine.uuid).collect::<Vec<_>>());
        assert!((a.load - b.load).abs() < 1e-6);
        assert!((a.mysql.servers[0].log.gtid - b.mysql.servers[0].log.gtid).abs() < 50.0);
    }

    #[test]
    fn hours_pass_and_replicas_follow() {
        let mut world = world();
        world.speed = 60.0;
        world.advance(BEGAN.plus(Duration::from_mins(1)));
        assert_eq!(world.scene, Duration::from_hours(1));
        assert!(world.redis.is_ok() && world.elastic.status() == "green");
        let Some(link) = world.mysql.server("db-2").and_then(|s| s.replication.clone()) else { panic!("a replica") };
        assert!(link.sql_runs && link.behind_seconds < 10.0 && link.received.file >= 42);
        let fresh = world.mysql.server("db-3:3307").unwrap();
        assert!(fresh.replication.is_none() && fresh.log.gtid == 0.0);
    }

    #[test]
    fn what_stands_on_a_lost_host_is_lost() {
        let mut world = world();
        world.machine("kvm-2").unwrap().reach = Reach::Silent;
        world.advance(BEGAN.plus(Duration::from_secs(5)));
        assert!(!world.is_reachable("db-2") && world.is_reachable("db-1"));
    }
}
