//! How old a value is, counted from the remote's answer, and what that makes of it.

use std::time::Duration;

use serde::Serialize;

use crate::base::clock::Moment;

/// Fresh up to three intervals, then stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FreshState {
    Live,
    Stale,
    /// Nothing has been heard yet.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Freshness {
    pub state: FreshState,
    /// Since the remote's answer; `None` when there was none.
    pub age_ms: Option<u64>,
}

impl Freshness {
    /// Of a value answered at `at` by something asked every `every`.
    pub fn of(at: Option<Moment>, every: Duration, now: Moment) -> Self {
        match at {
            None => Self { state: FreshState::Never, age_ms: None },
            Some(at) => {
                let age = now.since(at);
                let state = if age > every * 3 { FreshState::Stale } else { FreshState::Live };
                Self { state, age_ms: u64::try_from(age.as_millis()).ok() }
            }
        }
    }
}
