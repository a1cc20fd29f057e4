//! F7: the loop without a screen: one whole picture, then the end.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::base::clock::{Clock, SystemClock};
use crate::base::redact::Redactor;
use crate::config::spec::Config;
use crate::engine::asker::Answers;
use crate::engine::log::Wanted;
use crate::engine::{Engine, fleet};
use crate::model::fact::{Batch, Fact};
use crate::model::log::LogQuery;
use crate::model::source::{SourceState, SourceStatus};
use crate::port::LogOut;
use crate::store::Store;

/// Everything as it is now: waits until every source has given its whole picture, has failed, or `limit` has passed.
/// Nobody is asked anything; what would need an answer is `auth-lost`.
pub async fn picture(config: &Config, limit: Duration) -> Store {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let (mut engine, mut batches) = Engine::new(clock.clone(), Redactor::default(), Answers::Never);
    let mut store = Store::new(config.limits.clone());
    let now = clock.now();
    for status in fleet::launch(&mut engine, config) {
        let source = status.id;
        store.apply(Batch { source, at: now, facts: vec![Fact::Source(status)] }, now);
    }
    let end = tokio::time::sleep(limit);
    tokio::pin!(end);
    while !store.sources().all(settled) {
        tokio::select! {
            batch = batches.recv() => match batch {
                Some(batch) => store.apply(batch, clock.now()),
                None => break,
            },
            () = &mut end => break,
        };
    }
    store.tick(clock.now());
    engine.stop().await;
    store
}

/// A line may be so long where it goes to a pipe, in bytes.
const LONGEST_LINE: usize = 16 << 20;

/// Says what `query` asks for to `out`, until all of it has an end or `stop`.
pub async fn say(config: &Config, query: &LogQuery, stamps: Wanted, out: Arc<dyn LogOut>, stop: CancellationToken) {
    // Nobody is there to be asked, and nothing but these streams is started.
    let (mut engine, _nothing) = Engine::new(Arc::new(SystemClock::default()), Redactor::default(), Answers::Never);
    fleet::reach(&mut engine, config);
    let cx = engine.log_cx(out, LONGEST_LINE, stop.clone());
    tokio::select! {
        () = engine.say(query, stamps, &cx) => {}
        () = stop.cancelled() => {}
    }
    engine.stop().await;
}

/// Is there nothing more to wait for?
fn settled(status: &SourceStatus) -> bool {
    match status.state {
        SourceState::Live => status.complete,
        SourceState::Connecting => false,
        SourceState::Stale | SourceState::AuthLost | SourceState::NoRight | SourceState::Unreachable | SourceState::Broken => true,
    }
}
