//! Who watches a run and answers for a person: a terminal, a pipe, the cockpit.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::model::id::Name;
use crate::playbook::due::Question;
use crate::playbook::journal::{Decision, Event, Operator};
use crate::playbook::run::Run;
use crate::playbook::step::{Key, Phase};
use crate::port::action::{Manual, Stream};

/// A step that runs now.
#[derive(Clone, Debug, PartialEq)]
pub struct Flying {
    pub key: Key,
    pub phase: Phase,
    pub name: String,
    pub running: Duration,
    /// Since it said something; since its begin where it has said nothing.
    pub silent: Duration,
}

/// What a run tells, and whom it asks.
pub trait Front: Send + Sync {
    /// A transition, written down and taken in.
    fn event(&self, run: &Run, event: &Event);
    /// A line that a running step said; cleaned, secrets out.
    fn line(&self, key: &Key, stream: Stream, line: &str);
    /// About once a second while something runs.
    fn beat(&self, flying: &[Flying]);
    /// Something that only a person can settle; `None`: nobody is there.
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Option<(Decision, Operator)>>;
    /// A step that a person does; `None`: nobody is there.
    fn manual<'a>(&'a self, host: &'a Name, instructions: &'a str) -> BoxFuture<'a, Option<Manual>>;
}
