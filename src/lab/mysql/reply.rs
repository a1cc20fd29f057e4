//! What a statement gives: rows, a count, or an error with the number and the words of the real server.

use super::packet::{Writer, put_number, put_text};

/// A cell; `None` is NULL.
pub type Cell = Option<String>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Done { affected: u64, warnings: u16 },
    Rows { columns: Vec<String>, rows: Vec<Vec<Cell>> },
}

impl Reply {
    pub fn ok() -> Self {
        Self::Done { affected: 0, warnings: 0 }
    }

    pub fn affected(affected: u64) -> Self {
        Self::Done { affected, warnings: 0 }
    }

    pub fn rows<S: Into<String>>(columns: impl IntoIterator<Item = S>, rows: Vec<Vec<Cell>>) -> Self {
        Self::Rows { columns: columns.into_iter().map(Into::into).collect(), rows }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: u16,
    pub state: &'static str,
    pub text: String,
}

impl Failure {
    pub fn new(code: u16, state: &'static str, text: impl Into<String>) -> Self {
        Self { code, state, text: text.into() }
    }

    pub fn general(code: u16, text: impl Into<String>) -> Self {
        Self::new(code, "HY000", text)
    }

    /// 1064; the session puts the product's name in.
    pub fn syntax(near: &str) -> Self {
        Self::new(
            1064,
            "42000",
            format!(
                "You have an error in your SQL syntax; check the manual that corresponds to your $PRODUCT server version for the right syntax to use near '{}' at line 1",
                near.chars().take(80).collect::<String>()
            ),
        )
    }

    pub fn payload(&self) -> Vec<u8> {
        let mut out = vec![0xff];
        out.extend_from_slice(&self.code.to_le_bytes());
        out.push(b'#');
        out.extend_from_slice(self.state.as_bytes());
        out.extend_from_slice(self.text.as_bytes());
        out
    }
}

const AUTOCOMMIT: u16 = 2;
const MORE_RESULTS: u16 = 8;

/// Is another result of the same question to come?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    More,
    Nothing,
}

/// How rows are put: as text, or as `COM_STMT_EXECUTE` wants them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text,
    Binary,
}

fn status(follows: Follows) -> [u8; 2] {
    let flags = if follows == Follows::More { AUTOCOMMIT | MORE_RESULTS } else { AUTOCOMMIT };
    flags.to_le_bytes()
}

pub fn done(affected: u64, warnings: u16, follows: Follows) -> Vec<u8> {
    let mut out = vec![0];
    put_number(&mut out, affected);
    put_number(&mut out, 0);
    out.extend_from_slice(&status(follows));
    out.extend_from_slice(&warnings.to_le_bytes());
    out
}

pub fn end_of_part(follows: Follows) -> Vec<u8> {
    let mut out = vec![0xfe, 0, 0];
    out.extend_from_slice(&status(follows));
    out
}

/// The definition of a column. All of the lab's are texts.
pub fn column(name: &str) -> Vec<u8> {
    const VAR_STRING: u8 = 0xfd;
    let mut out = Vec::new();
    for part in ["def", "", "", "", name, name] {
        put_text(&mut out, part.as_bytes());
    }
    out.push(0x0c);
    out.extend_from_slice(&u16::from(super::login::CHARSET).to_le_bytes());
    out.extend_from_slice(&4096_u32.to_le_bytes());
    out.extend_from_slice(&[VAR_STRING, 0, 0, 0, 0, 0]);
    out
}

/// Writes one answer.
pub fn put(writer: &mut Writer, reply: &Result<Reply, Failure>, follows: Follows, form: Form) {
    match reply {
        Err(failure) => writer.packet(&failure.payload()),
        Ok(Reply::Done { affected, warnings }) => writer.packet(&done(*affected, *warnings, follows)),
        Ok(Reply::Rows { columns, rows }) => {
            let mut count = Vec::new();
            put_number(&mut count, columns.len() as u64);
            writer.packet(&count);
            for name in columns {
                writer.packet(&column(name));
            }
            writer.packet(&end_of_part(follows));
            for row in rows {
                writer.packet(&cells(row, form));
            }
            writer.packet(&end_of_part(follows));
        }
    }
}

fn cells(row: &[Cell], form: Form) -> Vec<u8> {
    let mut out = Vec::new();
    if form == Form::Binary {
        let mut nulls = vec![0_u8; (row.len() + 9) / 8];
        for (at, _) in row.iter().enumerate().filter(|(_, c)| c.is_none()) {
            nulls[(at + 2) / 8] |= 1 << ((at + 2) % 8);
        }
        out.push(0);
        out.extend_from_slice(&nulls);
    }
    for cell in row {
        match (cell, form) {
            (Some(text), _) => put_text(&mut out, text.as_bytes()),
            (None, Form::Text) => out.push(0xfb),
            (None, Form::Binary) => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_as_text_and_binary() {
        let row = [Some("a".to_owned()), None, Some(String::new())];
        assert_eq!(cells(&row, Form::Text), [1, b'a', 0xfb, 0]);
        assert_eq!(cells(&row, Form::Binary), [0, 0b1000, 1, b'a', 0]);
        let mut w = Writer::after(0);
        put(&mut w, &Ok(Reply::rows(["x"], vec![vec![None]])), Follows::Nothing, Form::Text);
        assert_eq!(w.bytes.split(|b| *b == 0xfe).count(), 3, "two ends");
        assert_eq!(w.bytes[4], 1, "one column");
    }
}
