//! One step for one target, rendered: what an action is given.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::spec::{Danger, TaskId};
use crate::base::intern::Name;

/// A task for one target and one item of its loop.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    pub task: TaskId,
    pub host: Name,
    /// Position in the loop, from 0; 0 where there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub item: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde wants")]
fn is_zero(item: &u32) -> bool {
    *item == 0
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.task.0 + 1, self.host, self.item)
    }
}

/// Which part of a step something belongs to. The number counts the probes of a list, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The playbook's own `check`.
    Check(u32),
    /// The action's own look at its target (asked for where the playbook has no `check`).
    Look,
    Act,
    Verify(u32),
    Undo(u32),
}

impl Phase {
    /// May it change its target?
    pub fn acts(self) -> bool {
        matches!(self, Self::Act | Self::Undo(_))
    }
}

/// What an action is given.
#[derive(Clone, PartialEq)]
pub struct Step {
    pub key: Key,
    pub phase: Phase,
    pub name: String,
    /// Where it happens: the host, or the one that it is delegated to.
    pub target: Name,
    pub action: String,
    pub args: Map<String, Value>,
    /// `None`: the rights of the account that logs in.
    pub become_user: Option<String>,
    pub environment: BTreeMap<String, String>,
    pub danger: Danger,
    /// Arguments that may hold a secret: they are never shown and never written down.
    pub hidden: Vec<String>,
    /// Nothing of its arguments and of what it says may be written down.
    pub no_log: bool,
    pub timeout: Duration,
}

impl Step {
    /// The arguments as they may be shown and written down.
    pub fn shown(&self) -> Map<String, Value> {
        if self.no_log {
            return Map::new();
        }
        let show = |(name, value): (&String, &Value)| {
            let value = if self.hidden.contains(name) { Value::from("***") } else { value.clone() };
            (name.clone(), value)
        };
        self.args.iter().map(show).collect()
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("key", &self.key).field("phase", &self.phase).field("action", &self.action).finish_non_exhaustive()
    }
}
