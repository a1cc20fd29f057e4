//! RESP, version 2: questions in, replies out. Pure.

/// A question has at most so many words, each at most so long.
const MOST_WORDS: usize = 1024;
const LONGEST_WORD: usize = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Simple(&'static str),
    /// Its code first: `ERR`, `MOVED`.
    Error(String),
    Number(i64),
    Bulk(String),
    Nil,
    List(Vec<Reply>),
}

impl Reply {
    pub fn bulk(text: impl Into<String>) -> Self {
        Self::Bulk(text.into())
    }

    pub fn error(text: impl Into<String>) -> Self {
        Self::Error(text.into())
    }

    /// Texts one after the other.
    pub fn list<S: Into<String>>(texts: impl IntoIterator<Item = S>) -> Self {
        Self::List(texts.into_iter().map(Self::bulk).collect())
    }

    pub fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Simple(text) => out.extend_from_slice(format!("+{text}\r\n").as_bytes()),
            Self::Error(text) => out.extend_from_slice(format!("-{}\r\n", text.replace(['\r', '\n'], " ")).as_bytes()),
            Self::Number(n) => out.extend_from_slice(format!(":{n}\r\n").as_bytes()),
            Self::Bulk(text) => out.extend_from_slice(format!("${}\r\n{text}\r\n", text.len()).as_bytes()),
            Self::Nil => out.extend_from_slice(b"$-1\r\n"),
            Self::List(items) => {
                out.extend_from_slice(format!("*{}\r\n", items.len()).as_bytes());
                for item in items {
                    item.put(out);
                }
            }
        }
    }
}

/// What the bytes so far are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Words, and how many bytes they took.
    Whole(Vec<String>, usize),
    More,
    /// Not the protocol; in the server's words.
    Broken(&'static str),
}

fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let text = &bytes[..end];
    Some((text.strip_suffix(b"\r").unwrap_or(text), end + 1))
}

fn number(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The question at the start of `bytes`.
pub fn question(bytes: &[u8]) -> Question {
    let Some((head, mut at)) = line(bytes) else {
        return if bytes.len() > LONGEST_WORD { Question::Broken("ERR Protocol error: too big inline request") } else { Question::More };
    };
    let Some(count) = head.strip_prefix(b"*") else {
        // As a person types it.
        let words = String::from_utf8_lossy(head).split_whitespace().map(|w| w.trim_matches('"').to_owned()).collect();
        return Question::Whole(words, at);
    };
    let Some(count) = number(count).filter(|n| *n <= MOST_WORDS) else { return Question::Broken("ERR Protocol error: invalid multibulk length") };
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let Some((head, used)) = line(&bytes[at..]) else { return Question::More };
        let Some(length) = head.strip_prefix(b"$").and_then(number).filter(|n| *n <= LONGEST_WORD) else {
            return Question::Broken("ERR Protocol error: invalid bulk length");
        };
        at += used;
        let Some(word) = bytes.get(at..at + length).filter(|_| bytes.len() >= at + length + 2) else { return Question::More };
        words.push(String::from_utf8_lossy(word).into_owned());
        at += length + 2;
    }
    Question::Whole(words, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_whole_cut_and_broken() {
        let whole = b"*2\r\n$4\r\nECHO\r\n$6\r\n\xe4\xba\x8c\xe4\xba\x8c\r\n";
        for cut in 0..whole.len() {
            assert_eq!(question(&whole[..cut]), Question::More, "cut at {cut}");
        }
        assert_eq!(question(whole), Question::Whole(vec!["ECHO".into(), "二二".into()], whole.len()));
        assert_eq!(question(b"PING\r\nx"), Question::Whole(vec!["PING".into()], 6));
        assert!(matches!(question(b"*x\r\n"), Question::Broken(_)));
        assert!(matches!(question(b"*1\r\n$99999999\r\n"), Question::Broken(_)));
        let mut out = Vec::new();
        Reply::List(vec![Reply::Nil, Reply::Number(-1), Reply::bulk("二"), Reply::error("ERR a\nb")]).put(&mut out);
        assert_eq!(out, "*4\r\n$-1\r\n:-1\r\n$3\r\n二\r\n-ERR a b\r\n".as_bytes());
    }
}
