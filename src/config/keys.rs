//! Keys as they are written in the configuration: `j`, `G`, `ctrl-d`, `shift-tab`, `f5`, and sequences of them parted by spaces: `g g`.

use std::fmt;

/// One key without its modifiers. Knows nothing of any terminal library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyCode {
    Char(char),
    Enter,
    Esc,
    Tab,
    Backspace,
    Delete,
    Insert,
    Home,
    End,
    PageUp,
    PageDown,
    Up,
    Down,
    Left,
    Right,
    F(u8),
}

/// One press. Letters carry shift in their case: `G`, never `shift-g`; a terminal's back-tab is `shift-tab`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPress {
    pub code: KeyCode,
    pub ctrl: bool,
    pub alt: bool,
    pub shift: bool,
}

const NAMED: &[(&str, KeyCode)] = &[
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("space", KeyCode::Char(' ')),
];

/// Other spellings that people try.
const ALIASES: &[(&str, &str)] =
    &[("return", "enter"), ("escape", "esc"), ("del", "delete"), ("ins", "insert"), ("bs", "backspace"), ("pgup", "pageup"), ("pgdn", "pagedown")];

impl KeyPress {
    /// A press in the one form that is compared: the shift of a letter is its case, and terminals send `ctrl-G` as `ctrl-g`.
    pub fn new(code: KeyCode, ctrl: bool, alt: bool, shift: bool) -> Self {
        match code {
            KeyCode::Char(c) => {
                let c = if ctrl {
                    c.to_ascii_lowercase()
                } else if shift {
                    c.to_ascii_uppercase()
                } else {
                    c
                };
                Self { code: KeyCode::Char(c), ctrl, alt, shift: false }
            }
            code => Self { code, ctrl, alt, shift },
        }
    }

    /// A key without modifiers.
    pub fn plain(code: KeyCode) -> Self {
        Self::new(code, false, false, false)
    }

    /// Reads one key. The error says what is wrong with it and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut ctrl, mut alt, mut shift) = (false, false, false);
        let mut rest = text;
        // The dash itself is a key: `ctrl--` is the control key with a dash.
        while let Some((modifier, key)) = rest.split_once('-').filter(|(m, k)| !m.is_empty() && !k.is_empty()) {
            match modifier.to_ascii_lowercase().as_str() {
                "ctrl" | "c" | "control" => ctrl = true,
                "alt" | "a" | "meta" | "m" => alt = true,
                "shift" | "s" => shift = true,
                other => return Err(format!("`{other}` is no modifier; write ctrl-, alt- or shift- before the key")),
            }
            rest = key;
        }
        Ok(Self::new(code(rest)?, ctrl, alt, shift))
    }
}

fn code(text: &str) -> Result<KeyCode, String> {
    let mut chars = text.chars();
    if let (Some(c), None) = (chars.next(), chars.next()) {
        return if c.is_control() || c.is_whitespace() { Err("a blank is written `space`, a tab `tab`".to_owned()) } else { Ok(KeyCode::Char(c)) };
    }
    let lower = text.to_ascii_lowercase();
    let name = ALIASES.iter().find(|(alias, _)| *alias == lower).map_or(lower.as_str(), |(_, name)| name);
    if let Some((_, code)) = NAMED.iter().find(|(n, _)| *n == name) {
        return Ok(*code);
    }
    if let Some(n) = name.strip_prefix('f').and_then(|n| n.parse::<u8>().ok()).filter(|n| (1..=24).contains(n)) {
        return Ok(KeyCode::F(n));
    }
    if text.is_empty() {
        return Err("an empty text is no key".to_owned());
    }
    Err(format!(
        "`{text}` is no key; keys are one character (`x`, `G`, `?`), f1 to f24, or one of {}",
        NAMED.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", ")
    ))
}

impl fmt::Display for KeyPress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (on, word) in [(self.ctrl, "ctrl-"), (self.alt, "alt-"), (self.shift, "shift-")] {
            if on {
                f.write_str(word)?;
            }
        }
        match self.code {
            KeyCode::F(n) => write!(f, "f{n}"),
            code => match (NAMED.iter().find(|(_, c)| *c == code), code) {
                (Some((name, _)), _) => f.write_str(name),
                (None, KeyCode::Char(c)) => write!(f, "{c}"),
                (None, _) => f.write_str("?"),
            },
        }
    }
}

/// Reads a sequence: `g g`, `ctrl-x s`.
pub fn parse_sequence(text: &str) -> Result<Vec<KeyPress>, String> {
    let keys = text.split_whitespace().map(KeyPress::parse).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() { Err("an empty text is no key; a blank is written `space`".to_owned()) } else { Ok(keys) }
}

/// Writes a sequence as [`parse_sequence`] reads it.
pub fn write_sequence(keys: &[KeyPress]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_as_they_are_written() {
        for text in ["j", "G", "ctrl-d", "alt-/", "shift-tab", "f5", "space", "ctrl-space", "g g", "g /", "-", "ctrl--", "ctrl-\\", "订", "?", "pagedown"] {
            assert_eq!(write_sequence(&parse_sequence(text).unwrap()), text);
        }
        assert_eq!(KeyPress::parse("shift-g"), KeyPress::parse("G"));
        assert_eq!(KeyPress::parse("C-D"), KeyPress::parse("ctrl-d"));
        assert_eq!(KeyPress::parse("PgDn"), KeyPress::parse("pagedown"));
    }

    #[test]
    fn what_is_no_key_is_named() {
        for (text, says) in [("hyper-x", "`hyper` is no modifier"), ("ctrl-foo", "`foo` is no key"), ("f25", "f1 to f24"), ("", "empty"), ("  ", "empty")] {
            let error = parse_sequence(text).unwrap_err();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }
}
