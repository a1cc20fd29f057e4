//! One step for one target (and one item): what happened to it so far.

use serde_json::{Map, Value};

use crate::playbook::journal::{End, Judged};
use crate::playbook::outcome::Outcome;
use crate::playbook::step::Phase;

#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    /// Given to an action and not back yet, with the attempt.
    pub(super) flying: Option<(Phase, u32)>,
    /// Of the probes of `check`, in order; the look of the action is the only one where there are none.
    pub(super) checks: Vec<Judged>,
    /// How many probes of `check` are behind it, those that were left out included.
    pub(super) looked: u32,
    pub(super) confirmed: bool,
    /// How the act was judged last.
    pub(super) act: Option<Judged>,
    /// Attempts of what is being tried: the act, or one probe.
    pub(super) tries: u32,
    /// Of the act, in all.
    pub(super) attempts: u32,
    /// Probes of `verify` that agreed.
    pub(super) verified: u32,
    /// The probe of `verify` that did not, and how.
    pub(super) refuted: Option<Judged>,
    pub(super) undone: u32,
    pub(super) undo_failed: bool,
    pub(super) acted: Acted,
    /// The last outcome, for questions and for what is registered.
    pub(super) last: Outcome,
    /// What the act said, apart from what its probes said afterwards.
    pub(super) said: Outcome,
    pub(super) diff: Option<String>,
    /// A person settled it.
    pub(super) verdict: Option<(End, String)>,
    pub(super) take_back: bool,
    pub(super) end: Option<End>,
    pub(super) why: String,
    pub(super) facts: Map<String, Value>,
    pub(super) before: Option<Before>,
}

/// Did an act of it begin?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Acted {
    #[default]
    No,
    /// In an earlier process.
    Earlier,
    Here,
}

/// What an earlier process left.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Before {
    /// It succeeded; what it registered then.
    Succeeded(Map<String, Value>),
    /// Its act began, and nobody knows how it ended.
    Begun,
    /// A person left it out, and said why.
    LeftOut(String),
}

impl Before {
    pub(super) fn of(cell: &Cell) -> Option<Self> {
        match cell.end {
            Some(End::Changed | End::Ok | End::Already) => Some(Self::Succeeded(cell.facts.clone())),
            Some(End::Skipped) if matches!(cell.verdict, Some((End::Skipped, _))) => Some(Self::LeftOut(cell.why.clone())),
            Some(End::Skipped | End::Undone | End::Would | End::Unclear) => None,
            Some(End::Failed | End::Unreachable | End::Ignored) | None if cell.acted == Acted::Here => Some(Self::Begun),
            Some(End::Failed | End::Unreachable | End::Ignored) | None => cell.before.clone(),
        }
    }
}

impl Cell {
    pub(super) fn ended(&mut self, phase: Phase, attempt: u32, outcome: &Outcome, judged: Judged) {
        self.flying = None;
        self.last = outcome.clone();
        if outcome.diff.is_some() {
            self.diff.clone_from(&outcome.diff);
        }
        self.tries = if judged == Judged::Again { attempt } else { 0 };
        match phase {
            _ if judged == Judged::Again => {}
            Phase::Check(at) => {
                self.checks.push(judged);
                self.looked = at + 1;
            }
            Phase::Look => self.checks.push(judged),
            Phase::Act => {
                self.act = Some(judged);
                self.attempts = attempt;
                self.said = outcome.clone();
            }
            Phase::Verify(at) if judged == Judged::Done => self.verified = at + 1,
            Phase::Verify(_) => self.refuted = Some(judged),
            Phase::Undo(at) if super::Run::is_good(judged) || judged == Judged::Skipped => self.undone = at + 1,
            Phase::Undo(_) => self.undo_failed = true,
        }
    }

    /// From the beginning, as if nothing was looked at; that it may have acted is not forgotten.
    pub(super) fn again(&mut self) {
        *self = Self { acted: self.acted, undone: self.undone, confirmed: self.confirmed, ..Self::default() };
    }
}
