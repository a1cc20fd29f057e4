//! The problems: since, floor, what, evidence, how many symptoms it folds.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Look, Motion, PaneKind, Say, verdict_scope};
use crate::base::text;
use crate::model::id::Target;
use crate::store::Store;
use crate::ui::name::name_of;
use crate::ui::put::{fill, put};

#[derive(Debug, Default)]
pub struct Problems {
    selected: Option<Target>,
    at: usize,
    offset: usize,
    height: usize,
}

/// The first reason that speaks for the verdict, as a sentence.
pub fn evidence(say: &Say, target: &Target) -> String {
    let Some(j) = say.store.judge(target) else {
        return say.store.source_of(target).map_or_else(String::new, |s| super::source_line(say, s.state, &s.error, &s.remedy));
    };
    let worst = j.reasons.iter().filter(|r| r.verdict == j.verdict).chain(&j.reasons).next();
    worst.map_or_else(String::new, |r| say.lang.reason(r))
}

impl Problems {
    pub fn step(&mut self, motion: Motion, store: &Store) {
        let most = store.problems().len().saturating_sub(1);
        self.at = match motion {
            Motion::By(n) => self.at.saturating_add_signed(n).min(most),
            Motion::HalfPages(n) => self.at.saturating_add_signed(n * 3).min(most),
            Motion::Top => 0,
            Motion::Bottom => most,
        };
        self.selected = store.problems().get(self.at).map(|p| p.target.clone());
    }

    pub fn click(&mut self, line: usize, store: &Store) {
        self.at = (self.offset + line).min(store.problems().len().saturating_sub(1));
        self.step(Motion::By(0), store);
    }

    pub fn selected(&self) -> Option<Target> {
        self.selected.clone()
    }

    /// Keeps the selection on the same thing while the list moves.
    pub fn refresh(&mut self, store: &Store) {
        let found = self.selected.as_ref().and_then(|t| store.problems().iter().position(|p| p.target == *t));
        self.at = found.unwrap_or(self.at).min(store.problems().len().saturating_sub(1));
        self.selected = store.problems().get(self.at).map(|p| p.target.clone());
    }

    pub fn draw(&mut self, area: Rect, buf: &mut Buffer, look: &Look) {
        let say = &look.say;
        let problems = say.store.problems();
        self.height = usize::from(area.height);
        self.offset = self.offset.min(problems.len().saturating_sub(self.height)).min(self.at);
        if self.at >= self.offset + self.height {
            self.offset = (self.at + 1).saturating_sub(self.height);
        }
        let base = look.paint.style("ui");
        if problems.is_empty() {
            put(buf, area, area.x + 2, area.y, say.lang.word("problems.none"), base.patch(look.paint.style("text.good")));
            return;
        }
        let wide = area.width >= 70;
        let names = problems.iter().skip(self.offset).take(self.height).map(|p| text::width(&text::clean(&name_of(say.store, &p.target)))).max().unwrap_or(0);
        let name_room = names.min(usize::from(area.width) * 2 / 5).max(8);
        for (line, p) in problems.iter().enumerate().skip(self.offset).take(self.height) {
            let y = area.y + u16::try_from(line - self.offset).unwrap_or(0);
            let mut style = base;
            if (look.related)(&p.target) {
                style = style.patch(look.paint.style("row.related"));
            }
            if line == self.at && look.focused {
                style = style.patch(look.paint.style("row.selected.focus"));
            }
            fill(buf, Rect { y, height: 1, ..area }, style);
            put(buf, area, area.x, y, say.glyphs.verdict(p.verdict), style.patch(look.paint.style(verdict_scope(p.verdict))));
            let since = text::age_step(say.store.now().since(p.since).as_secs());
            let mut x = put(buf, area, area.x + 2, y, &text::pad_left(&since, 5), style.patch(look.paint.style("text.dim"))) + 1;
            let floor = PaneKind::of(&p.target).map_or("", |k| say.lang.word(short_key(&p.target, k)));
            x = put(buf, area, x, y, &text::pad(floor, if wide { 10 } else { 5 }), style.patch(look.paint.style("text.dim"))) + 1;
            let name = text::cut_middle(&text::clean(&name_of(say.store, &p.target)), name_room, say.glyphs.cut);
            x = put(buf, area, x, y, &text::pad(&name, name_room), style.patch(look.paint.style("text.name"))) + 2;
            let folded = if p.folded > 0 { format!(" +{}", p.folded) } else { String::new() };
            let room = usize::from(area.right().saturating_sub(x)).saturating_sub(folded.len() + 1);
            x = put(buf, area, x, y, &text::cut_end(&evidence(say, &p.target), room, say.glyphs.cut), style);
            put(buf, area, x, y, &folded, style.patch(look.paint.style("text.accent")));
        }
    }
}

fn short_key(target: &Target, kind: PaneKind) -> &'static str {
    match (target, kind) {
        (Target::Cluster(_), _) => "floor.cluster",
        (_, PaneKind::Hosts) => "floor.host",
        (_, PaneKind::Vms) => "floor.vm",
        (_, PaneKind::Containers) => "floor.container",
        (_, PaneKind::Nodes) => "floor.node",
        (_, PaneKind::Pods) => "floor.pod",
        (_, PaneKind::Workloads) => "floor.workload",
        (_, PaneKind::Events) => "floor.event",
        (_, PaneKind::Middleware | PaneKind::Problems) => "floor.middleware",
    }
}
