//! `CLUSTER INFO` and `CLUSTER NODES`: what one cluster node says of itself and of its peers.

/// Slots of a whole cluster.
pub const SLOTS: u32 = 16384;

/// `CLUSTER INFO` and `CLUSTER NODES` of one node, asked together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterView {
    pub state: ClusterState,
    pub slots_assigned: u32,
    pub slots_ok: u32,
    pub slots_pfail: u32,
    pub slots_fail: u32,
    pub known_nodes: u32,
    pub epoch: u64,
    pub nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterState {
    Ok,
    /// Also of an answer that names no state.
    #[default]
    Fail,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// 40 hex digits.
    pub id: String,
    /// The announced `ip:port`; an empty ip where the node is not known yet.
    pub address: String,
    pub role: NodeRole,
    pub seat: Seat,
    pub health: Health,
    pub link: Wire,
    pub epoch: u64,
    /// First and last of each range, both included.
    pub slots: Vec<(u16, u16)>,
    /// Slots on their way to or from this node; a node lists its own only.
    pub open: Vec<OpenSlot>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeRole {
    Master,
    /// With its master's id.
    Replica(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    Myself,
    Peer,
}

/// What the answering node thinks of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    Good,
    /// `fail?`: only the answering node misses it.
    Suspected,
    /// `fail`: a majority of the masters agreed.
    Failed,
    /// In handshake or without an address: not a member yet.
    Unknown,
}

/// The answering node's bus connection to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Connected,
    Disconnected,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpenSlot {
    pub slot: u16,
    pub way: Way,
    /// The node at the other end.
    pub peer: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    Migrating,
    Importing,
}

impl ClusterView {
    pub fn parse(info: &str, nodes: &str) -> Self {
        let word = |key: &str| info.lines().find_map(|l| l.trim_end().strip_prefix(key)?.strip_prefix(':'));
        let count = |key: &str| word(key).and_then(|v| v.parse().ok()).unwrap_or(0);
        Self {
            state: if word("cluster_state") == Some("ok") { ClusterState::Ok } else { ClusterState::Fail },
            slots_assigned: count("cluster_slots_assigned"),
            slots_ok: count("cluster_slots_ok"),
            slots_pfail: count("cluster_slots_pfail"),
            slots_fail: count("cluster_slots_fail"),
            known_nodes: count("cluster_known_nodes"),
            epoch: word("cluster_current_epoch").and_then(|v| v.parse().ok()).unwrap_or(0),
            nodes: nodes.lines().filter_map(Node::parse).collect(),
        }
    }

    pub fn myself(&self) -> Option<&Node> {
        self.nodes.iter().find(|n| n.seat == Seat::Myself)
    }

    pub fn node(&self, id: &str) -> Option<&Node> {
        self.nodes.iter().find(|n| n.id == id)
    }
}

impl Node {
    /// `id ip:port@bus[,hostname] flags master ping pong epoch link slots...`; Redis 3 has no `@bus`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let id = words.next()?.to_owned();
        let address = words.next()?.split([',', '@']).next()?.to_owned();
        let flags: Vec<&str> = words.next()?.split(',').collect();
        let master = words.next()?;
        let epoch = words.nth(2)?.parse().ok()?;
        let link = if words.next()? == "connected" { Wire::Connected } else { Wire::Disconnected };
        let has = |flag: &str| flags.contains(&flag);
        let mut node = Self {
            id,
            address,
            role: if has("slave") { NodeRole::Replica(master.to_owned()) } else { NodeRole::Master },
            seat: if has("myself") { Seat::Myself } else { Seat::Peer },
            health: match () {
                () if has("fail") => Health::Failed,
                () if has("fail?") => Health::Suspected,
                () if has("handshake") || has("noaddr") => Health::Unknown,
                () => Health::Good,
            },
            link,
            epoch,
            slots: Vec::new(),
            open: Vec::new(),
        };
        for word in words {
            if let Some(open) = word.strip_prefix('[') {
                node.open.extend(OpenSlot::parse(open.trim_end_matches(']')));
            } else if let Some((first, last)) =
                word.split_once('-').map_or_else(|| word.parse().ok().map(|slot| (slot, slot)), |(a, b)| Some((a.parse::<u16>().ok()?, b.parse::<u16>().ok()?)))
            {
                node.slots.push((first, last));
            }
        }
        Some(node)
    }

    pub fn is_master(&self) -> bool {
        self.role == NodeRole::Master
    }

    /// The host part of the announced address.
    pub fn host(&self) -> &str {
        self.address.rsplit_once(':').map_or("", |(host, _)| host)
    }

    pub fn has_slots(&self) -> bool {
        !self.slots.is_empty()
    }
}

impl OpenSlot {
    /// `93->-292f8b...` or `77-<-e7d1ee...`.
    fn parse(text: &str) -> Option<Self> {
        let (way, (slot, peer)) = match text.split_once("->-") {
            Some(ends) => (Way::Migrating, ends),
            None => (Way::Importing, text.split_once("-<-")?),
        };
        Some(Self { slot: slot.parse().ok()?, way, peer: peer.to_owned() })
    }
}

/// The slot of a key without a hash tag: CRC16 (XMODEM) modulo 16384.
pub fn slot_of(key: &str) -> u16 {
    let crc =
        key.bytes().fold(0u16, |crc, byte| (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }));
    crc % 16384
}

/// A key that falls into one of the ranges; with a single slot some ten thousand are tried.
pub fn key_within(prefix: &str, slots: &[(u16, u16)]) -> Option<String> {
    (0..200_000u32).map(|n| format!("{prefix}{n}")).find(|key| {
        let slot = slot_of(key);
        slots.iter().any(|(first, last)| (*first..=*last).contains(&slot))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "\
07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:30004@31004,host-4 slave e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 0 1426238317239 4 connected
67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 127.0.0.1:30002@31002 master,fail? - 0 1426238316232 2 disconnected 5461-10922 5
e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca ::1:30001@31001 myself,master - 0 0 1 connected 0-4 [93->-292f8b] [77-<-e7d1ee]
6ec23923021cf3ffec47632106199cb7f496ce01 :0@0 master,fail,noaddr - 0 0 0 disconnected
short line
";

    #[test]
    fn nodes_with_flags_slots_and_open_slots() {
        let view = ClusterView::parse("cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_known_nodes:4\r\ncluster_current_epoch:9\r\n", NODES);
        assert_eq!((view.state, view.slots_assigned, view.known_nodes, view.epoch, view.nodes.len()), (ClusterState::Ok, 16384, 4, 9, 4));
        assert_eq!(view.nodes[0].role, NodeRole::Replica("e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca".into()));
        assert_eq!(view.nodes[1].slots, vec![(5461, 10922), (5, 5)]);
        assert_eq!((view.nodes[1].health, view.nodes[1].link), (Health::Suspected, Wire::Disconnected));
        let me = view.myself().unwrap();
        assert_eq!((me.host(), me.slots.as_slice()), ("::1", &[(0, 4)][..]));
        assert_eq!(me.open[0], OpenSlot { slot: 93, way: Way::Migrating, peer: "292f8b".into() });
        assert_eq!(me.open[1].way, Way::Importing);
        assert_eq!(view.nodes[3].health, Health::Failed);
    }

    #[test]
    fn slots_as_the_servers_count_them() {
        // `CLUSTER KEYSLOT` of Redis 7.0.15 gave these.
        assert_eq!([slot_of("foo"), slot_of("somekey"), slot_of("123456789")], [12182, 11058, 0x31c3]);
        let key = key_within("quarterdeck:", &[(100, 100)]).unwrap();
        assert_eq!(slot_of(&key), 100);
        assert_eq!(key_within("q", &[]), None);
    }
}
