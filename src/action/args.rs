//! Reading a step's arguments. What a template gave may be a number where a text is meant, and the other way round.

use std::time::Duration;

use serde_json::Value;

use crate::port::action::{ActionError, Args};

/// A text; numbers and switches as they are written.
pub(super) fn text(args: &Args, name: &str) -> Option<String> {
    match args.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

pub(super) fn required(args: &Args, name: &str) -> Result<String, ActionError> {
    text(args, name).filter(|t| !t.is_empty()).ok_or_else(|| ActionError::arguments(format!("`{name}` is empty")))
}

/// `true`, `yes`, `on` and 1; everything else that is there is no.
pub(super) fn switch(args: &Args, name: &str) -> Option<bool> {
    match args.get(name)? {
        Value::Null => None,
        Value::Bool(value) => Some(*value),
        Value::Number(n) => Some(n.as_i64() != Some(0)),
        Value::String(text) => Some(matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "yes" | "on" | "1")),
        _ => Some(true),
    }
}

pub(super) fn number(args: &Args, name: &str) -> Result<Option<u64>, ActionError> {
    match text(args, name) {
        None => Ok(None),
        Some(text) => text.trim().parse().map(Some).map_err(|_| ActionError::arguments(format!("`{name}` is `{text}`, not a number"))),
    }
}

pub(super) fn port(args: &Args, name: &str) -> Result<Option<u16>, ActionError> {
    number(args, name)?.map(|n| u16::try_from(n).map_err(|_| ActionError::arguments(format!("`{name}` is {n}: no port")))).transpose()
}

/// Seconds, or a number with `ms`, `s`, `m` or `h`.
pub(super) fn duration(args: &Args, name: &str) -> Result<Option<Duration>, ActionError> {
    let Some(text) = text(args, name) else { return Ok(None) };
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let scale = match text[split..].trim() {
        "" | "s" => Some(1.0),
        "ms" => Some(0.001),
        "m" => Some(60.0),
        "h" => Some(3600.0),
        _ => None,
    };
    let value = text[..split].parse::<f64>().ok().zip(scale).map(|(n, scale)| n * scale).filter(|s| s.is_finite());
    value
        .and_then(|s| Duration::try_from_secs_f64(s).ok())
        .map(Some)
        .ok_or_else(|| ActionError::arguments(format!("`{name}` is `{text}`; write seconds, or 500ms, 30s, 2m, 1h")))
}

/// One word or a list of them.
pub(super) fn list(args: &Args, name: &str) -> Vec<String> {
    let word = |v: &Value| match v {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match args.get(name) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(all)) => all.iter().map(word).collect(),
        Some(one) => vec![word(one)],
    }
}

/// A command line in words, as a POSIX shell would split it, nothing expanded.
///
/// # Errors
/// A quote that is not closed.
pub fn words(line: &str) -> Result<Vec<String>, ActionError> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let into = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err(ActionError::arguments(format!("the quote {c} is never closed in: {line}"))),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => into.extend(chars.next()),
                        Some(other) => into.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c if c.is_whitespace() => out.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    out.extend(word);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_a_shell_does() {
        assert_eq!(words(r#"a 'b c' "d \" e" f\ g '' h"i"'j'"#).unwrap(), ["a", "b c", "d \" e", "f g", "", "hij"]);
        assert!(words("a 'b").is_err());
    }

    #[test]
    fn durations_in_every_spelling() {
        let of = |v: Value| duration(&Args::from_iter([("t".to_owned(), v)]), "t").map_err(|e| e.text);
        assert_eq!(of(30.into()), Ok(Some(Duration::from_secs(30))));
        assert_eq!(of("1.5m".into()), Ok(Some(Duration::from_secs(90))));
        assert_eq!(of("500ms".into()), Ok(Some(Duration::from_millis(500))));
        assert!(of("soon".into()).is_err());
    }
}
