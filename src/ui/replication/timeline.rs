//! The last minutes of a group side by side: for each follower how far behind it was, on one axis of time with the changes of
//! role, source, link and silence where they happened. So it is seen what came first.

use super::{Loom, Strand};
use crate::base::clock::Moment;
use crate::base::text;
use crate::model::group::{Metric, Unit};
use crate::store::course::{Course, Turn, is_lag};
use crate::store::history::History;
use crate::ui::pane::middleware::{metric_name, show_metric};

/// Members that have a line of their own; with more of them the tree tells enough.
const MOST: usize = 8;
/// Narrower than this there is nothing to see.
const LEAST: usize = 20;

/// One line: whose, which number, and its samples.
struct Track<'a> {
    member: &'a str,
    channel: &'a str,
    metric: &'static str,
    history: &'a History,
}

impl Loom<'_> {
    pub(super) fn timeline(&mut self) {
        let Some(course) = self.course else { return };
        let tracks = chosen(course);
        let times: Vec<Moment> = course.times().collect();
        if tracks.is_empty() || times.len() < 3 {
            return;
        }
        let glyphs = self.say.glyphs;
        let label = |t: &Track<'_>| {
            let channel = if t.channel.is_empty() { String::new() } else { format!(" {}", text::clean(t.channel)) };
            format!("{}{channel}", text::clean(t.member))
        };
        let names = tracks.iter().map(|t| text::width(&label(t))).max().unwrap_or(0).min(self.width / 3);
        // "  name  peak  samples"
        let room = self.width.saturating_sub(names + 12);
        if room < LEAST {
            return;
        }
        let shown = times.len().min(room);
        let times = &times[times.len() - shown..];
        // A group that has not been watched for long has its samples drawn wider.
        let wide = (room / shown).clamp(1, 2);
        let (Some(first), Some(last)) = (times.first(), times.last()) else { return };
        let key = tracks.first().map_or("", |t| t.metric);
        let mut title = Strand::of(format!("{} ", self.say.lang.word("replication.course")), "text.strong");
        title.add(metric_name(self.say, key), "text.dim");
        self.out.push(title);
        let recent = |track: &Track<'_>| -> Vec<f32> {
            let all: Vec<f32> = track.history.iter().collect();
            (0..shown).map(|i| (all.len() + i).checked_sub(shown).and_then(|at| all.get(at)).copied().unwrap_or(f32::NAN)).collect()
        };
        let peak = |samples: &[f32]| samples.iter().copied().filter(|v| !v.is_nan()).fold(0.0_f32, f32::max);
        // One scale for all: who is far behind stands out beside who is not.
        let tallest = tracks.iter().map(|t| peak(&recent(t))).fold(0.0_f32, f32::max);
        for track in &tracks {
            let samples = recent(track);
            let most = peak(&samples);
            let unit = self.group.edges.iter().flat_map(|e| &e.metrics).chain(self.group.members.iter().flat_map(|m| &m.metrics));
            let unit = unit.into_iter().find(|m| m.key == track.metric).map_or(Unit::Count, |m| m.unit);
            let told = show_metric(&Metric { key: track.metric, unit, value: f64::from(most) });
            let mut line = Strand::of("  ", "text.dim");
            line.add(text::pad(&text::cut_middle(&label(track), names, glyphs.cut), names), "text.name");
            line.add(format!(" {} ", text::pad_left(&told, 7)), "text.dim");
            for (i, sample) in samples.iter().enumerate() {
                // What changed since the sample before stands in its place.
                let from = if i == 0 { None } else { times.get(i - 1) };
                let turn =
                    course.marks().find(|m| *m.member == *track.member && times.get(i).is_some_and(|at| m.at <= *at) && from.is_some_and(|at| m.at > *at));
                let bar = if sample.is_nan() { glyphs.dot } else { glyphs.spark[height(*sample, tallest)] };
                let ink = if sample.is_nan() { "text.dim" } else { "spark" };
                match turn {
                    Some(mark) => {
                        line.add(glyphs.mark, scope(&mark.turn));
                        line.add(bar.repeat(wide - 1), ink);
                    }
                    None => {
                        line.add(bar.repeat(wide), ink);
                    }
                }
            }
            self.out.push(line);
        }
        let span = last.since(*first).as_secs();
        let (old, now) = (format!("-{}", text::span(span)), self.say.lang.word("replication.now"));
        let between = (shown * wide).saturating_sub(text::width(&old) + text::width(now));
        let mut axis = Strand::of(" ".repeat(names + 11), "text.dim");
        axis.add(format!("{old}{}{now}", " ".repeat(between)), "text.dim");
        self.out.push(axis);
    }
}

/// Lags where the group has any, else whatever number is followed; one of each member and channel.
fn chosen(course: &Course) -> Vec<Track<'_>> {
    let all = || course.tracks().map(|(member, channel, metric, history)| Track { member, channel, metric, history });
    let lags = all().any(|t| is_lag(t.metric));
    let first = all().find(|t| !lags || is_lag(t.metric)).map(|t| t.metric);
    let mut out: Vec<Track<'_>> = Vec::new();
    for track in all().filter(|t| Some(t.metric) == first && t.history.iter().any(|v| !v.is_nan())) {
        if out.len() < MOST && !out.iter().any(|t| t.member == track.member && t.channel == track.channel) {
            out.push(track);
        }
    }
    out
}

/// Nothing is the lowest bar, the greatest of all lines the highest.
fn height(sample: f32, most: f32) -> usize {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    match sample {
        v if v.is_nan() => 0,
        _ if most <= 0.0 => 1,
        v => 1 + ((v.max(0.0) / most * 7.0).round() as usize).min(7),
    }
}

fn scope(turn: &Turn) -> &'static str {
    match turn {
        Turn::FellSilent | Turn::Left => "verdict.crit",
        Turn::Link { .. } | Turn::Role { .. } | Turn::Source { .. } => "verdict.warn",
        Turn::AnswersAgain | Turn::Joined => "verdict.ok",
    }
}
