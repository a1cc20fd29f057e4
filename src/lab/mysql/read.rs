//! `SELECT` from one table or from none, and the lists of `SHOW`.

use super::data::{self, Selection, Table, unknown_database};
use super::expression::{Expression, like};
use super::query::Place;
use super::reply::{Cell, Failure, Reply};
use super::schema;
use super::session::{Here, Right, Session};
use super::token::{Token, Tokens};
use super::{account, variable};

/// The fields of a `SELECT`, each with the name that its column gets.
fn fields(t: &mut Tokens) -> Result<Vec<(Expression, String)>, Failure> {
    let mut out = Vec::new();
    loop {
        let before = t.rest().to_owned();
        let field = Expression::parse(t)?;
        let written = before[..before.len() - t.rest().len()].trim().trim_end_matches(',').trim();
        let named = if t.words("AS") {
            Some(t.name().or_else(|| t.text()).ok_or_else(|| Failure::syntax(t.rest()))?)
        } else if let Some(Token::Text(text)) = t.peek().cloned() {
            t.bump();
            Some(text)
        } else if !["FROM", "WHERE", "LIMIT", "ORDER", "INTO", "FOR", "GROUP"].iter().any(|w| t.sees(w)) {
            t.name()
        } else {
            None
        };
        let plain = match &field {
            Expression::Column(name) => name.clone(),
            _ => written.to_owned(),
        };
        out.push((field, named.unwrap_or(plain)));
        if !t.symbol(',') {
            return Ok(out);
        }
    }
}

/// `db.table` or `table`
pub(super) fn table_name(session: &Session, t: &mut Tokens) -> Result<(String, String), Failure> {
    let near = t.rest().to_owned();
    let first = t.name().ok_or_else(|| Failure::syntax(&near))?;
    if t.symbol('.') {
        let near = t.rest().to_owned();
        return Ok((first, t.name().ok_or_else(|| Failure::syntax(&near))?));
    }
    if session.database.is_empty() {
        return Err(Failure::new(1046, "3D000", "No database selected"));
    }
    Ok((session.database.clone(), first))
}

pub(super) fn select(place: &Place<'_>, session: &Session, t: &mut Tokens) -> Result<Reply, Failure> {
    t.bump();
    t.one_of(&["DISTINCT", "ALL", "SQL_NO_CACHE"]);
    let mut selection = Selection { fields: fields(t)?, ..Selection::default() };
    if !t.words("FROM") || t.words("DUAL") {
        tail(t, &mut selection)?;
        let row = place.here(session, |here| selection.fields.iter().map(|(f, _)| f.value(here)).collect::<Result<Vec<Cell>, _>>())?;
        return Ok(Reply::rows(selection.fields.into_iter().map(|(_, n)| n), vec![row]));
    }
    let (database, name) = table_name(session, t)?;
    if !t.is_done() && !["WHERE", "ORDER", "LIMIT", "FOR", "GROUP"].iter().any(|w| t.sees(w)) {
        t.words("AS");
        t.name();
    }
    tail(t, &mut selection)?;
    let followers = place.followers();
    place.here(session, |here| {
        if here.session.right(here.server) < Right::Look {
            return Err(Failure::new(1142, "42000", format!("SELECT command denied to user '{}'@'{}' for table '{name}'", session.user, session.from)));
        }
        let system = schema::find(here, &followers, &database, &name);
        let table: &Table = match &system {
            Some(table) => table,
            None => here.server.content.data.table(&database, &name)?,
        };
        let (columns, rows) = data::select(table, &selection, here)?;
        Ok(Reply::rows(columns, rows))
    })
}

/// `WHERE ... ORDER BY ... LIMIT ...`
fn tail(t: &mut Tokens, selection: &mut Selection) -> Result<(), Failure> {
    if t.words("WHERE") {
        selection.filter = Some(Expression::parse(t)?);
    }
    if t.words("ORDER BY") {
        let by = Expression::parse(t)?;
        selection.order = Some((by, t.one_of(&["DESC", "ASC"]) == Some("DESC")));
    }
    if t.words("LIMIT") {
        selection.limit = match t.bump() {
            Some(Token::Number(n)) => n.parse().ok(),
            _ => return Err(Failure::syntax(t.rest())),
        };
    }
    t.words("FOR UPDATE");
    Ok(())
}

/// `LIKE 'x%'` or `WHERE ...` over rows whose first column is the name.
fn filtered(here: &Here<'_>, columns: &[&str], rows: Vec<Vec<Cell>>, t: &mut Tokens) -> Result<Reply, Failure> {
    if t.words("LIKE") {
        let near = t.rest().to_owned();
        let pattern = t.text().ok_or_else(|| Failure::syntax(&near))?.to_lowercase();
        let fits = |row: &Vec<Cell>| row.first().cloned().flatten().is_some_and(|name| like(&name.to_lowercase(), &pattern));
        let rows = rows.into_iter().filter(fits).collect();
        return Ok(match columns {
            // Of a list of databases or tables the only column is named after what was looked for.
            [only] => Reply::rows([format!("{only} ({pattern})")], rows),
            _ => Reply::rows(columns.iter().copied(), rows),
        });
    }
    let mut table = Table::new(columns.iter().map(|c| data::Column { name: (*c).to_owned(), ..data::Column::default() }).collect());
    table.rows = rows;
    let filter = if t.words("WHERE") { Some(Expression::parse(t)?) } else { None };
    let selection = Selection { fields: vec![(Expression::Star, String::new())], filter, ..Selection::default() };
    let (columns, rows) = data::select(&table, &selection, here)?;
    Ok(Reply::rows(columns, rows))
}

/// The lists that are no replication's.
pub(super) fn show(place: &Place<'_>, session: &Session, t: &mut Tokens) -> Result<Reply, Failure> {
    t.one_of(&["GLOBAL", "SESSION", "FULL"]);
    let pairs = |pairs: Vec<(&'static str, String)>| pairs.into_iter().map(|(n, v)| vec![Some(n.to_owned()), Some(v)]).collect::<Vec<_>>();
    let names = ["Variable_name", "Value"];
    let Some(what) = t.one_of(&[
        "VARIABLES",
        "STATUS",
        "PROCESSLIST",
        "DATABASES",
        "SCHEMAS",
        "TABLES",
        "GRANTS",
        "WARNINGS",
        "ERRORS",
        "PLUGINS",
        "ENGINES",
        "CREATE TABLE",
    ]) else {
        return Err(Failure::syntax(t.rest()));
    };
    let server = &place.mysql.servers[place.at];
    match what {
        "VARIABLES" => place.here(session, |here| filtered(here, &names, pairs(variable::all(here)), t)),
        "STATUS" => place.here(session, |here| filtered(here, &names, pairs(variable::status(here)), t)),
        "PROCESSLIST" => {
            let followers = place.followers();
            Ok(place.here(session, |here| Reply::rows(schema::PROCESS, schema::processes(here, &followers))))
        }
        "DATABASES" | "SCHEMAS" => {
            let mut all: Vec<String> = schema::SYSTEM.iter().map(|d| (*d).to_owned()).chain(server.content.data.0.keys().cloned()).collect();
            all.sort();
            place.here(session, |here| filtered(here, &["Database"], all.into_iter().map(|d| vec![Some(d)]).collect(), t))
        }
        "TABLES" => {
            let database = if t.words("FROM") || t.words("IN") { t.name().unwrap_or_default() } else { session.database.clone() };
            if database.is_empty() {
                return Err(Failure::new(1046, "3D000", "No database selected"));
            }
            let tables = server.content.data.0.get(&database).ok_or_else(|| unknown_database(&database))?;
            let rows = tables.keys().map(|n| vec![Some(n.clone())]).collect();
            place.here(session, |here| filtered(here, &[&format!("Tables_in_{database}")], rows, t))
        }
        "GRANTS" => account::show(server, &session.user, t),
        "WARNINGS" => {
            let rows = session.warnings.iter().map(|(level, code, text)| vec![Some((*level).to_owned()), Some(code.to_string()), Some(text.clone())]).collect();
            Ok(Reply::rows(["Level", "Code", "Message"], rows))
        }
        "ERRORS" => Ok(Reply::rows(["Level", "Code", "Message"], Vec::new())),
        "CREATE TABLE" => create_table(place, session, t),
        kind => {
            let columns: &[&str] = if kind == "PLUGINS" { &["Name", "Status", "Type", "Library", "License"] } else { &["Engine", "Support", "Comment"] };
            let row = if kind == "PLUGINS" { ["caching_sha2_password", "ACTIVE", "AUTHENTICATION", "", "GPL"].as_slice() } else { &["InnoDB", "DEFAULT", ""] };
            Ok(Reply::rows(columns.iter().copied(), vec![row.iter().map(|c| Some((*c).to_owned())).collect()]))
        }
    }
}

fn create_table(place: &Place<'_>, session: &Session, t: &mut Tokens) -> Result<Reply, Failure> {
    let (database, name) = table_name(session, t)?;
    let table = place.mysql.servers[place.at].content.data.table(&database, &name)?;
    let columns: Vec<String> = table.columns.iter().map(|c| format!("  `{}` {}", c.name, c.kind)).collect();
    let text = format!("CREATE TABLE `{name}` (\n{}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4", columns.join(",\n"));
    Ok(Reply::rows(["Table", "Create Table"], vec![vec![Some(name), Some(text)]]))
}

pub(super) fn describe(place: &Place<'_>, session: &Session, t: &mut Tokens) -> Result<Reply, Failure> {
    let (database, name) = table_name(session, t)?;
    let table = place.mysql.servers[place.at].content.data.table(&database, &name)?;
    let key = |k| match k {
        data::Key::Primary => "PRI",
        data::Key::Unique => "UNI",
        data::Key::None => "",
    };
    let row = |c: &data::Column| {
        let extra = if c.fills == data::Fills::Counting { "auto_increment" } else { "" };
        vec![Some(c.name.clone()), Some(c.kind.clone()), Some("YES".to_owned()), Some(key(c.key).to_owned()), c.default.clone(), Some(extra.to_owned())]
    };
    Ok(Reply::rows(["Field", "Type", "Null", "Key", "Default", "Extra"], table.columns.iter().map(row).collect()))
}
