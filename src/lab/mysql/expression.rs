//! Expressions: literals, columns, variables, a few functions, comparisons. Values are texts; what both sides can be read as a
//! number is compared as one.

use std::cmp::Ordering;

use super::reply::{Cell, Failure};
use super::token::{Token, Tokens};

/// Nested deeper than this is no question for the lab.
const DEEPEST: u32 = 32;

#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Value(Cell),
    Star,
    Column(String),
    Variable(String),
    Call(String, Vec<Expression>),
    Compare(&'static str, Box<Expression>, Box<Expression>),
    Like(Box<Expression>, Box<Expression>),
    In(Box<Expression>, Vec<Expression>),
    IsNull(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Math(char, Box<Expression>, Box<Expression>),
}

/// What names mean where an expression stands.
pub trait Scope {
    fn column(&self, name: &str) -> Option<Cell>;
    fn variable(&self, name: &str) -> Result<Cell, Failure>;
    fn call(&self, name: &str, arguments: &[Cell]) -> Result<Cell, Failure>;
}

impl Expression {
    pub fn parse(t: &mut Tokens) -> Result<Self, Failure> {
        either(t, 0)
    }

    pub fn is_aggregate(&self) -> bool {
        matches!(self, Self::Call(name, _) if matches!(name.as_str(), "count" | "max" | "min" | "sum"))
    }

    pub fn value(&self, scope: &dyn Scope) -> Result<Cell, Failure> {
        let truth = |b: bool| Ok(Some(u8::from(b).to_string()));
        match self {
            Self::Value(cell) => Ok(cell.clone()),
            Self::Star => Ok(Some("*".to_owned())),
            Self::Column(name) => scope.column(name).ok_or_else(|| Failure::new(1054, "42S22", format!("Unknown column '{name}' in 'SELECT'"))),
            Self::Variable(name) => scope.variable(name),
            Self::Call(name, arguments) => {
                let values = arguments.iter().map(|a| a.value(scope)).collect::<Result<Vec<_>, _>>()?;
                match name.as_str() {
                    "coalesce" | "ifnull" => Ok(values.into_iter().flatten().next()),
                    "concat" => Ok(values.into_iter().collect::<Option<Vec<_>>>().map(|v| v.concat())),
                    "length" | "char_length" => Ok(values.into_iter().next().flatten().map(|v| v.chars().count().to_string())),
                    "upper" => Ok(values.into_iter().next().flatten().map(|v| v.to_uppercase())),
                    "lower" => Ok(values.into_iter().next().flatten().map(|v| v.to_lowercase())),
                    "if" => Ok(values.get(usize::from(!values.first().is_some_and(is_true)) + 1).cloned().flatten()),
                    _ => scope.call(name, &values),
                }
            }
            Self::Compare(sign, a, b) => match (a.value(scope)?, b.value(scope)?) {
                (Some(a), Some(b)) => {
                    let order = compare(&a, &b);
                    truth(match *sign {
                        "=" => order == Ordering::Equal,
                        "<>" => order != Ordering::Equal,
                        "<" => order == Ordering::Less,
                        "<=" => order != Ordering::Greater,
                        ">" => order == Ordering::Greater,
                        _ => order != Ordering::Less,
                    })
                }
                _ => Ok(None),
            },
            Self::Like(a, pattern) => match (a.value(scope)?, pattern.value(scope)?) {
                (Some(a), Some(pattern)) => truth(like(&a.to_lowercase(), &pattern.to_lowercase())),
                _ => Ok(None),
            },
            Self::In(a, list) => {
                let Some(a) = a.value(scope)? else { return Ok(None) };
                for item in list {
                    if item.value(scope)?.is_some_and(|b| compare(&a, &b) == Ordering::Equal) {
                        return truth(true);
                    }
                }
                truth(false)
            }
            Self::IsNull(a) => truth(a.value(scope)?.is_none()),
            Self::And(a, b) => truth(is_true(&a.value(scope)?) && is_true(&b.value(scope)?)),
            Self::Or(a, b) => truth(is_true(&a.value(scope)?) || is_true(&b.value(scope)?)),
            Self::Not(a) => Ok(a.value(scope)?.map(|v| u8::from(!is_true(&Some(v))).to_string())),
            Self::Math(sign, a, b) => Ok(match (number(&a.value(scope)?), number(&b.value(scope)?)) {
                (Some(a), Some(b)) => match sign {
                    '+' => Some(shown(a + b)),
                    '-' => Some(shown(a - b)),
                    '*' => Some(shown(a * b)),
                    _ if b == 0.0 => None,
                    _ => Some(shown(a / b)),
                },
                _ => None,
            }),
        }
    }
}

fn number(cell: &Cell) -> Option<f64> {
    cell.as_ref().map(|c| c.trim().parse().unwrap_or(0.0))
}

fn shown(n: f64) -> String {
    if n.fract() == 0.0 { format!("{n:.0}") } else { n.to_string() }
}

pub fn is_true(cell: &Cell) -> bool {
    number(cell).is_some_and(|n| n != 0.0)
}

/// Numbers as numbers, the rest without regard to case.
pub fn compare(a: &str, b: &str) -> Ordering {
    match (a.trim().parse::<f64>(), b.trim().parse::<f64>()) {
        (Ok(a), Ok(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        _ => a.to_lowercase().cmp(&b.to_lowercase()),
    }
}

/// `%` is any text, `_` any character, a backslash takes the next as it is.
pub fn like(text: &str, pattern: &str) -> bool {
    fn at(text: &[char], pattern: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['%', rest @ ..] => (0..=text.len()).any(|skip| at(&text[skip..], rest)),
            ['_', rest @ ..] => !text.is_empty() && at(&text[1..], rest),
            ['\\', c, rest @ ..] | [c, rest @ ..] => text.first() == Some(c) && at(&text[1..], rest),
        }
    }
    // Few jokers in a row are one; more than a handful is no name that anybody looks for.
    let pattern: Vec<char> = pattern.chars().collect();
    if pattern.iter().filter(|c| **c == '%').count() > 6 {
        return false;
    }
    at(&text.chars().take(512).collect::<Vec<_>>(), &pattern)
}

type Parsed = Result<Expression, Failure>;

fn either(t: &mut Tokens, depth: u32) -> Parsed {
    if depth > DEEPEST {
        return Err(Failure::syntax(t.rest()));
    }
    let mut left = both(t, depth + 1)?;
    while t.words("OR") {
        left = Expression::Or(Box::new(left), Box::new(both(t, depth + 1)?));
    }
    Ok(left)
}

fn both(t: &mut Tokens, depth: u32) -> Parsed {
    let mut left = condition(t, depth)?;
    while t.words("AND") {
        left = Expression::And(Box::new(left), Box::new(condition(t, depth)?));
    }
    Ok(left)
}

fn condition(t: &mut Tokens, depth: u32) -> Parsed {
    if t.words("NOT") || t.symbol('!') {
        return Ok(Expression::Not(Box::new(condition(t, depth)?)));
    }
    let left = sum(t, depth)?;
    let not = t.words("NOT");
    let found = if t.words("IS") {
        let not = t.words("NOT");
        if !t.words("NULL") {
            return Err(Failure::syntax(t.rest()));
        }
        let is = Expression::IsNull(Box::new(left));
        return Ok(if not { Expression::Not(Box::new(is)) } else { is });
    } else if t.words("LIKE") {
        Expression::Like(Box::new(left), Box::new(sum(t, depth)?))
    } else if t.words("IN") {
        if !t.symbol('(') {
            return Err(Failure::syntax(t.rest()));
        }
        Expression::In(Box::new(left), list(t, depth)?)
    } else if let Some(sign) = comparison(t) {
        Expression::Compare(sign, Box::new(left), Box::new(sum(t, depth)?))
    } else {
        left
    };
    Ok(if not { Expression::Not(Box::new(found)) } else { found })
}

fn comparison(t: &mut Tokens) -> Option<&'static str> {
    let sign = match t.peek()? {
        Token::Symbol('=') => "=",
        Token::Symbol('<') => "<",
        Token::Symbol('>') => ">",
        Token::Compare(sign) => sign,
        _ => return None,
    };
    t.bump();
    Some(sign)
}

fn sum(t: &mut Tokens, depth: u32) -> Parsed {
    let mut left = product(t, depth)?;
    while let Some(Token::Symbol(sign @ ('+' | '-'))) = t.peek().cloned() {
        t.bump();
        left = Expression::Math(sign, Box::new(left), Box::new(product(t, depth)?));
    }
    Ok(left)
}

fn product(t: &mut Tokens, depth: u32) -> Parsed {
    let mut left = atom(t, depth)?;
    while let Some(Token::Symbol(sign @ ('*' | '/'))) = t.peek().cloned() {
        t.bump();
        left = Expression::Math(sign, Box::new(left), Box::new(atom(t, depth)?));
    }
    Ok(left)
}

/// Up to the closing bracket.
fn list(t: &mut Tokens, depth: u32) -> Result<Vec<Expression>, Failure> {
    let mut out = Vec::new();
    if t.symbol(')') {
        return Ok(out);
    }
    loop {
        if t.symbol('*') {
            out.push(Expression::Star);
        } else {
            t.words("DISTINCT");
            out.push(either(t, depth + 1)?);
        }
        if t.symbol(')') {
            return Ok(out);
        }
        if !t.symbol(',') {
            return Err(Failure::syntax(t.rest()));
        }
    }
}

fn atom(t: &mut Tokens, depth: u32) -> Parsed {
    let near = t.rest().to_owned();
    match t.bump() {
        Some(Token::Text(text)) => Ok(Expression::Value(Some(text))),
        Some(Token::Number(n)) => Ok(Expression::Value(Some(n))),
        Some(Token::Variable(name)) => Ok(Expression::Variable(name)),
        Some(Token::Symbol('-')) => Ok(Expression::Math('-', Box::new(Expression::Value(Some("0".to_owned()))), Box::new(atom(t, depth + 1)?))),
        Some(Token::Symbol('(')) if depth < DEEPEST => {
            let inner = either(t, depth + 1)?;
            if t.symbol(')') { Ok(inner) } else { Err(Failure::syntax(t.rest())) }
        }
        Some(Token::Symbol('*')) => Ok(Expression::Star),
        Some(Token::Word(word)) => {
            if t.symbol('(') {
                return Ok(Expression::Call(word.to_lowercase(), list(t, depth)?));
            }
            match word.to_ascii_uppercase().as_str() {
                "NULL" => return Ok(Expression::Value(None)),
                "TRUE" => return Ok(Expression::Value(Some("1".to_owned()))),
                "FALSE" => return Ok(Expression::Value(Some("0".to_owned()))),
                "CURRENT_USER" | "CURRENT_TIMESTAMP" => return Ok(Expression::Call(word.to_lowercase(), Vec::new())),
                "FROM" | "WHERE" | "SELECT" | "SET" => return Err(Failure::syntax(&near)),
                _ => {}
            }
            Ok(Expression::Column(qualified(t, word)))
        }
        Some(Token::Name(name)) => Ok(Expression::Column(qualified(t, name))),
        _ => Err(Failure::syntax(&near)),
    }
}

/// The last part of `t.c` or `d.t.c`: the lab has no statement over two tables.
fn qualified(t: &mut Tokens, first: String) -> String {
    let mut name = first;
    while t.symbol('.') {
        name = t.name().unwrap_or(name);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Scope for Fixed {
        fn column(&self, name: &str) -> Option<Cell> {
            match name {
                "a" => Some(Some("5".to_owned())),
                "n" => Some(None),
                _ => None,
            }
        }
        fn variable(&self, name: &str) -> Result<Cell, Failure> {
            Ok(Some(name.to_owned()))
        }
        fn call(&self, name: &str, arguments: &[Cell]) -> Result<Cell, Failure> {
            Ok(Some(format!("{name}/{}", arguments.len())))
        }
    }

    fn value(text: &str) -> Cell {
        let mut t = Tokens::of(text);
        let parsed = Expression::parse(&mut t).unwrap();
        assert!(t.is_done(), "{text}: {}", t.rest());
        parsed.value(&Fixed).unwrap()
    }

    #[test]
    fn values() {
        let one = Some("1".to_owned());
        assert_eq!(value("a = 5.0 and not (n is not null or a < 3)"), one);
        assert_eq!(value("'Binlog Dump GTID' LIKE 'binlog dump%'"), one);
        assert_eq!(value("a not in (1, 2) and t.a <> 'x'"), one);
        assert_eq!(value("n = 1"), None);
        assert_eq!(value("2 + 3 * -a"), Some("-13".to_owned()));
        assert_eq!(value("1 / 0"), None);
        assert_eq!(value("@@global.x"), Some("global.x".to_owned()));
        assert_eq!(value("Now(6)"), Some("now/1".to_owned()));
        assert_eq!(value("if(a > 9, 'y', coalesce(n, 'z'))"), Some("z".to_owned()));
        for broken in ["", "(", "a in 1", "a is 3", "from", &"(".repeat(99)] {
            assert!(Expression::parse(&mut Tokens::of(broken)).is_err(), "{broken}");
        }
        assert!(Expression::parse(&mut Tokens::of("zz")).unwrap().value(&Fixed).is_err());
    }

    #[test]
    fn patterns() {
        assert!(like("abc", "a%") && like("abc", "_b_") && like("a_c", "a\\_c") && !like("abc", "a\\_c") && like("", "%"));
    }
}
