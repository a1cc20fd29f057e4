//! Signals of a run without a screen: the first ends it gently, a second interrupt at once.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use crate::engine::run::Stop;

/// Listens until the program ends.
pub(super) fn listen(stop: &Stop) -> io::Result<()> {
    let (mut hangup, mut end, mut interrupt) = (signal(SignalKind::hangup())?, signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                // The line was dropped, or the machine goes down: what is in flight is still written down.
                _ = hangup.recv() => stop.gently.cancel(),
                _ = end.recv() => stop.gently.cancel(),
                _ = interrupt.recv() => {
                    if stop.gently.is_cancelled() {
                        stop.now.cancel();
                    }
                    stop.gently.cancel();
                }
            }
        }
    });
    Ok(())
}
