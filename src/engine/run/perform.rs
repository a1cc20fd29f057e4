//! One job: from the run's step to an action's answer, and back to what the run understands.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::front::Front;
use crate::action;
use crate::base::clock::{Clock, Moment, Stopwatch};
use crate::base::redact::Redactor;
use crate::base::text::clean;
use crate::model::id::Name;
use crate::playbook::due::{Job, Mode};
use crate::playbook::outcome::{Outcome, Status};
use crate::playbook::step::{Key, Phase, Step};
use crate::port::action::{Action, Outcome as Done};
use crate::port::action::{ActionCx, ActionError, Ended, Files, Found, Hindrance, Live, Manual, Origin, Person, Purpose, Reach, Rights, Standing, Stream};

/// What all jobs of a run share.
#[derive(Clone)]
pub struct Ground {
    pub reach: Arc<dyn Reach>,
    pub files: Arc<dyn Files>,
    pub front: Arc<dyn Front>,
    pub clock: Arc<dyn Clock>,
    pub redact: Redactor,
    pub origin: Origin,
    /// In a plan everything is a look.
    pub mode: Mode,
    /// The run's name, which marks what it starts.
    pub id: String,
    /// Ends what is in flight.
    pub cancel: CancellationToken,
}

impl std::fmt::Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An earlier attempt of a step that nobody saw the end of: which action, so that what it left running is waited for.
#[derive(Clone, Debug)]
pub(super) struct Leftover {
    pub action: String,
}

/// Takes what a step says to whoever watches, and remembers when it last said something.
struct Voice {
    key: Key,
    front: Arc<dyn Front>,
    redact: Redactor,
    clock: Arc<dyn Clock>,
    last: Arc<AtomicI64>,
    mute: bool,
}

impl Live for Voice {
    fn line(&self, stream: Stream, line: &str) {
        self.last.store(self.clock.now().0, Ordering::Relaxed);
        if !self.mute {
            self.front.line(&self.key, stream, &clean(&self.redact.clean(line)));
        }
    }
}

struct Hands(Arc<dyn Front>);

impl Person for Hands {
    fn manual<'a>(&'a self, host: &'a str, instructions: &'a str) -> BoxFuture<'a, Option<Manual>> {
        Box::pin(async move { self.0.manual(&Name::from(host), instructions).await })
    }
}

fn purpose(phase: Phase) -> Purpose {
    match phase {
        Phase::Check(_) | Phase::Look => Purpose::Look,
        Phase::Verify(_) => Purpose::Verify,
        Phase::Act | Phase::Undo(_) => Purpose::Act,
    }
}

fn context(ground: &Ground, step: &Step, last: &Arc<AtomicI64>) -> ActionCx {
    let voice = Voice {
        key: step.key.clone(),
        front: ground.front.clone(),
        redact: ground.redact.clone(),
        clock: ground.clock.clone(),
        last: last.clone(),
        mute: step.no_log || !step.phase.acts(),
    };
    let environment: BTreeMap<String, String> = step.environment.clone();
    ActionCx {
        host: step.target.clone(),
        rights: step.become_user.as_ref().map_or(Rights::Account, |user| Rights::Become(user.as_str().into())),
        environment,
        folder: None,
        reach: ground.reach.clone(),
        person: Arc::new(Hands(ground.front.clone())),
        live: Arc::new(voice),
        files: ground.files.clone(),
        clock: ground.clock.clone(),
        redact: ground.redact.clone(),
        limit: step.timeout,
        stop: ground.cancel.clone(),
        purpose: if ground.mode == Mode::Plan { Purpose::Look } else { purpose(step.phase) },
        mark: format!("{}/{}", ground.id, step.key),
        origin: ground.origin.clone(),
    }
}

/// Carries a job out. `last` is moved whenever it says something.
pub(super) async fn perform(ground: &Ground, job: &Job, leftover: Option<Leftover>, last: Arc<AtomicI64>) -> Outcome {
    let watch = Stopwatch::start();
    let step = &job.step;
    let cx = context(ground, step, &last);
    let work = async {
        if let Some(earlier) = leftover.and_then(|l| action::action(&l.action)) {
            earlier.settle(&cx).await?;
        }
        let found = action::action(&step.action).ok_or_else(|| ActionError::arguments(format!("there is no action `{}`", step.action)))?;
        run(found, step, &cx).await
    };
    // One action's bug is that step's failure, and the record of the others is kept.
    let outcome = match AssertUnwindSafe(work).catch_unwind().await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => hindered(&error),
        Err(_) => Outcome { changed: step.phase.acts(), ..Outcome::unknown("this action has a bug and stopped half-way; the log says where") },
    };
    let took_ms = u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX);
    // What a person reads of it; `register` keeps what the target said as it said it.
    let message = clean(&ground.redact.clean(&outcome.message)).into_owned();
    let diff = outcome.diff.map(|d| ground.redact.clean(&d));
    Outcome { message, diff, took_ms, ..outcome }
}

async fn run(action: &dyn Action, step: &Step, cx: &ActionCx) -> Result<Outcome, ActionError> {
    if step.phase == Phase::Look {
        return Ok(looked(action.check(&step.args, cx).await?));
    }
    Ok(done(action.run(&step.args, cx).await?))
}

fn looked(found: Found) -> Outcome {
    let outcome = match found.standing {
        Standing::Done => Outcome::ok(),
        Standing::ToDo => Outcome { changed: true, ..Outcome::ok() },
        Standing::Unknown(why) => Outcome::unknown(why),
    };
    Outcome { diff: found.diff, ..outcome }
}

fn done(done: Done) -> Outcome {
    let skipped = done.facts.get("skipped").is_some_and(|s| *s == true);
    let (status, message) = match done.end {
        Ended::Ok if skipped => (Status::Skipped, String::new()),
        Ended::Ok => (Status::Ok, String::new()),
        Ended::Failed(why) => (Status::Failed, why),
        Ended::Unknown(why) => (Status::Unknown, why),
    };
    Outcome { status, changed: done.changed, rc: done.rc, message, stdout: done.stdout, stderr: done.stderr, data: done.facts, diff: None, took_ms: 0 }
}

fn hindered(error: &ActionError) -> Outcome {
    let text = if error.remedy.is_empty() { error.text.clone() } else { format!("{}; {}", error.text, error.remedy) };
    match error.kind {
        Hindrance::Unreachable => Outcome::unreachable(text),
        Hindrance::Refused | Hindrance::Arguments | Hindrance::Cancelled => Outcome::failed(text),
    }
}

/// The moment of now, for a voice that has not spoken yet.
pub(super) fn silent_since(now: Moment) -> Arc<AtomicI64> {
    Arc::new(AtomicI64::new(now.0))
}
