//! The loop against a kind that does as it is told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use super::member::{Probe, Question, State, Target, Trouble, TroubleKind, View};
use super::poll::MiddlewareSource;
use super::spec::{Account, Password, Spec};
use crate::base::clock::{ManualClock, Moment};
use crate::base::redact::Redactor;
use crate::model::ask::{Answer, AskKind};
use crate::model::fact::{Change, Fact};
use crate::model::group::{Group, Member};
use crate::model::id::{Name, SourceId};
use crate::model::source::SourceState;
use crate::port::{Asker, Cx, Meter, Sink, Source, SourceError};

const EVERY: Duration = Duration::from_millis(100);

#[derive(Clone, Default)]
struct Fake {
    opened: Arc<Mutex<BTreeMap<String, u32>>>,
    asked: Arc<Mutex<Vec<(String, u8)>>>,
    in_flight: Arc<Mutex<BTreeMap<String, u32>>>,
    /// At most one may ever be in flight.
    crowded: Arc<AtomicBool>,
    /// "found" is announced no more, and does not answer.
    left: Arc<AtomicBool>,
    /// The kept connection of "seed" is cut off before the next answer.
    cut: Arc<AtomicBool>,
    silences: Arc<Mutex<Vec<Name>>>,
}

impl Fake {
    fn opened(&self, address: &str) -> u32 {
        self.opened.lock().unwrap().get(address).copied().unwrap_or(0)
    }
    fn asked(&self, address: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|(a, _)| a == address).count()
    }
}

impl Probe for Fake {
    type Link = ();
    type Seen = u32;
    const ROUNDS: u8 = 2;

    async fn open(&self, to: Target<'_>) -> Result<(), Trouble> {
        *self.opened.lock().unwrap().entry(to.address.to_owned()).or_default() += 1;
        let password = to.spec.account.password.fetch().await.unwrap();
        match to.address {
            "wary" if password.is_some_and(|p| p.expose_secret() != "right") => Err(Trouble::new(TroubleKind::Refused, "no", "")),
            "gone" => Err(Trouble::unreachable("gone")),
            _ => Ok(()),
        }
    }

    async fn ask(&self, (): &mut (), q: Question<'_, u32>) -> Result<u32, Trouble> {
        self.asked.lock().unwrap().push((q.address.to_owned(), q.round));
        {
            let mut flying = self.in_flight.lock().unwrap();
            let n = flying.entry(q.address.to_owned()).or_default();
            *n += 1;
            self.crowded.fetch_or(*n > 1, Ordering::SeqCst);
        }
        let gone = q.address == "found" && self.left.load(Ordering::SeqCst);
        if gone || (q.address == "seed" && self.cut.swap(false, Ordering::SeqCst)) {
            *self.in_flight.lock().unwrap().entry(q.address.to_owned()).or_default() -= 1;
            return Err(Trouble::unreachable("cut off"));
        }
        if q.address == "frozen" {
            *self.in_flight.lock().unwrap().entry(q.address.to_owned()).or_default() -= 1;
            std::future::pending::<()>().await;
        }
        *self.in_flight.lock().unwrap().entry(q.address.to_owned()).or_default() -= 1;
        assert_eq!(q.so_far.is_some(), q.round == 1);
        Ok(q.so_far.copied().unwrap_or_else(|| q.before.map_or(1, |b| b.seen + 1)))
    }

    fn announced(&self, views: &[View<u32>]) -> Vec<Name> {
        let told = views.iter().any(|v| &*v.address == "seed" && v.fresh().is_some()) && !self.left.load(Ordering::SeqCst);
        if told { vec![Name::from("found"), Name::from("seed")] } else { Vec::new() }
    }

    fn picture(&self, _: &Spec, views: &[View<u32>], _: Moment) -> Group {
        self.silences.lock().unwrap().extend(views.iter().filter(|v| v.trouble().is_some()).map(|v| v.address.clone()));
        let mut group = Group::new("fake", "group");
        group.members = views
            .iter()
            .map(|v| {
                let mut m = Member::new(v.address.clone());
                m.role = Name::from(if matches!(v.state, State::Answering) { "answers" } else { "silent" });
                m
            })
            .collect();
        group
    }
}

#[derive(Clone, Default)]
struct Ear {
    last: Arc<Mutex<Option<Group>>>,
    trouble: Arc<Mutex<Option<SourceError>>>,
}

impl Ear {
    fn says(&self, address: &str, code: &str) -> bool {
        self.last.lock().unwrap().iter().flat_map(|g| &g.members).any(|m| &*m.address == address && m.reasons.iter().any(|r| r.code == code))
    }
    fn role(&self, address: &str) -> String {
        let last = self.last.lock().unwrap();
        last.iter().flat_map(|g| &g.members).find(|m| &*m.address == address).map_or_else(String::new, |m| m.role.to_string())
    }
}

impl Sink for Ear {
    fn send(&self, facts: Vec<Fact>) -> BoxFuture<'_, ()> {
        for fact in facts {
            if let Fact::Group(change) = fact
                && let Change::Upsert(group) = *change
            {
                *self.last.lock().unwrap() = Some(group);
            }
        }
        Box::pin(async {})
    }
    fn answered(&self) -> BoxFuture<'_, ()> {
        *self.trouble.lock().unwrap() = None;
        Box::pin(async {})
    }
    fn complete(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
    fn trouble(&self, error: SourceError) -> BoxFuture<'_, ()> {
        *self.trouble.lock().unwrap() = Some(error);
        Box::pin(async {})
    }
}

struct Nobody;

impl Asker for Nobody {
    fn ask(&self, _: AskKind, _: Name, _: String) -> BoxFuture<'_, Option<Answer>> {
        Box::pin(async { None })
    }
}

struct Running {
    fake: Fake,
    ear: Ear,
    clock: Arc<ManualClock>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), SourceError>>,
}

fn run(members: &[&str], password: Password) -> Running {
    let mut spec = Spec::new("fake", "group", members);
    spec.every = Some(EVERY);
    spec.account = Account { user: String::new(), password };
    let (fake, ear, clock, stop) = (Fake::default(), Ear::default(), Arc::new(ManualClock::at(Moment::from_seconds(1000))), CancellationToken::new());
    let cx = Cx {
        source: SourceId(0),
        out: Arc::new(ear.clone()),
        ask: Arc::new(Nobody),
        clock: clock.clone(),
        redact: Redactor::default(),
        meter: Arc::new(Meter::default()),
        stop: stop.clone(),
    };
    let mut source = MiddlewareSource::new(fake.clone(), spec);
    let task = tokio::spawn(async move { source.run(cx).await });
    Running { fake, ear, clock, stop, task }
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..400 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: never");
}

#[tokio::test]
async fn a_frozen_member_holds_nobody_up_and_an_announced_one_is_asked() {
    let r = run(&["seed", "frozen", "gone"], Password::None);
    until("several ticks", || r.fake.asked("found") >= 6).await;
    assert!(r.fake.asked("seed") >= r.fake.asked("found"));
    assert_eq!([r.ear.role("seed"), r.ear.role("found"), r.ear.role("frozen"), r.ear.role("gone")], ["answers", "answers", "silent", "silent"]);
    // Unreachable costs the server nothing and is tried each tick; a login that hung is given time.
    assert!(r.fake.opened("gone") > 2 && r.fake.opened("frozen") == 1, "{} {}", r.fake.opened("gone"), r.fake.opened("frozen"));
    assert_eq!(r.fake.opened("seed"), 1, "a connection is kept");
    assert!(!r.fake.crowded.load(Ordering::SeqCst), "one question in flight for each member");
    assert!(r.ear.trouble.lock().unwrap().is_none());
    r.stop.cancel();
    assert_eq!(r.task.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_cut_connection_is_dialled_again_at_once_and_is_no_silence() {
    let r = run(&["seed"], Password::None);
    until("it answers", || r.ear.role("seed") == "answers").await;
    r.fake.cut.store(true, Ordering::SeqCst);
    let asked = r.fake.asked("seed");
    until("more ticks", || r.fake.asked("seed") >= asked + 6).await;
    assert_eq!(r.fake.opened("seed"), 2);
    assert!(!r.fake.silences.lock().unwrap().contains(&Name::from("seed")), "a server that cuts its clients off is well");
    r.stop.cancel();
}

#[tokio::test]
async fn whoever_left_is_marked_and_then_let_go() {
    let r = run(&["seed", "gone"], Password::None);
    until("the announced one", || r.ear.role("found") == "answers").await;
    r.fake.left.store(true, Ordering::SeqCst);
    until("it is marked", || r.ear.says("found", "middleware.member.left")).await;
    assert!(!r.ear.says("gone", "middleware.member.left"), "a named one never leaves");
    // Back in time, it is a member like any other.
    r.fake.left.store(false, Ordering::SeqCst);
    until("it is back", || r.ear.role("found") == "answers" && !r.ear.says("found", "middleware.member.left")).await;
    r.fake.left.store(true, Ordering::SeqCst);
    until("it is marked again", || r.ear.says("found", "middleware.member.left")).await;
    r.clock.advance(Duration::from_mins(61));
    until("its row goes", || r.ear.role("found").is_empty() && !r.ear.role("seed").is_empty()).await;
    assert_eq!(r.ear.role("gone"), "silent");
    r.stop.cancel();
}

#[tokio::test]
async fn a_refused_password_is_used_again_only_when_it_has_changed() {
    let secret = Arc::new(Mutex::new("wrong".to_owned()));
    let fetch = secret.clone();
    let password = Password::Fetched(Arc::new(move || {
        let secret = SecretString::from(fetch.lock().unwrap().clone());
        Box::pin(async move { Ok(secret) })
    }));
    let r = run(&["wary", "seed"], password);
    until("ticks", || r.fake.asked("seed") >= 6).await;
    r.clock.advance(Duration::from_mins(5));
    let asked = r.fake.asked("seed");
    until("more ticks", || r.fake.asked("seed") >= asked + 6).await;
    assert_eq!((r.fake.opened("wary"), r.ear.role("wary").as_str()), (1, "silent"), "the same password is never tried twice");
    "right".clone_into(&mut secret.lock().unwrap());
    r.clock.advance(Duration::from_mins(2));
    until("the new password", || r.ear.role("wary") == "answers").await;
    assert_eq!(r.fake.opened("wary"), 2);
    r.stop.cancel();
}

#[tokio::test]
async fn refused_by_all_ends_the_source_until_a_person_says_retry() {
    let r = run(&["wary"], Password::known(SecretString::from("wrong")));
    let error = r.task.await.unwrap().unwrap_err();
    assert_eq!((error.state, r.fake.opened("wary")), (SourceState::AuthLost, 1));
    // One that may come back keeps the source going.
    let r = run(&["wary", "gone"], Password::known(SecretString::from("wrong")));
    until("trouble", || r.ear.trouble.lock().unwrap().as_ref().is_some_and(|t| t.state == SourceState::Unreachable)).await;
    until("ticks", || r.fake.opened("gone") > 3).await;
    assert_eq!(r.fake.opened("wary"), 1);
    r.stop.cancel();
}
