//! What can ail the pods of a workload.

use serde::Deserialize;

use super::Kube;
use super::objects::Key;
use super::pod::State;

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "ail", rename_all = "kebab-case")]
pub enum Ail {
    /// The process ends some seconds after each start.
    Crash {
        code: i32,
        after: f64,
        /// `OOMKilled`; `Error` when it is left out.
        reason: Option<String>,
        /// What it logs before it ends.
        #[serde(default)]
        log: Vec<String>,
        /// Only pods that are started anew.
        #[serde(default)]
        new_only: bool,
    },
    /// It runs and its probe fails.
    NotReady { message: String },
    /// A ConfigMap or Secret is missing: pods started anew cannot be made.
    NoConfig { message: String },
    /// Its image cannot be fetched: pods started anew wait for it.
    NoImage { message: String },
}

impl Kube {
    /// `of` is `namespace/workload`, or `namespace/pod` for one alone. What ailed it before is over.
    pub fn ail(&mut self, of: &str, ail: Option<Ail>) {
        self.ails.retain(|(who, _)| who != of);
        let hits_the_living = matches!(ail, Some(Ail::Crash { new_only: false, .. } | Ail::NotReady { .. }));
        let is_cure = ail.is_none();
        if let Some(ail) = ail {
            self.ails.push((of.to_owned(), ail));
        }
        let struck: Vec<Key> = self.pods.values().filter(|p| is_of(&p.root, &p.key, of)).map(|p| p.key.clone()).collect();
        for key in struck {
            let state = self.pods.get(&key).map(|p| p.state.clone());
            let waits = matches!(state, Some(State::NoImage(_) | State::NoConfig(_) | State::BackOff | State::Starting));
            if hits_the_living || (is_cure && waits) {
                let after = 1.0 + self.chance.share() * 4.0;
                self.wake(&key, after);
            }
        }
    }

    /// The processes of a workload's pods, or of one pod, end now.
    pub fn kill(&mut self, of: &str, code: i32, reason: Option<&str>) {
        let struck: Vec<Key> = self.pods.values().filter(|p| is_of(&p.root, &p.key, of) && p.is_alive()).map(|p| p.key.clone()).collect();
        for key in struck {
            self.crash(&key, code, reason);
        }
    }

    /// Everything that ails anything is over.
    pub(in crate::lab::world) fn heal(&mut self) {
        let all: Vec<String> = self.ails.iter().map(|(who, _)| who.clone()).collect();
        for who in all {
            self.ail(&who, None);
        }
        let registry = self.registry.take().is_some();
        self.health = super::Health::default();
        let waiting: Vec<Key> = self.pods.values().filter(|p| registry && matches!(p.state, State::NoImage(_))).map(|p| p.key.clone()).collect();
        for key in waiting {
            self.wake(&key, 2.0);
        }
        for node in self.nodes.values_mut() {
            node.is_stopped = false;
        }
        // Evicted pods are only left to be read.
        let over: Vec<Key> = self.pods.values().filter(|p| matches!(p.state, State::Evicted(_))).map(|p| p.key.clone()).collect();
        for key in over {
            self.end_pod(&key, Some(0));
        }
    }

    pub(super) fn ail_of(&self, root: &str, key: &Key) -> Option<&Ail> {
        self.ails.iter().find(|(who, _)| is_of(root, key, who)).map(|(_, ail)| ail)
    }

    /// What a pod that crashed said last.
    pub fn last_words(&self, root: &str, key: &Key) -> &[String] {
        match self.ail_of(root, key) {
            Some(Ail::Crash { log, .. }) => log,
            _ => &[],
        }
    }
}

fn is_of(root: &str, key: &Key, who: &str) -> bool {
    root.split_once('/').is_some_and(|(_, name)| name == who) || who.split_once('/').is_some_and(|(space, name)| *key.0 == *space && *key.1 == *name)
}
