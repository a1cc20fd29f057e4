//! What the tests start and stop: real servers in their own folders, ended by process id.

pub mod apiserver;
pub mod demo;
pub mod docker;
pub mod group;
pub mod hear;
pub mod java;
pub mod kubelet;
pub mod lab;
pub mod libvirt;
pub mod mirror;
pub mod mysql;
pub mod opensearch;
pub mod rabbitmq;
pub mod redis;
pub mod registry;
pub mod runtimes;
pub mod search;
pub mod sshd;
pub mod stub;
pub mod terminal;
pub mod watch;

use std::future::Future;
use std::time::{Duration, Instant};

/// Runs a test's future on a runtime of its own.
pub fn block<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime").block_on(future)
}

/// Limits are what a quiet machine needs. One whose two cores also build and run other tests may take so many times as long.
pub const BUSY: u32 = 3;

/// Waits until `probe` gives something, at most `limit` on a quiet machine; the panic says what never came.
#[track_caller]
pub fn eventually<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let (start, limit) = (Instant::now(), limit * BUSY);
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
