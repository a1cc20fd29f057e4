//! How bad a line says it is.

use memchr::memmem;

/// Levels in the order of their weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    pub const ALL: [Self; 6] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    pub fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// Reads the names that loggers give: those of log4j, syslog, Python, MySQL, zap; and the numbers of pino and bunyan.
    pub fn parse(word: &[u8]) -> Option<Self> {
        if word.len() > 11 {
            return None;
        }
        let mut lower = [0u8; 11];
        let lower = &mut lower[..word.len()];
        lower.copy_from_slice(word);
        lower.make_ascii_lowercase();
        Some(match &*lower {
            b"trace" | b"finest" | b"finer" | b"trc" | b"10" => Self::Trace,
            b"debug" | b"fine" | b"dbg" | b"verbose" | b"20" => Self::Debug,
            b"info" | b"information" | b"note" | b"notice" | b"inf" | b"system" | b"30" => Self::Info,
            b"warn" | b"warning" | b"wrn" | b"40" => Self::Warn,
            b"error" | b"err" | b"severe" | b"50" => Self::Error,
            b"fatal" | b"critical" | b"crit" | b"alert" | b"emerg" | b"emergency" | b"panic" | b"dpanic" | b"ftl" | b"60" => Self::Fatal,
            _ => return None,
        })
    }

    /// The priorities of syslog, journald and the kernel.
    pub fn of_priority(n: u8) -> Self {
        match n & 7 {
            0..=2 => Self::Fatal,
            3 => Self::Error,
            4 => Self::Warn,
            5 | 6 => Self::Info,
            _ => Self::Debug,
        }
    }
}

/// The level stands near the start or nowhere.
const HEAD: usize = 200;

/// The level of a line, whatever its form; `None` where it names none.
pub fn level(line: &[u8]) -> Option<Level> {
    // Colours stand between the words: what is shown is what is read.
    if memchr::memchr(0x1b, &line[..line.len().min(HEAD)]).is_some() {
        let shown = crate::base::sgr::plain(line, HEAD);
        return if memchr::memchr(0x1b, shown.as_bytes()).is_some() { None } else { level(shown.as_bytes()) };
    }
    match line.iter().find(|b| !b.is_ascii_whitespace())? {
        b'{' => of_json(line).or_else(|| super::Record::parse(line).and_then(|r| r.level())),
        _ => of_prefix(line).or_else(|| of_pair(line)).or_else(|| of_words(&line[..line.len().min(HEAD)])),
    }
}

/// The common spellings, without taking the whole line apart.
fn of_json(line: &[u8]) -> Option<Level> {
    let head = &line[..line.len().min(4096)];
    // A name that also stands deeper, or in a text, is left to the parser.
    for key in [&b"\"level\":"[..], b"\"severity\":", b"\"lvl\":"] {
        let mut found = memmem::find_iter(head, key);
        let (Some(at), None) = (found.next(), found.next()) else { continue };
        if memchr::memchr_iter(b'{', &head[..at]).count() > 1 || memchr::memchr(b'\\', &head[..at]).is_some() {
            return None;
        }
        let value = head[at + key.len()..].trim_ascii_start();
        let quoted = value.strip_prefix(b"\"");
        let word = quoted.unwrap_or(value);
        let end = word.iter().position(|b| !b.is_ascii_alphanumeric())?;
        if quoted.is_some() && word[end] != b'"' {
            return None;
        }
        return Level::parse(&word[..end]);
    }
    None
}

/// `<4>`, `W1121 10:00:00`, Redis's `1:M 21 Nov 2026 02:14:07.123 #`.
fn of_prefix(line: &[u8]) -> Option<Level> {
    if let [b'<', a, rest @ ..] = line
        && let Some(end) = rest.iter().take(3).position(|b| *b == b'>')
    {
        let digits = [&[*a][..], &rest[..end]].concat();
        let n: u16 = std::str::from_utf8(&digits).ok()?.parse().ok()?;
        return Some(Level::of_priority((n & 7) as u8));
    }
    if super::record::is_klog(line) {
        return Some(match line[0] {
            b'I' => Level::Info,
            b'W' => Level::Warn,
            b'E' => Level::Error,
            _ => Level::Fatal,
        });
    }
    let colon = line.iter().take(8).position(|b| *b == b':')?;
    let redis = colon > 0
        && line[..colon].iter().all(u8::is_ascii_digit)
        && line.get(colon + 1).is_some_and(|b| b"XCSM".contains(b))
        && line.get(colon + 2) == Some(&b' ');
    if !redis {
        return None;
    }
    let mark = line[colon + 3..].splitn(6, |b| *b == b' ').nth(4)?;
    match mark {
        b"#" => Some(Level::Warn),
        b"*" => Some(Level::Info),
        b"-" | b"." => Some(Level::Debug),
        _ => None,
    }
}

/// `level=warn` of logfmt, wherever it stands in the head.
fn of_pair(line: &[u8]) -> Option<Level> {
    let head = &line[..line.len().min(HEAD)];
    for key in [&b"level="[..], b"lvl=", b"severity="] {
        if let Some(at) = memmem::find(head, key)
            && (at == 0 || head[at - 1] == b' ')
        {
            let word = &head[at + key.len()..];
            let word = word.strip_prefix(b"\"").unwrap_or(word);
            let end = word.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(word.len());
            return Level::parse(&word[..end]);
        }
    }
    None
}

/// A word in capitals, in brackets, or before a colon. A small `error` in a sentence is no level.
fn of_words(head: &[u8]) -> Option<Level> {
    let mut at = 0;
    while at < head.len() {
        let Some(from) = head[at..].iter().position(u8::is_ascii_alphabetic).map(|n| at + n) else { break };
        let end = head[from..].iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_').map_or(head.len(), |n| from + n);
        at = end;
        let word = &head[from..end];
        let before = from.checked_sub(1).map(|i| head[i]);
        let after = head.get(end).copied();
        // Part of a path, a package or a name is no level.
        if matches!(before, Some(b'/' | b'.' | b'-' | b'_' | b'0'..=b'9')) || matches!(after, Some(b'/' | b'.' | b'-')) {
            continue;
        }
        let Some(level) = Level::parse(word) else { continue };
        let capitals = word.iter().all(u8::is_ascii_uppercase);
        let padded = head[end..].iter().find(|b| **b != b' ');
        let bracketed = matches!((before, padded), (Some(b'['), Some(b']')) | (Some(b'<'), Some(b'>')) | (Some(b'|'), Some(b'|')));
        if capitals || bracketed || after == Some(b':') {
            return Some(level);
        }
    }
    None
}

/// Does this line go on with the one before it: the frames of a stack, an indented block?
pub fn continues(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t' | b'}' | b')')) || line.starts_with(b"Caused by:") || line.starts_with(b"Traceback (") || line.starts_with(b"... ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loggers_of_the_field_are_understood() {
        use Level as L;
        for (line, want) in [
            (r#"{"ts":1,"level":"warn","msg":"x"}"#, Some(L::Warn)),
            (r#"{"a":{"level":"error"},"level":"info"}"#, Some(L::Info)),
            (r#"{"level":50,"time":1,"msg":"x"}"#, Some(L::Error)),
            (r#"{"log.level": "ERROR", "message":"level"}"#, Some(L::Error)),
            (r#"{"msg":"no level"}"#, None),
            ("time=1 level=debug msg=x", Some(L::Debug)),
            ("E1121 10:00:00.123456    1234 kubelet.go:12] \"Pod\" err=\"x\"", Some(L::Error)),
            ("1:M 21 Nov 2026 02:14:07.123 # Server initialized", Some(L::Warn)),
            ("1234:S 21 Nov 2026 02:14:07.123 * MASTER <-> REPLICA sync started", Some(L::Info)),
            ("2026-11-21T02:14:07.123456Z 0 [Warning] [MY-010068] [Server] CA", Some(L::Warn)),
            ("2026-11-21 02:14:07.123 [error] <0.123.0> Supervisor", Some(L::Error)),
            ("[2026-11-21T02:14:07,123][WARN ][o.e.c.r.a.DiskThresholdMonitor] [node-1] high", Some(L::Warn)),
            ("2026-11-21 02:14:07.123  INFO 1 --- [main] c.m.order.Application : Started", Some(L::Info)),
            ("2026/11/21 02:14:07 [error] 31#31: *1 open() failed", Some(L::Error)),
            ("WARNING:root:x", Some(L::Warn)),
            ("error: cannot", Some(L::Error)),
            ("<4>kernel: x", Some(L::Warn)),
            ("there was no error in it", None),
            ("GET /ERROR/x.INFO 200", None),
            ("\x1b[32m2026-11-21\x1b[0m \x1b[1;31mERROR\x1b[0m x", Some(L::Error)),
            ("plain", None),
            ("", None),
        ] {
            assert_eq!(level(line.as_bytes()), want, "{line}");
        }
        assert!(continues(b"\tat com.mall.Order.pay(Order.java:12)") && continues(b"Caused by: x") && !continues(b"x"));
    }
}
