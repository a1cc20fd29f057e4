//! The screen over a made-up cluster: snapshots at both sizes, and what must never happen.

use std::fmt::Write as _;

use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::glyph::{ASCII, Charset, UNICODE};
use super::paint::Depth;
use super::sink::FrameSink;
use super::{Badge, Input, Setup, Ui};
use crate::config::keys::parse_sequence;
use crate::config::lang::Lang;
use crate::config::theme::Themes;
use crate::model::effect::Effect;
use crate::model::id::Target;

#[allow(clippy::pedantic, unreachable_pub)]
pub(super) mod sample {
    use crate as qd;
    include!("../../examples/sample/store.rs");
}

#[allow(clippy::pedantic, unreachable_pub)]
pub(super) mod spoken {
    use crate as qd;
    include!("../../examples/sample/log.rs");
}

pub(super) fn setup() -> Setup {
    Setup { environment: Some(Badge { name: "pro".into(), color: "red".into() }), ..Setup::default() }
}

pub(super) fn screen(ui: &mut Ui, store: &crate::store::Store, w: u16, h: u16, keys: &str) -> Buffer {
    let area = Rect::new(0, 0, w, h);
    let mut frame = Buffer::empty(area);
    ui.draw(store, area, &mut frame);
    for key in parse_sequence(keys).unwrap_or_default() {
        ui.update(store, Input::Key(key));
        ui.draw(store, area, &mut frame);
    }
    frame
}

pub(super) fn text(frame: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..frame.area.height {
        let mut skip = 0;
        let mut line = String::new();
        for x in 0..frame.area.width {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let symbol = frame[(x, y)].symbol();
            line.push_str(symbol);
            skip = crate::base::text::width(symbol).saturating_sub(1);
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// Every place at both sizes and in both glyph sets.
#[test]
fn every_pane_looks_as_it_did() {
    let store = sample::store(&["evil\x1b[2Jname\u{202e}\x07"]);
    let views = [
        ("hosts", "1"),
        ("vms", "2"),
        ("containers", "g c"),
        ("nodes", "3"),
        ("pods", "4"),
        ("workloads", "g w"),
        ("events", "g e"),
        ("middleware", "5"),
        ("problems", "! v"),
        ("help", "?"),
        ("sources", "g s"),
    ];
    for (w, h) in [(160, 45), (80, 24)] {
        for (set, glyphs) in [("unicode", &UNICODE), ("ascii", &ASCII)] {
            for (name, keys) in views {
                let mut ui = Ui::new(Setup { glyphs, ..setup() });
                let frame = screen(&mut ui, &store, w, h, keys);
                insta::assert_snapshot!(format!("{name}-{w}x{h}-{set}"), text(&frame));
            }
        }
    }
    let mut ui = Ui::new(Setup { lang: Lang::load("zh-CN"), ..setup() });
    insta::assert_snapshot!("chinese-160x45", text(&screen(&mut ui, &store, 160, 45, "4 v")));
    insta::assert_snapshot!("small-60x20", text(&screen(&mut Ui::new(setup()), &store, 60, 20, "4")));
}

/// The words are the same in every theme; what differs is how often each style stands on the screen.
#[test]
fn every_theme_styles_what_it_did() {
    let store = sample::store(&[]);
    for name in Themes::default().names() {
        for (w, h) in [(160, 45), (80, 24)] {
            let mut ui = Ui::new(Setup { theme: Themes::default().get(name).unwrap(), ..setup() });
            let frame = screen(&mut ui, &store, w, h, "4 v");
            let mut styles = std::collections::BTreeMap::<String, usize>::new();
            for cell in &frame.content {
                *styles.entry(format!("fg {:?} bg {:?} {:?}", cell.fg, cell.bg, cell.modifier)).or_default() += 1;
            }
            let digest: Vec<String> = styles.into_iter().map(|(s, n)| format!("{n:5} {s}")).collect();
            insta::assert_snapshot!(format!("theme-{name}-{w}x{h}"), digest.join("\n"));
        }
    }
}

#[test]
fn no_size_panics_and_ascii_means_ascii() {
    let store = sample::store(&["订单\u{200b}"]);
    for (w, h) in [(0, 0), (1, 1), (2, 2), (5, 3), (20, 6), (60, 20), (119, 29), (120, 30), (300, 90), (1, 50), (300, 1)] {
        for keys in ["1", "4 v", "? down", "g s", "/ x", ": t", "z 4 v d", "! enter", "r", "ctrl-w"] {
            screen(&mut Ui::new(setup()), &store, w, h, keys);
        }
    }
    let mut ui = Ui::new(Setup { glyphs: &ASCII, charset: Charset::Ascii, ..setup() });
    assert!(text(&screen(&mut ui, &store, 160, 45, "4 v")).is_ascii());
}

#[test]
fn selection_goes_by_identity_and_enter_drills() {
    let store = sample::store(&[]);
    let mut ui = Ui::new(setup());
    screen(&mut ui, &store, 160, 45, "1 / k v m - 1 enter enter");
    assert!(matches!(ui.selected(), Some(Target::Vm(k)) if &*k.host == "kvm-1"));
    screen(&mut ui, &store, 160, 45, "esc");
    assert_eq!(ui.selected(), Some(Target::Host("kvm-1".into())));
    screen(&mut ui, &store, 160, 45, "3 / k 8 s - n - 2 enter enter");
    assert!(matches!(ui.selected(), Some(Target::Pod(k)) if store.pods.get(&k).unwrap().row.node.as_deref() == Some("k8s-n-2")));
}

/// A pod that lands on the drilled node later is shown without asking again.
#[test]
fn a_narrowed_pane_takes_in_what_comes_later() {
    use crate::model::fact::{Batch, Change, Fact, Row as _};
    let mut store = sample::store(&[]);
    let mut ui = Ui::new(setup());
    screen(&mut ui, &store, 160, 45, "3 / k 8 s - n - 2 enter r");
    let before = ui.pane(3).shown();
    let entry = store.pods.iter().map(|(_, e)| e).find(|e| e.row.node.as_deref() == Some("k8s-n-2")).unwrap();
    let (mut pod, source, now) = (entry.row.clone(), entry.source, store.now());
    pod.uid = crate::model::id::Uid(77);
    store.apply(Batch { source, at: now, facts: vec![Fact::Pod(Box::new(Change::Upsert(pod.clone())))] }, now);
    store.tick(now.plus(std::time::Duration::from_secs(5)));
    screen(&mut ui, &store, 160, 45, "");
    assert_eq!(ui.pane(3).shown(), before + 1);
    assert!(ui.kin(&store).has(&pod.target()));
}

/// A frame of an unchanged store does not search for relatives; a changed one does, at most twice a second.
#[test]
fn relatives_are_looked_for_when_something_changed() {
    use crate::model::fact::{Batch, Change, Fact, Row as _};
    let mut store = sample::store(&[]);
    let mut ui = Ui::new(setup());
    screen(&mut ui, &store, 160, 45, "3");
    let first = ui.kin(&store);
    assert!(std::sync::Arc::ptr_eq(&first, &ui.kin(&store)));
    let entry = store.pods.iter().map(|(_, e)| e).next().unwrap();
    let (key, source, now) = (entry.row.key(), entry.source, store.now());
    store.apply(Batch { source, at: now, facts: vec![Fact::Pod(Box::new(Change::Remove(key)))] }, now);
    assert!(std::sync::Arc::ptr_eq(&first, &ui.kin(&store)));
    store.tick(now.plus(std::time::Duration::from_millis(600)));
    assert!(!std::sync::Arc::ptr_eq(&first, &ui.kin(&store)));
}

#[test]
fn a_document_is_searched_with_a_count_and_moves_sideways() {
    let store = sample::store(&[]);
    let mut ui = Ui::new(setup());
    screen(&mut ui, &store, 160, 45, "4 y");
    let mut lines: Vec<String> = (0..200).map(|i| format!("line {i}")).collect();
    lines[150] = format!("{}needle", " ".repeat(300));
    lines[20] = "a needle".into();
    ui.document(crate::model::effect::RequestId(1), Ok(crate::model::effect::Document { title: "doc".into(), lines }));
    let found = text(&screen(&mut ui, &store, 160, 45, "/ n e e d l e enter"));
    assert!(found.contains("1 of 2") || found.contains("21"), "{found}");
    let found = text(&screen(&mut ui, &store, 160, 45, "n"));
    assert!(found.contains("needle") && ui.shift > 0, "{found}");
    screen(&mut ui, &store, 160, 45, "n left");
    assert_eq!(ui.shift, 0);
}

/// A source that never answered stands among the problems, with its error; so do the sources, whole.
#[test]
fn a_silent_source_is_a_problem_and_its_remedy_is_readable() {
    let store = sample::store(&[]);
    let silent: Vec<_> = store.sources().filter(|s| !s.state.is_live() && !store.has(&s.subject.target())).collect();
    assert!(!silent.is_empty());
    for s in &silent {
        assert!(store.problems().iter().any(|p| p.target == s.subject.target()), "{:?}", s.subject);
    }
    let words: String = text(&screen(&mut Ui::new(setup()), &store, 80, 24, "g s")).split_whitespace().filter(|w| *w != "│").collect();
    for s in silent.iter().filter(|s| !s.remedy.is_empty()) {
        let remedy: String = s.remedy.split_whitespace().collect();
        assert!(words.contains(&remedy), "{remedy} not in {words}");
    }
}

/// Before a cluster's pods have come, the first look at them is drawn, and none of its lines is an object to act on.
#[test]
fn a_first_look_is_drawn_and_selects_nothing() {
    use crate::model::fact::{Batch, Fact, Glance, GlancePod};
    let mut store = crate::store::Store::new(crate::model::limits::Limits::default());
    let sick = GlancePod { name: "db-0".into(), ready: "0/1".into(), status: "CrashLoopBackOff".into(), restarts: 7 };
    let glance = Glance { cluster: "main".into(), total: 4000, by_status: vec![("Running".into(), 3999)], unhealthy: vec![sick] };
    store.apply(Batch { source: crate::model::id::SourceId(1), at: store.now(), facts: vec![Fact::Glance(glance)] }, store.now());
    let mut ui = Ui::new(setup());
    let words = text(&screen(&mut ui, &store, 160, 45, "4 end"));
    assert!(words.contains("4000") && words.contains("db-0") && words.contains("CrashLoopBackOff"), "{words}");
    assert_eq!(ui.selected(), None);
}

#[test]
fn keys_give_effects() {
    let store = sample::store(&[]);
    let mut ui = Ui::new(setup());
    screen(&mut ui, &store, 160, 45, "4");
    let key = |text: &str| Input::Key(parse_sequence(text).unwrap()[0]);
    assert!(matches!(&ui.update(&store, key("d"))[..], [Effect::Inspect { target: Target::Pod(_), .. }]));
    ui.update(&store, key("esc"));
    assert!(matches!(&ui.update(&store, key("c"))[..], [Effect::Copy(name)] if !name.is_empty()));
    assert!(matches!(&ui.update(&store, key("ctrl-l"))[..], [Effect::Redraw]));
    ui.update(&store, key(":"));
    ui.update(&store, key("esc"));
    assert!(matches!(&ui.update(&store, key("q"))[..], [Effect::Quit]));
}

#[test]
fn an_unchanged_picture_sends_nothing() {
    let store = sample::store(&[]);
    let mut ui = Ui::new(setup());
    let (mut sink, mut out) = (FrameSink::default(), Vec::new());
    sink.show(&screen(&mut ui, &store, 160, 45, ""), &mut out).unwrap();
    assert_eq!(sink.show(&screen(&mut ui, &store, 160, 45, ""), &mut out).unwrap(), 0);
}

/// What is left of a terminal's input after our own sequences: it must hold no control character.
pub(super) fn residue(bytes: &[u8]) -> String {
    let all = String::from_utf8_lossy(bytes);
    let ours = regex::Regex::new(r"\x1b\[(?:[0-9;:]*m|[0-9]+;[0-9]+H|\?2026[hl]|\?25[hl]|2J)").unwrap();
    ours.replace_all(&all, "").into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_bytes_from_afar_reach_the_terminal_as_control(evil in "[\\x00-\\x1f\\x7f-\\u{9f}a\\[\\]0-9;mHJ\u{202e}\u{200b}订]{0,40}", keys in prop::sample::select(vec!["4", "4 v", "g e v", "g w v", "g c v", "! v", "4 C", "g s"])) {
        let store = sample::store(&[&evil, "\x1b]52;c;AAAA\x07", "\u{9b}2J"]);
        for depth in [Depth::True, Depth::Sixteen, Depth::None] {
            let mut ui = Ui::new(Setup { depth, ..setup() });
            let frame = screen(&mut ui, &store, 160, 45, keys);
            let mut out = Vec::new();
            FrameSink::default().show(&frame, &mut out).unwrap();
            let left = residue(&out);
            prop_assert!(!left.chars().any(char::is_control), "{:?}", left.chars().filter(|c| c.is_control()).collect::<String>());
        }
    }
}

/// Words on the screen come from the table. Keys, scopes and formats are lower case with dots, braces or dashes; a literal
/// with a blank between letters is a sentence.
#[test]
fn no_sentence_is_written_in_the_code() {
    fn walk(dir: &std::path::Path, out: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                out.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ui"), &mut files);
    let literal = regex::Regex::new(r#""((?:[^"\\]|\\.)*)""#).unwrap();
    let sentence = regex::Regex::new(r"[A-Za-z]{2,} [A-Za-z]{2,}").unwrap();
    let key = regex::Regex::new(r#"(?:word|fill)\(\s*"([a-z0-9.-]+)""#).unwrap();
    let lang = Lang::default();
    let mut wrong = Vec::new();
    for path in files.iter().filter(|p| !p.ends_with("tests.rs")) {
        let whole = std::fs::read_to_string(path).unwrap();
        let code = whole.split("#[cfg(test)]\nmod tests").next().unwrap();
        for line in code.lines().filter(|l| !l.trim_start().starts_with("//") && !l.contains("reason =")) {
            wrong.extend(literal.captures_iter(line).filter(|c| sentence.is_match(&c[1])).map(|c| format!("{}: {}", path.display(), &c[1])));
        }
        wrong.extend(key.captures_iter(code).filter(|c| lang.get(&c[1]).is_none()).map(|c| format!("{}: no words for {}", path.display(), &c[1])));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
