//! A line taken apart.

use super::json::Value;
use super::level::Level;

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Logfmt,
    /// Of Kubernetes' own parts: `I1121 10:00:00.123456 1 file.go:12] "message" key="value"`.
    Klog,
}

/// The fields of one line, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub format: Format,
    pub fields: Vec<(String, Value)>,
}

/// A longer line is not taken apart.
const LONGEST: usize = 1 << 20;

const LEVELS: [&str; 8] = ["level", "severity", "lvl", "loglevel", "log.level", "@level", "log_level", "PRIORITY"];
const MESSAGES: [&str; 8] = ["msg", "message", "MESSAGE", "@message", "log", "event", "short_message", "body"];
const TIMES: [&str; 8] = ["ts", "time", "timestamp", "@timestamp", "t", "datetime", "date", "asctime"];

impl Record {
    /// `None` where the line is plain text.
    pub fn parse(line: &[u8]) -> Option<Self> {
        if line.len() > LONGEST {
            return None;
        }
        let line = line.trim_ascii();
        match line.first()? {
            b'{' => match serde_json::from_slice(line).ok()? {
                Value::Map(fields) if !fields.is_empty() => Some(Self { format: Format::Json, fields }),
                _ => None,
            },
            b'I' | b'W' | b'E' | b'F' if is_klog(line) => klog(std::str::from_utf8(line).ok()?),
            _ => {
                let fields = pairs(std::str::from_utf8(line).ok()?)?;
                (fields.len() >= 2).then_some(Self { format: Format::Logfmt, fields })
            }
        }
    }

    fn named(&self, names: &[&str]) -> Option<(&str, &Value)> {
        names.iter().find_map(|n| self.fields.iter().find(|(k, _)| k == n)).map(|(k, v)| (k.as_str(), v))
    }

    /// The field that holds the level, by the names that loggers use.
    pub fn level_field(&self) -> Option<(&str, &Value)> {
        if let Some((_, Value::Map(log))) = self.fields.iter().find(|(k, _)| k == "log")
            && let Some((_, v)) = log.iter().find(|(k, _)| k == "level")
        {
            return Some(("log", v));
        }
        self.named(&LEVELS)
    }

    pub fn level(&self) -> Option<Level> {
        let (key, value) = self.level_field()?;
        let word = value.show();
        match word.parse::<u8>() {
            Ok(n) if key == "PRIORITY" => Some(Level::of_priority(n)),
            _ => Level::parse(word.as_bytes()),
        }
    }

    pub fn message(&self) -> Option<(&str, &Value)> {
        self.named(&MESSAGES).filter(|(_, v)| matches!(v, Value::Text(_)))
    }

    /// The name of the field that repeats the line's time.
    pub fn time_key(&self) -> Option<&str> {
        self.named(&TIMES).map(|(k, _)| k)
    }
}

/// `Lmmdd hh:mm:ss` at the start.
pub(super) fn is_klog(line: &[u8]) -> bool {
    let shape = b"LDDDD DD:DD:DD";
    line.len() > shape.len()
        && line.iter().zip(shape).all(|(b, s)| match s {
            b'L' => b"IWEF".contains(b),
            b'D' => b.is_ascii_digit(),
            s => b == s,
        })
}

fn klog(line: &str) -> Option<Record> {
    let (head, body) = line.split_once("] ")?;
    let mut parts = head.split_ascii_whitespace();
    let (severity, clock) = (parts.next()?, parts.next()?);
    let level = match severity.as_bytes().first()? {
        b'I' => "info",
        b'W' => "warn",
        b'E' => "error",
        _ => "fatal",
    };
    let text = |s: &str| Value::Text(s.to_owned());
    let mut fields = vec![("level".to_owned(), text(level)), ("time".to_owned(), text(clock))];
    let (message, rest) = match body.strip_prefix('"').and_then(|b| quoted(b).map(|(m, used)| (m, &b[used..]))) {
        Some((message, rest)) => (message, rest.trim_start()),
        None => (body.to_owned(), ""),
    };
    fields.push(("msg".to_owned(), Value::Text(message)));
    fields.extend(pairs(rest).unwrap_or_default());
    if let Some(at) = parts.last() {
        fields.push(("caller".to_owned(), text(at)));
    }
    Some(Record { format: Format::Klog, fields })
}

/// The text up to the closing quote, and the bytes it takes with it.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Some((out, i + 1)),
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                other => out.push(other),
            },
            c => out.push(c),
        }
    }
    None
}

/// `key=value key="quoted value"`; `None` as soon as something else stands there.
fn pairs(text: &str) -> Option<Vec<(String, Value)>> {
    let mut out = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | '/' | ':'))).filter(|e| *e > 0)?;
        let (key, tail) = (&rest[..end], rest[end..].strip_prefix('=')?);
        let (value, used) = if let Some(q) = tail.strip_prefix('"') {
            quoted(q).map(|(v, used)| (v, used + 1))?
        } else {
            let end = tail.find(char::is_whitespace).unwrap_or(tail.len());
            (tail[..end].to_owned(), end)
        };
        out.push((key.to_owned(), scalar(value)));
        rest = tail[used..].trim_start();
    }
    Some(out)
}

fn scalar(text: String) -> Value {
    match text.as_str() {
        "true" => Value::Flag(true),
        "false" => Value::Flag(false),
        // Only what a number gives back as it was: an identifier with leading zeros stays text.
        t => match t.parse::<serde_json::Number>() {
            Ok(n) if n.to_string() == t => Value::Number(n),
            _ => Value::Text(text),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_formats_and_no_guessing() {
        let r = Record::parse(br#"{"ts":"x","log":{"level":"error"},"message":"m","n":3}"#).unwrap();
        assert_eq!((r.format, r.level(), r.message().unwrap().0, r.time_key()), (Format::Json, Some(Level::Error), "message", Some("ts")));
        let r = Record::parse(br#"time=2026 level=warn msg="a \"b\" c" took=1.5 ok=true id=007"#).unwrap();
        assert_eq!((r.format, r.level()), (Format::Logfmt, Some(Level::Warn)));
        assert_eq!(r.message().unwrap().1.show(), "a \"b\" c");
        assert_eq!(r.fields[3].1.number(), Some(1.5));
        assert_eq!(r.fields[5].1, Value::Text("007".into()));
        let r = Record::parse(br#"E1121 10:00:00.123456    1234 kubelet.go:12] "Failed" pod="a/b" err="x y""#).unwrap();
        assert_eq!((r.format, r.level(), r.fields.len()), (Format::Klog, Some(Level::Error), 6));
        assert_eq!(r.fields[4], ("err".to_owned(), Value::Text("x y".into())));
        for plain in ["hello", "a=1", "x = 1 y = 2", "{not json}", "http://x?a=1&b=2 c=3", "{}", "a=1 and b=2", "a=\"open b=2"] {
            assert_eq!(Record::parse(plain.as_bytes()), None, "{plain}");
        }
    }
}
