//! One person before the cockpit: what they see, the terminal they see it on, and what they typed.

use std::env;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event, KeyCode as Code, KeyEvent, KeyEventKind, KeyModifiers, MouseEventKind};
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::extras::Extras;
use crate::base::clock::{Moment, Stopwatch};
use crate::base::text;
use crate::config::arrangement::Arrangement;
use crate::config::keymap::Keymap;
use crate::config::keys::{KeyCode, KeyPress};
use crate::config::lang::Lang;
use crate::config::spec::{Config, GlyphChoice, ReadOnly, Severity};
use crate::model::effect::{Document, Effect, RequestId};
use crate::model::fact::Notice;
use crate::model::run::{BookLine, PastRun, RunPicture};
use crate::store::Store;
use crate::ui::clipboard::{self, Wrap};
use crate::ui::paint::Depth;
use crate::ui::sink::FrameSink;
use crate::ui::term::{self, Mouse, Screen};
use crate::ui::{Badge, Input, Setup, Ui, Writing, glyph};

/// In the state folder.
const LAYOUT: &str = "layout.toml";

/// The header's clock shows the next second by then.
const SECOND: i64 = 1000;

pub(super) struct Seat {
    ui: Ui,
    screen: Option<Screen>,
    sink: FrameSink,
    frame: Buffer,
    drawn: Option<Stopwatch>,
    mouse: Mouse,
    wrap: Wrap,
    lost_terminal: bool,
}

impl Seat {
    /// Takes the terminal and finds out what it can.
    pub(super) fn open(config: &Config, write: bool, extras: &Extras) -> io::Result<Self> {
        let mouse = if config.ui.mouse { Mouse::On } else { Mouse::Off };
        let screen = Screen::enter(mouse)?;
        let var = |name: &str| env::var(name).unwrap_or_default();
        let locale = locale();
        // A terminal that cannot show the probe is not shown it.
        let asked = config.ui.glyphs == GlyphChoice::Auto && text::is_utf8(&locale);
        let measured = if asked { term::measure_probe() } else { None };
        let (glyphs, charset) = glyph::decide(config.ui.glyphs, &locale, &var("TERM"), measured);
        let depth = Depth::detect(&var("COLORTERM"), &var("TERM"), &var("NO_COLOR"));
        let themes = config.themes.clone();
        let wanted = if depth == Depth::None {
            "mono"
        } else if config.ui.theme.is_empty() {
            "harbor"
        } else {
            &config.ui.theme
        };
        let (keys, clashes) = Keymap::build(config.ui.keys, &config.ui.bindings);
        let theme = themes.get(wanted);
        let wrong_theme = theme
            .is_err()
            .then(|| format!("there is no theme {wanted}; harbor is used: set [ui] theme to one of {}", themes.names().collect::<Vec<_>>().join(", ")));
        let mut ui = Ui::new(Setup {
            theme: theme.or_else(|_| themes.get("harbor")).unwrap_or_default(),
            themes,
            depth,
            lang: Lang::load(Lang::choose(&config.ui.lang, &locale)),
            keys,
            glyphs,
            charset,
            environment: config.environments.first().map(|e| Badge { name: e.name.to_string(), color: e.color.clone() }),
            writing: if config.environments.iter().any(|e| e.read_only == ReadOnly::Locked) {
                Writing::Locked
            } else if write {
                Writing::Armed
            } else {
                Writing::ReadOnly
            },
            zone: TimeZone::system(),
            mouse,
            who: who(),
            verbs: extras.verbs.clone(),
            tour: extras.tour.clone(),
        });
        if let Some(before) = config.state.as_ref().and_then(|folder| std::fs::read_to_string(folder.join(LAYOUT)).ok()) {
            ui.arrange(&Arrangement::read(&before));
        }
        let errors = config.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        let told = match (errors, wrong_theme, clashes.first()) {
            (0, None, None) => None,
            (0, Some(text), _) => Some(text),
            (0, None, Some(clash)) => Some(clash.clone()),
            (n, ..) => Some(format!("{n} mistakes in the configuration: `quarterdeck config check` names each with its line")),
        };
        if let Some(text) = told {
            ui.notice(Notice { good: false, text });
        }
        Ok(Self {
            ui,
            screen: Some(screen),
            sink: FrameSink::default(),
            frame: Buffer::empty(Rect::ZERO),
            drawn: None,
            mouse,
            wrap: Wrap::detect(&var("TMUX"), &var("STY")),
            lost_terminal: false,
        })
    }

    /// Keeps the layout for the next run. Where it cannot be written nothing else is lost.
    pub(super) fn remember(&self, folder: &std::path::Path) {
        let _ = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(folder.join(LAYOUT), self.ui.arrangement().write()));
    }

    pub(super) fn input(&mut self, store: &Store, event: Event) -> Vec<Effect> {
        let Some(input) = input(event) else { return Vec::new() };
        if matches!(input, Input::Resize(_)) {
            self.sink.forget();
        }
        let effects = self.ui.update(store, input);
        let wanted = self.ui.mouse();
        if wanted != self.mouse {
            self.mouse = wanted;
            // A terminal without a mouse ignores it.
            let _ = term::set_mouse(wanted);
        }
        effects
    }

    /// Time passed: true when the screen may say something else now.
    pub(super) fn time_passed(&mut self, store: &Store) -> bool {
        self.ui.update(store, Input::Tick);
        true
    }

    /// How long the seat can wait when nothing happens: to the header's next second, or to what the screen itself has due.
    pub(super) fn next_wake(&self, now: Moment) -> Duration {
        until(self.ui.due(), now)
    }

    /// Zero when a frame may be drawn now. A slow line makes frames rarer.
    pub(super) fn next_frame_in(&self) -> Duration {
        self.drawn.map_or(Duration::ZERO, |at| self.sink.pause().saturating_sub(at.elapsed()))
    }

    pub(super) fn draw(&mut self, store: &Store) -> io::Result<()> {
        let (columns, rows) = crossterm::terminal::size()?;
        let area = Rect::new(0, 0, columns, rows);
        self.drawn = Some(Stopwatch::start());
        if area.is_empty() {
            return Ok(());
        }
        if self.frame.area == area {
            self.frame.reset();
        } else {
            self.frame = Buffer::empty(area);
        }
        self.ui.draw(store, area, &mut self.frame);
        self.sink.show(&self.frame, &mut io::stdout().lock())?;
        Ok(())
    }

    pub(super) fn is_busy(&self) -> bool {
        self.ui.is_busy()
    }

    pub(super) fn work(&mut self, store: &Store) {
        self.ui.work(store);
    }

    pub(super) fn document(&mut self, request: RequestId, result: Result<Document, String>) {
        self.ui.document(request, result);
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.ui.notice(notice);
    }

    /// Says a word of the table.
    pub(super) fn notice_word(&mut self, key: &str) {
        self.ui.notice_word(key);
    }

    pub(super) fn books(&mut self, books: Vec<BookLine>, past: Vec<PastRun>) {
        self.ui.books(books, past);
    }

    pub(super) fn run_picture(&mut self, picture: Arc<RunPicture>) {
        self.ui.run_picture(picture);
    }

    /// Into the terminal's clipboard; says what became of it as far as that can be known.
    pub(super) fn copy(&mut self, text: &str) {
        let notice = match clipboard::copy(text, self.wrap) {
            Ok(sequence) => {
                let mut out = io::stdout().lock();
                match out.write_all(sequence.as_bytes()).and_then(|()| out.flush()) {
                    Ok(()) => Notice { good: true, text: format!("{} characters sent to the terminal's clipboard (OSC 52)", text.chars().count()) },
                    Err(e) => Notice { good: false, text: format!("the terminal took no clipboard text: {e}; save to a file with ctrl-s") },
                }
            }
            Err(most) => Notice { good: false, text: format!("too much for a terminal's clipboard (over {most} bytes); save to a file with ctrl-s") },
        };
        self.ui.notice(notice);
    }

    pub(super) fn redraw_all(&mut self) {
        self.sink.forget();
    }

    /// Hands the terminal to somebody else.
    pub(super) fn release(&mut self) {
        self.screen = None;
        self.lost_terminal = true;
    }

    pub(super) fn take_back(&mut self) -> io::Result<()> {
        self.screen = Some(Screen::enter(self.mouse)?);
        self.sink.forget();
        Ok(())
    }

    /// Did somebody else have the terminal since this was last asked?
    pub(super) fn lost_terminal(&mut self) -> bool {
        std::mem::take(&mut self.lost_terminal)
    }

    /// Stops for the shell's job control, and takes the terminal again afterwards.
    pub(super) fn background(&mut self) {
        self.release();
        // To the whole job, as the terminal's own ctrl-z would.
        let stopped = std::process::Command::new("kill").args(["-TSTP", "0"]).status();
        let taken = self.take_back();
        if stopped.is_err() || taken.is_err() {
            self.ui.notice(Notice { good: false, text: "this shell cannot stop a job; use tmux or a second terminal".to_owned() });
        }
    }
}

/// To the header's next second, or to what is due before it.
fn until(due: Option<Moment>, now: Moment) -> Duration {
    let second = Duration::from_millis(u64::try_from(SECOND - now.0.rem_euclid(SECOND)).unwrap_or(1000));
    due.map_or(second, |due| due.since(now).min(second).max(Duration::from_millis(10)))
}

/// Who is at it: an account that several people share says nothing, so what they came from stands beside it.
fn who() -> String {
    let var = |name: &str| env::var(name).ok().filter(|v| !v.is_empty());
    let name = var("QUARTERDECK_USER").or_else(|| var("SUDO_USER")).or_else(|| var("USER")).or_else(|| var("LOGNAME")).unwrap_or_else(|| "?".to_owned());
    match var("SSH_CLIENT").and_then(|c| c.split(' ').next().map(str::to_owned)) {
        Some(from) => format!("{name} ({from})"),
        None => name,
    }
}

/// The locale in the order that the C library asks for it.
pub(crate) fn locale() -> String {
    ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|v| env::var(v).ok().filter(|v| !v.is_empty())).unwrap_or_default()
}

fn input(event: Event) -> Option<Input> {
    match event {
        Event::Key(key) => press(key).map(Input::Key),
        Event::Paste(text) => Some(Input::Paste(text)),
        Event::Resize(columns, rows) => Some(Input::Resize(Rect::new(0, 0, columns, rows))),
        Event::Mouse(m) => match m.kind {
            MouseEventKind::Down(_) => Some(Input::Click { column: m.column, row: m.row }),
            MouseEventKind::ScrollDown => Some(Input::Wheel { down: true, column: m.column, row: m.row }),
            MouseEventKind::ScrollUp => Some(Input::Wheel { down: false, column: m.column, row: m.row }),
            _ => None,
        },
        Event::FocusGained | Event::FocusLost => None,
    }
}

fn press(key: KeyEvent) -> Option<KeyPress> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let code = match key.code {
        Code::Char(c) => KeyCode::Char(c),
        Code::F(n) => KeyCode::F(n),
        Code::Enter => KeyCode::Enter,
        Code::Esc => KeyCode::Esc,
        Code::Tab | Code::BackTab => KeyCode::Tab,
        Code::Backspace => KeyCode::Backspace,
        Code::Delete => KeyCode::Delete,
        Code::Insert => KeyCode::Insert,
        Code::Up => KeyCode::Up,
        Code::Down => KeyCode::Down,
        Code::Left => KeyCode::Left,
        Code::Right => KeyCode::Right,
        Code::Home => KeyCode::Home,
        Code::End => KeyCode::End,
        Code::PageUp => KeyCode::PageUp,
        Code::PageDown => KeyCode::PageDown,
        _ => return None,
    };
    let has = |m: KeyModifiers| key.modifiers.contains(m);
    Some(KeyPress::new(code, has(KeyModifiers::CONTROL), has(KeyModifiers::ALT), has(KeyModifiers::SHIFT) || key.code == Code::BackTab))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Also in the last moments of a second, when less is left of it than the shortest wait.
    #[test]
    fn there_is_a_next_wake_at_every_moment() {
        for ms in 0..3000 {
            let wait = until(Some(Moment(2000)), Moment(ms));
            assert!(wait <= Duration::from_secs(1) && !wait.is_zero(), "{ms}: {wait:?}");
        }
        assert_eq!(until(None, Moment(250)), Duration::from_millis(750));
    }
}
