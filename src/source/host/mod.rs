//! A Linux host, its guests and its containers, by one long-lived `sh` (see `sampler.sh`) that answers a tick with a frame.

mod container;
mod counters;
mod domain;
mod frame;
mod guests;
mod identity;
mod klog;
mod lane;
mod mount;
mod plan;
mod refusal;
mod skew;
mod track;
mod virsh;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::sleep;

use crate::base::backoff::spread;
use crate::base::clock::{Moment, Stopwatch};
use crate::link::shell::Shell;
use crate::model::host::SYSTEM_LIBVIRT;
use crate::model::id::{Kind, Name};
use crate::model::source::{SourceState, Subject};
use crate::port::{Cx, Source, SourceError};

use frame::Frame;
use lane::Lane;
use track::Track;

/// The sampler itself.
pub const SAMPLER: &str = include_str!("sampler.sh");

/// A login shell that is not POSIX (csh, fish) understands this too. The outer shell stays, so that whoever kills it leaves
/// the sampler to clean up at the end of its input.
const LINE: &str = "sh -s quarterdeck || exit 1";
/// For the first answer, and before a silent sampler is given up and dialled anew.
const FIRST_ANSWER: Duration = Duration::from_secs(20);
const GIVE_UP: Duration = Duration::from_secs(30);
/// A frame that takes longer than this is late.
const LEAST_LATE: Duration = Duration::from_secs(2);
const MOST_LATE: Duration = Duration::from_secs(10);
/// Between the first frames: rates need two, and nobody should wait an interval for them.
const QUICK: Duration = Duration::from_secs(1);
/// How long a refused sudo is not tried again, so that its log and its mails stay few.
const SUDO_REST: Duration = Duration::from_mins(10);

/// Says what a host is doing.
#[derive(Debug)]
pub struct HostSource {
    name: Name,
    address: Name,
    groups: Vec<Name>,
    every: Duration,
    shell: Arc<dyn Shell>,
    privileged: Option<Arc<dyn Shell>>,
    libvirt: String,
    refused: Option<Refused>,
}

/// Why the privileged shell is not used.
#[derive(Clone, Debug)]
struct Refused {
    at: Moment,
    error: SourceError,
}

impl HostSource {
    /// `every`: the time between two samples. `address` is for the eye only; `shell` reaches the host.
    pub fn new(name: Name, address: Name, groups: Vec<Name>, every: Duration, shell: Arc<dyn Shell>) -> Self {
        Self { name, address, groups, every, shell, privileged: None, libvirt: SYSTEM_LIBVIRT.to_owned(), refused: None }
    }

    /// A shell on the same host with root's rights (sudo). Where it refuses, the plain one is used and the row says so.
    #[must_use]
    pub fn privileged(mut self, shell: Arc<dyn Shell>) -> Self {
        self.privileged = Some(shell);
        self
    }

    /// Another libvirt than the system's, such as `test:///default`.
    #[must_use]
    pub fn libvirt(mut self, uri: &str) -> Self {
        // It goes into a script: nothing but what URIs are made of.
        self.libvirt = uri.chars().filter(|c| c.is_ascii_alphanumeric() || ":/?=&._+-@%".contains(*c)).collect();
        self
    }

    /// The privileged shell, unless it refused a moment ago. A refused password is never tried a second time by itself.
    fn sudo(&self, now: Moment) -> Option<Arc<dyn Shell>> {
        let rested = |r: &Refused| r.error.state != SourceState::AuthLost && now.since(r.at) >= SUDO_REST;
        self.privileged.clone().filter(|_| self.refused.as_ref().is_none_or(rested))
    }

    async fn converse(&mut self, cx: &Cx) -> Result<(), SourceError> {
        if let Some(sudo) = self.sudo(cx.clock.now()) {
            let mut heard = false;
            let error = match self.session(cx, &*sudo, &mut heard).await {
                Err(error) if !heard && refuses(&error) => error,
                end => return end,
            };
            self.refused = Some(Refused { at: cx.clock.now(), error });
        }
        let shell = self.shell.clone();
        self.session(cx, &*shell, &mut false).await
    }

    /// One sampler from its start to its end; `heard` says whether it ever answered.
    async fn session(&self, cx: &Cx, shell: &dyn Shell, heard: &mut bool) -> Result<(), SourceError> {
        let nonce = nonce();
        let mut track = Track::new(&self.name, &self.address, &self.groups, &nonce, &self.libvirt);
        let denied = self.refused.as_ref().filter(|_| self.privileged.is_some()).map(|r| r.error.clone());
        let sudo = denied.and_then(|e| track.deny("sudo", Kind::Host, Some(if e.remedy.is_empty() { e.text } else { e.remedy })));
        let mut lane = Lane::new(shell.spawn(LINE).await?, &nonce, cx.meter.clone());
        let script = format!("N={nonce} U='{}' Q='{}'\n{SAMPLER}", self.libvirt, plan::FIRST);
        lane.write(script.as_bytes()).await?;
        let mut wait = Wait::first();
        let mut tick = 0_u64;
        let mut complete = false;
        cx.out.send(sudo.into_iter().collect()).await;
        loop {
            let Some(frame) = self.next(cx, &mut lane, &mut wait).await? else { return lane.farewell().await };
            *heard = true;
            if frame.tick != tick {
                // Not the answer to our question; the right one is still on its way.
                continue;
            }
            let facts = track.take(&frame, cx.clock.now());
            cx.out.answered().await;
            cx.out.send(facts).await;
            if !complete && track.is_complete() {
                complete = true;
                cx.out.complete().await;
            }
            let pause = if complete { self.every } else { self.every.min(QUICK) };
            tokio::select! {
                () = cx.stop.cancelled() => return lane.farewell().await,
                () = sleep(spread(pause)) => {}
                end = lane.next() => { end?; }
            }
            tick += 1;
            cx.meter.request();
            let question = track.ask(tick) + "\n";
            lane.asked();
            lane.write(question.as_bytes()).await?;
            wait = Wait::late_after(self.every);
        }
    }

    /// The next frame; `None` when the cockpit stops. A late one is said to be late, one that never comes is an error.
    async fn next(&self, cx: &Cx, lane: &mut Lane, wait: &mut Wait) -> Result<Option<Frame>, SourceError> {
        loop {
            tokio::select! {
                () = cx.stop.cancelled() => return Ok(None),
                frame = lane.next() => return frame.map(Some),
                () = sleep(wait.left()) => {
                    let seconds = wait.since.elapsed().as_secs();
                    let text = format!("no answer from {} for {seconds} s", self.name);
                    if wait.last {
                        let remedy = "the connection stands but the host does not answer: it may be frozen, out of memory or hung on a disk";
                        return Err(SourceError::new(SourceState::Unreachable, text, remedy));
                    }
                    cx.out.trouble(SourceError::new(SourceState::Stale, text, "")).await;
                    *wait = Wait { limit: GIVE_UP, last: true, ..*wait };
                }
            }
        }
    }
}

/// How long an answer may take.
#[derive(Clone, Copy, Debug)]
struct Wait {
    since: Stopwatch,
    limit: Duration,
    /// What is not there by then is given up.
    last: bool,
}

impl Wait {
    fn first() -> Self {
        Self { since: Stopwatch::start(), limit: FIRST_ANSWER, last: true }
    }

    fn late_after(every: Duration) -> Self {
        Self { since: Stopwatch::start(), limit: every.clamp(LEAST_LATE, MOST_LATE), last: false }
    }

    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.since.elapsed())
    }
}

impl Source for HostSource {
    fn subject(&self) -> Subject {
        Subject::Host(self.name.clone())
    }

    fn every(&self) -> Duration {
        self.every
    }

    fn run(&mut self, cx: Cx) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move { self.converse(&cx).await })
    }
}

/// Is this sudo's refusal, and not a lost connection?
fn refuses(error: &SourceError) -> bool {
    matches!(error.state, SourceState::NoRight | SourceState::AuthLost) || error.text.contains("sudo")
}

/// Marks the frames of one run; whatever else writes to the same stream cannot guess it.
fn nonce() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
