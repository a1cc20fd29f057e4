//! The marks that are not words. Two sets: one of Unicode, one that any terminal shows in one cell each.

use crate::config::spec::GlyphChoice;
use crate::model::verdict::Verdict;

/// One set of marks. Every one is as wide as its text says under both ways of counting East Asian width, or the set is not chosen.
#[derive(Debug, PartialEq, Eq)]
pub struct Glyphs {
    pub crit: &'static str,
    pub unknown: &'static str,
    pub warn: &'static str,
    pub ok: &'static str,
    pub off: &'static str,
    pub arrow: &'static str,
    pub dot: &'static str,
    pub cut: &'static str,
    pub mark: &'static str,
    pub up: &'static str,
    pub down: &'static str,
    pub horizontal: &'static str,
    pub vertical: &'static str,
    /// Corners and crossings by the arms they have, as bits: up 1, right 2, down 4, left 8.
    pub joints: [&'static str; 16],
    /// From empty to full; the first is a gap.
    pub spark: [&'static str; 9],
}

pub const UNICODE: Glyphs = Glyphs {
    crit: "✖",
    unknown: "?",
    warn: "▲",
    ok: "●",
    off: "■",
    arrow: "→",
    dot: "·",
    cut: "…",
    mark: "◆",
    up: "↑",
    down: "↓",
    horizontal: "─",
    vertical: "│",
    joints: [" ", "│", "─", "└", "│", "│", "┌", "├", "─", "┘", "─", "┴", "┐", "┤", "┬", "┼"],
    spark: [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
};

pub const ASCII: Glyphs = Glyphs {
    crit: "X",
    unknown: "?",
    warn: "!",
    ok: "+",
    off: "-",
    arrow: "->",
    dot: ".",
    cut: "~",
    mark: "*",
    up: "^",
    down: "v",
    horizontal: "-",
    vertical: "|",
    joints: [" ", "|", "-", "+", "|", "|", "+", "+", "-", "+", "-", "+", "+", "+", "+", "+"],
    spark: [" ", "_", "_", ".", ".", "-", "-", "=", "#"],
};

impl Glyphs {
    pub fn verdict(&self, verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Crit => self.crit,
            Verdict::Unknown => self.unknown,
            Verdict::Warn => self.warn,
            Verdict::Ok => self.ok,
            Verdict::Off => self.off,
        }
    }

    pub fn is_ascii(&self) -> bool {
        *self == ASCII
    }
}

/// What the terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    #[default]
    Utf8,
    /// Other characters would arrive as several wrong ones; each is shown as `?`.
    Ascii,
}

/// The character that is printed to ask how wide such marks are.
pub const PROBE: &str = "●";

/// Which set to use. `locale` is the first that is set of `LC_ALL`, `LC_CTYPE` and `LANG`; `measured` is how many cells the
/// terminal gave [`PROBE`], `None` where it did not answer.
pub fn decide(choice: GlyphChoice, locale: &str, term: &str, measured: Option<u16>) -> (&'static Glyphs, Charset) {
    let utf8 = crate::base::text::is_utf8(locale);
    let charset = if utf8 { Charset::Utf8 } else { Charset::Ascii };
    let glyphs = match (choice, measured) {
        (GlyphChoice::Unicode, _) => return (&UNICODE, Charset::Utf8),
        // The kernel's own console has 512 glyphs and few of these; `dumb` promises nothing.
        (GlyphChoice::Auto, Some(1) | None) if utf8 && !matches!(term, "linux" | "dumb" | "") => &UNICODE,
        (GlyphChoice::Ascii | GlyphChoice::Auto, _) => &ASCII,
    };
    (glyphs, charset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_follows_what_the_terminal_showed() {
        let auto = |locale, term, measured| decide(GlyphChoice::Auto, locale, term, measured).0.is_ascii();
        assert!(!auto("en_US.UTF-8", "xterm-256color", Some(1)));
        assert!(!auto("zh_CN.utf8", "screen", None));
        assert!(auto("zh_CN.UTF-8", "xterm", Some(2)));
        assert!(auto("C", "xterm", Some(1)) && auto("", "xterm", None));
        assert!(auto("en_US.UTF-8", "linux", Some(1)));
        assert_eq!(decide(GlyphChoice::Unicode, "C", "xterm", None), (&UNICODE, Charset::Utf8));
        assert_eq!(decide(GlyphChoice::Ascii, "C.UTF-8", "xterm", None), (&ASCII, Charset::Utf8));
        assert_eq!(decide(GlyphChoice::Auto, "C", "xterm", None).1, Charset::Ascii);
    }
}
