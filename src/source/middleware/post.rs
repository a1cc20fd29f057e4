//! One member between ticks: its kept connection, its last answer, and when it may be asked again.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use super::member::{Before, Probe, Question, State, Target, Trouble, TroubleKind, View};
use super::reach::Reach;
use super::roster::Origin;
use super::spec::{Spec, Tls};
use crate::base::backoff::Backoff;
use crate::base::clock::{Moment, Stopwatch};
use crate::link::http::Server;
use crate::link::tls;
use crate::model::id::Name;
use crate::port::Cx;

/// The longest wait before a member that broke off a login is dialled again. Servers count such logins and block hosts for them.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How often it is looked up whether refused credentials have changed.
const SECRET_AGAIN: Duration = Duration::from_mins(1);
/// How long a connection may take when only that is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// What is kept of one member between ticks.
pub(super) struct Post<P: Probe> {
    pub(super) address: Name,
    pub(super) origin: Origin,
    /// Since when nobody names it any more and it does not answer.
    pub(super) left: Option<Moment>,
    pub(super) link: Option<P::Link>,
    pub(super) view: View<P::Seen>,
    pub(super) before: Option<Before<P::Seen>>,
    pub(super) backoff: Backoff,
    pub(super) not_before: Moment,
    /// The password that was refused, and when it was looked up last.
    pub(super) refused: Option<(Option<SecretString>, Moment)>,
}

impl<P: Probe> Post<P> {
    pub(super) fn new(address: Name, origin: Origin, every: Duration, seed: usize) -> Self {
        Self {
            view: View { address: address.clone(), state: State::Unasked, seen: None, answered_at: None, took: Duration::ZERO },
            address,
            origin,
            left: None,
            link: None,
            before: None,
            backoff: Backoff::new(every, LONGEST_WAIT.max(every), seed as u64 + 1),
            not_before: Moment::default(),
            refused: None,
        }
    }

    /// Lifts a refusal when the password is another one than the refused.
    pub(super) async fn recheck(&mut self, spec: &Spec, now: Moment) {
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

    pub(super) async fn ask(&mut self, probe: &P, spec: &Spec, cx: &Cx, round: u8, others: &[View<P::Seen>], limit: Duration) {
        let now = cx.clock.now();
        let silent = matches!(self.view.state, State::Silent { .. });
        if self.refused.is_some() || (round > 0 && silent) || (self.link.is_none() && now < self.not_before) {
            return;
        }
        let watch = Stopwatch::start();
        let so_far = if round == 0 { None } else { self.view.seen.clone() };
        let before = self.before.clone();
        let opened = self.link.is_some();
        let question =
            Question { spec, address: &self.address, now, round, so_far: so_far.as_ref(), before: before.as_ref(), others, meter: cx.meter.as_ref() };
        let mut answer = timeout(limit, attempt(probe, &mut self.link, &question, cx)).await;
        // A kept connection that ended tells of the connection, not of the server: servers cut their clients off in a failover.
        if opened && matches!(&answer, Ok(Err(trouble)) if trouble.kind == TroubleKind::Unreachable) {
            self.link = None;
            answer = timeout(limit.saturating_sub(watch.elapsed()), attempt(probe, &mut self.link, &question, cx)).await;
        }
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

/// One question, on the kept connection or a new one.
async fn attempt<P: Probe>(probe: &P, link: &mut Option<P::Link>, question: &Question<'_, P::Seen>, cx: &Cx) -> Result<P::Seen, Trouble> {
    let asked = async {
        let link = match link {
            Some(link) => link,
            empty => empty.insert(probe.open(Target { spec: question.spec, address: question.address, redact: &cx.redact }).await?),
        };
        cx.meter.request();
        probe.ask(link, *question).await
    };
    asked.await.map_err(|trouble| match tls::alerted(&trouble.text) {
        Some(alert) if question.spec.tls != Tls::Off => Trouble::new(TroubleKind::Tls, format!("{}: {}.", question.address, alert.text), alert.remedy),
        _ => trouble,
    })
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
    match Server::parse(address, 0) {
        Ok(server) if server.port != 0 && matches!(spec.reach, Reach::Direct) => match timeout(LOOK, spec.reach.open(&server.address(), server.port)).await {
            Ok(Ok(_)) => mute(),
            Ok(Err(trouble)) => trouble,
            Err(_) => Trouble::unreachable(format!("{address}: no answer to a connection within {:.1} s.", limit.as_secs_f64())),
        },
        _ => mute(),
    }
}
