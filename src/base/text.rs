//! The one policy for text from afar: what is shown of it, how wide it is, how it is cut.
//!
//! Width follows `unicode-width` without the CJK variant. Nothing that reaches the terminal skips [`clean`].

use std::borrow::Cow;
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Does a locale (`zh_CN.UTF-8`, `C.utf8`) say that text is UTF-8?
pub fn is_utf8(locale: &str) -> bool {
    locale.to_ascii_lowercase().replace('-', "").contains("utf8")
}

/// Cells that `text` takes on the screen.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Is this a character that a terminal might obey, or that reorders or hides its neighbours?
fn hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Percent-encoded: fit for a path's segment and for a query's value.
pub fn percent(text: impl AsRef<[u8]>) -> String {
    percent_encode(text.as_ref(), RESERVED).to_string()
}

/// One line of text from afar, made harmless: control characters are shown in caret notation (`^[`), invisible and
/// direction-changing ones by their code point, tabs and line breaks as one space.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(hostile) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\t' | '\n' => out.push(' '),
            '\r' => {}
            '\0'..='\x1f' => {
                out.push('^');
                out.push(char::from(u8::try_from(u32::from(c)).unwrap_or(0) + 0x40));
            }
            '\x7f' => out.push_str("^?"),
            c if hostile(c) => {
                let _ = write!(out, "<{:x}>", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Cuts `text` to at most `cells`, marking the cut at its end.
pub fn cut_end(text: &str, cells: usize, mark: &str) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mark = if width(mark) < cells { mark } else { "" };
    let mut out = take_start(text, cells - width(mark)).to_owned();
    out.push_str(mark);
    out
}

/// Cuts `text` to at most `cells` in its middle: of a pod name the hash at the end tells the replicas apart.
pub fn cut_middle(text: &str, cells: usize, mark: &str) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    if cells < width(mark) + 4 {
        return cut_end(text, cells, mark);
    }
    let rest = cells - width(mark);
    let tail = take_end(text, rest / 2);
    let head = take_start(text, rest - width(tail));
    format!("{head}{mark}{tail}")
}

/// Pads with spaces on the right to `cells`.
pub fn pad(text: &str, cells: usize) -> String {
    let mut out = text.to_owned();
    out.extend(std::iter::repeat_n(' ', cells.saturating_sub(width(text))));
    out
}

/// Pads with spaces on the left to `cells`.
pub fn pad_left(text: &str, cells: usize) -> String {
    let mut out = " ".repeat(cells.saturating_sub(width(text)));
    out.push_str(text);
    out
}

fn take_start(text: &str, cells: usize) -> &str {
    let mut used = 0;
    for (at, g) in text.grapheme_indices(true) {
        used += width(g);
        if used > cells {
            return &text[..at];
        }
    }
    text
}

/// `text` without its first `cells`.
pub fn skip_start(text: &str, cells: usize) -> &str {
    &text[take_start(text, cells).len()..]
}

/// `text` in lines of at most `cells`, broken at blanks where there are any.
pub fn wrap(text: &str, cells: usize) -> Vec<&str> {
    let cells = cells.max(1);
    let mut out = Vec::new();
    let mut rest = text;
    while width(rest) > cells {
        let head = take_start(rest, cells);
        // A cluster wider than the line stands alone and is cut by whoever draws it.
        let head = if head.is_empty() { rest.graphemes(true).next().unwrap_or(rest) } else { head };
        let at_blank = rest[head.len()..].starts_with(' ');
        let end = if at_blank { head.len() } else { head.rfind(' ').filter(|at| *at * 2 > head.len()).unwrap_or(head.len()) };
        out.push(rest[..end].trim_end());
        rest = rest[end..].trim_start();
    }
    if !rest.is_empty() || out.is_empty() {
        out.push(rest);
    }
    out
}

fn take_end(text: &str, cells: usize) -> &str {
    let mut used = 0;
    let mut from = text.len();
    for (at, g) in text.grapheme_indices(true).rev() {
        used += width(g);
        if used > cells {
            break;
        }
        from = at;
    }
    &text[from..]
}

/// A duration as people write it, in two units at most: `42s`, `7m`, `3h12m`, `5d`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=599 if seconds % 60 != 0 => format!("{}m{}s", seconds / 60, seconds % 60),
        120..=7199 => format!("{}m", seconds / 60),
        7200..=35999 if seconds / 60 % 60 != 0 => format!("{}h{}m", seconds / 3600, seconds / 60 % 60),
        7200..=172_799 => format!("{}h", seconds / 3600),
        172_800..=691_199 if seconds / 3600 % 24 != 0 => format!("{}d{}h", seconds / 86400, seconds / 3600 % 24),
        172_800..=63_071_999 => format!("{}d", seconds / 86400),
        _ => format!("{}y{}d", seconds / 31_536_000, seconds / 86400 % 365),
    }
}

/// The age of a value in coarse steps, so that a growing age repaints seldom: 15s 30s 1m 2m 5m 10m 20m 30m 1h, then hours, then days.
pub fn age_step(seconds: u64) -> String {
    const STEPS: [(u64, &str); 9] = [(3600, "1h"), (1800, "30m"), (1200, "20m"), (600, "10m"), (300, "5m"), (120, "2m"), (60, "1m"), (30, "30s"), (15, "15s")];
    match seconds {
        86400.. => format!("{}d", seconds / 86400),
        7200.. => format!("{}h", seconds / 3600),
        _ => STEPS.iter().find(|(from, _)| seconds >= *from).map_or("<15s", |(_, text)| text).to_owned(),
    }
}

/// Bytes in binary units with three digits at most: `512B`, `1.5K`, `64G`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 7] = ["B", "K", "M", "G", "T", "P", "E"];
    #[allow(clippy::cast_precision_loss)]
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 || value >= 9.95 { format!("{value:.0}{}", UNITS[unit]) } else { format!("{value:.1}{}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_shown_not_obeyed() {
        assert_eq!(clean("a\x1b[31mred\x07\u{9b}2J\u{202e}x"), "a^[[31mred^G<9b>2J<202e>x");
        assert!(matches!(clean("订单-服务"), Cow::Borrowed(_)));
    }

    #[test]
    fn cuts_respect_wide_cells() {
        assert_eq!(cut_middle("mall-order-5b49d784c-gbr8m", 16, "…"), "mall-ord…c-gbr8m");
        assert_eq!(width(&cut_middle("订单服务订单服务-gbr8m", 12, "…")), 12);
        assert_eq!(cut_end("订单", 3, "…"), "订…");
        assert_eq!(cut_end("订单", 0, "…"), "");
        assert_eq!(cut_middle("abc", 1, ".."), "a");
    }

    #[test]
    fn spans_and_sizes() {
        assert_eq!([span(42), span(135), span(420), span(11_520), span(432_000)], ["42s", "2m15s", "7m", "3h12m", "5d"]);
        assert_eq!([age_step(16), age_step(59), age_step(61), age_step(100_000)], ["15s", "30s", "1m", "1d"]);
        assert_eq!([bytes(512), bytes(1536), bytes(68_719_476_736)], ["512B", "1.5K", "64G"]);
    }

    #[test]
    fn wrapping_keeps_every_word_and_skipping_goes_by_cells() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("订单订单", 1), ["订", "单", "订", "单"]);
        assert_eq!(skip_start("订单ab", 2), "单ab");
        assert_eq!(skip_start("ab", 9), "");
    }
}
