//! Statements that change tables and databases, on the server where they are given and, later, on its followers.

use super::data::{Collision, Column, Fills, Key};
use super::expression::Expression;
use super::query::Place;
use super::read::table_name;
use super::reply::{Cell, Failure, Reply};
use super::session::{Here, Logs, Session, stamp};
use super::token::{Token, Tokens};
use crate::lab::world::mysql::Fault;

pub(super) fn apply(place: &mut Place<'_>, session: &Session, t: &mut Tokens) -> Result<Reply, Failure> {
    let near = t.rest().to_owned();
    if t.words("CREATE DATABASE") || t.words("CREATE SCHEMA") {
        return create_database(place, t);
    }
    if t.words("DROP DATABASE") || t.words("DROP SCHEMA") {
        let lenient = t.words("IF EXISTS");
        let name = t.name().ok_or_else(|| Failure::syntax(&near))?;
        let server = &mut place.mysql.servers[place.at];
        server.databases.retain(|d| *d != name);
        let gone = server.content.data.0.remove(&name);
        return match gone {
            Some(tables) => Ok(Reply::affected(tables.len() as u64)),
            None if lenient => Ok(Reply::ok()),
            None => Err(Failure::general(1008, format!("Can't drop database '{name}'; database doesn't exist"))),
        };
    }
    if t.words("CREATE TABLE") {
        return create_table(place, session, t);
    }
    if t.words("DROP TABLE") {
        let lenient = t.words("IF EXISTS");
        let (database, name) = table_name(session, t)?;
        let gone = place.mysql.servers[place.at].content.data.0.get_mut(&database).and_then(|tables| tables.remove(&name));
        return if gone.is_some() || lenient { Ok(Reply::ok()) } else { Err(Failure::new(1051, "42S02", format!("Unknown table '{database}.{name}'"))) };
    }
    if t.words("TRUNCATE") {
        t.words("TABLE");
        let (database, name) = table_name(session, t)?;
        place.mysql.servers[place.at].content.data.table_mut(&database, &name)?.rows.clear();
        return Ok(Reply::ok());
    }
    match t.one_of(&["INSERT", "REPLACE", "UPDATE", "DELETE"]) {
        Some("INSERT") => insert(place, session, t, Collision::Refuse),
        Some("REPLACE") => insert(place, session, t, Collision::Replace),
        Some("UPDATE") => update(place, session, t),
        Some(_) => {
            if !t.words("FROM") {
                return Err(Failure::syntax(t.rest()));
            }
            let (database, name) = table_name(session, t)?;
            let filter = if t.words("WHERE") { Some(Expression::parse(t)?) } else { None };
            let mut data = std::mem::take(&mut place.mysql.servers[place.at].content.data);
            let done = place.here(session, |here| data.delete((&database, &name), filter.as_ref(), here));
            place.mysql.servers[place.at].content.data = data;
            done.map(Reply::affected)
        }
        None => Err(Failure::syntax(&near)),
    }
}

fn create_database(place: &mut Place<'_>, t: &mut Tokens) -> Result<Reply, Failure> {
    let lenient = t.words("IF NOT EXISTS");
    let near = t.rest().to_owned();
    let name = t.name().ok_or_else(|| Failure::syntax(&near))?;
    while t.bump().is_some() {}
    let server = &mut place.mysql.servers[place.at];
    if server.content.data.0.contains_key(&name) {
        let text = format!("Can't create database '{name}'; database exists");
        return if lenient { Ok(Reply::Done { affected: 1, warnings: 1 }) } else { Err(Failure::general(1007, text)) };
    }
    if server.databases.len() > 200 {
        return Err(Failure::general(1006, format!("Can't create database '{name}' (errno: 28)")));
    }
    server.content.data.0.insert(name.clone(), std::collections::BTreeMap::new());
    server.databases.push(name);
    Ok(Reply::affected(1))
}

fn create_table(place: &mut Place<'_>, session: &Session, t: &mut Tokens) -> Result<Reply, Failure> {
    let lenient = t.words("IF NOT EXISTS");
    let (database, name) = table_name(session, t)?;
    if !t.symbol('(') {
        return Err(Failure::syntax(t.rest()));
    }
    let mut columns: Vec<Column> = Vec::new();
    loop {
        if t.one_of(&["PRIMARY KEY", "UNIQUE KEY", "UNIQUE INDEX", "UNIQUE", "KEY", "INDEX", "CONSTRAINT"]).is_some_and(|k| k == "PRIMARY KEY") {
            if t.symbol('(') {
                while let Some(key) = t.name() {
                    columns.iter_mut().filter(|c| c.name.eq_ignore_ascii_case(&key)).for_each(|c| c.key = Key::Primary);
                    t.symbol(',');
                }
                t.symbol(')');
            }
        } else if let Some(column) = t.name() {
            columns.push(column_of(column, t));
        }
        // Whatever else is said of it.
        loop {
            match t.peek() {
                Some(Token::Symbol(',' | ')')) | None => break,
                Some(Token::Symbol('(')) => {
                    t.bump();
                    t.skip_bracket();
                }
                Some(_) => {
                    t.bump();
                }
            }
        }
        if !t.symbol(',') {
            break;
        }
    }
    if !t.symbol(')') || columns.is_empty() {
        return Err(Failure::syntax(t.rest()));
    }
    let mut comment = String::new();
    while !t.rest().is_empty() {
        if t.words("COMMENT") {
            t.symbol('=');
            comment = t.text().unwrap_or_default();
        } else if t.bump().is_none() {
            break;
        }
    }
    let made = place.mysql.servers[place.at].content.data.create(&database, &name, columns, comment);
    match made {
        Err(f) if f.code == 1050 && lenient => Ok(Reply::Done { affected: 0, warnings: 1 }),
        Err(f) => Err(f),
        Ok(()) => Ok(Reply::ok()),
    }
}

/// A column's type and what of its options matters here.
fn column_of(name: String, t: &mut Tokens) -> Column {
    let mut column = Column { name, ..Column::default() };
    if let Some(kind) = t.name() {
        column.kind = kind.to_lowercase();
        if t.symbol('(') {
            let size = match t.peek() {
                Some(Token::Number(n)) => n.clone(),
                _ => String::new(),
            };
            t.skip_bracket();
            column.kind = format!("{}({size})", column.kind);
        }
    }
    loop {
        if t.words("PRIMARY KEY") {
            column.key = Key::Primary;
        } else if t.words("UNIQUE") {
            column.key = Key::Unique;
        } else if t.words("AUTO_INCREMENT") {
            column.fills = Fills::Counting;
        } else if t.words("DEFAULT") || t.words("ON UPDATE") {
            match t.bump() {
                Some(Token::Text(v) | Token::Number(v)) => column.default = Some(v),
                Some(Token::Word(w)) if w.eq_ignore_ascii_case("CURRENT_TIMESTAMP") || w.eq_ignore_ascii_case("NOW") => column.fills = Fills::Now,
                _ => {}
            }
        } else {
            match t.peek() {
                Some(Token::Symbol('(')) => {
                    t.bump();
                    t.skip_bracket();
                }
                Some(Token::Symbol(',' | ')')) | None => return column,
                Some(_) => {
                    t.bump();
                }
            }
        }
    }
}

fn insert(place: &mut Place<'_>, session: &Session, t: &mut Tokens, mut on: Collision) -> Result<Reply, Failure> {
    if t.words("IGNORE") {
        on = Collision::Ignore;
    }
    t.words("INTO");
    let (database, name) = table_name(session, t)?;
    let mut names = Vec::new();
    if t.symbol('(') {
        while let Some(name) = t.name() {
            names.push(name);
            t.symbol(',');
        }
        if !t.symbol(')') {
            return Err(Failure::syntax(t.rest()));
        }
    }
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    if t.words("SET") {
        let sets = assignments(t)?;
        names = sets.iter().map(|(n, _)| n.clone()).collect();
        rows.push(place.here(session, |here| sets.iter().map(|(_, e)| e.value(here)).collect::<Result<_, _>>())?);
    } else if t.words("VALUES") || t.words("VALUE") {
        loop {
            if !t.symbol('(') {
                return Err(Failure::syntax(t.rest()));
            }
            let mut row = Vec::new();
            loop {
                if t.words("DEFAULT") {
                    row.push(None);
                } else {
                    let expression = Expression::parse(t)?;
                    row.push(place.here(session, |here| expression.value(here))?);
                }
                if !t.symbol(',') {
                    break;
                }
            }
            if !t.symbol(')') {
                return Err(Failure::syntax(t.rest()));
            }
            rows.push(row);
            if !t.symbol(',') {
                break;
            }
        }
    } else {
        return Err(Failure::syntax(t.rest()));
    }
    if t.words("ON DUPLICATE KEY UPDATE") {
        on = Collision::Update(assignments(t)?);
    }
    let now = stamp(place.now, false);
    let mut data = std::mem::take(&mut place.mysql.servers[place.at].content.data);
    let done = place.here(session, |here: &Here<'_>| data.insert((&database, &name), &names, &rows, &on, here, &now));
    place.mysql.servers[place.at].content.data = data;
    done.map(Reply::affected)
}

fn assignments(t: &mut Tokens) -> Result<Vec<(String, Expression)>, Failure> {
    let mut out = Vec::new();
    loop {
        let near = t.rest().to_owned();
        let name = t.name().ok_or_else(|| Failure::syntax(&near))?;
        if !t.symbol('=') {
            return Err(Failure::syntax(t.rest()));
        }
        out.push((name, Expression::parse(t)?));
        if !t.symbol(',') {
            return Ok(out);
        }
    }
}

fn update(place: &mut Place<'_>, session: &Session, t: &mut Tokens) -> Result<Reply, Failure> {
    let (database, name) = table_name(session, t)?;
    if !t.words("SET") {
        return Err(Failure::syntax(t.rest()));
    }
    let sets = assignments(t)?;
    let filter = if t.words("WHERE") { Some(Expression::parse(t)?) } else { None };
    let mut data = std::mem::take(&mut place.mysql.servers[place.at].content.data);
    let done = place.here(session, |here| data.update((&database, &name), &sets, filter.as_ref(), here));
    place.mysql.servers[place.at].content.data = data;
    done.map(Reply::affected)
}

/// A write becomes a transaction of this server: of its log, or errant where it follows another.
pub(super) fn record(place: &mut Place<'_>, session: &Session, text: &str) {
    let server = &mut place.mysql.servers[place.at];
    server.commits += 1.0;
    if server.replication.is_some() {
        server.errant += 1;
        return;
    }
    server.log.advance(1.0);
    let gtid = server.log.gtid.floor();
    server.content.write(gtid, &session.database, text);
}

/// Repeats on this server what its source's clients wrote, up to where its applier is.
pub(super) fn follow(place: &mut Place<'_>) {
    let at = place.at;
    let Some(link) = &place.mysql.servers[at].replication else { return };
    let (address, applied) = (format!("{}:{}", link.host, link.port), link.applied.gtid);
    let from = place.mysql.servers[at].content.followed;
    let Some(source) = place.mysql.servers.iter().position(|s| s.address == address) else { return };
    if from == 0.0 || applied <= from {
        place.mysql.servers[at].content.followed = if from == 0.0 { applied } else { from };
        return;
    }
    let writes = place.mysql.servers[source].content.between(from, applied);
    place.mysql.servers[at].content.followed = applied;
    for write in writes {
        let session = Session { user: "root".into(), database: write.database, logs: Logs::Off, ..Session::default() };
        let mut t = Tokens::of(&write.statement);
        let account = ["CREATE USER", "ALTER USER", "DROP USER", "GRANT", "REVOKE"].into_iter().find(|w| t.words(w));
        let server = &mut place.mysql.servers[at];
        let done = match account {
            Some("CREATE USER") => super::account::create(server, &mut t),
            Some("ALTER USER") => super::account::alter(server, &mut t),
            Some("DROP USER") => super::account::drop(server, &mut t),
            Some("GRANT") => super::account::grant(server, &mut t),
            Some(_) => super::account::revoke(server, &mut t),
            None => apply(place, &session, &mut t),
        };
        if let Err(failure) = done {
            let text = format!("Error '{}' on query. Default database: '{}'. Query: '{}'", failure.text, session.database, write.statement);
            // Started again, it comes to the same write.
            place.mysql.servers[at].content.followed = write.gtid - 1.0;
            if let Some(link) = &mut place.mysql.servers[at].replication {
                link.sql_runs = false;
                link.sql_fault = Fault { code: u32::from(failure.code), text };
            }
            return;
        }
    }
}
