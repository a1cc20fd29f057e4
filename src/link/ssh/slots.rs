//! Session channels of one host. How many a server grants is learned from its first refusal; whoever comes later waits in line,
//! and the host's sampler gives its slot away when nothing else would become free.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Who holds a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// A person waits for it.
    OnDemand,
    /// Stays for good, and comes back after it was asked to give way.
    Sampler,
}

/// What the pane may say about a host's sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// As many as the server grants; unknown until it has refused one.
    pub most: Option<usize>,
    pub open: usize,
    /// Waiting for one.
    pub queued: usize,
}

#[derive(Default)]
struct State {
    seen: Sessions,
    samplers: Vec<Arc<Notify>>,
}

#[derive(Clone, Default)]
pub(super) struct Slots {
    state: Arc<Mutex<State>>,
    freed: Arc<Notify>,
}

/// A session's place, given back when dropped.
pub(super) struct Slot {
    slots: Slots,
    /// Told when somebody needs the place more.
    pub(super) give_way: Arc<Notify>,
}

/// Somebody in line; leaves it when dropped, also half-way.
struct InLine<'a>(&'a Slots);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.lock().seen.queued -= 1;
    }
}

impl Slots {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read(&self) -> Sessions {
        self.lock().seen
    }

    /// Waits for a place. Ends with the caller's patience: there is no limit here.
    pub(super) async fn take(&self, rank: Rank) -> Slot {
        if let Some(slot) = self.free(rank) {
            return slot;
        }
        self.lock().seen.queued += 1;
        self.wait(rank).await
    }

    fn free(&self, rank: Rank) -> Option<Slot> {
        let mut state = self.lock();
        if state.seen.most.is_some_and(|most| state.seen.open >= most) {
            return None;
        }
        state.seen.open += 1;
        let give_way = Arc::new(Notify::new());
        if rank == Rank::Sampler {
            state.samplers.push(give_way.clone());
        }
        Some(Slot { slots: self.clone(), give_way })
    }

    async fn wait(&self, rank: Rank) -> Slot {
        let _line = InLine(self);
        loop {
            let freed = self.freed.notified();
            if let Some(slot) = self.free(rank) {
                return slot;
            }
            if rank == Rank::OnDemand {
                let state = self.lock();
                if state.samplers.len() >= state.seen.open {
                    state.samplers.iter().for_each(|s| s.notify_one());
                }
            }
            // A place may become free between the look and the wait; the short limit makes up for that.
            let _ = tokio::time::timeout(Duration::from_millis(200), freed).await;
        }
    }

    /// A new login: the server may have been configured anew.
    pub(super) fn renew(&self) {
        self.lock().seen.most = None;
    }

    /// The server refused one more: now its limit is known.
    pub(super) fn refused(&self) {
        let mut state = self.lock();
        state.seen.most = Some(state.seen.open.saturating_sub(1).max(1));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.slots.lock();
        state.seen.open -= 1;
        state.samplers.retain(|s| !Arc::ptr_eq(s, &self.give_way));
        drop(state);
        self.slots.freed.notify_waiters();
    }
}
