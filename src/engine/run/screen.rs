//! A run before a screen: one picture that is replaced whole, so that a slow screen sees fewer of them and never an older one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use secrecy::ExposeSecret;
use serde_json::Map;
use tokio::sync::{oneshot, watch};

use super::front::{Flying, Front};
use super::values;
use crate::base::redact::Redactor;
use crate::model::id::Name;
use crate::model::run::{RunAsk, RunAskKind, RunPicture, RunReply, RunStep, RunTarget, Stage, StepDanger, StepState};
use crate::playbook::due::Question;
use crate::playbook::journal::{Decision, End, Event, Judged, Operator, Why};
use crate::playbook::run::{Row, Run};
use crate::playbook::spec::Danger;
use crate::playbook::step::{Key, Phase};
use crate::port::action::{Manual, Stream};

/// Lines of running steps that are kept.
const SAID: usize = 200;
/// Lines of a failure that are shown with its question.
const LAST: usize = 20;

/// The front of a run that a screen shows.
pub struct ScreenFront {
    picture: Mutex<RunPicture>,
    said: Mutex<VecDeque<String>>,
    out: watch::Sender<Arc<RunPicture>>,
    waiting: Mutex<Option<(u64, oneshot::Sender<RunReply>)>>,
    /// One question at a time stands on the screen.
    turn: tokio::sync::Mutex<()>,
    next: AtomicU64,
    operator: Operator,
    redact: Redactor,
}

impl std::fmt::Debug for ScreenFront {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ScreenFront")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ScreenFront {
    pub fn new(operator: Operator, redact: Redactor) -> (Arc<Self>, watch::Receiver<Arc<RunPicture>>) {
        let (out, pictures) = watch::channel(Arc::new(RunPicture::default()));
        let front = Self {
            picture: Mutex::default(),
            said: Mutex::default(),
            out,
            waiting: Mutex::new(None),
            turn: tokio::sync::Mutex::new(()),
            next: AtomicU64::new(1),
            operator,
            redact,
        };
        (Arc::new(front), pictures)
    }

    /// Changes the picture and shows it.
    pub fn change(&self, how: impl FnOnce(&mut RunPicture)) {
        let mut picture = lock(&self.picture);
        how(&mut picture);
        self.veil(&mut picture);
        picture.said = lock(&self.said).iter().cloned().collect();
        let shown = Arc::new(picture.clone());
        drop(picture);
        self.out.send_replace(shown);
    }

    /// No known secret on the screen, wherever it came from.
    fn veil(&self, picture: &mut RunPicture) {
        let targets = picture.steps.iter_mut().flat_map(|s| &mut s.targets);
        let texts = targets.flat_map(|t| std::iter::once(&mut t.why).chain(&mut t.diff));
        let asked = picture.ask.iter_mut().flat_map(|a| &mut a.lines);
        for text in texts.chain(asked).chain(&mut picture.closing) {
            let clean = self.redact.clean(text);
            if clean != *text {
                *text = clean;
            }
        }
    }

    /// Puts a question and waits for its answer.
    pub async fn put(&self, kind: RunAskKind, lines: Vec<String>) -> RunReply {
        let _turn = self.turn.lock().await;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (to, answer) = oneshot::channel();
        *lock(&self.waiting) = Some((id, to));
        self.change(|p| p.ask = Some(RunAsk { id, kind, lines }));
        let reply = answer.await.unwrap_or(RunReply::Nothing);
        self.change(|p| p.ask = None);
        reply
    }

    /// A person's answer to the question of that number.
    pub fn reply(&self, id: u64, reply: RunReply) {
        let mut waiting = lock(&self.waiting);
        if waiting.as_ref().is_some_and(|(asked, _)| *asked == id)
            && let Some((_, to)) = waiting.take()
        {
            let _ = to.send(reply);
        }
    }

    /// Nobody answers any more.
    pub fn leave(&self) {
        lock(&self.waiting).take();
    }

    pub(super) async fn line_of(&self, kind: RunAskKind, lines: Vec<String>) -> Option<secrecy::SecretString> {
        match self.put(kind, lines).await {
            RunReply::Line(line) => Some(line),
            _ => None,
        }
    }

    /// A sentence, typed; asked until there is one.
    async fn reason(&self) -> Option<String> {
        loop {
            let line = self.line_of(RunAskKind::Text, vec!["?".to_owned()]).await?;
            let text = line.expose_secret().trim().to_owned();
            if !text.is_empty() {
                return Some(text);
            }
        }
    }

    async fn decide(&self, question: &Question) -> Option<Decision> {
        let hosts: Vec<&str> = question.asked.keys.iter().map(|k| &*k.host).collect();
        let mut lines = vec![format!("{} ({})", question.name, hosts.join(", "))];
        lines.extend(question.explain.lines().map(ToOwned::to_owned));
        if question.asked.why == Why::Confirm {
            for step in question.steps.iter().take(1).filter(|s| !s.no_log) {
                lines.extend(step.args.iter().flat_map(|(name, value)| {
                    let text = values::text(value);
                    let first = text.lines().next().unwrap_or_default().to_owned();
                    [format!("  {} {name}: {first}", step.action)]
                }));
            }
        } else {
            let said: Vec<&str> = question.said.lines().collect();
            lines.extend(said[said.len().saturating_sub(LAST)..].iter().map(|l| format!("  {l}")));
            for hint in &question.hints {
                lines.push(format!("= {}", hint.means));
                lines.push(format!("> {}", hint.fix));
            }
        }
        let kind = match (&question.phrase, question.asked.why) {
            (Some(phrase), Why::Confirm) => RunAskKind::Phrase(phrase.clone()),
            (None, Why::Confirm) => RunAskKind::Confirm,
            (_, Why::Failed) => RunAskKind::Failed,
            (_, Why::Unknown) => RunAskKind::Unknown,
        };
        loop {
            let key = match self.put(kind.clone(), lines.clone()).await {
                RunReply::Line(typed) => match &question.phrase {
                    Some(phrase) if typed.expose_secret() == phrase => return Some(Decision::Go),
                    _ => continue,
                },
                RunReply::Key(key) => key,
                RunReply::Nothing => return Some(Decision::Stop),
            };
            let confirm = question.asked.why == Why::Confirm;
            return Some(match key {
                'y' if confirm => Decision::Go,
                'c' if confirm => Decision::GoOn,
                'r' if !confirm => Decision::Retry(Map::new()),
                'a' if question.asked.why == Why::Unknown => Decision::Accept(self.reason().await?),
                's' => Decision::Skip(self.reason().await?),
                'f' if !confirm => Decision::Fail,
                'u' if !confirm => Decision::Undo,
                'n' | 'q' => Decision::Stop,
                'e' => {
                    let line = self.line_of(RunAskKind::Text, vec!["KEY=VALUE".to_owned()]).await?;
                    match values::extra(&[line.expose_secret().to_owned()]) {
                        Ok(vars) => Decision::Retry(vars),
                        Err(_) => continue,
                    }
                }
                _ => continue,
            });
        }
    }

    fn show(&self, run: &Run) {
        let steps = steps(&run.rows());
        let progress = run.progress();
        self.change(|p| {
            p.steps = steps;
            p.progress = progress;
        });
    }
}

/// The rows of a run, step by step.
pub(super) fn steps(rows: &[Row]) -> Vec<RunStep> {
    let mut steps: Vec<RunStep> = Vec::new();
    let mut last = None;
    for row in rows {
        if last != Some(row.key.task) {
            last = Some(row.key.task);
            let danger = match row.danger {
                Danger::None => StepDanger::None,
                Danger::Disruptive => StepDanger::Disruptive,
                Danger::Destructive => StepDanger::Destructive,
            };
            steps.push(RunStep { name: row.name.clone(), danger, targets: Vec::new() });
        }
        let item = if row.key.item > 0 { format!(" #{}", row.key.item + 1) } else { String::new() };
        let target = RunTarget {
            host: format!("{}{item}", row.key.host),
            state: state(row),
            why: row.why.clone(),
            diff: row.diff.iter().flat_map(|d| d.lines()).map(ToOwned::to_owned).collect(),
            running: None,
        };
        if let Some(step) = steps.last_mut() {
            step.targets.push(target);
        }
    }
    steps
}

fn state(row: &Row) -> StepState {
    match (row.end, row.flying) {
        (Some(End::Already | End::Ok), _) => StepState::Done,
        (Some(End::Changed), _) => StepState::Changed,
        (Some(End::Skipped), _) => StepState::Skipped,
        (Some(End::Failed), _) => StepState::Failed,
        (Some(End::Ignored), _) => StepState::Ignored,
        (Some(End::Unreachable), _) => StepState::Unreachable,
        (Some(End::Would), _) => StepState::ToDo,
        (Some(End::Unclear), _) => StepState::Unclear,
        (Some(End::Undone), _) => StepState::Undone,
        (None, Some(Phase::Check(_) | Phase::Look)) => StepState::Looking,
        (None, Some(Phase::Act)) => StepState::Running,
        (None, Some(Phase::Verify(_))) => StepState::Verifying,
        (None, Some(Phase::Undo(_))) => StepState::Undoing,
        (None, None) if row.found == Some(Judged::ToDo) => StepState::ToDo,
        (None, None) => StepState::Later,
    }
}

impl Front for ScreenFront {
    fn event(&self, run: &Run, event: &Event) {
        if matches!(event, Event::Began { .. } | Event::Ended { .. } | Event::Settled { .. }) {
            self.show(run);
        }
    }

    fn line(&self, key: &Key, stream: Stream, line: &str) {
        let mut said = lock(&self.said);
        if said.len() >= SAID {
            said.pop_front();
        }
        said.push_back(format!("{} {} {line}", key.host, if stream == Stream::Out { "|" } else { "!" }));
        drop(said);
        self.change(|_| {});
    }

    fn beat(&self, flying: &[Flying]) {
        self.change(|p| {
            for step in &mut p.steps {
                for target in &mut step.targets {
                    let at = flying.iter().find(|f| f.name == step.name && target.host.starts_with(&*f.key.host));
                    target.running = at.map(|f| (f.running.as_secs(), f.silent.as_secs()));
                }
            }
        });
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Option<(Decision, Operator)>> {
        Box::pin(async move { Some((self.decide(question).await?, self.operator.clone())) })
    }

    fn manual<'a>(&'a self, host: &'a Name, instructions: &'a str) -> BoxFuture<'a, Option<Manual>> {
        Box::pin(async move {
            let lines: Vec<String> = [format!("{host}:")].into_iter().chain(instructions.lines().map(ToOwned::to_owned)).collect();
            match self.put(RunAskKind::Manual, lines).await {
                RunReply::Key('d') => Some(Manual::Done(String::new())),
                RunReply::Key('s') => Some(Manual::Skipped(self.reason().await?)),
                RunReply::Key('f') => Some(Manual::Failed(self.reason().await?)),
                _ => None,
            }
        })
    }
}

/// What a run ended as.
pub(super) fn stage(why: crate::playbook::journal::Closing) -> Stage {
    use crate::playbook::journal::Closing;
    match why {
        Closing::Finished | Closing::Undone => Stage::Finished,
        Closing::Failed => Stage::Failed,
        Closing::Stopped => Stage::Stopped,
    }
}
