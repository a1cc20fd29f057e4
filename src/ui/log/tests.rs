//! The log in the dock, over a bad minute: how it looks, and what keys do to it.

use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::base::clock::Moment;
use crate::config::keys::parse_sequence;
use crate::config::lang::Lang;
use crate::config::theme::Themes;
use crate::model::effect::{Effect, Errand};
use crate::model::fact::{Batch, Fact};
use crate::model::id::SourceId;
use crate::model::log::{Chunk, GapCause, LogEvent, LogFact, LogId, Mark, Note, Speaker, Stamp, StreamId, StreamState};
use crate::store::Store;
use crate::ui::glyph::{ASCII, Charset};
use crate::ui::paint::Depth;
use crate::ui::sink::FrameSink;
use crate::ui::tests::{residue, sample, setup, spoken, text};
use crate::ui::{Input, Setup, Ui};

/// A screen with the log of a pod open.
struct Seat {
    ui: Ui,
    store: Store,
    frame: Buffer,
    effects: Vec<Effect>,
}

impl Seat {
    fn new(setup: Setup, width: u16, height: u16) -> Self {
        let mut seat = Self { ui: Ui::new(setup), store: sample::store(&[]), frame: Buffer::empty(Rect::new(0, 0, width, height)), effects: Vec::new() };
        seat.keys("4 l");
        seat
    }

    /// With the made-up minute in it.
    fn spoken(setup: Setup, width: u16, height: u16) -> Self {
        let mut seat = Self::new(setup, width, height);
        let now = seat.store.now();
        spoken::speak(&mut seat.store, LogId(1), now);
        seat
    }

    /// With one stream that says `lines`.
    fn lines(width: u16, height: u16, lines: &[&str]) -> Self {
        let mut seat = Self::new(setup(), width, height);
        seat.event(LogEvent::Opened);
        seat.event(LogEvent::Stream { stream: StreamId(0), speaker: Speaker::Kernel { host: "h".into() } });
        seat.event(LogEvent::State { stream: StreamId(0), state: StreamState::Live });
        for line in lines {
            seat.say(line.as_bytes());
        }
        seat
    }

    fn event(&mut self, event: LogEvent) {
        let now = self.store.now();
        self.store.apply(Batch { source: SourceId(0), at: now, facts: vec![Fact::Log(Box::new(LogFact { log: LogId(1), event }))] }, now);
    }

    fn say(&mut self, line: &[u8]) {
        let stamp = Stamp::from(self.store.now());
        let marks = vec![Mark { start: 0, end: u32::try_from(line.len()).unwrap(), stamp, cut: 0 }];
        self.event(LogEvent::Lines { stream: StreamId(0), chunk: Chunk { bytes: line.to_vec().into(), marks } });
    }

    fn draw(&mut self) -> String {
        let area = self.frame.area;
        self.frame.reset();
        self.ui.draw(&self.store, area, &mut self.frame);
        // A search that takes more than a slice goes on between frames.
        while self.ui.is_busy() {
            self.ui.work(&self.store);
            self.ui.draw(&self.store, area, &mut self.frame);
        }
        text(&self.frame)
    }

    fn keys(&mut self, keys: &str) -> String {
        self.draw();
        for key in parse_sequence(keys).unwrap() {
            let effects = self.ui.update(&self.store, Input::Key(key));
            self.effects.extend(effects);
            self.draw();
        }
        self.draw()
    }

    fn typed(&mut self, text: &str) -> String {
        self.ui.update(&self.store, Input::Paste(text.to_owned()));
        self.draw()
    }

    fn title(&mut self) -> String {
        self.draw().lines().find(|l| l.contains("Logs ")).unwrap_or_default().to_owned()
    }
}

#[test]
fn every_view_looks_as_it_did() {
    for (w, h) in [(160, 45), (80, 24)] {
        for (set, ascii) in [("unicode", false), ("ascii", true)] {
            for (name, keys) in
                [("dock", "f"), ("zoomed", "z"), ("columns", "z J"), ("pretty", "z J J"), ("wrapped", "z w t t"), ("held", "z k k k space V k k")]
            {
                let setup = if ascii { Setup { glyphs: &ASCII, charset: Charset::Ascii, ..setup() } } else { setup() };
                let mut seat = Seat::spoken(setup, w, h);
                insta::assert_snapshot!(format!("{name}-{w}x{h}-{set}"), seat.keys(keys));
            }
        }
        let mut seat = Seat::spoken(Setup { lang: Lang::load("zh-CN"), ..setup() }, w, h);
        insta::assert_snapshot!(format!("chinese-{w}x{h}"), seat.keys("z k"));
    }
    let mut seat = Seat::spoken(setup(), 160, 45);
    seat.keys("z &");
    insta::assert_snapshot!("filter-160x45-unicode", seat.typed("level>=warn !kubelet -B 1"));
    seat.keys("enter /");
    seat.typed("timed out");
    insta::assert_snapshot!("search-160x45-unicode", seat.keys("enter"));
    seat.keys("&");
    insta::assert_snapshot!("mistake-160x45-unicode", seat.typed(" /a(/"));
}

#[test]
fn every_theme_styles_what_it_did() {
    for name in Themes::default().names() {
        let mut seat = Seat::spoken(Setup { theme: Themes::default().get(name).unwrap(), ..setup() }, 160, 45);
        seat.keys("z J k");
        let mut styles = std::collections::BTreeMap::<String, usize>::new();
        for cell in &seat.frame.content {
            *styles.entry(format!("fg {:?} bg {:?} {:?}", cell.fg, cell.bg, cell.modifier)).or_default() += 1;
        }
        let digest: Vec<String> = styles.into_iter().map(|(s, n)| format!("{n:5} {s}")).collect();
        insta::assert_snapshot!(format!("theme-{name}"), digest.join("\n"));
    }
}

#[test]
fn scrolling_up_holds_still_and_counts_what_is_new() {
    let lines: Vec<String> = (0..500).map(|i| format!("line {i}")).collect();
    let mut seat = Seat::lines(160, 45, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(seat.draw().contains("line 499") && seat.title().contains("following"));
    let held = seat.keys("k k");
    assert!(held.contains("line 499") && seat.title().contains("paused, 0 new"), "{held}");
    for i in 500..700 {
        seat.say(format!("line {i}").as_bytes());
    }
    let held = seat.draw();
    assert!(held.contains("line 499") && !held.contains("line 500") && seat.title().contains("paused, 200 new"), "{held}");
    assert!(seat.keys("g g").contains("line 0") && seat.title().contains("paused"));
    assert!(seat.keys("G").contains("line 699") && seat.title().contains("following"));
    // Walking down to the end follows again; f does both.
    seat.keys("k k");
    assert!(seat.keys("j j j").contains("line 699") && seat.title().contains("following"));
    seat.keys("f");
    assert!(seat.title().contains("paused"));
    seat.keys("f");
    assert!(seat.title().contains("following"));
    let up = seat.keys("pageup pageup");
    assert!(up.contains("line 68") && !up.contains("line 699"), "{up}");
}

#[test]
fn a_held_view_outlives_its_lines() {
    let mut seat = Seat::lines(160, 45, &[]);
    for i in 0..2000 {
        seat.say(format!("line {i} {}", "x".repeat(200)).as_bytes());
    }
    seat.keys("g g");
    for i in 2000..100_000 {
        seat.say(format!("line {i} {}", "x".repeat(200)).as_bytes());
    }
    let book = seat.store.logs.book(LogId(1)).unwrap();
    let first = book.ring().first();
    assert!(first > 2000);
    let held = seat.draw();
    assert!(held.contains(&format!("line {first} ")), "{held}");
    assert!(seat.title().contains("evicted"));
    assert!(seat.keys("j j k G").contains("line 99999"));
}

#[test]
fn a_search_steps_both_ways_and_tells_where_it_stands() {
    let lines: Vec<String> = (0..300).map(|i| if i % 50 == 7 { format!("line {i} needle") } else { format!("line {i}") }).collect();
    let mut seat = Seat::lines(160, 45, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    seat.keys("/");
    seat.typed("needle");
    let found = seat.keys("enter");
    assert!(found.contains("line 257 needle") && seat.title().contains("needle: 6 of 6"), "{found}");
    assert!(seat.keys("N").contains("line 207 needle") && seat.title().contains("needle: 5 of 6"));
    assert!(seat.keys("n n").contains("line 7 needle"), "it wraps");
    let lit = seat.frame.content.iter().filter(|c| c.bg == seat.ui.paint.style("text.match").bg.unwrap()).count();
    assert_eq!(lit, "needle".len());
    seat.keys("/ ctrl-u");
    seat.typed("nothing-such");
    assert!(seat.keys("enter").contains("not found: nothing-such"));
    assert!(!seat.keys("esc").contains("nothing-such:"), "esc takes the search away, the log stays");
    assert!(seat.title().contains("Logs"));
}

#[test]
fn a_hit_across_rows_and_far_down_in_a_line_is_in_sight() {
    let tall = format!("{}needle{}", "x".repeat(5000), "y".repeat(3000));
    let mut seat = Seat::lines(100, 20, &["first", &tall, "last"]);
    seat.keys("z w /");
    seat.typed("needle");
    seat.keys("enter");
    let lit = |seat: &Seat| {
        let bg = seat.ui.paint.style("text.match").bg.unwrap();
        seat.frame.content.iter().filter(|c| c.bg == bg).map(ratatui::buffer::Cell::symbol).collect::<String>()
    };
    assert_eq!(lit(&seat), "needle", "{}", text(&seat.frame));
    // Wherever the row ends within it.
    for shift in 0..8 {
        let line = format!("{}needle and more", "x".repeat(78 + shift));
        let mut seat = Seat::lines(100, 20, &[&line]);
        seat.keys("z w /");
        seat.typed("needle");
        seat.keys("enter");
        assert_eq!(lit(&seat), "needle", "{}", text(&seat.frame));
    }
}

#[test]
fn late_history_moves_nobody_from_their_line() {
    let mut seat = Seat::lines(160, 45, &[]);
    seat.event(LogEvent::Stream { stream: StreamId(1), speaker: Speaker::Kernel { host: "slow".into() } });
    let now = seat.store.now().0;
    let say = |seat: &mut Seat, stream: u32, at: i64, words: &str| {
        let marks = vec![Mark { start: 0, end: u32::try_from(words.len()).unwrap(), stamp: Stamp::from(Moment(at)), cut: 0 }];
        seat.event(LogEvent::Lines { stream: StreamId(stream), chunk: Chunk { bytes: words.to_owned().into(), marks } });
    };
    (0..300).for_each(|i| say(&mut seat, 0, now - 300_000 + i * 1000, &format!("fast {i}")));
    seat.event(LogEvent::State { stream: StreamId(1), state: StreamState::Waiting });
    seat.draw();
    let held = seat.keys("k k k k space k");
    assert!(held.contains("fast 299"), "{held}");
    let marked = |screen: &str| screen.lines().find(|l| l.contains(crate::ui::glyph::UNICODE.mark)).map(|l| l.contains("fast 296"));
    let chosen = |seat: &Seat| seat.ui.log.as_ref().and_then(|p| seat.store.logs.book(LogId(1)).unwrap().ring().line(p.cursor)).map(|l| l.bytes.to_vec());
    let before = (marked(&held), chosen(&seat));
    (0..200).for_each(|i| say(&mut seat, 1, now - 299_500 + i * 1000, &format!("slow {i}")));
    seat.event(LogEvent::Note { stream: Some(StreamId(1)), note: Note::Rotated });
    let after = seat.draw();
    assert_eq!((marked(&after), chosen(&seat)), before, "{after}");
    assert!(seat.keys("g g").contains("slow 0"));
}

#[test]
fn a_filter_follows_while_it_is_typed_and_shows_its_mistakes() {
    let mut seat = Seat::lines(160, 45, &["INFO one", "ERROR two", "\tat frame", "INFO three", "WARN four"]);
    seat.event(LogEvent::Note { stream: Some(StreamId(0)), note: Note::Gap { lines: Some(9), bytes: 9, cause: GapCause::Overflow } });
    seat.keys("&");
    let shown = seat.typed("level>=error");
    assert!(shown.contains("ERROR two") && shown.contains("at frame") && !shown.contains("INFO one") && !shown.contains("WARN four"), "{shown}");
    assert!(shown.contains("9 lines missing here"), "no filter hides a gap: {shown}");
    let wrong = seat.typed(" /a(");
    assert!(wrong.contains("a regex is written /like this/") && wrong.contains("ERROR two"), "{wrong}");
    let place = wrong.lines().rev().nth(1).unwrap().chars().position(|c| c == '↓').unwrap();
    assert_eq!(wrong.lines().last().unwrap().chars().nth(place), Some('/'));
    let back = seat.keys("esc");
    assert!(back.contains("INFO one") && back.contains("WARN four"), "{back}");
    seat.keys("&");
    seat.typed("three -C 1");
    let around = seat.keys("enter");
    assert!(around.contains("at frame") && around.contains("INFO three") && around.contains("WARN four") && !around.contains("INFO one"), "{around}");
    assert!(seat.title().contains("1 of 6 lines"), "{}", seat.title());
    assert!(seat.keys("esc").contains("INFO one"));
}

#[test]
fn lines_are_selected_copied_marked_and_saved() {
    let mut seat = Seat::lines(160, 45, &["one", "\x1b[31mtwo\x1b[0m", "three", "four"]);
    seat.keys("k k V j c");
    assert!(matches!(seat.effects.last(), Some(Effect::Copy(t)) if t == "two\nthree"), "{:?}", seat.effects.last());
    seat.keys("C");
    assert!(matches!(seat.effects.last(), Some(Effect::Copy(t)) if t.contains("h/kernel three") && t.contains("2026-11-21")), "{:?}", seat.effects.last());
    seat.keys("g g space G ' C");
    assert!(seat.title().contains("following") || seat.title().contains("paused"));
    seat.keys("\" c");
    assert!(matches!(seat.effects.last(), Some(Effect::Copy(t)) if t == "one"), "{:?}", seat.effects.last());
    seat.keys("& ");
    seat.typed("t");
    seat.keys("enter ctrl-s");
    seat.typed("out.log");
    seat.keys("enter");
    let Some(Effect::SaveLarge { path, text }) = seat.effects.last() else { panic!("{:?}", seat.effects.last()) };
    assert_eq!(path, "out.log");
    let mut file = Vec::new();
    assert_eq!(text.write_to(&mut file).unwrap(), 2);
    let file = String::from_utf8(file).unwrap();
    assert!(file.starts_with("# ") && file.contains("filter: t") && file.contains("two") && file.contains("three") && !file.contains("four"), "{file}");
    seat.keys("ctrl-s tab");
    seat.typed("whole.log");
    seat.keys("enter");
    assert!(matches!(seat.effects.last(), Some(Effect::SaveLog { query, .. }) if query.window.tail.is_none()), "{:?}", seat.effects.last());
    seat.keys("|");
    assert!(matches!(seat.effects.last(), Some(Effect::Suspend(Errand::PageLarge(_)))));
}

#[test]
fn times_are_jumped_to_and_fields_are_chosen() {
    let mut seat = Seat::lines(160, 45, &[]);
    let start = seat.store.now();
    for i in 0..600_i64 {
        let stamp = Stamp::from(Moment(start.0 - 600_000 + i * 1000));
        let line = format!(r#"{{"level":"info","msg":"m{i}","status":{},"req":{{"path":"/p{i}"}}}}"#, 200 + i % 3);
        let marks = vec![Mark { start: 0, end: u32::try_from(line.len()).unwrap(), stamp, cut: 0 }];
        seat.event(LogEvent::Lines { stream: StreamId(0), chunk: Chunk { bytes: line.into(), marks } });
    }
    seat.keys(":");
    seat.typed("at -5m");
    let there = seat.keys("enter");
    assert!(there.contains("\"m300\"") && seat.title().contains("paused"), "{there}");
    seat.keys(":");
    seat.typed("at -2h");
    assert!(seat.keys("enter").contains("the oldest line kept is of"));
    seat.keys(":");
    seat.typed("fields .status .req.path");
    let columns = seat.keys("enter");
    assert!(columns.contains("INFO  200 /p0   m0") || columns.contains("INFO  200 /p0"), "{columns}");
    seat.keys(":");
    seat.typed("at soon");
    assert!(seat.keys("enter").contains("soon is no time"));
    let opened = seat.keys("J J enter");
    assert!(opened.contains("status") && opened.contains("  path"), "{opened}");
}

#[test]
fn logs_are_opened_merged_and_closed() {
    let mut seat = Seat::new(setup(), 160, 45);
    assert!(matches!(&seat.effects[..], [Effect::OpenLog { log: LogId(1), query }] if query.targets.len() == 1));
    seat.keys("tab 4 j L");
    assert!(
        matches!(&seat.effects[1..], [Effect::CloseLog(LogId(1)), Effect::OpenLog { log: LogId(2), query }] if query.targets.len() == 2),
        "{:?}",
        seat.effects
    );
    assert!(seat.keys("f").contains("+1"));
    seat.keys("esc");
    assert!(matches!(seat.effects.last(), Some(Effect::CloseLog(LogId(2)))));
    seat.effects.clear();
    seat.keys("space space l");
    assert!(matches!(&seat.effects[..], [Effect::OpenLog { query, .. }] if query.targets.len() == 2), "{:?}", seat.effects);
    seat.keys("esc");
    let told = seat.keys("1 p");
    assert!(told.contains("no previous life"), "{told}");
    seat.keys("4 d");
    let detail = seat.keys("esc");
    assert!(!detail.contains("Logs "), "{detail}");
}

#[test]
fn no_size_and_no_line_panics() {
    for (w, h) in [(0, 0), (1, 1), (5, 3), (20, 6), (60, 20), (119, 29), (300, 90), (300, 4)] {
        for keys in ["j", "z J", "z J J", "z w", "$ 0 right left", "V k c", "k k k enter", "g g pageup pagedown ctrl-d ctrl-u"] {
            Seat::spoken(setup(), w, h).keys(keys);
        }
    }
    let long = "长".repeat(100_000);
    let mut seat = Seat::lines(80, 24, &["a", &long, "b"]);
    let wrapped = seat.keys("z w k k");
    assert!(wrapped.contains("长"), "{wrapped}");
    for _ in 0..300 {
        seat.keys("j");
    }
    assert!(seat.draw().contains('b'));
    let mut ascii = Seat::spoken(Setup { glyphs: &ASCII, charset: Charset::Ascii, ..setup() }, 160, 45);
    assert!(ascii.keys("z").is_ascii());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn nothing_that_is_said_is_obeyed(
        lines in prop::collection::vec(prop::collection::vec(prop_oneof![any::<u8>(), Just(0x1b), Just(b'['), Just(b'm'), Just(b'{'), Just(b'"'), Just(b':'), Just(0x9b)], 0..80), 1..20),
        keys in prop::sample::select(vec!["z", "z w", "z J", "z J J", "k enter", "z right"]),
    ) {
        for depth in [Depth::True, Depth::Sixteen, Depth::None] {
            let mut seat = Seat::lines(100, 30, &[]);
            seat.ui = Ui::new(Setup { depth, ..setup() });
            seat.keys("4 l");
            for line in &lines {
                seat.say(line);
            }
            seat.say(b"\x1b[31m{\"msg\":\"\x1b]52;c;AAAA\x07\"}");
            seat.keys(keys);
            let mut out = Vec::new();
            FrameSink::default().show(&seat.frame, &mut out).unwrap();
            let left = residue(&out);
            prop_assert!(!left.chars().any(char::is_control), "{:?}", left);
        }
    }
}
