//! What one sentinel says: the master it stands by, its quorum, its peers.

use std::collections::HashMap;

use redis::Value;

/// Everything asked of one sentinel about one master.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentinelView {
    pub run_id: String,
    pub version: String,
    /// It mistrusts its own clock and takes no part in failovers.
    pub tilt: Tilt,
    /// `None`: it watches no master of that name.
    pub master: Option<Watched>,
    /// The names that it does watch.
    pub names: Vec<String>,
    pub quorum: Quorum,
    pub replicas: Vec<Peer>,
    pub sentinels: Vec<Peer>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tilt {
    #[default]
    Off,
    On,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Quorum {
    Reached,
    /// In the sentinel's words.
    Missed(String),
    #[default]
    Unasked,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    pub name: String,
    pub address: String,
    pub flags: Flags,
    pub quorum: u32,
    pub other_sentinels: u32,
    pub epoch: u64,
}

/// Another member as a sentinel lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    pub address: String,
    pub run_id: String,
    pub flags: Flags,
    /// `ok` or `err`, of a replica's link to its master.
    pub link: String,
}

/// How a sentinel sees a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flags {
    #[default]
    Up,
    /// `s_down`: this sentinel misses it.
    Missed,
    /// `o_down`: enough sentinels agreed.
    Down,
}

impl Flags {
    fn parse(text: &str) -> Self {
        let mut flags = text.split(',');
        if flags.clone().any(|f| f == "o_down") {
            Self::Down
        } else if flags.any(|f| f == "s_down") {
            Self::Missed
        } else {
            Self::Up
        }
    }
}

type Fields = HashMap<String, String>;

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        Value::Int(n) => Some(n.to_string()),
        Value::Okay => Some("OK".to_owned()),
        _ => None,
    }
}

/// Flat field, value, field, value lists: one for each master, replica or sentinel.
fn entries(value: &Value) -> Vec<Fields> {
    let Value::Array(rows) = value else { return Vec::new() };
    rows.iter()
        .map(|row| match row {
            Value::Array(flat) => flat.chunks_exact(2).filter_map(|pair| Some((text(&pair[0])?, text(&pair[1])?))).collect(),
            Value::Map(pairs) => pairs.iter().filter_map(|(k, v)| Some((text(k)?, text(v)?))).collect(),
            _ => Fields::new(),
        })
        .collect()
}

fn field(fields: &Fields, name: &str) -> String {
    fields.get(name).cloned().unwrap_or_default()
}

fn address(fields: &Fields) -> String {
    format!("{}:{}", field(fields, "ip"), field(fields, "port"))
}

/// `SENTINEL MASTERS`.
pub fn masters(value: &Value) -> Vec<Watched> {
    let number = |fields: &Fields, name: &str| fields.get(name).and_then(|v| v.parse().ok()).unwrap_or(0);
    entries(value)
        .iter()
        .map(|f| Watched {
            name: field(f, "name"),
            address: address(f),
            flags: Flags::parse(&field(f, "flags")),
            quorum: number(f, "quorum"),
            other_sentinels: number(f, "num-other-sentinels"),
            epoch: f.get("config-epoch").and_then(|v| v.parse().ok()).unwrap_or(0),
        })
        .collect()
}

/// `SENTINEL REPLICAS` (`SLAVES` before 5.0) and `SENTINEL SENTINELS`.
pub fn peers(value: &Value) -> Vec<Peer> {
    entries(value)
        .iter()
        .map(|f| Peer { address: address(f), run_id: field(f, "runid"), flags: Flags::parse(&field(f, "flags")), link: field(f, "master-link-status") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn masters_and_peers_from_flat_lists() {
        let row = ["name", "mymaster", "ip", "10.0.0.1", "port", "6379", "flags", "master,s_down,o_down", "quorum", "2", "num-other-sentinels", "1"];
        let answer = Value::Array(vec![Value::Array(row.iter().map(|t| bulk(t)).collect())]);
        let found = masters(&answer);
        assert_eq!((found[0].address.as_str(), found[0].flags, found[0].quorum, found[0].other_sentinels), ("10.0.0.1:6379", Flags::Down, 2, 1));
        let row = ["ip", "10.0.0.2", "port", "6379", "runid", "ab", "flags", "slave,s_down", "master-link-status", "err", "odd"];
        let found = peers(&Value::Array(vec![Value::Array(row.iter().map(|t| bulk(t)).collect())]));
        assert_eq!((found[0].flags, found[0].link.as_str(), found[0].run_id.as_str()), (Flags::Missed, "err", "ab"));
        assert!(masters(&Value::Nil).is_empty());
    }
}
