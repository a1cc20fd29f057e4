//! Themes: named styles by dotted scope, as data. No terminal here; `ui` turns them into what the terminal can show.
//!
//! A theme is TOML: `inherits` names another theme, `[palette]` names colours, `[scope]` gives styles. A colour is `#rrggbb`,
//! one of the sixteen ANSI names, `default`, a palette name, or `#rrggbb/name`, whose second half serves terminals of 16 colours.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A colour with what stands for it where only sixteen are to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    pub full: Shade,
    /// `None`: the nearest of the sixteen.
    pub plain: Option<Shade>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shade {
    /// The terminal's own.
    Default,
    Rgb(u8, u8, u8),
    /// One of the sixteen, 0 to 15.
    Ansi(u8),
}

/// What a scope looks like. `None` leaves what is underneath.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    pub fg: Option<Colour>,
    pub bg: Option<Colour>,
    pub traits: Traits,
}

/// Attributes that are added to what is underneath.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools, reason = "four switches that the file names one by one and any of which may be set")]
pub struct Traits {
    pub bold: bool,
    pub dim: bool,
    pub italic: bool,
    pub underline: bool,
    pub reverse: bool,
}

/// A theme with everything inherited already in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Theme {
    pub name: String,
    scopes: BTreeMap<String, Look>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("theme `{theme}`: {what}")]
pub struct ThemeError {
    pub theme: String,
    pub what: String,
}

impl Theme {
    /// The look of `pane.title.focus`, else of `pane.title`, else of `pane`, else nothing.
    pub fn look(&self, scope: &str) -> Look {
        let mut name = scope;
        loop {
            if let Some(look) = self.scopes.get(name) {
                return *look;
            }
            match name.rsplit_once('.') {
                Some((shorter, _)) => name = shorter,
                None => return Look::default(),
            }
        }
    }

    pub fn scopes(&self) -> impl Iterator<Item = (&str, Look)> {
        self.scopes.iter().map(|(name, look)| (name.as_str(), *look))
    }
}

/// The themes that can be chosen: those built in, and the user's, which come first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Themes {
    texts: BTreeMap<String, String>,
}

impl Default for Themes {
    fn default() -> Self {
        let built_in = [
            ("harbor", include_str!("../../themes/harbor.toml")),
            ("paper", include_str!("../../themes/paper.toml")),
            ("high-contrast", include_str!("../../themes/high-contrast.toml")),
            ("mono", include_str!("../../themes/mono.toml")),
        ];
        Self { texts: built_in.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect() }
    }
}

impl Themes {
    /// Adds themes of the user: name (the file's stem) and text. One of a built-in name replaces it.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.texts.insert(name.into(), text.into());
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// The theme of this name; the empty name is `harbor`.
    pub fn get(&self, name: &str) -> Result<Theme, ThemeError> {
        let name = if name.is_empty() { "harbor" } else { name };
        let mut theme = Theme { name: name.to_owned(), scopes: BTreeMap::new() };
        let mut palette = BTreeMap::new();
        let files = self.ancestry(name)?;
        // Palettes first, so that a theme that inherits may recolour without repeating a scope.
        for (_, file) in files.iter().rev() {
            palette.extend(file.palette.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
        for (from, file) in files.iter().rev() {
            for (scope, look) in &file.scope {
                let colour = |text: &Option<String>| text.as_deref().map(|t| parse_colour(t, &palette, 0)).transpose();
                let wrong = |what: String| ThemeError { theme: from.clone(), what: format!("[scope] \"{scope}\": {what}") };
                let made = Look { fg: colour(&look.fg).map_err(&wrong)?, bg: colour(&look.bg).map_err(&wrong)?, traits: look.traits };
                theme.scopes.insert(scope.clone(), made);
            }
        }
        Ok(theme)
    }

    /// The theme's file and those it inherits from, itself first.
    fn ancestry(&self, name: &str) -> Result<Vec<(String, File)>, ThemeError> {
        let mut files: Vec<(String, File)> = Vec::new();
        let mut next = Some(name.to_owned());
        while let Some(name) = next.take() {
            if files.iter().any(|(seen, _)| *seen == name) {
                return Err(ThemeError { theme: name, what: "it inherits from itself".to_owned() });
            }
            let Some(text) = self.texts.get(&name) else {
                let known = self.names().collect::<Vec<_>>().join(", ");
                return Err(ThemeError { theme: name, what: format!("there is no theme of this name; there are {known}") });
            };
            let file: File = toml::from_str(text).map_err(|e| ThemeError { theme: name.clone(), what: e.to_string().trim_end().to_owned() })?;
            next.clone_from(&file.inherits);
            files.push((name, file));
        }
        Ok(files)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    inherits: Option<String>,
    palette: BTreeMap<String, String>,
    scope: BTreeMap<String, FileLook>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FileLook {
    fg: Option<String>,
    bg: Option<String>,
    #[serde(flatten)]
    traits: Traits,
}

pub(super) const ANSI: [&str; 16] = [
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "white",
    "bright-black",
    "bright-red",
    "bright-green",
    "bright-yellow",
    "bright-blue",
    "bright-magenta",
    "bright-cyan",
    "bright-white",
];

/// A colour as the configuration writes it for an environment; `None` where it is no colour.
pub fn colour(text: &str) -> Option<Colour> {
    parse_colour(text, &BTreeMap::new(), 0).ok()
}

fn parse_colour(text: &str, palette: &BTreeMap<String, String>, depth: usize) -> Result<Colour, String> {
    if let Some(named) = palette.get(text) {
        if depth > 8 {
            return Err(format!("the palette name `{text}` leads back to itself"));
        }
        return parse_colour(named, palette, depth + 1);
    }
    let (full, plain) = match text.split_once('/') {
        Some((full, plain)) => (parse_shade(full)?, Some(parse_shade(plain)?)),
        None => (parse_shade(text)?, None),
    };
    Ok(Colour { full, plain })
}

fn parse_shade(text: &str) -> Result<Shade, String> {
    let text = text.trim();
    if text == "default" {
        return Ok(Shade::Default);
    }
    if let Some(index) = ANSI.iter().position(|name| *name == text) {
        return Ok(Shade::Ansi(u8::try_from(index).unwrap_or(7)));
    }
    let wrong = || format!("`{text}` is no colour; write #rrggbb, `default`, a name of the palette, or one of {}", ANSI.join(", "));
    let hex = text.strip_prefix('#').filter(|h| h.len() == 6 && h.is_ascii()).ok_or_else(wrong)?;
    let part = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).map_err(|_| wrong());
    Ok(Shade::Rgb(part(0)?, part(2)?, part(4)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_theme_can_be_had() {
        let themes = Themes::default();
        for name in themes.names() {
            let theme = themes.get(name).unwrap();
            assert!(theme.scopes().count() > 10, "{name}");
            for verdict in ["crit", "warn", "unknown", "ok", "off"] {
                assert_ne!(theme.look(&format!("verdict.{verdict}")), Look::default(), "{name} {verdict}");
            }
        }
    }

    #[test]
    fn scopes_fall_back_along_their_dots() {
        let mut themes = Themes::default();
        themes
            .add("mine", "inherits = \"harbor\"\n[palette]\naccent = \"#010203/cyan\"\n[scope]\npane = { fg = \"accent\" }\n\"pane.title\" = { bold = true }");
        let mine = themes.get("mine").unwrap();
        assert_eq!(mine.look("pane.nothing.such").fg, Some(Colour { full: Shade::Rgb(1, 2, 3), plain: Some(Shade::Ansi(6)) }));
        assert!(mine.look("pane.title.other").traits.bold);
        assert_eq!(mine.look("nothing"), Look::default());
    }

    #[test]
    fn mistakes_name_their_place() {
        let mut themes = Themes::default();
        themes.add("loop", "inherits = \"loop\"");
        themes.add("bad", "[scope]\npane = { fg = \"redish\" }");
        assert!(themes.get("loop").unwrap_err().what.contains("inherits from itself"));
        let bad = themes.get("bad").unwrap_err();
        assert!(bad.what.contains("\"pane\"") && bad.what.contains("`redish`"), "{bad}");
        assert!(themes.get("habor").unwrap_err().what.contains("harbor"));
    }
}
