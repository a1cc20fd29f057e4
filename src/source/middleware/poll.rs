//! Asks all members at once, one question in flight for each, and sends the picture that the kind makes of the answers.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::member::{Before, Probe, Question, State, Target, Trouble, TroubleKind, View};
use super::reach::Reach;
use super::spec::Spec;
use crate::base::backoff::{Backoff, spread};
use crate::base::clock::{Moment, Stopwatch};
use crate::link::http::Server;
use crate::model::fact::{Change, Fact};
use crate::model::id::Name;
use crate::model::source::{SourceState, Subject};
use crate::port::{Cx, Source, SourceError};

/// The longest wait before a member that broke off a login is dialled again. Servers count such logins and block hosts for them.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How often it is looked up whether refused credentials have changed.
const SECRET_AGAIN: Duration = Duration::from_mins(1);
/// More members than this are not followed; a server that announces thousands is wrong or hostile.
const MOST_MEMBERS: usize = 256;

/// A `[[middleware]]` entry, live.
pub struct MiddlewareSource<P: Probe> {
    probe: P,
    spec: Spec,
    posts: Vec<Post<P>>,
    again: Arc<Notify>,
}

/// What is kept of one member between ticks.
struct Post<P: Probe> {
    address: Name,
    link: Option<P::Link>,
    view: View<P::Seen>,
    before: Option<Before<P::Seen>>,
    backoff: Backoff,
    not_before: Moment,
    /// The password that was refused, and when it was looked up last.
    refused: Option<(Option<SecretString>, Moment)>,
}

impl<P: Probe> std::fmt::Debug for MiddlewareSource<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MiddlewareSource").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl<P: Probe> MiddlewareSource<P> {
    pub fn new(probe: P, spec: Spec) -> Self {
        let every = spec.every.unwrap_or(P::EVERY);
        let posts = spec.members.iter().enumerate().map(|(i, m)| Post::new(Name::from(m.as_str()), every, i)).collect();
        Self { probe, spec, posts, again: Arc::new(Notify::new()) }
    }

    /// Notified, it dials every member again at once, also those that refused the credentials.
    pub fn again(&self) -> Arc<Notify> {
        self.again.clone()
    }

    fn views(&self) -> Vec<View<P::Seen>> {
        self.posts.iter().map(|p| p.view.clone()).collect()
    }

    /// One tick: all members, all rounds.
    async fn tick(&mut self, cx: &Cx, limit: Duration) {
        let now = cx.clock.now();
        for post in &mut self.posts {
            post.recheck(&self.spec, now).await;
        }
        for round in 0..P::ROUNDS {
            let others = self.views();
            let (probe, spec) = (&self.probe, &self.spec);
            join_all(self.posts.iter_mut().map(|post| post.ask(probe, spec, cx, round, &others, limit))).await;
        }
        for post in &mut self.posts {
            if let (State::Answering, Some(seen)) = (&post.view.state, &post.view.seen) {
                post.before = Some(Before { at: post.view.answered_at.unwrap_or(now), seen: seen.clone() });
            }
        }
    }

    fn follow(&mut self, every: Duration) {
        for address in self.probe.announced(&self.views()) {
            if self.posts.len() < MOST_MEMBERS && !self.posts.iter().any(|p| p.address == address) {
                self.posts.push(Post::new(address, every, self.posts.len()));
            }
        }
    }

    fn forget_refusals(&mut self) {
        for post in &mut self.posts {
            post.refused = None;
            post.not_before = Moment::default();
        }
    }

    async fn work(&mut self, cx: Cx) -> Result<(), SourceError> {
        let every = self.every();
        let limit = every / 2 / u32::from(P::ROUNDS.max(1));
        let mut pause = Duration::ZERO;
        let again = self.again.clone();
        let mut samples = 0_u32;
        // A run starts after a person said retry, or for the first time.
        self.forget_refusals();
        loop {
            tokio::select! {
                () = cx.stop.cancelled() => return Ok(()),
                () = sleep(pause) => {}
                () = again.notified() => self.forget_refusals(),
            }
            let watch = Stopwatch::start();
            tokio::select! {
                () = cx.stop.cancelled() => return Ok(()),
                () = self.tick(&cx, limit) => {}
            }
            self.follow(every);
            let views = self.views();
            let group = self.probe.picture(&self.spec, &views, cx.clock.now());
            cx.out.send(vec![Fact::Group(Box::new(Change::Upsert(group)))]).await;
            if views.iter().any(|v| v.fresh().is_some()) {
                cx.out.answered().await;
            } else if let Some(trouble) = worst(&views) {
                let error = source_error(trouble);
                if error.state == SourceState::AuthLost {
                    cx.out.complete().await;
                    return Err(error);
                }
                cx.out.trouble(error).await;
            }
            samples = samples.saturating_add(1);
            if samples == P::SAMPLES {
                cx.out.complete().await;
            }
            pause = spread(every).saturating_sub(watch.elapsed());
        }
    }
}

/// The one trouble that stands for a group of which nobody answers. Refusal counts only when all refuse: else the others may come back.
fn worst<Seen>(views: &[View<Seen>]) -> Option<&Trouble> {
    let troubles: Vec<&Trouble> = views.iter().filter_map(View::trouble).collect();
    troubles.iter().find(|t| t.kind != TroubleKind::Refused).or(troubles.first()).copied()
}

fn source_error(trouble: &Trouble) -> SourceError {
    let state = match trouble.kind {
        TroubleKind::Refused => SourceState::AuthLost,
        TroubleKind::Unreachable | TroubleKind::Mute | TroubleKind::Busy | TroubleKind::Tls | TroubleKind::Broken => SourceState::Unreachable,
    };
    SourceError::new(state, trouble.text.clone(), trouble.remedy.clone())
}

impl<P: Probe> Post<P> {
    fn new(address: Name, every: Duration, seed: usize) -> Self {
        Self {
            view: View { address: address.clone(), state: State::Unasked, seen: None, answered_at: None, took: Duration::ZERO },
            address,
            link: None,
            before: None,
            backoff: Backoff::new(every, LONGEST_WAIT.max(every), seed as u64 + 1),
            not_before: Moment::default(),
            refused: None,
        }
    }

    /// Lifts a refusal when the password is another one than the refused.
    async fn recheck(&mut self, spec: &Spec, now: Moment) {
        let Some((refused, looked)) = &mut self.refused else { return };
        if now.since(*looked) < SECRET_AGAIN {
            return;
        }
        *looked = now;
        if let Ok(Ok(secret)) = timeout(Duration::from_secs(2), spec.account.password.fetch()).await
            && secret.as_ref().map(ExposeSecret::expose_secret) != refused.as_ref().map(ExposeSecret::expose_secret)
        {
            self.refused = None;
        }
    }

    async fn ask(&mut self, probe: &P, spec: &Spec, cx: &Cx, round: u8, others: &[View<P::Seen>], limit: Duration) {
        let now = cx.clock.now();
        let silent = matches!(self.view.state, State::Silent { .. });
        if self.refused.is_some() || (round > 0 && silent) || (self.link.is_none() && now < self.not_before) {
            return;
        }
        let watch = Stopwatch::start();
        let (so_far, before) = (if round == 0 { None } else { self.view.seen.clone() }, self.before.clone());
        let opened = self.link.is_some();
        let answer = timeout(limit, async {
            let link = match &mut self.link {
                Some(link) => link,
                empty => empty.insert(probe.open(Target { spec, address: &self.address, redact: &cx.redact }).await?),
            };
            cx.meter.request();
            let question =
                Question { spec, address: &self.address, now, round, so_far: so_far.as_ref(), before: before.as_ref(), others, meter: cx.meter.as_ref() };
            probe.ask(link, question).await
        })
        .await;
        let answer = if let Ok(answer) = answer {
            answer
        } else {
            let known = if silent { self.view.trouble().cloned() } else { None };
            let opened = if opened || self.link.is_some() { Dialled::Open } else { Dialled::Not };
            Err(why_mute(&self.address, spec, opened, known, limit).await)
        };
        match answer {
            Ok(seen) => {
                self.backoff.reset();
                self.view.state = State::Answering;
                self.view.seen = Some(seen);
                self.view.answered_at = Some(cx.clock.now());
                self.view.took = if round == 0 { watch.elapsed() } else { self.view.took + watch.elapsed() };
            }
            Err(trouble) => self.fell_silent(spec, trouble, cx.clock.now()).await,
        }
    }

    async fn fell_silent(&mut self, spec: &Spec, trouble: Trouble, now: Moment) {
        self.link = None;
        match trouble.kind {
            TroubleKind::Refused => {
                let secret = spec.account.password.fetch().await.ok().flatten();
                self.refused = Some((secret, now));
            }
            // A refused connection costs the server nothing: the next tick may try again.
            TroubleKind::Unreachable => {}
            TroubleKind::Mute | TroubleKind::Busy | TroubleKind::Tls | TroubleKind::Broken => self.not_before = now.plus(self.backoff.next()),
        }
        let since = match self.view.state {
            State::Silent { since, .. } => since,
            State::Answering | State::Unasked => now,
        };
        self.view.state = State::Silent { since, trouble };
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialled {
    Open,
    Not,
}

/// No answer in time: does it take connections at all? Looked up once a silence, since each look counts as a broken login.
async fn why_mute(address: &str, spec: &Spec, dialled: Dialled, known: Option<Trouble>, limit: Duration) -> Trouble {
    let mute = || Trouble::new(TroubleKind::Mute, format!("{address} takes connections but has not answered within {:.1} s.", limit.as_secs_f64()), "");
    if dialled == Dialled::Open {
        return mute();
    }
    if let Some(trouble) = known {
        return trouble;
    }
    match (&spec.reach, Server::parse(address, 0)) {
        (Reach::Direct, Ok(Server { host, port, .. })) if port != 0 => {
            match timeout(Duration::from_millis(500), TcpStream::connect((host.as_str(), port))).await {
                Ok(Ok(_)) => mute(),
                Ok(Err(error)) => Trouble::unreachable(format!("{address}: {error}")),
                Err(_) => Trouble::unreachable(format!("{address}: no answer to a connection within {:.1} s.", limit.as_secs_f64())),
            }
        }
        _ => mute(),
    }
}

impl<P: Probe> Source for MiddlewareSource<P> {
    fn subject(&self) -> Subject {
        Subject::Middleware { kind: self.spec.kind.clone(), name: self.spec.name.clone() }
    }

    fn every(&self) -> Duration {
        self.spec.every.unwrap_or(P::EVERY).max(Duration::from_millis(100))
    }

    fn run(&mut self, cx: Cx) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(self.work(cx))
    }
}
