//! Questions from sources to a person, and the answers back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::{Ground, REQUESTS};
use crate::base::text;
use crate::model::ask::{Answer, Ask, AskId, AskKind};
use crate::model::fact::{Batch, Fact};
use crate::model::id::Name;
use crate::port::Asker;

/// Is there someone to ask?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    ByPerson,
    /// Without a terminal every question is answered no.
    Never,
}

#[derive(Debug)]
pub struct Questions {
    ground: Ground,
    answers: Answers,
    next: AtomicU64,
    open: Mutex<HashMap<AskId, oneshot::Sender<Answer>>>,
}

impl Questions {
    pub fn new(ground: Ground, answers: Answers) -> Self {
        Self { ground, answers, next: AtomicU64::new(1), open: Mutex::new(HashMap::new()) }
    }

    pub fn answer(&self, id: AskId, answer: Answer) {
        let waiting = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(waiting) = waiting {
            let _ = waiting.send(answer);
        }
    }

    async fn put(&self, fact: Fact) {
        let _ = self.ground.batches.send(Batch { source: REQUESTS, at: self.ground.clock.now(), facts: vec![fact] }).await;
    }
}

impl Asker for Questions {
    fn ask(&self, kind: AskKind, about: Name, prompt: String) -> BoxFuture<'_, Option<Answer>> {
        Box::pin(async move {
            if self.answers == Answers::Never {
                return None;
            }
            let id = AskId(self.next.fetch_add(1, Ordering::Relaxed));
            let (sender, receiver) = oneshot::channel();
            self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
            let prompt = prompt.lines().map(|l| text::clean(l).into_owned()).collect::<Vec<_>>().join("\n");
            self.put(Fact::Ask(Ask { id, kind, about, prompt })).await;
            let answer = tokio::select! {
                answer = receiver => answer.ok(),
                () = self.ground.stop.cancelled() => None,
            };
            if let Some(Answer::Secret(secret)) = &answer {
                self.ground.redact.learn(secrecy::ExposeSecret::expose_secret(secret));
            }
            self.put(Fact::Asked(id)).await;
            answer
        })
    }
}
