//! Asks all members at once, one question in flight for each, and sends the picture that the kind makes of the answers.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use tokio::sync::Notify;
use tokio::time::error::Elapsed;
use tokio::time::{sleep, timeout};

use super::member::{Before, Probe, State, Trouble, TroubleKind, View};
use super::post::Post;
use super::reach::Muster;
use super::roster::{self, Origin, Roster};
use super::spec::Spec;
use crate::base::backoff::spread;
use crate::base::clock::{Moment, Stopwatch};
use crate::model::fact::{Change, Fact};
use crate::model::group::Group;
use crate::model::id::Name;
use crate::model::source::{SourceState, Subject};
use crate::port::{Cx, Source, SourceError};

/// How long the far side may take to say who there is.
const MUSTER: Duration = Duration::from_secs(5);
/// Looks beyond the first ones in which a picture that is asked for once may still find members.
const MOST_STEPS: u32 = 3;
/// More members than this are not followed; a server that announces thousands is wrong or hostile.
const MOST_MEMBERS: usize = 256;

/// A `[[middleware]]` entry, live.
pub struct MiddlewareSource<P: Probe> {
    probe: P,
    spec: Spec,
    roster: Roster,
    posts: Vec<Post<P>>,
    again: Arc<Notify>,
}

impl<P: Probe> std::fmt::Debug for MiddlewareSource<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MiddlewareSource").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl<P: Probe> MiddlewareSource<P> {
    pub fn new(probe: P, spec: Spec) -> Self {
        let every = spec.every.unwrap_or(P::EVERY);
        let roster = Roster::new(&spec.members);
        let named = spec.members.iter().filter(|m| !roster::is_pattern(m));
        let posts = named.enumerate().map(|(i, m)| Post::new(Name::from(m.as_str()), Origin::Named, every, i)).collect();
        Self { probe, spec, roster, posts, again: Arc::new(Notify::new()) }
    }

    /// Notified, it dials every member again at once, also those that refused the credentials.
    pub fn again(&self) -> Arc<Notify> {
        self.again.clone()
    }

    fn views(&self) -> Vec<View<P::Seen>> {
        self.posts.iter().map(|p| p.view.clone()).collect()
    }

    /// One tick: all members, all rounds.
    async fn tick(&mut self, cx: &Cx, limit: Duration, every: Duration) {
        let now = cx.clock.now();
        let due = self.roster.is_due(now);
        let reach = self.spec.reach.clone();
        let muster = async move { if due { timeout(MUSTER.min(limit), reach.muster()).await } else { Ok(None) } };
        // Who there is, is asked beside the members, unless there is nobody yet.
        let (early, muster) = if self.posts.is_empty() { (Some(muster.await), None) } else { (None, Some(muster)) };
        if let Some(told) = early {
            self.told(told, every, now);
        }
        for post in &mut self.posts {
            post.recheck(&self.spec, now).await;
        }
        let late = tokio::join!(self.rounds(cx, limit), async move { if let Some(muster) = muster { Some(muster.await) } else { None } }).1;
        if let Some(told) = late {
            self.told(told, every, now);
        }
    }

    fn told(&mut self, told: Result<Option<Result<Muster, Trouble>>, Elapsed>, every: Duration, now: Moment) {
        match told {
            Ok(Some(told)) => self.take_up(told, every, now),
            Ok(None) => {}
            Err(_) => self.take_up(Err(Trouble::unreachable("the cluster does not say in time which pods there are")), every, now),
        }
    }

    async fn rounds(&mut self, cx: &Cx, limit: Duration) {
        for round in 0..P::ROUNDS {
            let others = self.views();
            let (probe, spec) = (&self.probe, &self.spec);
            join_all(self.posts.iter_mut().map(|post| post.ask(probe, spec, cx, round, &others, limit))).await;
        }
        for post in &mut self.posts {
            if let (State::Answering, Some(seen)) = (&post.view.state, &post.view.seen) {
                post.before = Some(Before { at: post.view.answered_at.unwrap_or_default(), seen: seen.clone() });
            }
        }
    }

    /// Takes up who the way leads to now.
    fn take_up(&mut self, told: Result<Muster, Trouble>, every: Duration, now: Moment) {
        self.roster.take(told);
        let Some(present) = self.roster.present() else { return };
        for (address, ready) in &present {
            let known = self.posts.iter().any(|p| p.address == *address);
            if !known && *ready && self.posts.len() < MOST_MEMBERS {
                self.posts.push(Post::new(address.clone(), Origin::Mustered, every, self.posts.len()));
            }
        }
        for post in self.posts.iter_mut().filter(|p| p.origin == Origin::Mustered) {
            let here = present.iter().any(|(address, _)| *address == post.address);
            post.left = if here { None } else { post.left.or(Some(now)) };
        }
    }

    /// Takes up whom the members announce, and lets go of those whom nobody names any more.
    fn follow(&mut self, every: Duration, now: Moment) {
        let views = self.views();
        let announced = self.probe.announced(&views);
        for address in &announced {
            if self.posts.len() < MOST_MEMBERS && !self.posts.iter().any(|p| p.address == *address) {
                self.posts.push(Post::new(address.clone(), Origin::Announced, every, self.posts.len()));
            }
        }
        // Only who answers can leave somebody out.
        if views.iter().any(|v| v.fresh().is_some()) {
            for post in self.posts.iter_mut().filter(|p| p.origin == Origin::Announced) {
                let here = announced.contains(&post.address) || matches!(post.view.state, State::Answering);
                post.left = if here { None } else { post.left.or(Some(now)) };
            }
        }
        let limits = &self.spec.limits;
        self.posts.retain(|p| p.left.is_none_or(|at| now.since(at) < p.origin.kept(limits)));
        if self.roster.has_patterns() {
            let named = |p: &&Post<P>| matches!(p.origin, Origin::Named | Origin::Mustered);
            self.spec.members = self.posts.iter().filter(named).map(|p| p.address.to_string()).collect();
        }
    }

    fn picture(&self, views: &[View<P::Seen>], now: Moment) -> Group {
        let mut group = self.probe.picture(&self.spec, views, now);
        group.reasons.extend(self.roster.reasons());
        for member in &mut group.members {
            if let Some(pod) = self.roster.name_of(&member.address) {
                member.detail("pod", pod);
            }
            if let Some(post) = self.posts.iter().find(|p| p.address == member.address && p.left.is_some()) {
                member.reasons.extend(post.origin.gone(&self.spec.limits));
            }
        }
        group
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
        let (mut samples, mut complete) = (0_u32, false);
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
                () = self.tick(&cx, limit, every) => {}
            }
            self.follow(every, cx.clock.now());
            let views = self.views();
            let group = self.picture(&views, cx.clock.now());
            cx.out.send(vec![Fact::Group(Box::new(Change::Upsert(group)))]).await;
            if views.iter().any(|v| v.fresh().is_some()) || (views.is_empty() && self.roster.trouble().is_none()) {
                cx.out.answered().await;
            } else if let Some(trouble) = self.roster.trouble().or_else(|| worst(&views)) {
                let error = source_error(trouble);
                if error.state == SourceState::AuthLost {
                    cx.out.complete().await;
                    return Err(error);
                }
                cx.out.trouble(error).await;
            }
            samples = samples.saturating_add(1);
            // Whoever was found last is waited for, but not for ever: each may name another one.
            let found = samples >= P::SAMPLES + MOST_STEPS || !self.posts.iter().any(|p| matches!(p.view.state, State::Unasked));
            if samples >= P::SAMPLES && found && !complete {
                complete = true;
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
