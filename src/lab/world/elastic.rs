//! An Elasticsearch cluster of three nodes, each master-eligible and with data.

use super::chance::Chance;

/// `cluster.routing.allocation.disk.watermark.*`, shares of a disk.
pub const LOW: f64 = 0.85;
pub const HIGH: f64 = 0.90;
pub const FLOOD: f64 = 0.95;

#[derive(Clone, Debug)]
pub struct ElasticNode {
    /// The pod: `elasticsearch-0`.
    pub name: String,
    /// 22 characters.
    pub id: String,
    pub ip: String,
    pub is_up: bool,
    pub heap_used: f64,
    pub heap_bytes: u64,
    pub disk_bytes: u64,
    /// 0 to 1.
    pub disk_used: f64,
    /// `analysis-ik`, and whether the node has taken it in at its start.
    pub plugins: Vec<(String, bool)>,
    /// Of its container; nothing until it was looked at.
    pub life: Option<Life>,
    pub up_seconds: f64,
}

#[derive(Clone, Debug)]
pub struct Index {
    pub name: String,
    pub uuid: String,
    pub shards: u32,
    pub replicas: u32,
    pub docs: f64,
    pub bytes: f64,
    /// `index.blocks.read_only_allow_delete`
    pub is_blocked: bool,
    pub docs_per_second: f64,
}

/// One copy of a shard.
#[derive(Clone, Debug)]
pub struct Shard {
    pub index: String,
    pub number: u32,
    pub is_primary: bool,
    /// The name of its node; none while it is unassigned.
    pub node: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Elastic {
    pub version: String,
    pub cluster: String,
    pub uuid: String,
    pub nodes: Vec<ElasticNode>,
    /// The name of the elected master.
    pub master: String,
    pub indices: Vec<Index>,
    pub shards: Vec<Shard>,
    /// `cluster.routing.allocation.enable` as somebody set it until the next full restart.
    pub allocation: Option<String>,
}

/// A container's life: the pod's uid, and how often its process was started again. What was written into the container goes with it.
pub type Life = (String, u32);

impl Elastic {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance::of(seed, "elastic");
        let nodes: Vec<ElasticNode> = (0..3)
            .map(|n| ElasticNode {
                name: format!("elasticsearch-{n}"),
                id: chance.hex(22),
                ip: format!("10.244.{}.30", n + 7),
                is_up: true,
                heap_used: 0.46,
                heap_bytes: 2 << 30,
                disk_bytes: 100 << 30,
                disk_used: 0.58 + 0.02 * f64::from(n),
                plugins: Vec::new(),
                life: None,
                up_seconds: 1_900_000.0,
            })
            .collect();
        let mut elastic = Self {
            version: "7.6.2".into(),
            cluster: "mall-search".into(),
            uuid: chance.hex(22),
            master: nodes[0].name.clone(),
            nodes,
            indices: Vec::new(),
            shards: Vec::new(),
            allocation: None,
        };
        for (name, shards, docs, bytes, rate) in
            [("pms", 3, 84_210.0, 61e6, 0.2), ("mall-logs-2026.11.20", 1, 9_120_440.0, 5.1e9, 0.0), ("mall-logs-2026.11.21", 1, 3_300_120.0, 1.9e9, 180.0)]
        {
            let index = Index { name: name.into(), uuid: chance.hex(22), shards, replicas: 1, docs, bytes, is_blocked: false, docs_per_second: rate };
            elastic.create(index);
        }
        elastic
    }

    /// Adds an index and gives its shards to nodes.
    pub fn create(&mut self, index: Index) {
        for number in 0..index.shards {
            for copy in 0..=index.replicas {
                let node = self.nodes.get((self.shards.len() / 2 + copy as usize) % self.nodes.len().max(1));
                let is_room = copy < u32::try_from(self.nodes.len()).unwrap_or(0);
                self.shards.push(Shard { index: index.name.clone(), number, is_primary: copy == 0, node: node.filter(|_| is_room).map(|n| n.name.clone()) });
            }
        }
        self.indices.push(index);
    }

    pub fn node(&mut self, name: &str) -> Option<&mut ElasticNode> {
        self.nodes.iter_mut().find(|n| n.name == name)
    }

    /// Is this plugin installed on every node, and the node restarted since?
    pub fn has_plugin(&self, name: &str) -> bool {
        self.nodes.iter().filter(|n| n.is_up).all(|n| n.plugins.iter().any(|(p, active)| p == name && *active))
    }

    /// `green`, `yellow`, `red`
    pub fn status(&self) -> &'static str {
        match self.shards.iter().filter(|s| s.node.is_none()).map(|s| s.is_primary).max() {
            None => "green",
            Some(false) => "yellow",
            Some(true) => "red",
        }
    }

    pub(super) fn advance(
        &mut self,
        seconds: f64,
        load: f64,
        ready: impl Fn(&str) -> bool,
        life: impl Fn(&str) -> Option<Life>,
        brought: impl Fn(&str) -> Vec<String>,
    ) {
        for node in &mut self.nodes {
            node.is_up = ready(&node.name);
            let now = if node.is_up { life(&node.name) } else { None };
            if now.is_some() && now != node.life {
                if node.life.is_some() {
                    node.plugins = brought(&node.name).into_iter().map(|p| (p, true)).collect();
                }
                node.life = now;
            }
            node.up_seconds = if node.is_up { node.up_seconds + seconds } else { 0.0 };
            node.heap_used = (0.4 + 0.2 * load).min(0.9);
        }
        if !self.nodes.iter().any(|n| n.is_up && n.name == self.master)
            && let Some(next) = self.nodes.iter().find(|n| n.is_up)
        {
            self.master.clone_from(&next.name);
        }
        self.allocate();
        let flooded = self.nodes.iter().filter(|n| n.is_up && n.disk_used >= FLOOD).map(|n| n.name.clone()).collect::<Vec<_>>();
        let full = self.nodes.iter().any(|n| n.is_up && n.disk_used >= HIGH);
        for index in &mut self.indices {
            let hit = self.shards.iter().any(|s| s.index == index.name && s.node.as_ref().is_some_and(|n| flooded.contains(n)));
            if hit {
                index.is_blocked = true;
            } else if !full {
                // Released on its own below the high mark since 7.4.
                index.is_blocked = false;
            }
            if !index.is_blocked {
                let more = index.docs_per_second * (0.2 + load) * seconds;
                index.docs += more;
                index.bytes += more * 560.0;
            }
        }
    }

    /// Copies on lost nodes are unassigned; a primary's place is taken by its replica. Copies come back with their nodes.
    fn allocate(&mut self) {
        let up: Vec<String> = self.nodes.iter().filter(|n| n.is_up).map(|n| n.name.clone()).collect();
        for i in 0..self.shards.len() {
            if self.shards[i].node.as_ref().is_some_and(|n| !up.contains(n)) {
                self.shards[i].node = None;
                if self.shards[i].is_primary {
                    let (index, number) = (self.shards[i].index.clone(), self.shards[i].number);
                    if let Some(heir) =
                        self.shards.iter().position(|s| s.index == index && s.number == number && s.node.as_ref().is_some_and(|n| up.contains(n)))
                    {
                        self.shards[heir].is_primary = true;
                        self.shards[i].is_primary = false;
                    }
                }
            }
        }
        if up.len() < self.nodes.len() {
            return;
        }
        for i in 0..self.shards.len() {
            if self.shards[i].node.is_none() {
                let (index, number) = (self.shards[i].index.clone(), self.shards[i].number);
                let taken: Vec<&String> = self.shards.iter().filter(|s| s.index == index && s.number == number).filter_map(|s| s.node.as_ref()).collect();
                let free = up.iter().find(|n| !taken.contains(n)).cloned();
                self.shards[i].node = free;
            }
        }
    }
}
