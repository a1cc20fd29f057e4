//! A line of shell taken apart: lists, pipelines, quotes, redirections, variables, command substitution, `for`, `if`,
//! `while` and `until`. No functions, no `case`.

/// How a pipeline follows the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    Always,
    IfTrue,
    IfFalse,
}

/// A piece of a word before its meaning is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    /// `$NAME`, with what `${NAME:-x}` gives where it is empty. Unquoted ones fall into words.
    Variable {
        name: String,
        otherwise: String,
        quoted: bool,
    },
    Command {
        script: String,
        quoted: bool,
    },
}

pub type Word = Vec<Piece>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `> file`, `2> file`
    Write,
    Append,
    Read,
    /// `2>&1`, `>&2`
    Same,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    pub from: u8,
    pub target: Target,
    pub word: Word,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    pub words: Vec<Word>,
    pub redirects: Vec<Redirect>,
    /// `( ... )` or `{ ...; }` in place of words.
    pub group: Option<String>,
    /// `for`, `if`, `while` or `until` in place of words.
    pub compound: Option<Compound>,
}

/// What the shell does with lists of commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compound {
    For {
        name: String,
        words: Vec<Word>,
        body: Vec<Pipeline>,
    },
    /// Conditions, each with what follows it; the last one's is empty for `else`.
    If {
        arms: Vec<(Vec<Pipeline>, Vec<Pipeline>)>,
        otherwise: Vec<Pipeline>,
    },
    Repeat {
        ends: Ends,
        condition: Vec<Pipeline>,
        body: Vec<Pipeline>,
    },
}

/// When a loop is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// `while`
    WhenFalse,
    /// `until`
    WhenTrue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    pub join: Join,
    pub not: bool,
    pub commands: Vec<Command>,
}

struct Cursor<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
}

/// Takes a script apart; the error is what `sh` would complain of.
pub fn parse(script: &str) -> Result<Vec<Pipeline>, String> {
    Cursor { chars: script.chars().peekable() }.list(&[])
}

/// Commands up to one of the words in `stops`, which is not taken, or to the end where there are none.
fn list(c: &mut Cursor<'_>, stops: &[&str]) -> Result<Vec<Pipeline>, String> {
    let mut out = Vec::new();
    let mut join = Join::Always;
    loop {
        c.blank(true);
        if c.chars.peek().is_none() {
            let Some(stop) = stops.first() else { return Ok(out) };
            return Err(format!("sh: -c: line 0: syntax error: unexpected end of file (expecting \"{stop}\")\n"));
        }
        if c.keyword().is_some_and(|word| stops.contains(&word.as_str())) {
            return Ok(out);
        }
        let mut pipeline = Pipeline { join, not: false, commands: Vec::new() };
        loop {
            let command = c.command()?;
            pipeline.commands.push(command);
            c.blank(false);
            if c.chars.peek() == Some(&'|') && !c.sees("||") {
                c.chars.next();
                c.blank(true);
                continue;
            }
            break;
        }
        if let Some(first) = pipeline.commands.first_mut()
            && first.words.first() == Some(&vec![Piece::Text("!".to_owned())])
        {
            first.words.remove(0);
            pipeline.not = true;
        }
        if pipeline.commands.iter().any(|c| c.words.is_empty() && c.group.is_none() && c.compound.is_none() && c.redirects.is_empty()) {
            let near = c.chars.peek().map_or("end of file".to_owned(), |x| format!("`{x}'"));
            return Err(format!("sh: -c: line 0: syntax error near unexpected token {near}\n"));
        }
        out.push(pipeline);
        join = if c.sees("&&") {
            c.take(2);
            Join::IfTrue
        } else if c.sees("||") {
            c.take(2);
            Join::IfFalse
        } else {
            if matches!(c.chars.peek(), Some(';' | '\n' | '&')) {
                c.take(1);
            }
            Join::Always
        };
    }
}

impl Cursor<'_> {
    fn list(&mut self, stops: &[&str]) -> Result<Vec<Pipeline>, String> {
        list(self, stops)
    }

    /// The plain word that comes next, if it may be one of the shell's own.
    fn keyword(&self) -> Option<String> {
        let mut ahead = self.chars.clone();
        let mut word = String::new();
        loop {
            match ahead.next() {
                Some(c) if c.is_ascii_lowercase() => word.push(c),
                Some(' ' | '\t' | '\n' | ';' | '&' | '|' | ')') | None => return Some(word).filter(|w| !w.is_empty()),
                Some(_) => return None,
            }
        }
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        self.blank(true);
        if self.keyword().as_deref() != Some(word) {
            return Err(format!("sh: -c: line 0: syntax error: \"{word}\" is expected\n"));
        }
        self.take(word.len());
        Ok(())
    }

    fn body(&mut self) -> Result<Vec<Pipeline>, String> {
        self.expect("do")?;
        let body = self.list(&["done"])?;
        self.expect("done")?;
        Ok(body)
    }

    /// `for`, `if`, `while`, `until`, where one of them comes next.
    fn compound(&mut self) -> Result<Option<Compound>, String> {
        let Some(word) = self.keyword() else { return Ok(None) };
        if !matches!(word.as_str(), "for" | "if" | "while" | "until") {
            return Ok(None);
        }
        self.take(word.len());
        Ok(Some(match word.as_str() {
            "for" => {
                self.blank(false);
                let mut name = String::new();
                while let Some(c) = self.chars.peek().copied().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                    self.take(1);
                }
                self.expect("in")?;
                let mut words = Vec::new();
                loop {
                    self.blank(false);
                    if matches!(self.chars.peek(), None | Some(';' | '\n' | '&' | '|' | '<' | '>' | '(' | ')')) {
                        break;
                    }
                    words.push(self.word()?);
                }
                Compound::For { name, words, body: self.body()? }
            }
            "if" => {
                let (mut arms, mut otherwise) = (Vec::new(), Vec::new());
                loop {
                    let condition = self.list(&["then"])?;
                    self.expect("then")?;
                    arms.push((condition, self.list(&["fi", "else", "elif"])?));
                    let next = self.keyword().unwrap_or_default();
                    self.take(next.len());
                    if next == "else" {
                        otherwise = self.list(&["fi"])?;
                        self.expect("fi")?;
                    }
                    if next != "elif" {
                        break;
                    }
                }
                Compound::If { arms, otherwise }
            }
            word => {
                let condition = self.list(&["do"])?;
                Compound::Repeat { ends: if word == "while" { Ends::WhenFalse } else { Ends::WhenTrue }, condition, body: self.body()? }
            }
        }))
    }

    fn sees(&self, text: &str) -> bool {
        let mut ahead = self.chars.clone();
        text.chars().all(|c| ahead.next() == Some(c))
    }

    fn take(&mut self, n: usize) {
        for _ in 0..n {
            self.chars.next();
        }
    }

    /// Passes over blanks and comments, and line ends where they mean nothing.
    fn blank(&mut self, lines: bool) {
        loop {
            match self.chars.peek().copied() {
                Some(' ' | '\t') => self.take(1),
                Some('\n' | ';') if lines => self.take(1),
                Some('\\') if self.sees("\\\n") => self.take(2),
                Some('#') => {
                    while self.chars.peek().is_some_and(|c| *c != '\n') {
                        self.take(1);
                    }
                }
                _ => return,
            }
        }
    }

    fn command(&mut self) -> Result<Command, String> {
        self.blank(false);
        let mut command = Command { compound: self.compound()?, ..Command::default() };
        loop {
            self.blank(false);
            match self.chars.peek().copied() {
                None | Some(';' | '\n' | '|' | ')' | '}') => return Ok(command),
                Some('&') if !self.sees("&>") => return Ok(command),
                Some('(') if command.words.is_empty() => {
                    self.take(1);
                    command.group = Some(self.until(')')?);
                }
                Some('{') if command.words.is_empty() => {
                    self.take(1);
                    command.group = Some(self.until('}')?);
                }
                Some(digit @ ('0'..='9' | '>' | '<' | '&')) if self.is_redirect() => {
                    let redirect = self.redirect(digit)?;
                    command.redirects.extend(redirect);
                }
                Some(_) => {
                    let word = self.word()?;
                    command.words.push(word);
                }
            }
        }
    }

    fn is_redirect(&self) -> bool {
        let mut ahead = self.chars.clone();
        match ahead.next() {
            Some('>' | '<') => true,
            Some('&') => ahead.next() == Some('>'),
            Some('0'..='9') => matches!(ahead.next(), Some('>' | '<')),
            _ => false,
        }
    }

    fn redirect(&mut self, first: char) -> Result<Vec<Redirect>, String> {
        let both = first == '&';
        let from = match first {
            '0'..='9' => u8::try_from(u32::from(first) - u32::from('0')).unwrap_or(1),
            '<' => 0,
            _ => 1,
        };
        if first.is_ascii_digit() || both {
            self.take(1);
        }
        let sign = self.chars.next();
        let target = if sign == Some('<') {
            Target::Read
        } else if self.chars.peek() == Some(&'>') {
            self.take(1);
            Target::Append
        } else if self.chars.peek() == Some(&'&') {
            self.take(1);
            Target::Same
        } else {
            Target::Write
        };
        self.blank(false);
        let word = self.word()?;
        let mut out = vec![Redirect { from, target, word }];
        if both {
            out.push(Redirect { from: 2, target: Target::Same, word: vec![Piece::Text("1".to_owned())] });
        }
        Ok(out)
    }

    /// The text up to the bracket that closes, quotes and brackets within it respected.
    fn until(&mut self, close: char) -> Result<String, String> {
        let open = if close == ')' { '(' } else { '{' };
        let (mut out, mut depth, mut quote) = (String::new(), 1, None);
        for c in self.chars.by_ref() {
            match (quote, c) {
                (Some(q), c) if c == q => quote = None,
                (None, '\'' | '"') => quote = Some(c),
                (None, c) if c == open => depth += 1,
                (None, c) if c == close => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(out);
            }
            out.push(c);
        }
        Err("sh: -c: line 0: unexpected EOF while looking for matching `)'\n".to_owned())
    }

    fn word(&mut self) -> Result<Word, String> {
        let mut word = Word::new();
        let mut text = String::new();
        let mut quoted = false;
        while let Some(c) = self.chars.peek().copied() {
            match c {
                ' ' | '\t' | '\n' | ';' | '|' | '&' | '<' | '>' | '(' | ')' => break,
                '\'' => {
                    self.take(1);
                    quoted = true;
                    loop {
                        match self.chars.next() {
                            Some('\'') => break,
                            Some(c) => text.push(c),
                            None => return Err("sh: -c: line 0: unexpected EOF while looking for matching `''\n".to_owned()),
                        }
                    }
                }
                '"' => {
                    self.take(1);
                    quoted = true;
                    self.double(&mut word, &mut text)?;
                }
                '\\' => {
                    self.take(1);
                    text.extend(self.chars.next());
                }
                '$' => self.dollar(&mut word, &mut text, false)?,
                '`' => {
                    self.take(1);
                    let mut script = String::new();
                    for c in self.chars.by_ref().take_while(|c| *c != '`') {
                        script.push(c);
                    }
                    flush(&mut word, &mut text);
                    word.push(Piece::Command { script, quoted: false });
                }
                c => {
                    self.take(1);
                    text.push(c);
                }
            }
        }
        if !text.is_empty() || (quoted && word.is_empty()) {
            word.push(Piece::Text(text));
        }
        Ok(word)
    }

    fn double(&mut self, word: &mut Word, text: &mut String) -> Result<(), String> {
        loop {
            match self.chars.peek().copied() {
                None => return Err("sh: -c: line 0: unexpected EOF while looking for matching `\"'\n".to_owned()),
                Some('"') => {
                    self.take(1);
                    return Ok(());
                }
                Some('\\') => {
                    self.take(1);
                    match self.chars.next() {
                        Some(c @ ('"' | '\\' | '$' | '`')) => text.push(c),
                        Some(c) => text.extend(['\\', c]),
                        None => {}
                    }
                }
                Some('$') => self.dollar(word, text, true)?,
                Some(c) => {
                    self.take(1);
                    text.push(c);
                }
            }
        }
    }

    fn dollar(&mut self, word: &mut Word, text: &mut String, quoted: bool) -> Result<(), String> {
        self.take(1);
        match self.chars.peek().copied() {
            Some('(') => {
                self.take(1);
                let script = self.until(')')?;
                flush(word, text);
                word.push(Piece::Command { script, quoted });
            }
            Some('{') => {
                self.take(1);
                let body = self.until('}')?;
                let (name, otherwise) = body.split_once(":-").or_else(|| body.split_once('-')).unwrap_or((&body, ""));
                flush(word, text);
                word.push(Piece::Variable { name: name.to_owned(), otherwise: otherwise.to_owned(), quoted });
            }
            Some(c) if c.is_alphanumeric() || matches!(c, '_' | '?' | '$' | '#' | '@') => {
                let mut name = String::from(c);
                self.take(1);
                while (c.is_alphabetic() || c == '_') && self.chars.peek().is_some_and(|c| c.is_alphanumeric() || *c == '_') {
                    name.extend(self.chars.next());
                }
                flush(word, text);
                word.push(Piece::Variable { name, otherwise: String::new(), quoted });
            }
            _ => text.push('$'),
        }
        Ok(())
    }
}

fn flush(word: &mut Word, text: &mut String) {
    if !text.is_empty() {
        word.push(Piece::Text(std::mem::take(text)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(s: &str) -> Piece {
        Piece::Text(s.to_owned())
    }

    #[test]
    fn lists_pipes_quotes_and_redirections() {
        let got = parse("A=1 cat 'a b' \"$X c\" 2>/dev/null | grep -c x && echo ok || ! false; (id; w) > /tmp/o 2>&1 # end").unwrap();
        assert_eq!(got.iter().map(|p| p.join).collect::<Vec<_>>(), [Join::Always, Join::IfTrue, Join::IfFalse, Join::Always]);
        assert_eq!(got[0].commands.len(), 2);
        assert_eq!(got[0].commands[0].words[2], [text("a b")]);
        assert_eq!(got[0].commands[0].words[3], [Piece::Variable { name: "X".into(), otherwise: String::new(), quoted: true }, text(" c")]);
        assert_eq!(got[0].commands[0].redirects[0].from, 2);
        assert!(got[2].not);
        assert_eq!(got[3].commands[0].group.as_deref(), Some("id; w"));
        assert_eq!(got[3].commands[0].redirects.len(), 2);
        for broken in ["'x", "\"x", "(x", "$(x", "| x", "a && | b"] {
            assert!(parse(broken).is_err(), "{broken}");
        }
        assert_eq!(parse("").unwrap().len(), 0);
    }
}
