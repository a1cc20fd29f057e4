//! F6: the screen. Uses base, model, store, config and port only: it cannot reach a socket.
//!
//! The loop owns one [`Ui`] and one [`sink::FrameSink`] a person, and the store:
//!
//! ```ignore
//! let _screen = term::Screen::enter(mouse)?;                  // restores the terminal when dropped; `term::restore()` in the panic hook
//! let (glyphs, charset) = glyph::decide(choice, &locale, &term, term::measure_probe());
//! let mut ui = Ui::new(Setup { glyphs, charset, ..Setup::default() });
//! let mut sink = FrameSink::default();
//! let mut frame = Buffer::empty(area);
//! loop {
//!     // a key:       for effect in ui.update(&store, Input::Key(press)) { .. }   then dirty
//!     // a batch:     dirty |= store.apply(batch, now).any();  Fact::Document -> ui.document(..), Fact::Notice -> ui.notice(..)
//!     // when dirty, at most every `sink.pause()`:
//!     if frame.area != area { frame = Buffer::empty(area); }
//!     ui.draw(&store, area, &mut frame);
//!     sink.show(&frame, &mut stdout)?;                        // nothing differs: not a byte
//!     // `ui.due()` says when it wants `Input::Tick` though nothing happens (an order that was held, a message that fades)
//! }
//! ```

mod arrange;
pub mod clipboard;
pub mod command;
pub mod detail;
pub mod dialog;
pub mod draw;
pub mod drill;
pub mod filter;
pub mod glyph;
pub mod layout;
pub mod line;
pub mod log;
pub mod name;
pub mod overlay;
pub mod paint;
pub mod pane;
pub mod put;
pub mod rates;
pub mod replication;
pub mod run;
pub mod sink;
pub mod term;
#[cfg(test)]
mod tests;
mod tour;
pub mod update;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use ratatui::layout::Rect;

use crate::base::clock::{Moment, Stopwatch};
use crate::config::keymap::Keymap;
use crate::config::keys::KeyPress;
use crate::config::lang::Lang;
use crate::config::spec::KeyPreset;
use crate::config::theme::{Theme, Themes};
use crate::model::ask::AskId;
use crate::model::command::Verb;
use crate::model::effect::{Document, RequestId};
use crate::model::fact::Notice;
use crate::model::id::Target;
use crate::store::Store;
use glyph::{Charset, Glyphs};
use layout::{Dock, Plan, Zoom};
use line::Line;
use overlay::Overlay;
use paint::{Depth, Paint};
use pane::table::TablePane;
use pane::{Pane, PaneKind, Say};
use term::Mouse;

/// A key waits no longer than this for what takes long: a search in a log, a large table in a new order.
const SLICE: Duration = Duration::from_millis(5);

/// What happens to the screen.
#[derive(Clone, Debug)]
pub enum Input {
    Key(KeyPress),
    Click {
        column: u16,
        row: u16,
    },
    Wheel {
        down: bool,
        column: u16,
        row: u16,
    },
    Paste(String),
    Resize(Rect),
    /// Time has passed; see [`Ui::due`].
    Tick,
}

/// Everything the screen is told once, at its start.
#[derive(Clone, Debug)]
pub struct Setup {
    pub themes: Themes,
    pub theme: Theme,
    pub depth: Depth,
    pub lang: Lang,
    pub keys: Keymap,
    pub glyphs: &'static Glyphs,
    pub charset: Charset,
    pub environment: Option<Badge>,
    pub writing: Writing,
    pub zone: TimeZone,
    pub mouse: Mouse,
    /// Who is at it, as headers of saved texts name them.
    pub who: String,
    /// Commands that are added to those of the cockpit.
    pub verbs: Vec<Verb>,
    /// Names of hints, words of `[tour]`, shown one at a time.
    pub tour: Vec<String>,
}

impl Default for Setup {
    fn default() -> Self {
        let themes = Themes::default();
        Self {
            theme: themes.get("harbor").unwrap_or_default(),
            themes,
            depth: Depth::True,
            lang: Lang::default(),
            keys: Keymap::build(KeyPreset::Default, &[]).0,
            glyphs: &glyph::UNICODE,
            charset: Charset::Utf8,
            environment: None,
            writing: Writing::ReadOnly,
            zone: TimeZone::UTC,
            mouse: Mouse::Off,
            who: String::new(),
            verbs: Vec::new(),
            tour: Vec::new(),
        }
    }
}

/// The environment's name and colour, as the configuration writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Badge {
    pub name: String,
    pub color: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Writing {
    #[default]
    ReadOnly,
    Locked,
    Armed,
}

/// The order of rows is held this long after a key.
const HOLD: Duration = Duration::from_secs(3);
/// A message stays this long.
const MESSAGE: Duration = Duration::from_secs(8);

/// Places that can have the focus: the five slots, then these.
const PROBLEMS: usize = 5;
const DOCK: usize = 6;

/// Where someone was, to come back to.
#[derive(Debug)]
struct Place {
    focus: usize,
    shown: [usize; 5],
    scopes: Vec<pane::Scope>,
    selected: Vec<Option<Target>>,
    /// What was entered, for the breadcrumb.
    name: String,
}

/// What the dock shows.
#[derive(Debug, Default)]
enum DockText {
    /// The selected row in words.
    #[default]
    Detail,
    Waiting(RequestId, String),
    Document(Document),
    /// The open log; see [`Ui::log`].
    Log,
    /// A run of a playbook.
    Run,
}

pub struct Ui {
    themes: Themes,
    paint: Paint,
    lang: Arc<Lang>,
    keys: Keymap,
    glyphs: &'static Glyphs,
    charset: Charset,
    environment: Option<Badge>,
    writing: Writing,
    /// Until then changes are allowed; `None`: as long as the cockpit runs, or not at all.
    armed_until: Option<Moment>,
    runs: run::Runs,
    zone: TimeZone,
    mouse: Mouse,
    verbs: Vec<Verb>,
    tour: tour::Tour,
    slots: [Vec<Box<dyn Pane>>; 5],
    shown: [usize; 5],
    grown: [i16; 5],
    problems: pane::problem::Problems,
    focus: usize,
    /// The slot that had the focus last; the dock speaks of its selection.
    slot: usize,
    zoom: Zoom,
    dock: Dock,
    dock_text: DockText,
    scroll: usize,
    /// The log that is open, whether the dock shows it or something else for now.
    log: Option<log::LogPane>,
    next_log: u32,
    /// Who is at it, for what is saved.
    who: String,
    search: String,
    /// The line of the document that the search stands on.
    hit: Option<usize>,
    /// Cells of a document's lines that are out of sight on the left.
    shift: usize,
    kin: Option<drill::Kin>,
    followed: ([u64; 7], Moment),
    rates: rates::Rates,
    trail: Vec<Place>,
    narrowed: bool,
    frozen: bool,
    pressed: Vec<KeyPress>,
    overlay: Option<Overlay>,
    answered: BTreeSet<AskId>,
    ask_line: Line,
    history: Vec<String>,
    message: Option<(Notice, Moment)>,
    last_key: Moment,
    now: Moment,
    next_request: u64,
    plan: Plan,
    area: Rect,
}

impl std::fmt::Debug for Ui {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ui").field("focus", &self.focus).finish_non_exhaustive()
    }
}

fn pane<F: pane::Floor>() -> Box<dyn Pane> {
    Box::new(TablePane::<F>::default())
}

impl Ui {
    pub fn new(setup: Setup) -> Self {
        Self {
            paint: Paint::new(setup.theme, setup.depth),
            themes: setup.themes,
            lang: Arc::new(setup.lang),
            keys: setup.keys,
            glyphs: setup.glyphs,
            charset: setup.charset,
            environment: setup.environment,
            writing: setup.writing,
            armed_until: None,
            runs: run::Runs::default(),
            zone: setup.zone,
            mouse: setup.mouse,
            verbs: setup.verbs,
            tour: tour::Tour::new(setup.tour),
            slots: [
                vec![pane::<pane::host::Hosts>()],
                vec![pane::<pane::vm::Vms>(), pane::<pane::container::Containers>()],
                vec![pane::<pane::node::Nodes>()],
                vec![pane::<pane::pod::Pods>(), pane::<pane::workload::Workloads>(), pane::<pane::event::Events>()],
                vec![pane::<pane::middleware::Middleware>()],
            ],
            shown: [0; 5],
            grown: [0; 5],
            problems: pane::problem::Problems::default(),
            focus: 0,
            slot: 0,
            zoom: Zoom::All,
            dock: Dock::Closed,
            dock_text: DockText::Detail,
            scroll: 0,
            log: None,
            next_log: 1,
            who: setup.who,
            search: String::new(),
            hit: None,
            shift: 0,
            kin: None,
            followed: ([0; 7], Moment::default()),
            rates: rates::Rates::default(),
            trail: Vec::new(),
            narrowed: false,
            frozen: false,
            pressed: Vec::new(),
            overlay: None,
            answered: BTreeSet::new(),
            ask_line: Line::default(),
            history: Vec::new(),
            message: None,
            last_key: Moment(i64::MIN / 2),
            now: Moment::default(),
            next_request: 1,
            plan: Plan::default(),
            area: Rect::ZERO,
        }
    }

    /// The answer to an `Effect::Inspect`. One that nobody waits for any more is dropped.
    pub fn document(&mut self, request: RequestId, result: Result<Document, String>) {
        let DockText::Waiting(waiting, _) = &self.dock_text else { return };
        if *waiting != request {
            return;
        }
        match result {
            Ok(document) => self.dock_text = DockText::Document(document),
            Err(text) => {
                self.dock_text = DockText::Detail;
                self.focus = self.slot;
                self.notice(Notice { good: false, text });
            }
        }
        (self.scroll, self.shift, self.hit) = (0, 0, None);
    }

    /// Says something on the message line.
    pub fn notice(&mut self, notice: Notice) {
        self.message = Some((notice, self.now));
    }

    /// Says a word of the table, as something that went wrong.
    pub fn notice_word(&mut self, key: &str) {
        let text = self.lang.word(key).to_owned();
        self.notice(Notice { good: false, text });
    }

    /// When `Input::Tick` is wanted though nothing else happens.
    pub fn due(&self) -> Option<Moment> {
        let fades = self.message.as_ref().map(|(_, at)| at.plus(MESSAGE));
        let settles = Some(self.last_key.plus(HOLD)).filter(|at| *at > self.now);
        [fades, settles, self.armed_until].into_iter().flatten().min()
    }

    /// Is the mouse wanted?
    pub fn mouse(&self) -> Mouse {
        self.mouse
    }

    /// What may be changed, as the header says it.
    pub fn set_writing(&mut self, writing: Writing) {
        self.writing = writing;
    }

    fn say<'a>(&'a self, store: &'a Store) -> Say<'a> {
        Say { store, lang: &self.lang, glyphs: self.glyphs }
    }

    fn pane(&self, slot: usize) -> &dyn Pane {
        &*self.slots[slot][self.shown[slot]]
    }

    fn pane_mut(&mut self, slot: usize) -> &mut dyn Pane {
        &mut *self.slots[slot][self.shown[slot]]
    }

    /// Is something under way that takes more than one slice of time: a search in a log, a large table in a new order?
    pub fn is_busy(&self) -> bool {
        self.is_searching() || (0..self.slots.len()).any(|slot| self.pane(slot).is_busy())
    }

    /// One slice of it.
    pub fn work(&mut self, store: &Store) {
        self.search_on(store);
        let watch = Stopwatch::start();
        for slot in 0..self.slots.len() {
            while self.pane(slot).is_busy() && watch.elapsed() < SLICE {
                self.pane_mut(slot).work(store);
            }
        }
    }

    /// What the person looks at: the row of the focused pane, or the problem.
    pub fn selected(&self) -> Option<Target> {
        match self.focus {
            PROBLEMS => self.problems.selected(),
            _ => self.pane(self.slot).selected(),
        }
    }

    fn show(&mut self, kind: PaneKind) {
        if kind == PaneKind::Problems {
            self.focus = PROBLEMS;
            return;
        }
        let slot = kind.slot();
        self.shown[slot] = self.slots[slot].iter().position(|p| p.kind() == kind).unwrap_or(0);
        self.set_focus(slot);
    }

    fn set_focus(&mut self, focus: usize) {
        self.focus = focus;
        if focus < 5 {
            self.slot = focus;
        }
    }

    /// The order of rows stays while a person is at it.
    fn held(&self, store: &Store) -> bool {
        self.frozen || self.overlay.is_some() || self.ask(store).is_some() || store.now().since(self.last_key) < HOLD
    }
}
