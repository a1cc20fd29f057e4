//! What a run wants next. A run is pure: whoever drives it asks `due()`, writes each transition into the journal,
//! and tells it with `apply()`:
//!
//! ```text
//! loop {
//!     for due in run.due() {
//!         Note(event)  → journal it, apply it                       (a condition did not hold, a step is over)
//!         Do(job)      → journal job.began(), apply it, run the action;
//!                        when it ends: event = run.heard(&job, outcome); journal event.for_journal(run.keep(&job.step.key)), apply event
//!         Ask(question)→ put it to a person: Event::Decided { .. }; nobody there: the decision in question.alone
//!         Over(why)    → Event::Closed
//!     }
//! }
//! ```
//! What is in flight is not due again. A job's `wait` passes before it begins.

use std::time::Duration;

use super::journal::{Asked, Closing, Decision, Event};
use super::spec::{Danger, Hint};
use super::step::Step;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    Note(Event),
    Do(Box<Job>),
    Ask(Box<Question>),
    Over(Closing),
}

/// An action to run: `check` of the action for [`super::step::Phase::Look`], `run` for every other phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub step: Step,
    /// From 1.
    pub attempt: u32,
    /// The most attempts there will be.
    pub attempts: u32,
    /// Before it begins, counted from the end of the attempt before.
    pub wait: Duration,
}

impl Job {
    /// The record to write before anything happens.
    pub fn began(&self) -> Event {
        let step = &self.step;
        Event::Began {
            key: step.key.clone(),
            phase: step.phase,
            attempt: self.attempt,
            name: step.name.clone(),
            target: step.target.clone(),
            action: step.action.clone(),
            args: step.shown(),
            danger: step.danger,
        }
    }
}

/// Something that only a person can settle.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub asked: Asked,
    pub name: String,
    pub explain: String,
    pub danger: Danger,
    /// What to type; `None`: a yes is enough.
    pub phrase: Option<String>,
    /// What would be done, target by target.
    pub steps: Vec<Step>,
    /// The differences that a look found, target by target where there are any.
    pub diffs: Vec<(String, String)>,
    /// After a failure: what was said last, and what it means.
    pub said: String,
    pub hints: Vec<Hint>,
    /// What to decide where nobody is there to ask.
    pub alone: Decision,
}

/// How much is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Before every step that may change something.
    #[default]
    Step,
    /// Before steps that say `confirm`, and before the destructive ones (`--yes`).
    Through,
}

/// What a run is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Looks only (`--check`): no action runs but those that change nothing.
    Plan,
    #[default]
    Apply,
}
