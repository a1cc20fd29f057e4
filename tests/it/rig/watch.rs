//! Runs one source and keeps what it says, as a very small store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use quarterdeck::base::clock::SystemClock;
use quarterdeck::link::shell::{LocalShell, Process, Shell, quote};
use quarterdeck::model::ask::{Answer, AskKind};
use quarterdeck::model::container::Container;
use quarterdeck::model::fact::{Change, Denied, Fact};
use quarterdeck::model::host::Host;
use quarterdeck::model::id::{Name, SourceId};
use quarterdeck::model::source::SourceState;
use quarterdeck::model::vm::Vm;
use quarterdeck::port::{Asker, Cx, Meter, Sink, Source, SourceError};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::eventually;

/// What was heard so far.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    pub host: Option<Host>,
    pub vms: BTreeMap<String, Vm>,
    pub containers: BTreeMap<String, Container>,
    pub denied: Vec<Denied>,
    pub state: SourceState,
    pub error: String,
    pub frames: u32,
    pub complete: bool,
    /// How `run` ended.
    pub end: Option<Result<(), SourceError>>,
}

#[derive(Debug, Default)]
struct Ear(Mutex<Heard>);

impl Ear {
    fn fact(&self, fact: Fact) {
        let mut heard = self.0.lock().expect("ear");
        match fact {
            Fact::Host(change) => {
                if let Change::Upsert(host) = *change {
                    heard.host = Some(host);
                    heard.frames += 1;
                }
            }
            Fact::Vm(change) => match *change {
                Change::Begin(_) => heard.vms.clear(),
                Change::Upsert(vm) => drop(heard.vms.insert(vm.name.to_string(), vm)),
                Change::Remove(key) => heard.vms.retain(|_, v| v.uuid != key.uuid),
                Change::End(_) => {}
            },
            Fact::Container(change) => match *change {
                Change::Begin(_) => heard.containers.clear(),
                Change::Upsert(c) => drop(heard.containers.insert(c.name.to_string(), c)),
                Change::Remove(key) => heard.containers.retain(|_, c| c.id != key.id),
                Change::End(_) => {}
            },
            Fact::Denied { denied, .. } => {
                heard.denied.retain(|d| d.fact != denied.fact);
                if !denied.need.is_empty() {
                    heard.denied.push(denied);
                }
            }
            other => panic!("not of a host: {other:?}"),
        }
    }
}

impl Sink for Ear {
    fn send(&self, facts: Vec<Fact>) -> BoxFuture<'_, ()> {
        facts.into_iter().for_each(|f| self.fact(f));
        Box::pin(async {})
    }
    fn answered(&self) -> BoxFuture<'_, ()> {
        let mut heard = self.0.lock().expect("ear");
        heard.state = SourceState::Live;
        heard.error.clear();
        Box::pin(async {})
    }
    fn complete(&self) -> BoxFuture<'_, ()> {
        self.0.lock().expect("ear").complete = true;
        Box::pin(async {})
    }
    fn trouble(&self, error: SourceError) -> BoxFuture<'_, ()> {
        let mut heard = self.0.lock().expect("ear");
        heard.state = error.state;
        heard.error = error.text;
        Box::pin(async {})
    }
}

struct NoAnswer;

impl Asker for NoAnswer {
    fn ask(&self, _kind: AskKind, _about: Name, _prompt: String) -> BoxFuture<'_, Option<Answer>> {
        Box::pin(async { None })
    }
}

/// A running source.
pub struct Watch {
    ear: Arc<Ear>,
    stop: CancellationToken,
    runtime: Option<Runtime>,
}

impl Watch {
    pub fn start(mut source: impl Source + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
        let ear = Arc::new(Ear::default());
        let stop = CancellationToken::new();
        let cx = Cx {
            source: SourceId(0),
            out: ear.clone(),
            ask: Arc::new(NoAnswer),
            clock: Arc::new(SystemClock::default()),
            redact: quarterdeck::base::redact::Redactor::default(),
            meter: Arc::new(Meter::default()),
            stop: stop.clone(),
        };
        let end = ear.clone();
        runtime.spawn(async move {
            let result = source.run(cx).await;
            end.0.lock().expect("ear").end = Some(result);
        });
        Self { ear, stop, runtime: Some(runtime) }
    }

    pub fn heard(&self) -> Heard {
        self.ear.0.lock().expect("ear").clone()
    }

    /// Waits until `probe` finds what it looks for; the panic shows what was heard instead.
    #[track_caller]
    pub fn until<T>(&self, what: &str, limit: Duration, probe: impl Fn(&Heard) -> Option<T>) -> T {
        let (start, limit) = (std::time::Instant::now(), limit * super::BUSY);
        loop {
            let heard = self.heard();
            if let Some(found) = probe(&heard) {
                return found;
            }
            assert!(start.elapsed() < limit, "{what}: not within {limit:?}; heard {heard:#?}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    #[track_caller]
    pub fn complete(&self) -> Heard {
        self.until("the first whole picture", Duration::from_secs(20), |h| h.complete.then(|| h.clone()))
    }

    /// Stops it as the cockpit does at its end.
    pub fn stop(&self) {
        self.stop.cancel();
        let end = eventually("the source ends", Duration::from_secs(5), || self.heard().end);
        assert_eq!(end, Ok(()));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(2));
        }
    }
}

/// This machine's shell behind another command: `nsenter`, `ssh`, an environment.
#[derive(Clone, Debug)]
pub struct Behind {
    before: String,
    how: How,
}

#[derive(Clone, Copy, Debug)]
enum How {
    /// The line follows as it is.
    Plain,
    /// The line follows as one word.
    Quoted,
}

impl Behind {
    pub fn plain(before: impl Into<String>) -> Arc<dyn Shell> {
        Arc::new(Self { before: before.into(), how: How::Plain })
    }
    pub fn quoted(before: impl Into<String>) -> Arc<dyn Shell> {
        Arc::new(Self { before: before.into(), how: How::Quoted })
    }
}

impl Shell for Behind {
    fn spawn<'a>(&'a self, line: &'a str) -> BoxFuture<'a, Result<Process, SourceError>> {
        let whole = match self.how {
            How::Plain => format!("{} {line}", self.before),
            How::Quoted => format!("{} {}", self.before, quote(line)),
        };
        Box::pin(async move { LocalShell.spawn(&whole).await })
    }
}
