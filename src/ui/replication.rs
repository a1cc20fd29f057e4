//! A middleware group as a tree: who follows whom, how far behind, what is wrong in words, and what changed when. It knows the
//! general `Group` only; every kind is drawn alike.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;

mod timeline;

use super::glyph::Glyphs;
use super::pane::middleware::{metric_name, show_metric};
use super::pane::{Say, verdict_scope};
use crate::base::text;
use crate::model::group::{Edge, EdgeState, Group, Member, Metric};
use crate::model::reason::Reason;
use crate::model::verdict::Verdict;
use crate::store::course::{Course, Mark, Turn, is_lag};
use crate::store::history::History;
use crate::store::table::Entry;

/// One line: parts, each with its look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strand(pub Vec<(String, &'static str)>);

impl Strand {
    fn add(&mut self, words: impl Into<String>, scope: &'static str) -> &mut Self {
        self.0.push((words.into(), scope));
        self
    }
    fn of(words: impl Into<String>, scope: &'static str) -> Self {
        Self(vec![(words.into(), scope)])
    }
    pub fn text(&self) -> String {
        self.0.iter().map(|(words, _)| words.as_str()).collect()
    }
}

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The tree, what is wrong, the newest changes.
    Short,
    /// With every number, position and state that is known.
    Whole,
}

/// Samples that a sparkline shows.
const SPARK: usize = 20;

struct Loom<'a> {
    say: &'a Say<'a>,
    group: &'a Group,
    course: Option<&'a Course>,
    detail: Detail,
    zone: &'a TimeZone,
    width: usize,
    address: usize,
    role: usize,
    told: BTreeSet<&'a str>,
    out: Vec<Strand>,
}

/// The lines of a group's row: how it stands and since when, then its replication.
pub fn of_group(say: &Say<'_>, zone: &TimeZone, entry: &Entry<Group>, detail: Detail, width: usize) -> Vec<Strand> {
    let judged = say.store.judge_entry(entry);
    let since = text::age_step(say.store.now().since(entry.since).as_secs());
    let word = say.lang.word(&format!("verdict.{}", judged.verdict.word())).to_owned();
    let mut first = Strand::default();
    first.add(
        format!("{} {}", say.glyphs.verdict(judged.verdict), say.lang.fill("detail.standing", &[("verdict", &word), ("since", &since)])),
        verdict_scope(judged.verdict),
    );
    first.add(format!("   {}", text::clean(&entry.row.kind)), "text.dim");
    let mut out = vec![first];
    if let Some(source) = say.store.source(entry.source).filter(|s| !s.state.is_live()) {
        let mut line = Strand::default();
        line.add(format!("{} ", say.lang.word(&format!("source.state.{}", source.state.word()))), "verdict.unknown");
        line.add(text::clean(&source.error), "verdict.unknown");
        line.add(format!("  {}", text::clean(&source.remedy)), "text.accent");
        out.push(line);
    }
    out.extend(strands(say, zone, &entry.row, detail, width));
    out
}

/// The lines of a group for a place `width` cells wide.
pub fn strands(say: &Say<'_>, zone: &TimeZone, group: &Group, detail: Detail, width: usize) -> Vec<Strand> {
    let course = say.store.course(group);
    let role = |m: &Member| text::width(&role_words(say, course, m));
    let mut loom = Loom {
        say,
        group,
        course,
        detail,
        zone,
        width,
        address: group.members.iter().map(|m| text::width(&text::clean(&m.address))).max().unwrap_or(0).min(40),
        role: group.members.iter().map(role).max().unwrap_or(0).min(12),
        told: BTreeSet::new(),
        out: Vec::new(),
    };
    for reason in sorted(&group.reasons) {
        loom.reason("", reason);
    }
    if loom.is_mesh() {
        for member in &group.members {
            loom.peer(member);
        }
    } else {
        loom.forest();
    }
    if detail == Detail::Whole {
        loom.timeline();
    }
    loom.marks();
    loom.out
}

fn sorted(reasons: &[Reason]) -> Vec<&Reason> {
    let mut out: Vec<&Reason> = reasons.iter().collect();
    out.sort_by_key(|r| r.verdict.rank());
    out
}

/// Of a member that is silent its last one, and that it was: after a failover another one has it. What a server is by itself, it stays.
fn role_words(say: &Say<'_>, course: Option<&Course>, member: &Member) -> String {
    if member.role.is_empty() {
        return say.lang.word("role.unknown").to_owned();
    }
    let key = format!("role.{}", member.role);
    let role = say.lang.get(&key).map_or_else(|| text::clean(&member.role).into_owned(), ToOwned::to_owned);
    let passes_on = !matches!(&*member.role, "node" | "sentinel");
    if passes_on && course.is_some_and(|c| c.is_silent(&member.address)) { say.lang.fill("replication.was", &[("role", &role)]) } else { role }
}

fn worst(reasons: &[Reason]) -> Verdict {
    reasons.iter().map(|r| r.verdict).max().unwrap_or(Verdict::Ok)
}

impl<'a> Loom<'a> {
    /// Peers that lead and follow each other, queue by queue or shard by shard, are no tree.
    fn is_mesh(&self) -> bool {
        let roles: BTreeSet<&str> = self.group.members.iter().map(|m| m.role.as_str()).filter(|r| !r.is_empty()).collect();
        roles.len() <= 1 && (self.group.edges.is_empty() || self.group.edges.iter().all(|e| !e.channel.is_empty()))
    }

    fn member(&self, address: &str) -> Option<&'a Member> {
        self.group.members.iter().find(|m| m.address.as_str() == address)
    }

    /// Those that nobody of the group feeds stand at the left, then whoever is left over (a ring has no beginning).
    fn forest(&mut self) {
        let group = self.group;
        let fed = |m: &Member| group.edges.iter().any(|e| e.to == m.address && e.from != m.address && self.member(&e.from).is_some());
        let roots: Vec<&Member> = group.members.iter().filter(|m| !fed(m)).collect();
        // Sources that are none of ours are named above their followers.
        let mut strangers: Vec<&str> = group.edges.iter().filter(|e| self.member(&e.from).is_none()).map(|e| e.from.as_ref()).collect();
        strangers.sort_unstable();
        strangers.dedup();
        for name in strangers {
            let mut line = Strand::default();
            line.add(format!("{} ", self.say.glyphs.verdict(Verdict::Unknown)), "text.dim");
            line.add(format!("{}  {}", text::clean(name), self.say.lang.word("replication.stranger")), "text.dim");
            self.out.push(line);
            self.followers(name, "");
        }
        for root in roots.into_iter().filter(|m| !group.edges.iter().any(|e| e.to == m.address)) {
            self.root(root);
        }
        for member in &group.members {
            if !self.told.contains(member.address.as_str()) {
                self.root(member);
            }
        }
    }

    fn root(&mut self, member: &'a Member) {
        self.line(member, None, "", "");
        self.followers(&member.address, "");
    }

    fn followers(&mut self, of: &str, before: &str) {
        let group = self.group;
        let edges: Vec<&Edge> = group.edges.iter().filter(|e| e.from.as_str() == of && e.to.as_str() != of).collect();
        let (branch, trunk) = (self.say.glyphs.joints[7], self.say.glyphs.vertical);
        let (last, rule) = (self.say.glyphs.joints[3], self.say.glyphs.horizontal);
        for (i, edge) in edges.iter().enumerate() {
            let end = i + 1 == edges.len();
            let head = format!("{before}{}{rule}", if end { last } else { branch });
            let below = format!("{before}{} ", if end { " " } else { trunk });
            let Some(member) = self.member(&edge.to) else { continue };
            let again = self.told.contains(member.address.as_str());
            self.line(member, Some(edge), &head, &below);
            if !again {
                self.followers(&member.address, &below);
            }
        }
    }

    /// One member, with the edge that feeds it: verdict, address, role, state, how far behind; then what is wrong in words.
    fn line(&mut self, member: &'a Member, edge: Option<&Edge>, head: &str, below: &str) {
        let again = !self.told.insert(&member.address);
        let verdict = worst(&member.reasons);
        let glyphs = self.say.glyphs;
        let mut line = Strand::default();
        line.add(head, "text.dim");
        line.add(format!("{} ", glyphs.verdict(verdict)), verdict_scope(verdict));
        // The members of all depths stand in one column as far as there is room.
        let indent = text::width(head);
        let address = text::cut_middle(&text::clean(&member.address), self.address, glyphs.cut);
        line.add(text::pad(&address, (self.address + 6).saturating_sub(indent).max(text::width(&address))), "text.name");
        line.add(format!("  {}", text::pad(&role_words(self.say, self.course, member), self.role)), "text.strong");
        if let Some(edge) = edge {
            if !edge.channel.is_empty() {
                line.add(format!("  {}", text::clean(&edge.channel)), "text.accent");
            }
            let (words, scope) = state(self.say, edge.state);
            line.add(format!("  {words}"), scope);
        }
        let margin = format!("{below}   ");
        let mut numbers = edge.map(|e| self.lags(member, e)).unwrap_or_default();
        if !again {
            numbers.extend(self.numbers(member, edge.is_some()));
        }
        self.fit(line, numbers, &margin);
        if again {
            return;
        }
        for reason in sorted(&member.reasons) {
            if self.detail == Detail::Whole || reason.verdict.is_problem() {
                self.reason(&margin, reason);
            }
        }
        if self.detail == Detail::Whole {
            let own = member.details.iter().map(|d| (d.key, d.text.as_str()));
            let of_edge = edge.into_iter().flat_map(|e| &e.details).map(|d| (d.key, d.text.as_str()));
            self.texts(&margin, of_edge.chain(own).collect());
        }
        for denied in &member.denied {
            let words = self.say.lang.fill("pane.denied", &[("fact", &denied.fact)]);
            self.wrapped(&margin, &format!("{words}  {}", denied.need), "verdict.unknown");
        }
    }

    /// One of several peers, and below it the queues or shards that it leads.
    fn peer(&mut self, member: &'a Member) {
        self.line(member, None, "", "");
        let group = self.group;
        let mut channels: Vec<&str> = group.edges.iter().filter(|e| e.from == member.address).map(|e| e.channel.as_ref()).collect();
        channels.dedup();
        for (i, channel) in channels.iter().enumerate() {
            let end = i + 1 == channels.len();
            let edges: Vec<&Edge> = group.edges.iter().filter(|e| e.from == member.address && e.channel.as_str() == *channel).collect();
            let glyphs = self.say.glyphs;
            let mut line = Strand::default();
            line.add(format!("{}{} ", glyphs.joints[if end { 3 } else { 7 }], glyphs.horizontal), "text.dim");
            line.add(text::clean(channel), "text.accent");
            for metric in edges.first().into_iter().flat_map(|e| &e.metrics) {
                line.0.extend(self.metric(metric, edges.first().and_then(|e| self.course?.track(&e.to, &e.channel, metric.key))).0);
            }
            line.add(format!("  {} ", glyphs.arrow), "text.dim");
            for edge in edges {
                let (words, scope) = state(self.say, edge.state);
                let mark = match edge.state {
                    EdgeState::Flowing => glyphs.ok,
                    EdgeState::Connecting => glyphs.warn,
                    EdgeState::Broken => glyphs.crit,
                    EdgeState::Stopped => glyphs.off,
                    EdgeState::Unknown => glyphs.unknown,
                };
                line.add(format!(" {}", text::clean(&edge.to)), "");
                line.add(format!(" {mark}"), scope);
                if edge.state != EdgeState::Flowing {
                    line.add(format!(" {words}"), scope);
                }
            }
            self.out.push(line);
        }
    }

    /// Puts as many numbers behind a line as there is room for; the others below it, or nowhere where little is told.
    fn fit(&mut self, mut line: Strand, numbers: Vec<Strand>, margin: &str) {
        for number in numbers {
            if text::width(&line.text()) + text::width(&number.text()) > self.width {
                if self.detail == Detail::Short {
                    break;
                }
                self.out.push(std::mem::replace(&mut line, Strand::of(margin, "text.dim")));
            }
            line.0.extend(number.0);
        }
        self.out.push(line);
    }

    fn lags(&self, member: &Member, edge: &Edge) -> Vec<Strand> {
        let told = edge.metrics.iter().filter(|m| is_lag(m.key) || self.detail == Detail::Whole);
        told.map(|m| self.metric(m, self.course.and_then(|c| c.track(&member.address, &edge.channel, m.key)))).collect()
    }

    /// The member's own numbers: short, those that say most; of a follower's lags the edge has told already.
    fn numbers(&self, member: &Member, fed: bool) -> Vec<Strand> {
        let most = if self.detail == Detail::Whole { usize::MAX } else { 3 };
        let own = member.metrics.iter().filter(|m| !(fed && is_lag(m.key))).take(most);
        own.map(|m| self.metric(m, self.course.and_then(|c| c.track(&member.address, &"".into(), m.key)))).collect()
    }

    fn metric(&self, metric: &Metric, history: Option<&History>) -> Strand {
        let mut line = Strand::default();
        line.add(format!("  {} ", metric_name(self.say, metric.key)), "text.dim");
        line.add(show_metric(metric), "");
        if let Some(history) = history.filter(|h| h.len() > 1) {
            line.add(format!(" {}", spark(history, self.say.glyphs)), "spark");
        }
        line
    }

    fn texts(&mut self, margin: &str, texts: Vec<(&'static str, &str)>) {
        let words: Vec<String> = texts
            .into_iter()
            .map(|(key, value)| {
                let name = format!("detail.{key}");
                format!("{}: {}", self.say.lang.get(&name).unwrap_or(key), text::clean(value))
            })
            .collect();
        if !words.is_empty() {
            self.wrapped(margin, &words.join("   "), "text.dim");
        }
    }

    fn reason(&mut self, margin: &str, reason: &Reason) {
        let scope = if reason.verdict == Verdict::Ok { "text.dim" } else { verdict_scope(reason.verdict) };
        let words = format!("{} {}", self.say.glyphs.verdict(reason.verdict), self.say.lang.reason(reason));
        self.wrapped(margin, &words, scope);
    }

    fn wrapped(&mut self, margin: &str, words: &str, scope: &'static str) {
        let room = self.width.saturating_sub(text::width(margin)).max(16);
        for (i, part) in text::wrap(words, room).into_iter().enumerate() {
            let mut line = Strand::of(margin, "text.dim");
            line.add(format!("{}{part}", if i == 0 { "" } else { "  " }), scope);
            self.out.push(line);
        }
    }

    fn marks(&mut self) {
        let most = if self.detail == Detail::Whole { 16 } else { 4 };
        let Some(course) = self.course else { return };
        let mut lines: Vec<Strand> = course.marks().take(most).map(|mark| self.mark(mark)).collect();
        if !lines.is_empty() {
            self.out.push(Strand::of(self.say.lang.word("replication.changes"), "text.strong"));
            self.out.append(&mut lines);
        }
    }

    fn mark(&self, mark: &Mark) -> Strand {
        let lang = self.say.lang;
        let arrow = self.say.glyphs.arrow;
        let ago = text::age_step(self.say.store.now().since(mark.at).as_secs());
        let clock = jiff::Timestamp::from_millisecond(mark.at.0).map(|at| at.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string()).unwrap_or_default();
        let mut line = Strand::default();
        line.add(format!("{} ", self.say.glyphs.mark), "text.accent");
        line.add(format!("{clock}  {}", text::pad(&ago, 4)), "text.dim");
        line.add(format!(" {}", text::clean(&mark.member)), "text.name");
        if !mark.channel.is_empty() {
            line.add(format!(" {}", text::clean(&mark.channel)), "text.accent");
        }
        let role = |name: &str| lang.get(&format!("role.{name}")).map_or_else(|| text::clean(name).into_owned(), ToOwned::to_owned);
        let (words, scope) = match &mark.turn {
            Turn::Role { from, to } => (format!("{}: {} {arrow} {}", lang.word("replication.role"), role(from), role(to)), "verdict.warn"),
            Turn::Source { from, to } => (format!("{}: {} {arrow} {}", lang.word("replication.source"), text::clean(from), text::clean(to)), "verdict.warn"),
            Turn::Link { from, to } => {
                let scope = state(self.say, *to).1;
                (format!("{}: {} {arrow} {}", lang.word("replication.link"), state(self.say, *from).0, state(self.say, *to).0), scope)
            }
            Turn::FellSilent => (lang.word("replication.silent").to_owned(), "verdict.unknown"),
            Turn::AnswersAgain => (lang.word("replication.answers").to_owned(), "verdict.ok"),
            Turn::Joined => (lang.word("replication.joined").to_owned(), "verdict.ok"),
            Turn::Left => (lang.word("replication.left").to_owned(), "verdict.warn"),
        };
        line.add(format!("  {words}"), scope);
        line
    }
}

fn state<'a>(say: &Say<'a>, state: EdgeState) -> (&'a str, &'static str) {
    let (key, scope) = match state {
        EdgeState::Flowing => ("edge.flowing", "verdict.ok"),
        EdgeState::Connecting => ("edge.connecting", "verdict.warn"),
        EdgeState::Broken => ("edge.broken", "verdict.crit"),
        EdgeState::Stopped => ("edge.stopped", "verdict.off"),
        EdgeState::Unknown => ("edge.unknown", "verdict.unknown"),
    };
    (say.lang.word(key), scope)
}

/// The last samples between nothing and the greatest of them; a gap where nothing was told, and half height for what never moves.
fn spark(history: &History, glyphs: &Glyphs) -> String {
    let all: Vec<f32> = history.iter().collect();
    let tail = &all[all.len().saturating_sub(SPARK)..];
    let known = || tail.iter().copied().filter(|v| !v.is_nan());
    let (least, most) = (known().fold(f32::INFINITY, f32::min), known().fold(0.0_f32, f32::max));
    let level = |v: f32| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        match v {
            v if v.is_nan() => 0,
            _ if most <= 0.0 => 1,
            _ if most - least < most * 0.02 => 4,
            v => 1 + ((v.max(0.0) / most * 7.0).round() as usize).min(7),
        }
    };
    tail.iter().map(|v| glyphs.spark[level(*v)]).collect()
}

#[cfg(test)]
mod tests;
