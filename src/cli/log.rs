//! Our own log: a file a day in the state folder, seven kept, never the screen. `QUARTERDECK_LOG` sets the level.

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;

use super::state;

/// So many lines may wait for the disk.
const LINES: usize = 2048;

/// Starts logging; what was noted is written out when the guard is dropped. Without a folder to write to there is no log, and
/// nothing else is lost by that.
pub fn open() -> Option<WorkerGuard> {
    let folder = state::folder()?.join("log");
    std::fs::create_dir_all(&folder).ok()?;
    let files =
        RollingFileAppender::builder().rotation(Rotation::DAILY).filename_prefix("quarterdeck").filename_suffix("log").max_log_files(7).build(folder).ok()?;
    // The room is taken at once, and beyond it lines are dropped and never waited for.
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(LINES).finish(files);
    let level = EnvFilter::try_from_env("QUARTERDECK_LOG").unwrap_or_else(|_| EnvFilter::new("quarterdeck=info,warn"));
    tracing_subscriber::fmt().with_writer(writer).with_ansi(false).with_env_filter(level).try_init().ok()?;
    Some(guard)
}
