//! Playbooks in the cockpit: one session at a time, beside the screen.

use std::sync::Arc;

use tokio::sync::watch;

use super::Cockpit;
use crate::config::spec::Config;
use crate::engine::Engine;
use crate::engine::run::session::{Booth, Session};
use crate::engine::run::{acts, stage, who};
use crate::model::catalog::Catalog;
use crate::model::fact::Notice;
use crate::model::run::{Chosen, RunPicture, RunReply};
use crate::playbook::journal::Operator;

/// How long a run may take to end what is in flight after a person has quit.
const LAST_STEP: std::time::Duration = std::time::Duration::from_mins(10);

pub(super) fn booth(engine: &Engine, config: &Arc<Config>, catalog: &Catalog) -> Booth {
    Booth {
        config: config.clone(),
        catalog: Arc::new(catalog.clone()),
        ways: stage::ways(engine, config),
        redact: engine.ground().redact.clone(),
        clock: engine.ground().clock.clone(),
    }
}

fn operator() -> Result<Operator, String> {
    who::operator(|name| std::env::var(name).ok(), |path| std::fs::read_to_string(path).ok())
}

/// Waits for the next picture of a session; for ever where there is none.
pub(super) async fn next_picture(pictures: &mut Option<watch::Receiver<Arc<RunPicture>>>) -> Arc<RunPicture> {
    if let Some(from) = pictures
        && from.changed().await.is_ok()
    {
        return from.borrow_and_update().clone();
    }
    // The session is over; its last picture stands.
    *pictures = None;
    std::future::pending().await
}

impl Cockpit {
    fn at_work(&self) -> bool {
        self.session.as_ref().is_some_and(|s| !s.task.is_finished())
    }

    pub(super) fn list_books(&mut self) {
        let (books, past) = (self.booth.books(), self.booth.past());
        self.seat.books(books, past);
    }

    pub(super) fn open_book(&mut self, what: Chosen, options: &str) {
        if self.at_work() {
            self.seat.notice_word("run.busy");
            return;
        }
        let session = self.booth.start(what, options, operator());
        self.pictures = Some(session.pictures.clone());
        self.seat.run_picture(session.pictures.borrow().clone());
        self.session = Some(session);
    }

    pub(super) fn run_reply(&mut self, id: u64, reply: RunReply) {
        if let Some(session) = &self.session {
            session.front.reply(id, reply);
        }
    }

    /// Changes were allowed, or are not any more: written down with who said so.
    pub(super) fn armed(&mut self, seconds: Option<u64>) {
        match (operator(), &self.state) {
            (Ok(by), Some(state)) => {
                let what = seconds.map_or_else(|| "off".to_owned(), |s| format!("{s} s"));
                acts::note(state, self.clock.now(), &by, "write", &what);
            }
            (Err(why), _) => self.seat.notice(Notice { good: false, text: why }),
            (Ok(_), None) => {}
        }
    }

    /// May the cockpit end now? A run that is at work is told to stop after what is in flight; the second time is the answer.
    pub(super) fn may_quit(&mut self) -> bool {
        if !self.at_work() || self.quitting {
            return true;
        }
        self.quitting = true;
        self.seat.notice_word("run.quitting");
        false
    }

    /// Ends the session in order; gives the command that goes on with its run.
    pub(super) async fn end_session(session: Option<Session>) -> Option<String> {
        let mut session = session?;
        session.stop.gently.cancel();
        session.front.leave();
        match tokio::time::timeout(LAST_STEP, &mut session.task).await {
            Ok(Ok(resume)) => resume,
            _ => None,
        }
    }
}
