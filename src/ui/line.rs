//! One line of typing.

use crate::config::keys::{KeyCode, KeyPress};

#[derive(Clone, Default, PartialEq, Eq)]
pub struct Line {
    text: String,
    /// In bytes, on a character's border.
    at: usize,
}

/// A line may hold a password.
impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line")
    }
}

impl Line {
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { at: text.len(), text }
    }
    pub fn text(&self) -> &str {
        &self.text
    }
    pub fn take(&mut self) -> String {
        self.at = 0;
        std::mem::take(&mut self.text)
    }
    /// What stands before the cursor, and behind it.
    pub fn parts(&self) -> (&str, &str) {
        self.text.split_at(self.at)
    }
    pub fn insert(&mut self, text: &str) {
        for c in text.chars().filter(|c| !c.is_control()) {
            self.text.insert(self.at, c);
            self.at += c.len_utf8();
        }
    }
    /// Takes a key; false where it is none of editing.
    pub fn key(&mut self, key: KeyPress) -> bool {
        let before = self.text[..self.at].chars().next_back().map_or(0, char::len_utf8);
        let after = self.text[self.at..].chars().next().map_or(0, char::len_utf8);
        match (key.code, key.ctrl) {
            (KeyCode::Char('a'), true) | (KeyCode::Home, _) => self.at = 0,
            (KeyCode::Char('e'), true) | (KeyCode::End, _) => self.at = self.text.len(),
            (KeyCode::Char('u'), true) => {
                self.text.drain(..self.at);
                self.at = 0;
            }
            (KeyCode::Char('k'), true) => self.text.truncate(self.at),
            (KeyCode::Char('w'), true) => {
                let head = self.text[..self.at].trim_end();
                let from = head.rfind(' ').map_or(0, |i| i + 1);
                self.text.drain(from..self.at);
                self.at = from;
            }
            (KeyCode::Char('h'), true) | (KeyCode::Backspace, _) => {
                self.text.drain(self.at - before..self.at);
                self.at -= before;
            }
            (KeyCode::Delete, _) => {
                self.text.drain(self.at..self.at + after);
            }
            (KeyCode::Left, _) => self.at -= before,
            (KeyCode::Right, _) => self.at += after,
            (KeyCode::Char(c), false) if !key.alt => self.insert(c.encode_utf8(&mut [0; 4])),
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::parse_sequence;

    #[test]
    fn editing_keeps_to_characters() {
        let mut line = Line::new("订单");
        for key in parse_sequence("left x backspace delete a b space c ctrl-w").unwrap() {
            assert!(line.key(key));
        }
        assert_eq!(line.text(), "订ab ");
        line.insert("q\x1b[31m\n");
        assert_eq!(line.take(), "订ab q[31m");
    }
}
