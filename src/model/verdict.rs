//! How something is. Every row has one verdict and the reasons for it.

use serde::Serialize;

use super::reason::Reason;
use crate::base::clock::Moment;

/// Ordered by how soon someone should look: the silent thing ranks above the merely worrying one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Stopped on purpose, or finished.
    Off,
    #[default]
    Ok,
    Warn,
    Unknown,
    Crit,
}

impl Verdict {
    pub const ALL: [Self; 5] = [Self::Crit, Self::Unknown, Self::Warn, Self::Ok, Self::Off];

    /// Position in a list sorted by severity, the worst first.
    pub fn rank(self) -> u8 {
        match self {
            Self::Crit => 0,
            Self::Unknown => 1,
            Self::Warn => 2,
            Self::Ok => 3,
            Self::Off => 4,
        }
    }

    pub fn is_problem(self) -> bool {
        matches!(self, Self::Crit | Self::Unknown | Self::Warn)
    }

    /// The name in JSON and in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Unknown => "unknown",
            Self::Crit => "crit",
        }
    }

    /// The exit code of monitoring plugins: 0 ok, 1 warn, 2 crit, 3 unknown.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Off | Self::Ok => 0,
            Self::Warn => 1,
            Self::Crit => 2,
            Self::Unknown => 3,
        }
    }
}

/// The outcome of judging a row at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    pub verdict: Verdict,
    pub reasons: Vec<Reason>,
    /// When the same data would be judged differently: `Pending` becomes a problem after 60 s without any new fact.
    pub due: Option<Moment>,
}

impl Judgement {
    /// Adds a reason; the verdict is the worst of them (off yields to any).
    pub fn add(&mut self, reason: Reason) {
        self.verdict = self.verdict.max(reason.verdict);
        self.reasons.push(reason);
    }

    /// Holds `verdict` once `since` is at least `after` ago; before that says when to look again.
    pub fn after(&mut self, now: Moment, since: Moment, after: std::time::Duration, reason: Reason) {
        let when = since.plus(after);
        if now >= when {
            self.add(reason);
        } else {
            self.due = Some(self.due.map_or(when, |d| d.min(when)));
        }
    }

    pub fn off(reason: Reason) -> Self {
        Self { verdict: Verdict::Off, reasons: vec![reason], due: None }
    }
}
