//! Cutting the elements of one top-level array out of a JSON text as it arrives, without parsing them.

use super::wire::{Broken, Part};

const LARGEST: usize = 16 << 20;

/// Where in a JSON text the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    /// Right behind a backslash.
    Escaped,
}

/// Hands out each element of the array named at the top level, and the object `metadata` beside it, wherever it stands.
#[derive(Debug)]
pub(crate) struct Splitter {
    array: &'static str,
    depth: u32,
    text: Text,
    /// The last key at the top level.
    key: Vec<u8>,
    /// What is being kept, and why.
    keep: Keep,
    held: Vec<u8>,
    in_array: bool,
    done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Nothing,
    /// A string at the top level that is a key if a colon follows.
    Key,
    Element,
    Meta,
}

impl Splitter {
    pub(crate) fn new(array: &'static str) -> Self {
        Self { array, depth: 0, text: Text::Outside, key: Vec::new(), keep: Keep::Nothing, held: Vec::new(), in_array: false, done: false }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    pub(crate) fn push(&mut self, chunk: &[u8], each: &mut dyn FnMut(Part<'_>)) -> Result<(), Broken> {
        // The start of what is kept, within this chunk.
        let mut from = 0;
        let mut at = 0;
        while at < chunk.len() {
            let byte = chunk[at];
            if self.text != Text::Outside {
                if self.text == Text::Escaped {
                    self.text = Text::Inside;
                    at += 1;
                    continue;
                }
                let Some(next) = memchr::memchr2(b'"', b'\\', &chunk[at..]) else { break };
                at += next;
                if chunk[at] == b'\\' {
                    self.text = Text::Escaped;
                } else {
                    self.text = Text::Outside;
                    if self.keep == Keep::Key {
                        self.held.extend_from_slice(&chunk[from..at]);
                        self.key = std::mem::take(&mut self.held);
                        self.keep = Keep::Nothing;
                    }
                }
                at += 1;
                continue;
            }
            match byte {
                b'"' => {
                    self.text = Text::Inside;
                    if self.depth == 1 {
                        self.keep = Keep::Key;
                        self.held.clear();
                        from = at + 1;
                    }
                }
                b'{' | b'[' => {
                    if self.depth == 1 && byte == b'[' && self.key == self.array.as_bytes() {
                        self.in_array = true;
                    } else if self.depth == 1 && byte == b'{' && self.key == b"metadata" {
                        (self.keep, from) = (Keep::Meta, at);
                    } else if self.depth == 2 && self.in_array && byte == b'{' {
                        (self.keep, from) = (Keep::Element, at);
                    }
                    self.depth += 1;
                }
                b'}' | b']' => {
                    self.depth = self.depth.checked_sub(1).ok_or(Broken("it closes more than it opens"))?;
                    let over = match self.keep {
                        Keep::Element => self.depth == 2,
                        Keep::Meta => self.depth == 1,
                        Keep::Nothing | Keep::Key => false,
                    };
                    if over {
                        let text = if self.held.is_empty() {
                            &chunk[from..=at]
                        } else {
                            self.held.extend_from_slice(&chunk[from..=at]);
                            &self.held
                        };
                        each(if self.keep == Keep::Meta { Part::Meta(text) } else { Part::Item(text) });
                        self.held.clear();
                        self.keep = Keep::Nothing;
                    } else if self.depth == 1 && byte == b']' {
                        self.in_array = false;
                    } else if self.depth == 0 {
                        self.done = true;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        if self.keep != Keep::Nothing {
            self.held.extend_from_slice(&chunk[from.min(chunk.len())..]);
            if self.held.len() > LARGEST {
                return Err(Broken("an object is larger than 16 MiB"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str, size: usize) -> (Vec<String>, Vec<String>, bool) {
        let (mut meta, mut items) = (Vec::new(), Vec::new());
        let mut splitter = Splitter::new("items");
        for chunk in text.as_bytes().chunks(size) {
            splitter
                .push(chunk, &mut |part| match part {
                    Part::Meta(m) => meta.push(String::from_utf8_lossy(m).into_owned()),
                    Part::Item(i) => items.push(String::from_utf8_lossy(i).into_owned()),
                })
                .unwrap();
        }
        (meta, items, splitter.is_done())
    }

    #[test]
    fn elements_come_out_whole_however_they_are_cut() {
        let text = r#" {"kind":"PodList","items":[{"a":"}]\"{","n":[1,{"items":[{}]}]}, {"b":{}} ],"x":{"items":[{"no":1}]},"metadata":{"resourceVersion":"7","y":{}}}"#;
        for size in 1..text.len() {
            let (meta, items, done) = split(text, size);
            assert_eq!(items, [r#"{"a":"}]\"{","n":[1,{"items":[{}]}]}"#, r#"{"b":{}}"#], "cut every {size}");
            assert_eq!(meta, [r#"{"resourceVersion":"7","y":{}}"#]);
            assert!(done);
        }
        assert!(!split(&text[..text.len() - 1], 9).2, "a cut list is not done");
    }
}
