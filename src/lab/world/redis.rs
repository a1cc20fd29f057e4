//! A Redis cluster of six: three masters, a replica each. And a pair for the sessions, watched by three sentinels.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::chance::Chance;

/// `cluster-node-timeout`: a master silent for so long is replaced by its replica.
pub const NODE_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub struct RedisNode {
    /// The pod: `redis-0`.
    pub name: String,
    /// `10.244.4.10:6379`, which it announces; the bus is 10000 above.
    pub address: String,
    /// 40 hexadecimal digits.
    pub id: String,
    pub is_up: bool,
    /// The id of its master; none for a master.
    pub master: Option<String>,
    pub slots: Vec<RangeInclusive<u16>>,
    pub epoch: u64,
    /// Bytes of the replication stream.
    pub offset: f64,
    pub used_bytes: f64,
    pub max_bytes: f64,
    pub keys: u64,
    pub clients: u32,
    pub commands: f64,
    pub commands_per_second: f64,
    pub evicted: f64,
    pub up_seconds: f64,
    /// Seconds since it went silent.
    pub silent_seconds: f64,
    /// Of a replica: seconds that its link to the master has been down.
    pub link_down_seconds: f64,
    pub full_syncs: u32,
}

/// The name by which the sentinels know the master of the pair.
pub const SESSIONS: &str = "sessions";
/// So many sentinels must miss a master.
pub const QUORUM: usize = 2;

#[derive(Clone, Debug)]
pub struct Sentinel {
    /// The pod: `sentinel-0`.
    pub name: String,
    /// `10.244.9.60:26379`
    pub address: String,
    /// 40 hexadecimal digits.
    pub id: String,
    pub is_up: bool,
}

#[derive(Clone, Debug)]
pub struct Redis {
    pub version: String,
    pub nodes: Vec<RedisNode>,
    pub epoch: u64,
    /// Who watches the master; nobody in a cluster.
    pub sentinels: Vec<Sentinel>,
}

impl Redis {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance::of(seed, "redis");
        let ids: Vec<String> = (0..6).map(|_| chance.hex(40)).collect();
        let ranges = [0..=5460, 5461..=10922, 10923..=16383];
        let nodes = (0..6_usize)
            .map(|n| RedisNode {
                master: (n >= 3).then(|| ids[n - 3].clone()),
                slots: ranges.get(n).cloned().into_iter().collect(),
                epoch: if n < 3 { n as u64 + 1 } else { n as u64 - 2 },
                offset: 4_210_009_317.0 + 1000.0 * (n % 3) as f64,
                keys: 412_000 + 1700 * (n as u64 % 3),
                ..node(&format!("redis-{n}"), &format!("10.244.{}.10:6379", n + 4), &ids[n])
            })
            .collect();
        Self { version: "7.0.15".into(), nodes, epoch: 6, sentinels: Vec::new() }
    }

    /// The pair and its sentinels.
    pub(super) fn sessions(seed: u64) -> Self {
        let mut chance = Chance::of(seed, SESSIONS);
        let ids = [chance.hex(40), chance.hex(40)];
        let nodes = (0..2_usize)
            .map(|n| RedisNode { master: (n == 1).then(|| ids[0].clone()), ..node(&format!("sessions-{n}"), &format!("10.244.{}.50:6379", n + 9), &ids[n]) })
            .collect();
        let sentinels = (0..3)
            .map(|n| Sentinel { name: format!("sentinel-{n}"), address: format!("10.244.{}.60:26379", n + 9), id: chance.hex(40), is_up: true })
            .collect();
        Self { version: "7.0.15".into(), nodes, epoch: 0, sentinels }
    }

    /// Do its nodes share slots between them?
    pub fn is_cluster(&self) -> bool {
        self.sentinels.is_empty()
    }

    /// By the name of its pod, its address or its id.
    pub fn node(&mut self, name: &str) -> Option<&mut RedisNode> {
        self.nodes.iter_mut().find(|n| n.name == name || n.address == name || n.id == name)
    }

    /// Are all slots served?
    pub fn is_ok(&self) -> bool {
        let covered: u32 = self.nodes.iter().filter(|n| n.master.is_none() && n.is_up).flat_map(|n| &n.slots).map(|r| u32::from(r.end() - r.start()) + 1).sum();
        covered == 16384
    }

    pub(super) fn advance(&mut self, seconds: f64, load: f64, ready: impl Fn(&str) -> bool) {
        for sentinel in &mut self.sentinels {
            sentinel.is_up = ready(&sentinel.name);
        }
        for node in &mut self.nodes {
            node.is_up = ready(&node.name);
            if node.is_up {
                node.silent_seconds = 0.0;
                node.up_seconds += seconds;
                node.commands_per_second = 800.0 + 9000.0 * load * if node.master.is_none() { 1.0 } else { 0.3 };
                node.commands += node.commands_per_second * seconds;
                node.clients = 14 + u32::try_from(super::whole(40.0 * load)).unwrap_or(0);
            } else {
                node.silent_seconds += seconds;
                node.up_seconds = 0.0;
            }
        }
        self.fail_over();
        let heads: Vec<(String, bool, f64)> = self.nodes.iter().map(|n| (n.id.clone(), n.is_up, n.offset)).collect();
        for node in self.nodes.iter_mut().filter(|n| n.is_up) {
            match node.master.as_ref().and_then(|id| heads.iter().find(|(h, ..)| h == id)) {
                None => node.offset += (40_000.0 + 400_000.0 * load) * seconds,
                Some((_, true, offset)) => {
                    if node.link_down_seconds > 60.0 {
                        node.full_syncs += 1;
                    }
                    node.link_down_seconds = 0.0;
                    node.offset = *offset;
                }
                Some((_, false, _)) => node.link_down_seconds += seconds,
            }
        }
    }

    /// A master that the others have missed long enough hands its slots to its replica; coming back it is a replica itself.
    fn fail_over(&mut self) {
        let (voters, voices) = if self.is_cluster() {
            let masters = self.nodes.iter().filter(|n| n.master.is_none());
            (masters.clone().filter(|n| n.is_up && !n.slots.is_empty()).count(), masters.count())
        } else {
            (self.sentinels.iter().filter(|s| s.is_up).count(), self.sentinels.len())
        };
        if voters * 2 <= voices {
            return;
        }
        for lost in 0..self.nodes.len() {
            let dead = &self.nodes[lost];
            if dead.is_up || dead.master.is_some() || dead.silent_seconds < NODE_TIMEOUT.as_secs_f64() * 1.4 {
                continue;
            }
            let id = dead.id.clone();
            self.promote(&id);
        }
    }

    /// Hands the place of the master of this id to a replica of its own. `false`: none is there.
    pub fn promote(&mut self, id: &str) -> bool {
        let Some(heir) = self.nodes.iter().position(|n| n.is_up && n.master.as_deref() == Some(id)) else { return false };
        self.epoch += 1;
        let slots = self.nodes.iter_mut().find(|n| n.id == id).map(|n| std::mem::take(&mut n.slots)).unwrap_or_default();
        let heir_id = self.nodes[heir].id.clone();
        (self.nodes[heir].master, self.nodes[heir].slots, self.nodes[heir].epoch) = (None, slots, self.epoch);
        self.nodes[heir].link_down_seconds = 0.0;
        for node in &mut self.nodes {
            if node.id == id || node.master.as_deref() == Some(id) {
                node.master = Some(heir_id.clone());
            }
        }
        true
    }
}

fn node(name: &str, address: &str, id: &str) -> RedisNode {
    RedisNode {
        name: name.into(),
        address: address.into(),
        id: id.into(),
        is_up: true,
        master: None,
        slots: Vec::new(),
        epoch: 0,
        offset: 4_210_009_317.0,
        used_bytes: 610e6,
        max_bytes: 2_147_483_648.0,
        keys: 98_000,
        clients: 22,
        commands: 9.4e8,
        commands_per_second: 0.0,
        evicted: 0.0,
        up_seconds: 1_900_000.0,
        silent_seconds: 0.0,
        link_down_seconds: 0.0,
        full_syncs: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_master_is_replaced_and_comes_back_as_a_replica() {
        let mut redis = Redis::new(1);
        let lost = redis.nodes[0].id.clone();
        for _ in 0..5 {
            redis.advance(1.0, 0.5, |name| name != "redis-0");
        }
        assert!(!redis.is_ok() && redis.nodes[3].master.is_some());
        for _ in 0..5 {
            redis.advance(1.0, 0.5, |name| name != "redis-0");
        }
        assert!(redis.is_ok() && redis.nodes[3].master.is_none());
        redis.advance(1.0, 0.5, |_| true);
        assert_eq!(redis.node(&lost).and_then(|n| n.master.clone()), Some(redis.nodes[3].id.clone()));
    }
}
