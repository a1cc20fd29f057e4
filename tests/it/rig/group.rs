//! One middleware entry, live: a source on a runtime of its own, its last picture, and what it said of itself.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use quarterdeck::base::clock::SystemClock;
use quarterdeck::base::redact::Redactor;
use quarterdeck::model::ask::{Answer, AskKind};
use quarterdeck::model::fact::{Change, Fact};
use quarterdeck::model::group::{Edge, Group, Member};
use quarterdeck::model::id::{Name, SourceId};
use quarterdeck::model::reason::Reason;
use quarterdeck::model::verdict::Verdict;
use quarterdeck::port::{Asker, Cx, Meter, Sink, SourceError};
use quarterdeck::source::middleware::{self, Spec};
use tokio_util::sync::CancellationToken;

#[derive(Default)]
struct Heard {
    group: Option<Group>,
    pictures: usize,
    complete: bool,
    trouble: Option<SourceError>,
    ended: Option<Result<(), SourceError>>,
}

#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Heard>>);

impl Ear {
    fn note(&self, how: impl FnOnce(&mut Heard)) {
        how(&mut self.0.lock().expect("no panic while held"));
    }
}

impl Sink for Ear {
    fn send(&self, facts: Vec<Fact>) -> BoxFuture<'_, ()> {
        for fact in facts {
            if let Fact::Group(change) = fact
                && let Change::Upsert(group) = *change
            {
                self.note(|h| {
                    h.group = Some(group);
                    h.pictures += 1;
                });
            }
        }
        Box::pin(async {})
    }
    fn answered(&self) -> BoxFuture<'_, ()> {
        self.note(|h| h.trouble = None);
        Box::pin(async {})
    }
    fn complete(&self) -> BoxFuture<'_, ()> {
        self.note(|h| h.complete = true);
        Box::pin(async {})
    }
    fn trouble(&self, error: SourceError) -> BoxFuture<'_, ()> {
        self.note(|h| h.trouble = Some(error));
        Box::pin(async {})
    }
}

struct Nobody;

impl Asker for Nobody {
    fn ask(&self, _: AskKind, _: Name, _: String) -> BoxFuture<'_, Option<Answer>> {
        Box::pin(async { None })
    }
}

/// A running source; stopped when dropped.
pub struct Watched {
    ear: Ear,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
    pub meter: Arc<Meter>,
    /// `PID/task/TID` of its thread.
    task: Arc<Mutex<String>>,
}

impl Watched {
    pub fn start(spec: Spec) -> Self {
        let (ear, stop, meter) = (Ear::default(), CancellationToken::new(), Arc::new(Meter::default()));
        let cx = Cx {
            source: SourceId(0),
            out: Arc::new(ear.clone()),
            ask: Arc::new(Nobody),
            clock: Arc::new(SystemClock::default()),
            redact: Redactor::default(),
            meter: meter.clone(),
            stop: stop.clone(),
        };
        let heard = ear.clone();
        let mut source = middleware::source(spec).expect("a source");
        let task = Arc::new(Mutex::new(String::new()));
        let own = task.clone();
        let thread = std::thread::spawn(move || {
            let link = std::fs::read_link("/proc/thread-self").expect("procfs");
            *own.lock().expect("no panic while held") = link.to_string_lossy().into_owned();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
            let end = runtime.block_on(source.run(cx));
            heard.note(|h| h.ended = Some(end));
        });
        Self { ear, stop, thread: Some(thread), meter, task }
    }

    fn read<T>(&self, how: impl FnOnce(&Heard) -> T) -> T {
        how(&self.ear.0.lock().expect("no panic while held"))
    }

    pub fn group(&self) -> Option<Group> {
        self.read(|h| h.group.clone())
    }

    pub fn pictures(&self) -> usize {
        self.read(|h| h.pictures)
    }

    /// What its thread has used of a core since it started.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/schedstat", self.task.lock().expect("no panic while held"))).expect("procfs");
        Duration::from_nanos(stat.split(' ').next().and_then(|n| n.parse().ok()).expect("nanoseconds"))
    }

    pub fn trouble(&self) -> Option<SourceError> {
        self.read(|h| h.trouble.clone())
    }

    /// The error with which it ended, once it has.
    pub fn ended(&self) -> Option<SourceError> {
        self.read(|h| h.ended.clone()).and_then(Result::err)
    }

    /// Waits for a picture that `fits`; the panic shows the last one.
    #[track_caller]
    pub fn wait(&self, what: &str, limit: Duration, fits: impl Fn(&Group) -> bool) -> Group {
        let (start, limit) = (Instant::now(), limit * super::BUSY);
        loop {
            let group = self.group();
            if let Some(group) = &group
                && fits(group)
            {
                return group.clone();
            }
            assert!(start.elapsed() < limit, "{what}: not within {limit:?}; the last picture:\n{}", group.map_or_else(|| "none".to_owned(), |g| show(&g)));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for a reason of this code anywhere in the picture, and gives the picture.
    #[track_caller]
    pub fn wait_for(&self, code: &str, verdict: Verdict, limit: Duration) -> Group {
        self.wait(&format!("{code} {}", verdict.word()), limit, |g| reasons(g).any(|r| r.code == code && r.verdict == verdict))
    }

    /// Waits until nothing is wrong any more.
    #[track_caller]
    pub fn wait_ok(&self, limit: Duration) -> Group {
        self.wait("all well", limit, |g| reasons(g).all(|r| r.verdict == Verdict::Ok) && g.members.iter().all(|m| m.answered_at.is_some()))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Of the group and of all its members.
pub fn reasons(group: &Group) -> impl Iterator<Item = &Reason> {
    group.reasons.iter().chain(group.members.iter().flat_map(|m| &m.reasons))
}

pub fn member<'a>(group: &'a Group, address: &str) -> &'a Member {
    group.members.iter().find(|m| &*m.address == address).expect("a member")
}

/// The edge into this member.
pub fn edge<'a>(group: &'a Group, to: &str) -> &'a Edge {
    group.edges.iter().find(|e| &*e.to == to).expect("an edge")
}

pub fn has(reasons: &[Reason], code: &str, verdict: Verdict) -> bool {
    reasons.iter().any(|r| r.code == code && r.verdict == verdict)
}

pub fn number(member: &Member, key: &str) -> Option<f64> {
    member.metrics.iter().find(|m| m.key == key).map(|m| m.value)
}

pub fn show(group: &Group) -> String {
    let mut out = String::new();
    for r in &group.reasons {
        let _ = writeln!(out, "group {:?} {} {:?}", r.verdict, r.code, r.args);
    }
    for m in &group.members {
        let _ = writeln!(out, "{} {} <- {:?} {:?} denied {:?}", m.address, m.role, m.upstream, m.details, m.denied);
        for r in &m.reasons {
            let _ = writeln!(out, "    {:?} {} {:?}", r.verdict, r.code, r.args);
        }
    }
    for e in &group.edges {
        let _ = writeln!(out, "{} -> {} {:?} {:?} {:?}", e.from, e.to, e.state, e.metrics, e.details);
    }
    out
}
