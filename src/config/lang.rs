//! The words on the screen, by key. English is whole; a language that lacks a key shows the English words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::base::text;
use crate::model::reason::{Arg, Reason};

const LOCALES: [(&str, &str); 2] = [("en", include_str!("../../locales/en.toml")), ("zh-CN", include_str!("../../locales/zh-CN.toml"))];

/// The table of one language over that of English.
#[derive(Clone, Debug)]
pub struct Lang {
    pub name: &'static str,
    words: BTreeMap<String, String>,
    english: BTreeMap<String, String>,
}

impl Default for Lang {
    fn default() -> Self {
        Self::load("en")
    }
}

impl Lang {
    pub fn names() -> impl Iterator<Item = &'static str> {
        LOCALES.iter().map(|(name, _)| *name)
    }

    /// The language of this name; English where there is none.
    pub fn load(name: &str) -> Self {
        let english = table(LOCALES[0].1);
        match LOCALES.iter().find(|(known, _)| *known == name) {
            Some((known, file)) if *known != "en" => Self { name: known, words: table(file), english },
            _ => Self { name: "en", words: BTreeMap::new(), english },
        }
    }

    /// Which language `auto` means, from the value of `LC_ALL`, `LC_MESSAGES` or `LANG`, whichever is set first. A locale
    /// without UTF-8 gets English: its terminal could not show the others.
    pub fn choose(choice: &str, locale: &str) -> &'static str {
        let wanted = if choice.is_empty() || choice == "auto" { locale } else { choice };
        let auto = wanted == locale;
        let utf8 = text::is_utf8(locale);
        if auto && !utf8 {
            return "en";
        }
        let language = wanted.split(['_', '-', '.']).next().unwrap_or_default();
        Self::names().find(|name| name.split('-').next() == Some(language)).unwrap_or("en")
    }

    /// The words of a key; the key itself where no table has it, so that a gap is seen and harms nothing.
    pub fn word<'a>(&'a self, key: &'a str) -> &'a str {
        self.get(key).unwrap_or(key)
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.words.get(key).or_else(|| self.english.get(key)).map(String::as_str)
    }

    /// The words of a key with `{name}` replaced.
    pub fn fill(&self, key: &str, args: &[(&str, &str)]) -> String {
        replace(self.word(key), |name| args.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    /// The sentence of a reason. A code without words shows itself with its arguments.
    pub fn reason(&self, reason: &Reason) -> String {
        let key = format!("reason.{}", reason.code);
        let Some(words) = self.get(&key) else {
            let mut out = reason.code.to_owned();
            for (name, arg) in &reason.args {
                let _ = write!(out, " {name}={}", show(arg));
            }
            return out;
        };
        replace(words, |name| reason.args.iter().find(|(n, _)| *n == name).map(|(_, arg)| show(arg)))
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.words.keys().map(String::as_str)
    }

    pub fn english_keys(&self) -> impl Iterator<Item = &str> {
        self.english.keys().map(String::as_str)
    }
}

fn show(arg: &Arg) -> String {
    match arg {
        Arg::Text(t) => text::clean(t).into_owned(),
        Arg::Count(n) => n.to_string(),
        Arg::Number(v) if (v.abs() >= 100.0) || v.fract().abs() < 0.05 => format!("{v:.0}"),
        Arg::Number(v) if v.abs() < 0.1 => format!("{v:.3}"),
        Arg::Number(v) => format!("{v:.1}"),
        Arg::Seconds(s) => text::span(*s),
        Arg::Bytes(b) => text::bytes(*b),
    }
}

fn replace(words: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(words.len() + 16);
    let mut rest = words;
    while let Some(open) = rest.find('{') {
        let Some(close) = rest[open..].find('}') else { break };
        out.push_str(&rest[..open]);
        let name = &rest[open + 1..open + close];
        match value(name) {
            Some(v) => out.push_str(&v),
            None => out.push_str(&rest[open..=open + close]),
        }
        rest = &rest[open + close + 1..];
    }
    out.push_str(rest);
    out
}

/// Flattens a locale: nested tables and quoted dotted keys become dotted keys alike.
fn table(file: &str) -> BTreeMap<String, String> {
    fn walk(prefix: &str, value: &toml::Value, out: &mut BTreeMap<String, String>) {
        match value {
            toml::Value::Table(t) => {
                for (key, value) in t {
                    let full = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                    walk(&full, value, out);
                }
            }
            toml::Value::String(s) => {
                out.insert(prefix.to_owned(), s.clone());
            }
            _ => {}
        }
    }
    let mut out = BTreeMap::new();
    if let Ok(parsed) = toml::from_str::<toml::Value>(file) {
        walk("", &parsed, &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_locale_parses_and_adds_no_key_of_its_own() {
        for (name, file) in LOCALES {
            assert!(toml::from_str::<toml::Value>(file).is_ok(), "{name}");
            let lang = Lang::load(name);
            let stray: Vec<_> = lang.keys().filter(|k| !lang.english.contains_key(*k)).collect();
            assert!(stray.is_empty(), "{name} has keys that English lacks: {stray:?}");
        }
    }

    /// The other languages go as far as they go, but what the screen itself says is whole in all of them.
    #[test]
    fn every_language_has_every_word_of_the_screen() {
        for name in Lang::names().filter(|n| *n != "en") {
            let lang = Lang::load(name);
            let missing: Vec<_> = lang.english_keys().filter(|k| !k.starts_with("reason.") && !lang.words.contains_key(*k)).collect();
            assert!(missing.is_empty(), "{name} lacks {missing:?}");
        }
    }

    #[test]
    fn placeholders_are_the_same_in_every_language() {
        let holes = |s: &str| {
            let mut found: Vec<String> = s.split('{').skip(1).filter_map(|p| p.split_once('}').map(|(n, _)| n.to_owned())).collect();
            found.sort();
            found
        };
        for name in Lang::names() {
            let lang = Lang::load(name);
            for (key, words) in &lang.words {
                assert_eq!(holes(words), holes(&lang.english[key]), "{name} {key}");
            }
        }
    }

    #[test]
    fn the_language_follows_the_locale() {
        assert_eq!(Lang::choose("auto", "zh_CN.UTF-8"), "zh-CN");
        assert_eq!(Lang::choose("auto", "zh_CN.GBK"), "en");
        assert_eq!(Lang::choose("", "C"), "en");
        assert_eq!(Lang::choose("zh-CN", "C"), "zh-CN");
        assert_eq!(Lang::choose("auto", "fr_FR.UTF-8"), "en");
    }

    #[test]
    fn a_reason_without_words_shows_its_code() {
        let lang = Lang::default();
        let reason = Reason::crit("no.such.code").with("value", 91.26).with("name", "a\x1bb");
        assert_eq!(lang.reason(&reason), "no.such.code value=91.3 name=a^[b");
    }
}
