//! What an outcome means: for a probe whether the world is as it should be, for an act whether it worked.

use serde_json::{Map, Value};

use super::Run;
use super::render::registered;
use crate::playbook::due::Job;
use crate::playbook::journal::{Event, Judged};
use crate::playbook::outcome::{Outcome, Status};
use crate::playbook::spec::{Entry, Probe, Task, Undo};
use crate::playbook::step::Phase;
use crate::playbook::template::scope::{Layer, Scope};
use crate::playbook::template::{Kind, Trouble};

impl Run {
    /// The event that a job ended with this outcome. It is journalled as [`Event::for_journal`] has it, and applied whole.
    pub fn heard(&self, job: &Job, outcome: Outcome) -> Event {
        let key = &job.step.key;
        let mut outcome = outcome;
        let judged = match self.entry(key.task).map(|entry| self.judge(entry, job, &mut outcome)) {
            Some(Ok(judged)) => judged,
            Some(Err(trouble)) => {
                outcome.message = trouble.to_string();
                // A look that cannot be read tells nothing; an act whose condition cannot be read has failed.
                if job.step.phase.acts() { Judged::Failed } else { Judged::Unknown }
            }
            None => Judged::Unknown,
        };
        // An act whose end nobody knows is not repeated unasked; a look can be.
        let tried = match judged {
            Judged::Failed | Judged::ToDo | Judged::Again | Judged::Unreachable => true,
            Judged::Unknown => !job.step.phase.acts(),
            Judged::Done | Judged::Ok | Judged::Changed | Judged::Skipped => false,
        };
        let again = tried && job.attempt < job.attempts;
        let judged = match judged {
            _ if again => Judged::Again,
            Judged::Again => Judged::Failed,
            other => other,
        };
        Event::Ended { key: key.clone(), phase: job.step.phase, attempt: job.attempt, outcome, judged }
    }

    fn judge(&self, entry: &Entry, job: &Job, outcome: &mut Outcome) -> Result<Judged, Trouble> {
        let (key, task) = (&job.step.key, &entry.task);
        let plain = match outcome.status {
            Status::Unreachable => Some(Judged::Unreachable),
            Status::Skipped => Some(Judged::Skipped),
            _ => None,
        };
        if let Some(judged) = plain {
            return Ok(judged);
        }
        let scope = self.scope(key)?;
        match job.step.phase {
            Phase::Look => Ok(match outcome.status {
                Status::Ok if outcome.changed => Judged::ToDo,
                Status::Ok => Judged::Done,
                _ => Judged::Unknown,
            }),
            Phase::Check(at) => self.probed(self.checks(entry, key).get(at as usize), outcome, &scope),
            Phase::Verify(at) => self.probed(task.verify.get(at as usize), outcome, &scope),
            Phase::Undo(at) => {
                let probe = match &task.undo {
                    Undo::Calls(calls) => calls.get(at as usize),
                    _ => None,
                };
                // What an undo must leave is said like what a probe must find.
                Ok(match self.probed(probe, outcome, &scope)? {
                    Judged::Done => Judged::Ok,
                    Judged::Unknown if outcome.status == Status::Unknown => Judged::Unknown,
                    _ => Judged::Failed,
                })
            }
            Phase::Act => self.acted_well(task, job, outcome, &scope),
        }
    }

    fn probed(&self, probe: Option<&Probe>, outcome: &mut Outcome, scope: &Scope) -> Result<Judged, Trouble> {
        if outcome.status == Status::Unknown {
            return Ok(Judged::Unknown);
        }
        // The shell itself says that there was nothing it could run.
        if matches!(outcome.rc, Some(126 | 127)) {
            return Ok(Judged::Unknown);
        }
        let conditions = probe.map(|p| p.ok_when.as_slice()).unwrap_or_default();
        let answered = outcome.status == Status::Ok || outcome.rc.is_some() || outcome.data.contains_key("status");
        if conditions.is_empty() {
            return Ok(match outcome.status {
                Status::Ok => Judged::Done,
                _ if answered => Judged::ToDo,
                _ => Judged::Unknown,
            });
        }
        let scope = scope.with(result(outcome, 1));
        match self.engine.all(conditions, &scope) {
            Ok(None) => Ok(Judged::Done),
            Ok(Some(condition)) => {
                if outcome.message.is_empty() {
                    outcome.message = format!("`{}` does not hold", condition.value);
                }
                Ok(Judged::ToDo)
            }
            // What the answer should have had and has not: it is not there yet, or it could not be asked for.
            Err(trouble) if trouble.kind == Kind::Undefined => {
                if outcome.message.is_empty() {
                    outcome.message = trouble.text;
                }
                Ok(if answered { Judged::ToDo } else { Judged::Unknown })
            }
            Err(trouble) => Err(trouble),
        }
    }

    fn acted_well(&self, task: &Task, job: &Job, outcome: &mut Outcome, scope: &Scope) -> Result<Judged, Trouble> {
        if outcome.status == Status::Unknown {
            return Ok(Judged::Unknown);
        }
        if task.call.action == "set_fact" {
            outcome.data.clone_from(&job.step.args);
        }
        let mut scope = scope.with(result(outcome, job.attempt));
        if let Some(name) = &task.register {
            scope = scope.with(Layer::known(Map::from_iter([(name.clone(), Value::Object(registered(outcome, job.attempt)))])));
        }
        let failed = match &task.failed_when {
            // As Ansible: a list is a conjunction.
            Some(conditions) => !conditions.is_empty() && self.engine.all(conditions, &scope)?.is_none(),
            None => outcome.status == Status::Failed,
        };
        if failed {
            if outcome.status == Status::Ok && outcome.message.is_empty() {
                let why: Vec<&str> = task.failed_when.iter().flatten().map(|c| c.value.as_str()).collect();
                outcome.message = format!("`{}` holds, which is a failure", why.join(" and "));
            }
            outcome.status = Status::Failed;
            return Ok(Judged::Failed);
        }
        outcome.status = Status::Ok;
        if let Some(condition) = self.engine.all(&task.until, &scope)? {
            if job.attempt >= job.attempts {
                outcome.message = format!("after {} attempts `{}` still does not hold", job.attempts, condition.value);
            }
            return Ok(Judged::Again);
        }
        if let Some(conditions) = &task.changed_when {
            outcome.changed = self.engine.all(conditions, &scope)?.is_none();
        }
        Ok(if outcome.changed { Judged::Changed } else { Judged::Ok })
    }
}

/// The names that conditions over an outcome see: `result`.
fn result(outcome: &Outcome, attempt: u32) -> Layer {
    Layer::known(Map::from_iter([("result".to_owned(), Value::Object(registered(outcome, attempt)))]))
}
