//! Identities. Selection, joins and actions go by these, never by a row number.

use std::fmt;

use serde::{Serialize, Serializer};

pub use crate::base::intern::Name;

/// A UUID as 128 bits. Text that is no UUID is folded into one by FNV-1a, so that every identity compares the same way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub u128);

impl Uid {
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let hex: String = text.chars().filter(|c| *c != '-').collect();
        match u128::from_str_radix(&hex, 16) {
            Ok(value) if hex.len() == 32 => Self(value),
            _ => Self(
                text.bytes()
                    .fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |h, b| (h ^ u128::from(b)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)),
            ),
        }
    }

    /// The UUID with the byte order of its first three fields turned: some firmware reports `product_uuid` that way.
    #[must_use]
    pub fn swapped(self) -> Self {
        let b = self.0.to_be_bytes();
        Self(u128::from_be_bytes([b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]]))
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let h = format!("{:032x}", self.0);
        write!(f, "{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
    }
}

impl Serialize for Uid {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// A source, numbered in the order of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SourceId(pub u32);

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Host,
    Vm,
    Container,
    Cluster,
    Node,
    Pod,
    Workload,
    Event,
    Group,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VmKey {
    pub host: Name,
    /// The domain's UUID; of a domain without one, its folded name.
    pub uuid: Uid,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerKey {
    pub host: Name,
    pub id: Name,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey {
    pub cluster: Name,
    pub name: Name,
}

/// Pods and workloads: the uid tells a recreated object from its namesake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    pub cluster: Name,
    pub uid: Uid,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey {
    /// `mysql`, `redis` ...
    pub kind: Name,
    pub name: Name,
}

/// Whatever can be selected, shown or acted on: the full identity, captured when it was shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    Host(Name),
    Vm(VmKey),
    Container(ContainerKey),
    Cluster(Name),
    Node(NodeKey),
    Pod(ObjectKey),
    Workload(ObjectKey),
    Event(ObjectKey),
    Group(GroupKey),
}

impl Target {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Host(_) => Kind::Host,
            Self::Vm(_) => Kind::Vm,
            Self::Container(_) => Kind::Container,
            Self::Cluster(_) => Kind::Cluster,
            Self::Node(_) => Kind::Node,
            Self::Pod(_) => Kind::Pod,
            Self::Workload(_) => Kind::Workload,
            Self::Event(_) => Kind::Event,
            Self::Group(_) => Kind::Group,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_compare_across_spellings() {
        let a = Uid::parse("4C4C4544-0042-3510-8052-B4C04F4D3258");
        assert_eq!(a, Uid::parse("4c4c4544004235108052b4c04f4d3258"));
        assert_eq!(a.to_string(), "4c4c4544-0042-3510-8052-b4c04f4d3258");
        assert_eq!(a.swapped(), Uid::parse("44454c4c-4200-1035-8052-b4c04f4d3258"));
        assert_ne!(Uid::parse("vm-1"), Uid::parse("vm-2"));
    }
}
