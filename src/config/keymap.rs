//! Which keys give which command: a preset, changed by the `[keys]` table.

use std::collections::BTreeMap;

use super::keys::{KeyPress, parse_sequence, write_sequence};
use super::presets;
use super::spec::KeyPreset;
use crate::model::command::Command;

/// The finished map. It feeds the loop, the footer and the help.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keymap {
    by_keys: BTreeMap<Vec<KeyPress>, Command>,
    by_command: BTreeMap<Command, Vec<String>>,
}

/// What the keys pressed so far mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    Command(Command),
    /// The start of a longer sequence: wait for the next key.
    Prefix,
    None,
}

/// Something wrong with one binding of the `[keys]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The command name and the key as they were written; the key is empty where the name is meant.
    pub command: String,
    pub key: String,
    pub message: String,
    pub help: String,
}

impl Keymap {
    /// The map, and a line for every binding that could not be followed. The rest of the map works all the same.
    pub fn build(preset: KeyPreset, overrides: &[(String, Vec<String>)]) -> (Self, Vec<String>) {
        let (map, clashes) = Self::check(preset, overrides);
        (map, clashes.into_iter().map(|c| format!("[keys] {}: {}; {}", c.command, c.message, c.help)).collect())
    }

    /// As [`Keymap::build`], with what is wrong taken apart, so that each can be pointed at in the file.
    pub fn check(preset: KeyPreset, overrides: &[(String, Vec<String>)]) -> (Self, Vec<Clash>) {
        let mut map = Self::preset(preset);
        let mut clashes = Vec::new();
        let mut chosen: Vec<(Vec<KeyPress>, Command)> = Vec::new();
        for (name, keys) in overrides {
            let clash = |key: &str, message: String, help: String| Clash { command: name.clone(), key: key.to_owned(), message, help };
            let Some(command) = Command::from_name(name) else {
                let names = Command::ALL.iter().map(|c| c.name());
                clashes.push(clash("", format!("there is no command `{name}`"), crate::base::suggest::help(name, names, "the commands are")));
                continue;
            };
            map.by_keys.retain(|_, c| *c != command);
            for key in keys {
                match parse_sequence(key) {
                    Err(why) => clashes.push(clash(key, why.clone(), "for example `x`, `ctrl-x`, `shift-tab`, `f5` or the sequence `g x`".to_owned())),
                    Ok(sequence) => {
                        if let Some((other, owner)) = chosen.iter().find(|(c, owner)| *owner != command && overlap(c, &sequence)) {
                            let message = format!("the key `{}` clashes with `{}` of `{}`", write_sequence(&sequence), write_sequence(other), owner.name());
                            clashes.push(clash(key, message, "give one of the two another key; no key may be the start of another's sequence".to_owned()));
                        } else {
                            chosen.push((sequence, command));
                        }
                    }
                }
            }
        }
        // A chosen key takes it from the preset, and with it every sequence that it hides or that hides it.
        map.by_keys.retain(|keys, _| !chosen.iter().any(|(c, _)| overlap(c, keys)));
        map.by_keys.extend(chosen);
        map.index();
        (map, clashes)
    }

    fn preset(preset: KeyPreset) -> Self {
        let changes = match preset {
            KeyPreset::Default => &[][..],
            KeyPreset::K9s => presets::K9S,
        };
        let mut map = Self::default();
        for (command, keys) in presets::DEFAULT {
            let keys = changes.iter().find(|(c, _)| c == command).map_or(*keys, |(_, k)| k);
            map.by_keys.extend(keys.iter().filter_map(|k| parse_sequence(k).ok()).map(|k| (k, *command)));
        }
        map
    }

    fn index(&mut self) {
        self.by_command.clear();
        // The order of the preset's table is the order that help shows; the map's own order would put letters first.
        for (keys, command) in &self.by_keys {
            self.by_command.entry(*command).or_default().push(write_sequence(keys));
        }
        for (command, keys) in &mut self.by_command {
            let listed = presets::DEFAULT.iter().find(|(c, _)| c == command).map_or(&[][..], |(_, k)| k);
            keys.sort_by_key(|k| (listed.iter().position(|l| l == k).unwrap_or(usize::MAX), k.clone()));
        }
    }

    pub fn lookup(&self, pressed: &[KeyPress]) -> Lookup {
        if pressed.is_empty() {
            return Lookup::None;
        }
        match self.by_keys.range(pressed.to_vec()..).next() {
            Some((keys, command)) if keys == pressed => Lookup::Command(*command),
            Some((keys, _)) if keys.starts_with(pressed) => Lookup::Prefix,
            _ => Lookup::None,
        }
    }

    /// The keys of a command as a person writes them, the chief one first; empty where it has none.
    pub fn keys_for(&self, command: Command) -> Vec<String> {
        self.by_command.get(&command).cloned().unwrap_or_default()
    }

    /// What may follow the keys pressed so far, for a hint while a sequence is open.
    pub fn continuations(&self, pressed: &[KeyPress]) -> Vec<(String, Command)> {
        self.by_keys.iter().filter(|(k, _)| k.len() > pressed.len() && k.starts_with(pressed)).map(|(k, c)| (write_sequence(&k[pressed.len()..]), *c)).collect()
    }
}

/// Would one of them never be reached because of the other?
fn overlap(a: &[KeyPress], b: &[KeyPress]) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(text: &str) -> Vec<KeyPress> {
        parse_sequence(text).unwrap()
    }

    fn change(name: &str, keys: &[&str]) -> (String, Vec<String>) {
        (name.to_owned(), keys.iter().map(|k| (*k).to_owned()).collect())
    }

    #[test]
    fn presets_hold_no_clash_and_reserve_what_comes_later() {
        for table in [presets::DEFAULT, presets::K9S] {
            for (_, keys) in table {
                assert!(keys.iter().all(|k| parse_sequence(k).is_ok()), "{keys:?}");
            }
        }
        for preset in [KeyPreset::Default, KeyPreset::K9s] {
            let map = Keymap::preset(preset);
            let all: Vec<_> = map.by_keys.keys().collect();
            for (i, a) in all.iter().enumerate() {
                assert!(all[i + 1..].iter().all(|b| !overlap(a, b)), "{preset:?}: {}", write_sequence(a));
            }
            for free in ["a", "D", "e", "s"] {
                assert_eq!(map.lookup(&press(free)), Lookup::None, "{free} is reserved");
            }
        }
        for (count, (command, keys)) in presets::DEFAULT.iter().enumerate() {
            assert!(!keys.is_empty() && presets::DEFAULT.iter().skip(count + 1).all(|(c, _)| c != command), "{command:?}");
        }
        assert_eq!(presets::DEFAULT.len(), Command::ALL.len(), "every command has a key");
        let total: usize = presets::DEFAULT.iter().map(|(_, k)| k.len()).sum();
        assert_eq!(Keymap::preset(KeyPreset::Default).by_keys.len(), total, "no key twice");
    }

    #[test]
    fn sequences_wait_for_their_next_key() {
        let (map, none) = Keymap::build(KeyPreset::Default, &[]);
        assert_eq!(none, Vec::<String>::new());
        assert_eq!(map.lookup(&press("g")), Lookup::Prefix);
        assert_eq!(map.lookup(&press("g g")), Lookup::Command(Command::Top));
        assert_eq!(map.lookup(&press("g /")), Lookup::Command(Command::FilterAll));
        assert_eq!(map.lookup(&press("g x")), Lookup::None);
        assert_eq!(map.lookup(&press("ctrl-d")), Lookup::Command(Command::HalfDown));
        assert_eq!(map.keys_for(Command::Down), ["down", "j"]);
        assert!(map.continuations(&press("g")).contains(&("g".to_owned(), Command::Top)));
        let (k9s, _) = Keymap::build(KeyPreset::K9s, &[]);
        assert_eq!(k9s.lookup(&press("g")), Lookup::Command(Command::Top));
        assert_eq!(k9s.lookup(&press("ctrl-d")), Lookup::None);
    }

    #[test]
    fn overrides_take_keys_and_clashes_are_told() {
        let (map, told) = Keymap::build(KeyPreset::Default, &[change("zoom", &["v", "f"]), change("dock", &["b"])]);
        assert_eq!(told, Vec::<String>::new());
        assert_eq!(map.lookup(&press("v")), Lookup::Command(Command::Zoom));
        assert_eq!(map.lookup(&press("z")), Lookup::None);
        assert_eq!(map.lookup(&press("b")), Lookup::Command(Command::Dock));

        let (map, told) = Keymap::build(KeyPreset::Default, &[change("zom", &["x"]), change("zoom", &["x"]), change("dock", &["x y", "wrong"])]);
        assert_eq!(map.lookup(&press("x")), Lookup::Command(Command::Zoom));
        assert_eq!(told.len(), 3, "{told:#?}");
        assert!(told[0].contains("did you mean `zoom`"), "{}", told[0]);
        assert!(told[1].contains("clashes with `x` of `zoom`"), "{}", told[1]);
        assert!(told[2].contains("`wrong` is no key"), "{}", told[2]);

        // `g` alone hides what `g` starts.
        let (map, _) = Keymap::build(KeyPreset::Default, &[change("top", &["g"])]);
        assert_eq!(map.lookup(&press("g")), Lookup::Command(Command::Top));
        assert_eq!(map.keys_for(Command::FilterAll), Vec::<String>::new());
    }
}
