//! F7: the loop with a screen. It owns the store, the seat and the engine; nothing else touches them, so there is nothing to lock.
//!
//! Input first, then data, then the frame: a key is never behind a batch, and a frame is drawn only when something changed.

mod errand;
pub mod extras;
mod lookup;
mod playbooks;
mod save;
mod seat;
mod signals;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::EventStream;
use futures::StreamExt;
use tokio::sync::{mpsc, watch};

use crate::base::clock::{Clock, Moment, Stopwatch, SystemClock};
use crate::base::redact::Redactor;
use crate::config::spec::Config;
use crate::engine::asker::Answers;
use crate::engine::run::session::{Booth, Session};
use crate::engine::{Engine, REQUESTS, fleet};
use crate::model::catalog::Catalog;
use crate::model::effect::{Effect, Errand, LargeText};
use crate::model::fact::{Batch, Fact, Notice};
use crate::model::id::Name;
use crate::model::log::{LogEvent, LogFact, LogId, LogQuery};
use crate::model::run::RunPicture;
use crate::model::source::Subject;
use crate::store::Store;

use extras::Extras;
use seat::Seat;
pub(crate) use seat::locale;
use signals::{Caught, Signals};

/// So many batches are taken from the channel at once; more would only wait here instead of there.
const TAKEN: usize = 16;
/// Data may hold a key up for this long at most.
const APPLY_SLICE: Duration = Duration::from_millis(6);

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Quit,
    Signal,
}

struct Cockpit {
    store: Store,
    seat: Seat,
    engine: Engine,
    clock: Arc<dyn Clock>,
    /// Batches taken from the channel and not yet applied.
    waiting: VecDeque<Batch>,
    /// When the store wants to be ticked again.
    due: Option<Moment>,
    dirty: bool,
    extras: Extras,
    /// Where the layout is kept.
    state: Option<PathBuf>,
    /// What tasks beside the loop have to say.
    told: mpsc::Sender<Notice>,
    booth: Booth,
    session: Option<Session>,
    pictures: Option<watch::Receiver<Arc<RunPicture>>>,
    /// A person has said once that they want to go while a run was at work.
    quitting: bool,
}

/// Runs until a person quits or a signal ends it. The terminal is given back on every way out.
pub async fn run(config: Config, catalog: &Catalog, write: bool, extras: Extras) -> io::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let mut signals = Signals::new()?;
    let seat = Seat::open(&config, write, &extras)?;
    let config = Arc::new(config);
    let (mut engine, mut batches) = Engine::new(clock.clone(), Redactor::default(), Answers::ByPerson);
    let mut store = Store::new(config.limits.clone());
    let now = clock.now();
    for status in fleet::launch(&mut engine, &config) {
        let source = status.id;
        store.apply(Batch { source, at: now, facts: vec![Fact::Source(status)] }, now);
    }
    let (told, mut notices) = mpsc::channel(16);
    let booth = playbooks::booth(&engine, &config, catalog);
    let mut cockpit = Cockpit {
        store,
        seat,
        engine,
        clock,
        waiting: VecDeque::new(),
        due: None,
        dirty: true,
        extras,
        state: config.state.clone(),
        told,
        booth,
        session: None,
        pictures: None,
        quitting: false,
    };
    cockpit.tick();
    let mut input = EventStream::new();
    let mut taken = Vec::with_capacity(TAKEN);
    let end = loop {
        let frame_in = cockpit.dirty.then(|| cockpit.seat.next_frame_in());
        if frame_in == Some(Duration::ZERO) {
            cockpit.draw()?;
            continue;
        }
        let behind = !cockpit.waiting.is_empty();
        let wake = cockpit.wake_in();
        tokio::select! {
            biased;
            caught = signals.next() => match caught {
                Caught::Terminate | Caught::HangUp => break End::Signal,
                Caught::Continue => cockpit.seat.redraw_all(),
            },
            event = input.next() => match event {
                Some(Ok(event)) => {
                    let effects = cockpit.seat.input(&cockpit.store, event);
                    cockpit.dirty = true;
                    if let Some(end) = cockpit.carry_out(effects).await {
                        break end;
                    }
                    if cockpit.seat.lost_terminal() {
                        // An errand had it: what crossterm read ahead belongs to nobody.
                        input = EventStream::new();
                    }
                    cockpit.draw()?;
                }
                // The terminal is gone.
                Some(Err(_)) | None => break End::Signal,
            },
            count = batches.recv_many(&mut taken, TAKEN), if !behind => {
                if count == 0 {
                    break End::Signal;
                }
                cockpit.waiting.extend(taken.drain(..));
                cockpit.apply();
            }
            Some(notice) = notices.recv() => {
                cockpit.seat.notice(notice);
                cockpit.dirty = true;
            }
            () = async {}, if behind => cockpit.apply(),
            picture = playbooks::next_picture(&mut cockpit.pictures) => {
                cockpit.seat.run_picture(picture);
                cockpit.dirty = true;
            }
            () = tokio::time::sleep(frame_in.unwrap_or_default()), if frame_in.is_some() => cockpit.draw()?,
            () = tokio::time::sleep(wake) => cockpit.wake(),
            // What is looked for goes on while nothing else wants to be done.
            () = async {}, if cockpit.seat.is_busy() => cockpit.work(),
        }
    };
    cockpit.close(end).await;
    Ok(())
}

impl Cockpit {
    fn apply(&mut self) {
        let watch = Stopwatch::start();
        while let Some(mut batch) = self.waiting.pop_front() {
            let mut rest = Vec::with_capacity(batch.facts.len());
            for fact in batch.facts.drain(..) {
                match fact {
                    Fact::Document { request, result } => {
                        self.seat.document(request, result);
                        self.dirty = true;
                    }
                    Fact::Notice(notice) => {
                        self.seat.notice(notice);
                        self.dirty = true;
                    }
                    other => rest.push(other),
                }
            }
            batch.facts = rest;
            let dirty = self.store.apply(batch, self.clock.now());
            self.dirty |= dirty.any();
            // What a fact makes due is known only to the tick; it costs nothing when nothing is.
            self.due = Some(self.clock.now());
            if watch.elapsed() > APPLY_SLICE {
                break;
            }
        }
    }

    fn tick(&mut self) {
        let (dirty, due) = self.store.tick(self.clock.now());
        self.due = due;
        self.dirty |= dirty.any();
    }

    /// Time has come for something: a row that turned stale, a clock that shows the next second.
    fn wake(&mut self) {
        debug_panic();
        self.tick();
        self.dirty |= self.seat.time_passed(&self.store);
    }

    fn wake_in(&self) -> Duration {
        let now = self.clock.now();
        let seat = self.seat.next_wake(now);
        // A tick that is due at once waits for the frame, which ticks first.
        let due = self.due.map_or(seat, |due| due.since(now).max(Duration::from_millis(250)));
        due.min(seat)
    }

    fn work(&mut self) {
        self.seat.work(&self.store);
        self.dirty = true;
    }

    fn draw(&mut self) -> io::Result<()> {
        self.tick();
        self.dirty = false;
        self.seat.draw(&self.store)
    }

    async fn carry_out(&mut self, effects: Vec<Effect>) -> Option<End> {
        for effect in effects {
            match effect {
                Effect::Inspect { request, target, what } => match lookup::inspected(&self.store, &target) {
                    Some(subject) => self.engine.inspect(request, &subject, what),
                    None => self.seat.document(request, Err("there is nothing more to look up for this row; its detail is in the dock".to_owned())),
                },
                Effect::Answer { id, answer } => self.engine.answer(id, answer),
                Effect::Retry(id) => self.engine.retry(id),
                Effect::OpenLog { log, query } => {
                    self.log_event(log, LogEvent::Opened);
                    self.engine.open_log(log, &query);
                }
                Effect::CloseLog(log) => {
                    self.engine.close_log(log);
                    self.log_event(log, LogEvent::Closed);
                }
                Effect::Copy(text) => self.seat.copy(&text),
                Effect::Save { path, text } => self.save(path, save::whole(text)),
                Effect::SaveLarge { path, text } => self.save(path, text),
                Effect::SaveLog { path, query, header } => self.save_log(&path, &query, header),
                Effect::Suspend(errand) => self.run_errand(errand).await,
                Effect::Call { verb, argument } => {
                    let notice = (self.extras.call)(&verb, &argument);
                    self.seat.notice(notice);
                }
                Effect::Redraw => self.seat.redraw_all(),
                Effect::Background => self.seat.background(),
                Effect::Books => self.list_books(),
                Effect::OpenBook { what, options } => self.open_book(what, &options),
                Effect::RunReply { id, reply } => self.run_reply(id, reply),
                Effect::Armed(seconds) => self.armed(seconds),
                Effect::Quit if self.may_quit() => return Some(End::Quit),
                Effect::Quit => {}
            }
        }
        None
    }

    fn log_event(&mut self, log: LogId, event: LogEvent) {
        let now = self.clock.now();
        let fact = Fact::Log(Box::new(LogFact { log, event }));
        self.dirty |= self.store.apply(Batch { source: REQUESTS, at: now, facts: vec![fact] }, now).any();
    }

    /// Written beside the loop: a slow disk holds no key up. The notice comes when it is there.
    fn save(&self, path: String, text: LargeText) {
        let told = self.told.clone();
        tokio::task::spawn_blocking(move || {
            let _ = told.blocking_send(save::write(&path, &text));
        });
    }

    /// The whole of a log, asked anew: that may take long, and keys and panes go on.
    fn save_log(&mut self, path: &str, query: &LogQuery, header: String) {
        let file = save::place(path);
        let saving = self.engine.save_log(query, header, Path::new(&file));
        let told = self.told.clone();
        self.seat.notice(Notice { good: true, text: format!("the whole log is on its way to {file}") });
        tokio::spawn(async move {
            let notice = match saving.await {
                Ok(saved) if !saved.missing.is_empty() => {
                    Notice { good: false, text: format!("{} lines saved to {file}; not all of it: {}", saved.lines, saved.missing.join("; ")) }
                }
                done => save::said(&file, done.map(|s| s.lines)),
            };
            let _ = told.send(notice).await;
        });
    }

    async fn run_errand(&mut self, errand: Errand) {
        self.seat.release();
        let result = match errand {
            Errand::Page(text) => errand::page(&text).await,
            Errand::PageLarge(text) => errand::page_large(text).await,
            Errand::Login(cluster) => self.login(&cluster).await,
        };
        let taken = self.seat.take_back();
        match (result, taken) {
            (Err(text), _) => self.seat.notice(Notice { good: false, text }),
            (Ok(()), Err(e)) => {
                self.seat.notice(Notice { good: false, text: format!("the terminal did not come back whole: {e}; press ctrl-l to draw it again") });
            }
            (Ok(()), Ok(())) => {}
        }
    }

    async fn login(&mut self, cluster: &Name) -> Result<(), String> {
        let login = self.engine.login(cluster).await?;
        errand::run(&login.program, &login.args, &login.env).await?;
        self.engine.retry_subject(&Subject::Cluster(cluster.clone()));
        Ok(())
    }

    async fn close(self, _end: End) {
        // The terminal first: stopping the sources may take a moment, and the person is done with us.
        if let Some(folder) = &self.state {
            self.seat.remember(folder);
        }
        drop(self.seat);
        if let Some(resume) = Self::end_session(self.session).await {
            errand::say(&format!("the run of a playbook was stopped; go on with: {resume}"));
        }
        self.engine.stop().await;
    }
}

/// Lets a test see that a panic gives the terminal back; release builds know nothing of it.
#[cfg(debug_assertions)]
fn debug_panic() {
    assert!(std::env::var_os("QUARTERDECK_TEST_PANIC").is_none(), "asked to panic by QUARTERDECK_TEST_PANIC");
}

#[cfg(not(debug_assertions))]
fn debug_panic() {}
