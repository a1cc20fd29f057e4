//! Statements cut into words. The lab understands a small part of SQL: what its playbooks, its cockpit and a person at a prompt say.

/// Tokens of one statement at most.
const MOST: usize = 4096;

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A keyword or a plain name, as typed.
    Word(String),
    /// A name in backticks.
    Name(String),
    Text(String),
    Number(String),
    /// `@@global.read_only`, `@x`, without the at signs.
    Variable(String),
    Symbol(char),
    /// `<=`, `>=`, `<>`, `!=`.
    Compare(&'static str),
}

/// A cursor over a statement.
#[derive(Clone, Debug)]
pub struct Tokens {
    list: Vec<(usize, Token)>,
    at: usize,
    text: String,
}

/// Splits a query into its statements, at semicolons outside of quotes.
pub fn statements(query: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut from = 0;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in query.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('\'' | '"'), '\\') => escaped = true,
            (Some(q), c) if q == c => quote = None,
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, ';') => {
                out.push(query[from..at].trim().to_owned());
                from = at + 1;
            }
            _ => {}
        }
    }
    out.push(query[from..].trim().to_owned());
    out.retain(|s| !s.is_empty());
    out
}

impl Tokens {
    pub fn of(text: &str) -> Self {
        let mut list = Vec::new();
        let mut rest = text;
        while list.len() < MOST {
            rest = skip_blank(rest);
            let Some(c) = rest.chars().next() else { break };
            let at = text.len() - rest.len();
            let (token, n) = next(rest, c);
            rest = &rest[n..];
            list.push((at, token));
        }
        Self { list, at: 0, text: text.to_owned() }
    }

    pub fn peek(&self) -> Option<&Token> {
        self.list.get(self.at).map(|(_, t)| t)
    }

    pub fn bump(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += usize::from(token.is_some());
        token
    }

    pub fn is_done(&self) -> bool {
        self.at >= self.list.len()
    }

    /// What is left, as typed: for the message of a syntax error.
    pub fn rest(&self) -> &str {
        self.list.get(self.at).map_or("", |(at, _)| &self.text[*at..])
    }

    pub fn sees(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word))
    }

    /// Takes these words if they come next.
    pub fn words(&mut self, words: &str) -> bool {
        let mark = self.at;
        for word in words.split(' ') {
            if !self.sees(word) {
                self.at = mark;
                return false;
            }
            self.at += 1;
        }
        true
    }

    /// Takes one of the words; gives which.
    pub fn one_of<'a>(&mut self, words: &[&'a str]) -> Option<&'a str> {
        words.iter().find(|w| self.words(w)).copied()
    }

    pub fn symbol(&mut self, symbol: char) -> bool {
        let there = self.peek() == Some(&Token::Symbol(symbol));
        self.at += usize::from(there);
        there
    }

    /// A name, quoted or not.
    pub fn name(&mut self) -> Option<String> {
        match self.peek() {
            Some(Token::Word(name) | Token::Name(name)) => {
                let name = name.clone();
                self.at += 1;
                Some(name)
            }
            _ => None,
        }
    }

    /// A text literal.
    pub fn text(&mut self) -> Option<String> {
        match self.peek() {
            Some(Token::Text(text)) => {
                let text = text.clone();
                self.at += 1;
                Some(text)
            }
            _ => None,
        }
    }

    /// Passes over a bracket that was just opened, to behind its end.
    pub fn skip_bracket(&mut self) {
        let mut depth = 1;
        while depth > 0 {
            match self.bump() {
                Some(Token::Symbol('(')) => depth += 1,
                Some(Token::Symbol(')')) => depth -= 1,
                None => return,
                _ => {}
            }
        }
    }
}

/// Behind blanks and comments. What stands in `/*!40101 ... */` is read like the rest.
fn skip_blank(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let after = if let Some(body) = rest.strip_prefix("/*!") {
            body.trim_start_matches(|c: char| c.is_ascii_digit())
        } else if let Some(body) = rest.strip_prefix("/*") {
            body.split_once("*/").map_or("", |(_, after)| after)
        } else if rest.starts_with("-- ") || rest.starts_with('#') {
            rest.split_once('\n').map_or("", |(_, after)| after)
        } else if let Some(after) = rest.strip_prefix("*/") {
            after
        } else {
            return rest;
        };
        rest = after.trim_start();
    }
}

fn word_end(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(text.len())
}

/// The token at the start of `text`, and its length.
fn next(text: &str, first: char) -> (Token, usize) {
    match first {
        '\'' | '"' => quoted(text, first),
        '`' => {
            let end = text[1..].find('`').map_or(text.len(), |e| e + 1);
            (Token::Name(text[1..end].to_owned()), (end + 1).min(text.len()))
        }
        '@' => {
            let start = text.len() - text.trim_start_matches('@').len();
            let body = &text[start..];
            if let Some(q) = body.chars().next().filter(|c| matches!(c, '\'' | '"' | '`')) {
                // The host of an account: 'u'@'%'. The sign stands alone, the text comes next.
                let _ = q;
                return (Token::Symbol('@'), start);
            }
            let end = body.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$' | '.' | '`'))).unwrap_or(body.len());
            (Token::Variable(body[..end].replace('`', "").to_ascii_lowercase()), start + end)
        }
        c if c.is_ascii_digit() => {
            let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
            (Token::Number(text[..end].to_owned()), end)
        }
        c if c.is_alphabetic() || c == '_' => {
            let end = word_end(text);
            (Token::Word(text[..end].to_owned()), end)
        }
        '<' | '>' | '!' => match text.get(..2) {
            Some("<=") => (Token::Compare("<="), 2),
            Some(">=") => (Token::Compare(">="), 2),
            Some("<>" | "!=") => (Token::Compare("<>"), 2),
            _ => (Token::Symbol(first), 1),
        },
        c => (Token::Symbol(c), c.len_utf8()),
    }
}

fn quoted(text: &str, quote: char) -> (Token, usize) {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 't')) => out.push('\t'),
                Some((_, '0')) => out.push('\0'),
                Some((_, c @ ('%' | '_'))) => {
                    out.push('\\');
                    out.push(c);
                }
                Some((_, c)) => out.push(c),
                None => {}
            },
            c if c == quote => {
                if chars.peek().is_some_and(|(_, c)| *c == quote) {
                    chars.next();
                    out.push(quote);
                } else {
                    return (Token::Text(out), at + 1);
                }
            }
            c => out.push(c),
        }
    }
    (Token::Text(out), text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_comments_variables_and_accounts() {
        let mut t = Tokens::of("select @@GLOBAL.read_only, `a b`, 'it''s \\'x\\'' /* no */ from t -- end\n where x<>1.5");
        assert!(t.words("SELECT"));
        assert_eq!(t.bump(), Some(Token::Variable("global.read_only".into())));
        assert!(t.symbol(','));
        assert_eq!(t.name().as_deref(), Some("a b"));
        assert!(t.symbol(','));
        assert_eq!(t.text().as_deref(), Some("it's 'x'"));
        assert!(t.words("from t where x"));
        assert_eq!((t.bump(), t.bump(), t.bump()), (Some(Token::Compare("<>")), Some(Token::Number("1.5".into())), None));
        let mut t = Tokens::of("repl@'%'");
        assert_eq!((t.name().as_deref(), t.symbol('@'), t.text().as_deref()), (Some("repl"), true, Some("%")));
    }

    #[test]
    fn statements_are_cut_outside_of_quotes() {
        assert_eq!(statements("a; b ';' ;; c `;`;"), ["a", "b ';'", "c `;`"]);
        let t = Tokens::of("SHOW slave status");
        assert_eq!(t.rest(), "SHOW slave status");
    }

    #[test]
    fn odd_text_ends() {
        for text in ["'open", "`open", "/* open", "@", "\\", "<", "@@", "'\\"] {
            let mut t = Tokens::of(text);
            while t.bump().is_some() {}
            assert!(t.is_done());
        }
    }
}
