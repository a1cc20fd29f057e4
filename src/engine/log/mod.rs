//! Logs that are open: who is asked for them, and how their lines reach the store.

mod file;
mod outbox;
mod ways;

use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use tokio_util::sync::CancellationToken;

use super::Engine;
use crate::base::chunk::LONGEST_LINE;
use crate::model::log::{LogId, LogQuery};
use crate::port::{LogCx, Meter};
pub use crate::source::log::kube::Wanted;
use outbox::Outbox;
pub(super) use ways::Ways;

impl Engine {
    /// Begins to say what `query` asks for to the store's book `log`. What was open under that number ends.
    pub fn open_log(&mut self, log: LogId, query: &LogQuery) {
        self.close_log(log);
        let stop = self.ground.stop.child_token();
        self.logs.insert(log, stop.clone());
        let out = Arc::new(Outbox::new(log, self.ground.clock.clone()));
        let cx = self.log_cx(out.clone(), LONGEST_LINE, stop.clone());
        let said = self.say(query, Wanted::Stamps, &cx);
        let batches = self.ground.batches.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = out.pump(&batches) => {}
                // Its streams may have ended long before: the rest is sent when there is room.
                () = async { said.await; std::future::pending::<()>().await } => {}
                () = stop.cancelled() => {}
            }
        });
    }

    pub fn close_log(&mut self, log: LogId) {
        if let Some(stop) = self.logs.remove(&log) {
            stop.cancel();
        }
    }

    /// What the streams of one log need beside their links.
    pub fn log_cx(&self, out: Arc<dyn crate::port::LogOut>, longest_line: usize, stop: CancellationToken) -> LogCx {
        LogCx { out, clock: self.ground.clock.clone(), meter: Arc::new(Meter::default()), longest_line, stop }
    }

    /// Says everything that the query asks for; ends when all of it has.
    pub fn say(&self, query: &LogQuery, stamps: Wanted, cx: &LogCx) -> BoxFuture<'static, ()> {
        let all = self.ways.as_ref().map(|ways| ways.start(query, stamps, cx)).unwrap_or_default();
        Box::pin(async move {
            join_all(all).await;
        })
    }
}
