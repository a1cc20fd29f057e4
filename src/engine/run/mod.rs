//! Carries a run out: what the run says is due is written down first and done then, as many targets at once as the width allows.
//! One task owns the run and its journal; the steps run beside it and tell it how they ended.

pub mod acts;
mod again;
pub mod bundle;
pub mod file;
pub mod folder;
pub mod front;
pub mod perform;
#[cfg(test)]
mod property;
pub mod screen;
pub mod session;
pub mod shelf;
pub mod stage;
pub mod values;
pub mod ways;
pub mod who;
pub mod wish;

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::base::clock::Moment;
use crate::playbook::due::{Due, Job, Question};
use crate::playbook::journal::{Asked, Closing, Decision, Event, Operator, Record};
use crate::playbook::outcome::Outcome;
use crate::playbook::run::Run;
use crate::playbook::step::{Key, Phase};

use file::{JournalFile, Trouble};
use front::Flying;
use perform::{Ground, Leftover};

/// Steps at once where nobody says otherwise.
pub const WIDTH: usize = 20;
/// Between two looks at what runs.
const BEAT: Duration = Duration::from_secs(1);

/// Tells a run to end before its time.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Nothing more begins; what is in flight comes to its end.
    pub gently: CancellationToken,
    /// What is in flight is called off too.
    pub now: CancellationToken,
}

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    pub run: Run,
    pub why: Closing,
}

/// Why a run could not go on. What was done until then is in the journal.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error(transparent)]
    Journal(#[from] Trouble),
    #[error("{0}")]
    Illegal(#[from] crate::playbook::run::Illegal),
    #[error("the journal's writer was lost")]
    Lost,
}

struct InFlight {
    name: String,
    since: Moment,
    last: Arc<AtomicI64>,
    acts: bool,
}

type Waiting = (Key, Phase, u32);
type Answer = (Question, Option<(Decision, Operator)>);

/// A run, its journal, and what is under way.
pub struct Runner {
    run: Run,
    /// `None` for a plan: it writes nothing.
    journal: Option<JournalFile>,
    ground: Ground,
    operator: Operator,
    width: usize,
    stop: Stop,
    flying: BTreeMap<(Key, Phase), InFlight>,
    leftovers: BTreeMap<Key, Leftover>,
    /// Pauses before another attempt that have begun, and those that are over.
    pausing: BTreeSet<Waiting>,
    paused: BTreeSet<Waiting>,
    asked: BTreeSet<Asked>,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("ground", &self.ground).finish_non_exhaustive()
    }
}

/// What the driver waits for.
struct Under<'a> {
    ends: mpsc::Receiver<(Job, Outcome)>,
    to_ends: mpsc::Sender<(Job, Outcome)>,
    steps: JoinSet<()>,
    answers: FuturesUnordered<BoxFuture<'a, Answer>>,
    pauses: FuturesUnordered<BoxFuture<'a, Waiting>>,
}

impl Runner {
    /// `run` has taken in every record of `journal` already.
    pub fn new(run: Run, journal: Option<JournalFile>, ground: Ground, operator: Operator, stop: Stop) -> Self {
        Self {
            run,
            journal,
            ground,
            operator,
            width: WIDTH,
            stop,
            flying: BTreeMap::new(),
            leftovers: BTreeMap::new(),
            pausing: BTreeSet::new(),
            paused: BTreeSet::new(),
            asked: BTreeSet::new(),
        }
    }

    #[must_use]
    pub fn width(mut self, width: usize) -> Self {
        self.width = width.max(1);
        self
    }

    /// The acts of a journal that have a beginning and no end: something of them may still run.
    #[must_use]
    pub fn after(mut self, records: &[Record]) -> Self {
        for record in records {
            match &record.event {
                Event::Began { key, phase, action, .. } if phase.acts() => {
                    self.leftovers.insert(key.clone(), Leftover { action: action.clone() });
                }
                Event::Ended { key, phase, outcome, .. } if phase.acts() && outcome.status != crate::playbook::outcome::Status::Unknown => {
                    self.leftovers.remove(key);
                }
                _ => {}
            }
        }
        self
    }

    /// Writes an event down and takes it in.
    pub async fn put(&mut self, event: Event) -> Result<(), Broken> {
        self.write(vec![event]).await
    }

    async fn write(&mut self, events: Vec<Event>) -> Result<(), Broken> {
        if events.is_empty() {
            return Ok(());
        }
        if let Some(mut journal) = self.journal.take() {
            let now = self.ground.clock.now();
            let lines: Vec<(Moment, Event)> =
                events.iter().map(|e| (now, e.for_journal(e.key().map_or(crate::playbook::outcome::Keep::Data, |k| self.run.keep(k))))).collect();
            // The disk may take its time; the terminal must not wait for it.
            let (journal, written) = tokio::task::spawn_blocking(move || {
                let written = journal.append(lines);
                (journal, written)
            })
            .await
            .map_err(|_| Broken::Lost)?;
            self.journal = Some(journal);
            written?;
        }
        for event in &events {
            self.run.apply(event)?;
            self.ground.front.event(&self.run, event);
        }
        Ok(())
    }

    fn reserve(&mut self, more: usize) -> Result<(), Broken> {
        let acts = self.flying.values().filter(|f| f.acts).count() + more;
        match &mut self.journal {
            Some(journal) => Ok(journal.reserve(acts)?),
            None => Ok(()),
        }
    }

    /// Runs to its end. What is in flight when something breaks comes to its end first, and is written down where that is possible.
    pub async fn drive(mut self) -> Result<Report, (Box<Self>, Broken)> {
        let front = self.ground.front.clone();
        let (to_ends, ends) = mpsc::channel(64);
        let mut under = Under { ends, to_ends, steps: JoinSet::new(), answers: FuturesUnordered::new(), pauses: FuturesUnordered::new() };
        let result = self.turn(&mut under, &front).await;
        let result = match result {
            Err(broken) => {
                let _ = self.land(&mut under).await;
                Err(broken)
            }
            Ok(why) => Ok(why),
        };
        drop(under);
        if let Some(journal) = &mut self.journal {
            journal.trim();
        }
        match result {
            Ok(why) => Ok(Report { run: self.run, why }),
            Err(broken) => Err((Box::new(self), broken)),
        }
    }

    async fn turn<'a>(&mut self, under: &mut Under<'a>, front: &'a Arc<dyn front::Front>) -> Result<Closing, Broken> {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let stop = self.stop.clone();
        let mut halted = false;
        loop {
            if let Some(why) = self.begin(under, front).await? {
                self.write(vec![Event::Closed { why, note: String::new() }]).await?;
                return Ok(why);
            }
            let mut heard = Vec::new();
            tokio::select! {
                count = under.ends.recv_many(&mut heard, 256) => {
                    if count > 0 {
                        self.ended(heard).await?;
                    }
                }
                Some((question, answer)) = under.answers.next(), if !under.answers.is_empty() => self.answered(&question, answer).await?,
                Some(waited) = under.pauses.next(), if !under.pauses.is_empty() => {
                    self.pausing.remove(&waited);
                    self.paused.insert(waited);
                }
                _ = beat.tick() => self.tell_flying(),
                () = async { if halted { pending().await } else { stop.gently.cancelled().await } } => {
                    halted = true;
                    self.run.halt();
                    // Nobody answers any more, and nobody waits for another attempt.
                    under.answers.clear();
                    under.pauses.clear();
                }
                () = stop.now.cancelled(), if !self.ground.cancel.is_cancelled() => self.ground.cancel.cancel(),
            }
        }
    }

    /// Waits for what is in flight, after something broke.
    async fn land(&mut self, under: &mut Under<'_>) -> Result<(), Broken> {
        while !self.flying.is_empty() {
            let mut heard = Vec::new();
            if under.ends.recv_many(&mut heard, 256).await == 0 {
                break;
            }
            self.ended(heard).await?;
        }
        Ok(())
    }

    /// Begins everything that can begin now; `Some` when the run is over.
    async fn begin<'a>(&mut self, under: &mut Under<'a>, front: &'a Arc<dyn front::Front>) -> Result<Option<Closing>, Broken> {
        loop {
            let (mut events, mut jobs, mut over) = (Vec::new(), Vec::new(), None);
            for due in self.run.due() {
                match due {
                    Due::Note(event) => events.push(event),
                    Due::Do(job) => {
                        let job = *job;
                        if self.may_begin(&job, under) && self.flying.len() + jobs.len() < self.width {
                            jobs.push(job);
                        }
                    }
                    Due::Ask(question) => self.ask(*question, under, front),
                    Due::Over(why) => over = Some(why),
                }
            }
            if events.is_empty() && jobs.is_empty() {
                return Ok(over);
            }
            let acts = jobs.iter().filter(|j| j.step.phase.acts()).count();
            if acts > 0 {
                self.reserve(acts)?;
            }
            events.extend(jobs.iter().map(Job::began));
            self.write(events).await?;
            for job in jobs {
                self.start(job, under);
            }
        }
    }

    /// A job that has to wait begins its pause; it may begin when that is over.
    fn may_begin(&mut self, job: &Job, under: &Under<'_>) -> bool {
        let id = (job.step.key.clone(), job.step.phase, job.attempt);
        if job.wait.is_zero() || self.paused.remove(&id) {
            return true;
        }
        if self.pausing.insert(id.clone()) {
            let wait = job.wait;
            under.pauses.push(Box::pin(async move {
                tokio::time::sleep(wait).await;
                id
            }));
        }
        false
    }

    fn ask<'a>(&mut self, question: Question, under: &Under<'a>, front: &'a Arc<dyn front::Front>) {
        if self.asked.insert(question.asked.clone()) {
            under.answers.push(Box::pin(async move {
                let answer = front.ask(&question).await;
                (question, answer)
            }));
        }
    }

    async fn answered(&mut self, question: &Question, answer: Option<(Decision, Operator)>) -> Result<(), Broken> {
        let (decision, by) = answer.unwrap_or_else(|| (question.alone.clone(), self.operator.clone()));
        let event = Event::Decided { question: question.asked.clone(), decision, by };
        self.asked.remove(&question.asked);
        self.put(event).await
    }

    fn start(&mut self, job: Job, under: &mut Under<'_>) {
        let now = self.ground.clock.now();
        let last = perform::silent_since(now);
        let key = (job.step.key.clone(), job.step.phase);
        self.flying.insert(key, InFlight { name: job.step.name.clone(), since: now, last: last.clone(), acts: job.step.phase.acts() });
        let leftover = self.leftovers.remove(&job.step.key);
        let (ground, ends) = (self.ground.clone(), under.to_ends.clone());
        under.steps.spawn(async move {
            let outcome = perform::perform(&ground, &job, leftover, last).await;
            let _ = ends.send((job, outcome)).await;
        });
    }

    async fn ended(&mut self, heard: Vec<(Job, Outcome)>) -> Result<(), Broken> {
        let mut events = Vec::with_capacity(heard.len());
        for (job, outcome) in heard {
            self.flying.remove(&(job.step.key.clone(), job.step.phase));
            events.push(self.run.heard(&job, outcome));
        }
        self.write(events).await
    }

    fn tell_flying(&self) {
        if self.flying.is_empty() {
            return;
        }
        let now = self.ground.clock.now();
        let flying: Vec<Flying> = self
            .flying
            .iter()
            .map(|((key, phase), f)| Flying {
                key: key.clone(),
                phase: *phase,
                name: f.name.clone(),
                running: now.since(f.since),
                silent: now.since(Moment(f.last.load(Ordering::Relaxed))),
            })
            .collect();
        self.ground.front.beat(&flying);
    }
}
