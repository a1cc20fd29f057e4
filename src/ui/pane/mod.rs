//! One file a pane; each says only which columns its rows have. What all panes do is in [`table`].

pub mod container;
pub mod event;
pub mod host;
pub mod middleware;
pub mod node;
pub mod pod;
pub mod problem;
pub mod table;
pub mod vm;
pub mod workload;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::glyph::Glyphs;
use super::paint::Paint;
use crate::base::intern::Name;
use crate::config::arrangement::Arranged;
use crate::config::lang::Lang;
use crate::model::fact::Row;
use crate::model::id::Target;
use crate::model::source::SourceState;
use crate::model::verdict::Verdict;
use crate::store::Store;
use crate::store::table::{Counts, Entry, Table};

/// What a cell needs to become words.
#[derive(Clone, Copy, Debug)]
pub struct Say<'a> {
    pub store: &'a Store,
    pub lang: &'a Lang,
    pub glyphs: &'static Glyphs,
}

/// A cell: its words and the theme's scope for them; the empty scope is that of the row.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    pub text: String,
    pub scope: &'static str,
}

impl Cell {
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), scope: "" }
    }
    pub fn of(scope: &'static str, text: impl Into<String>) -> Self {
        Self { text: text.into(), scope }
    }
    pub fn dim(text: impl Into<String>) -> Self {
        Self::of("text.dim", text)
    }
}

/// A percentage, coloured where it passes the limits.
pub fn percent(value: Option<f64>, steps: crate::model::limits::Steps) -> Cell {
    let Some(v) = value else { return Cell::dim("") };
    Cell::of(grade(v, steps), format!("{v:.0}%"))
}

pub fn grade(v: f64, steps: crate::model::limits::Steps) -> &'static str {
    if v >= steps.crit {
        "verdict.crit"
    } else if v >= steps.warn {
        "verdict.warn"
    } else {
        ""
    }
}

pub fn verdict_scope(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Crit => "verdict.crit",
        Verdict::Unknown => "verdict.unknown",
        Verdict::Warn => "verdict.warn",
        Verdict::Ok => "verdict.ok",
        Verdict::Off => "verdict.off",
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// How a column's width is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// As wide as given.
    Fixed(u16),
    /// Takes what is left, at least this; cut in its middle.
    Name(u16),
    /// Takes what is left, at least this; cut at its end.
    Text(u16),
}

pub struct Column<T: 'static> {
    /// `column.KEY` in the locales; what `/key:text` names.
    pub key: &'static str,
    pub width: Width,
    pub align: Align,
    /// Columns of the highest rank go first where there is no room; 0 never goes.
    pub rank: u8,
    pub cell: fn(&Entry<T>, &Say) -> Cell,
    pub sort: fn(&T, &T) -> Ordering,
}

/// A line that has no row in a table: a host that never answered, a list that is not allowed.
#[derive(Clone, Debug)]
pub struct Extra {
    pub target: Option<Target>,
    pub verdict: Verdict,
    pub name: String,
    pub text: String,
}

/// What a pane is narrowed to.
#[derive(Clone, Debug, Default)]
pub enum Scope {
    #[default]
    All,
    /// What is directly on this.
    Under(Target),
    /// Itself and its relatives, as they were when this was last looked at.
    Kin(Target, Arc<BTreeSet<Target>>),
}

/// A kind of row that has a pane.
pub trait Floor: 'static {
    type Row: Row;
    const PANE: PaneKind;
    const COLUMNS: &'static [Column<Self::Row>];
    fn table(store: &Store) -> &Table<Self::Row>;
    fn name(row: &Self::Row) -> String;
    /// Everything that a plain filter looks at.
    fn hay(row: &Self::Row, out: &mut String);
    fn under(row: &Self::Row, target: &Target) -> bool;
    fn extras(_: &Say) -> Vec<Extra> {
        Vec::new()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PaneKind {
    Hosts,
    Vms,
    Containers,
    Nodes,
    Pods,
    Workloads,
    Events,
    Middleware,
    Problems,
}

impl PaneKind {
    pub const ALL: [Self; 9] =
        [Self::Hosts, Self::Vms, Self::Containers, Self::Nodes, Self::Pods, Self::Workloads, Self::Events, Self::Middleware, Self::Problems];

    /// Its name on the `:` line; `pane.NAME` in the locales is its title.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hosts => "hosts",
            Self::Vms => "vms",
            Self::Containers => "containers",
            Self::Nodes => "nodes",
            Self::Pods => "pods",
            Self::Workloads => "workloads",
            Self::Events => "events",
            Self::Middleware => "middleware",
            Self::Problems => "problems",
        }
    }

    /// Which of the five places it shows in.
    pub fn slot(self) -> usize {
        match self {
            Self::Hosts => 0,
            Self::Vms | Self::Containers => 1,
            Self::Nodes => 2,
            Self::Pods | Self::Workloads | Self::Events => 3,
            Self::Middleware => 4,
            Self::Problems => 5,
        }
    }

    pub fn of(target: &Target) -> Option<Self> {
        Some(match target {
            Target::Host(_) => Self::Hosts,
            Target::Vm(_) => Self::Vms,
            Target::Container(_) => Self::Containers,
            Target::Node(_) | Target::Cluster(_) => Self::Nodes,
            Target::Pod(_) => Self::Pods,
            Target::Workload(_) => Self::Workloads,
            Target::Event(_) => Self::Events,
            Target::Group(_) => Self::Middleware,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    By(isize),
    /// Pages or parts of one: numerator over two.
    HalfPages(isize),
    Top,
    Bottom,
}

/// How a pane is drawn.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    pub say: Say<'a>,
    pub paint: &'a Paint,
    pub focused: bool,
    /// Is this among the relatives of what is selected?
    pub related: &'a dyn Fn(&Target) -> bool,
    pub frozen: bool,
}

/// What the screen does with a pane, whatever its rows are.
pub trait Pane: std::fmt::Debug {
    fn kind(&self) -> PaneKind;
    fn counts(&self, store: &Store) -> Counts;
    fn shown(&self) -> usize;
    /// Catches up with the store; where that takes long it goes on in [`Pane::work`], and what stood there stands until then.
    fn refresh(&mut self, say: &Say, hold: bool);
    /// Is it sorted or filtered anew?
    fn is_busy(&self) -> bool;
    /// One part of that.
    fn work(&mut self, store: &Store);
    /// All of it, for a step that cannot wait: a jump to a row.
    fn settle(&mut self, say: &Say) {
        self.refresh(say, false);
        while self.is_busy() {
            self.work(say.store);
        }
    }
    fn draw(&mut self, area: Rect, buf: &mut Buffer, look: &Look);
    fn step(&mut self, motion: Motion, store: &Store);
    fn selected(&self) -> Option<Target>;
    /// The selected line, where it is one that has no row: its name and all of its text.
    fn note(&self) -> Option<(&str, &str)>;
    fn select(&mut self, target: &Target, store: &Store) -> bool;
    fn click(&mut self, line: usize, store: &Store);
    fn filter(&self) -> &str;
    fn set_filter(&mut self, text: &str, lang: &Arc<Lang>, glyphs: &'static Glyphs);
    fn scope(&self) -> &Scope;
    fn set_scope(&mut self, scope: Scope, lang: &Arc<Lang>, glyphs: &'static Glyphs);
    fn sort_next(&mut self);
    fn sort_reverse(&mut self);
    /// The columns: key, and is it shown.
    fn columns(&self) -> Vec<(&'static str, bool)>;
    fn toggle_column(&mut self, key: &str);
    fn toggle_mark(&mut self);
    fn clear_marks(&mut self);
    fn marks(&self) -> usize;
    /// The marked rows that are still there.
    fn marked(&self, store: &Store) -> Vec<Target>;
    /// The selected row, or the marked ones, as text: names alone, or whole lines.
    fn copy(&self, say: &Say, whole: bool) -> Option<String>;
    /// The table as text, at most this many rows.
    fn dump(&self, say: &Say, most: usize) -> String;
    /// What a person changed about it, for the next run.
    fn arranged(&self) -> Arranged {
        Arranged::default()
    }
    fn arrange(&mut self, _: &Arranged) {}
    /// How wide it would like to be, and how narrow it can be.
    fn need(&self, say: &Say) -> (u16, u16);
}

/// A source of this subject that is not live and why, as a line.
pub fn source_line(say: &Say, state: SourceState, error: &str, remedy: &str) -> String {
    let mut text = say.lang.word(&format!("source.state.{}", state.word())).to_owned();
    for part in [error, remedy] {
        if !part.is_empty() {
            text.push_str(": ");
            text.push_str(part);
        }
    }
    text
}

/// Lines for what the accounts may not list.
pub fn denied(say: &Say, kind: crate::model::id::Kind) -> Vec<Extra> {
    let mut out: Vec<Extra> = Vec::new();
    for d in say.store.denied(kind) {
        let name = say.lang.fill("pane.denied", &[("fact", &d.fact)]);
        if !out.iter().any(|e| e.name == name) {
            out.push(Extra { target: None, verdict: Verdict::Unknown, name, text: d.need.to_string() });
        }
    }
    out
}

/// Compares names the way people number them: `node-9` before `node-10`.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (x, y) = (a.find(|c: char| c.is_ascii_digit()), b.find(|c: char| c.is_ascii_digit()));
        let (Some(x), Some(y)) = (x, y) else { return a.cmp(b) };
        match a[..x].cmp(&b[..y]) {
            Ordering::Equal => {}
            other => return other,
        }
        let digits = |s: &str| s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
        let (a_end, b_end) = (x + digits(&a[x..]), y + digits(&b[y..]));
        let value = |s: &str| s.parse::<u128>().unwrap_or(u128::MAX);
        match value(&a[x..a_end]).cmp(&value(&b[y..b_end])) {
            Ordering::Equal => (a, b) = (&a[a_end..], &b[b_end..]),
            other => return other,
        }
    }
}

pub fn age(say: &Say, from: crate::base::clock::Moment) -> String {
    crate::base::text::span(say.store.now().since(from).as_secs())
}

pub fn same(a: &Name, b: &str) -> bool {
    &**a == b
}
