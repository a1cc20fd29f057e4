//! Statements for a MySQL or MariaDB server, from the step's host or into a pod.

use futures::future::BoxFuture;
use mysql_async::consts::ColumnType;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Opts, OptsBuilder, Params, Row, SslOpts, Value as Cell};
use serde_json::{Map, Value};

use super::args;
use super::way::{self, End};
use crate::base::text::clean;
use crate::model::catalog::{ActionSpec, Field, FieldKind, Others, Place, Touches};
use crate::port::action::{Action, ActionCx, ActionError, Args, Ended, Found, Hindrance, Outcome, Purpose};

#[derive(Debug)]
pub(super) struct Step;

static SPEC: ActionSpec = ActionSpec {
    name: "sql",
    fields: &[
        Field::one_of("query", FieldKind::Sql),
        Field::one_of("queries", FieldKind::Sql),
        Field::one_of("file", FieldKind::File),
        Field::optional("params", FieldKind::Secret),
        Field::optional("host", FieldKind::Text),
        Field::optional("port", FieldKind::Number),
        Field::optional("socket", FieldKind::Text),
        Field::optional("user", FieldKind::Text),
        Field::optional("password", FieldKind::Secret),
        Field::optional("database", FieldKind::Text),
        Field::optional("tls", FieldKind::Word(&["off", "unverified", "verified"])),
        way::CLUSTER,
        way::NAMESPACE,
        way::POD,
        way::SELECTOR,
    ],
    short: Some("query"),
    others: Others::Refused,
    touches: Touches::Unknown,
    place: Place::Network,
};

/// Does a statement only look? By its first word, comments left out; `SELECT ... INTO OUTFILE` and the like do not.
fn looks(statement: &str) -> bool {
    let mut rest = statement.trim_start();
    while let Some(after) = rest
        .strip_prefix("/*")
        .and_then(|r| r.split_once("*/").map(|(_, a)| a))
        .or_else(|| rest.strip_prefix("-- ").or_else(|| rest.strip_prefix('#')).map(|r| r.split_once('\n').map_or("", |(_, a)| a)))
    {
        rest = after.trim_start();
    }
    let upper = rest.to_ascii_uppercase();
    let first = upper.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let words = || upper.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let one = upper.trim_end().trim_end_matches(';').split(';').count() == 1;
    match first {
        "SHOW" | "EXPLAIN" | "DESC" | "DESCRIBE" | "VALUES" | "TABLE" | "CHECKSUM" => one && !words().any(|w| w == "ANALYZE"),
        "SELECT" | "WITH" => one && !words().any(|w| matches!(w, "INTO" | "UPDATE" | "DELETE" | "INSERT" | "REPLACE" | "GET_LOCK" | "RELEASE_LOCK")),
        _ => false,
    }
}

fn statements(given: &Args, cx: &ActionCx) -> Result<Vec<String>, ActionError> {
    let mut all = args::list(given, "queries");
    all.extend(args::text(given, "query"));
    if let Some(path) = args::text(given, "file") {
        let bytes = cx.files.read(&path).map_err(ActionError::arguments)?;
        let text = String::from_utf8(bytes).map_err(|_| ActionError::arguments(format!("{path} is not UTF-8")))?;
        if text.lines().any(|l| l.trim_start().to_ascii_uppercase().starts_with("DELIMITER ")) {
            return Err(ActionError::new(
                Hindrance::Arguments,
                format!("{path} uses DELIMITER, which is a word of the mysql client and not of the server"),
                "import it with the client: kubectl_exec, container_exec or shell with the file as `stdin`",
            ));
        }
        all.push(text);
    }
    all.retain(|s| !s.trim().is_empty());
    if all.is_empty() {
        return Err(ActionError::arguments("there is no statement"));
    }
    Ok(all)
}

async fn connect(given: &Args, cx: &ActionCx) -> Result<(Conn, way::Way), String> {
    let host = args::text(given, "host").unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = args::port(given, "port").map_err(|e| e.text)?.unwrap_or(3306);
    let way = match args::text(given, "socket") {
        Some(path) => way::socket(cx, &path).await,
        None => way::tcp(given, cx, &host, port).await,
    };
    let way = way.map_err(|e| e.text)?;
    let builder = OptsBuilder::default()
        .user(args::text(given, "user"))
        .pass(args::text(given, "password"))
        .db_name(args::text(given, "database"))
        .prefer_socket(false)
        .stmt_cache_size(0)
        .max_allowed_packet(Some(64 << 20))
        .connect_attribute("program_name", "quarterdeck");
    let ssl = match args::text(given, "tls").as_deref() {
        Some("verified") => Some(SslOpts::default().with_danger_tls_hostname_override(Some(host.clone()))),
        Some("unverified") => Some(SslOpts::default().with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true)),
        _ => None,
    };
    let opts: Opts = match &way.end {
        End::Tcp { host, port } => builder.ip_or_hostname(host.clone()).tcp_port(*port).ssl_opts(ssl).into(),
        End::Unix(path) => builder.socket(Some(path.to_string_lossy().into_owned())).into(),
    };
    match tokio::time::timeout(cx.limit.min(std::time::Duration::from_secs(20)), Conn::new(opts)).await {
        Ok(Ok(conn)) => Ok((conn, way)),
        Ok(Err(e)) => Err(words(&e)),
        Err(_) => Err(format!("no login at {host}:{port} in time")),
    }
}

/// As the mysql client prints it, so that hints match both.
fn words(error: &Error) -> String {
    match error {
        Error::Server(e) => format!("ERROR {} ({}): {}", e.code, e.state, clean(&e.message)),
        other => clean(&other.to_string()).into_owned(),
    }
}

/// One cell, as a number where its column is one.
fn cell(row: &Row, index: usize) -> Value {
    let number = row.columns_ref().get(index).is_some_and(|c| {
        use ColumnType::{
            MYSQL_TYPE_DOUBLE, MYSQL_TYPE_FLOAT, MYSQL_TYPE_INT24, MYSQL_TYPE_LONG, MYSQL_TYPE_LONGLONG, MYSQL_TYPE_NEWDECIMAL, MYSQL_TYPE_SHORT,
            MYSQL_TYPE_TINY, MYSQL_TYPE_YEAR,
        };
        matches!(
            c.column_type(),
            MYSQL_TYPE_TINY
                | MYSQL_TYPE_SHORT
                | MYSQL_TYPE_LONG
                | MYSQL_TYPE_INT24
                | MYSQL_TYPE_LONGLONG
                | MYSQL_TYPE_YEAR
                | MYSQL_TYPE_NEWDECIMAL
                | MYSQL_TYPE_FLOAT
                | MYSQL_TYPE_DOUBLE
        )
    });
    match row.as_ref(index) {
        None | Some(Cell::NULL) => Value::Null,
        Some(Cell::Bytes(bytes)) => {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let parsed = if number { text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<f64>().map(Value::from)).ok() } else { None };
            parsed.unwrap_or(Value::String(text))
        }
        Some(Cell::Int(n)) => (*n).into(),
        Some(Cell::UInt(n)) => (*n).into(),
        Some(Cell::Float(n)) => f64::from(*n).into(),
        Some(Cell::Double(n)) => (*n).into(),
        Some(other) => other.as_sql(true).trim_matches('\'').into(),
    }
}

/// A row by column name. The status of a replica is there under the old and the new names: 8.0.22 renamed them and MariaDB did not.
fn record(row: &Row) -> Value {
    let mut out = Map::new();
    for (index, column) in row.columns_ref().iter().enumerate() {
        let (name, value) = (column.name_str().into_owned(), cell(row, index));
        for (old, new) in [("Slave", "Replica"), ("Master", "Source")] {
            for (from, to) in [(old, new), (new, old)] {
                if name.contains(from) {
                    out.entry(name.replace(from, to)).or_insert_with(|| value.clone());
                }
            }
        }
        out.insert(name, value);
    }
    Value::Object(out)
}

struct Answer {
    sets: Vec<Vec<Value>>,
    affected: u64,
    last_id: Option<u64>,
    warnings: u64,
}

async fn execute(conn: &mut Conn, statement: &str, params: &Params, into: &mut Answer) -> Result<(), Error> {
    if matches!(params, Params::Empty) {
        let mut result = conn.query_iter(statement).await?;
        loop {
            let rows: Vec<Row> = result.collect().await?;
            if !rows.is_empty() {
                into.sets.push(rows.iter().map(record).collect());
            }
            into.affected += result.affected_rows();
            into.last_id = result.last_insert_id().or(into.last_id);
            into.warnings += u64::from(result.warnings());
            if result.is_empty() {
                break;
            }
        }
        result.drop_result().await
    } else {
        let mut result = conn.exec_iter(statement, params.clone()).await?;
        let rows: Vec<Row> = result.collect().await?;
        if !rows.is_empty() {
            into.sets.push(rows.iter().map(record).collect());
        }
        into.affected += result.affected_rows();
        into.last_id = result.last_insert_id().or(into.last_id);
        into.warnings += u64::from(result.warnings());
        result.drop_result().await
    }
}

fn parameter(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::NULL,
        Value::Bool(b) => Cell::Int(i64::from(*b)),
        Value::Number(n) => n.as_i64().map(Cell::Int).or_else(|| n.as_u64().map(Cell::UInt)).or_else(|| n.as_f64().map(Cell::Double)).unwrap_or(Cell::NULL),
        Value::String(s) => Cell::Bytes(s.clone().into_bytes()),
        other => Cell::Bytes(other.to_string().into_bytes()),
    }
}

async fn run(given: &Args, cx: &ActionCx) -> Result<Outcome, ActionError> {
    let all = statements(given, cx)?;
    if cx.purpose != Purpose::Act && !all.iter().all(|s| looks(s)) {
        return Err(ActionError::new(
            Hindrance::Arguments,
            "a look may only SELECT and SHOW",
            "let the step itself change things, and `check` and `verify` look",
        ));
    }
    let params = match given.get("params") {
        Some(Value::Array(values)) if !values.is_empty() => Params::Positional(values.iter().map(parameter).collect()),
        _ => Params::Empty,
    };
    let (mut conn, _way) = match connect(given, cx).await {
        Ok(both) => both,
        // Nothing was done; the step may be tried again, as until a server has started.
        Err(why) => return Ok(Outcome::failed(why).fact("connected", false)),
    };
    let mut answer = Answer { sets: Vec::new(), affected: 0, last_id: None, warnings: 0 };
    let work = async {
        for (at, statement) in all.iter().enumerate() {
            execute(&mut conn, statement, &params, &mut answer).await.map_err(|e| (at, e))?;
        }
        Ok::<(), (usize, Error)>(())
    };
    let ended = tokio::select! {
        ended = tokio::time::timeout(cx.limit, work) => ended,
        () = cx.stop.cancelled() => return Ok(Outcome::unknown("called off while the server worked")),
    };
    let changed = !all.iter().all(|s| looks(s));
    let end = match ended {
        Ok(Ok(())) => Ended::Ok,
        Ok(Err((at, error @ Error::Server(_)))) => {
            Ended::Failed(if all.len() > 1 { format!("statement {}: {}", at + 1, words(&error)) } else { words(&error) })
        }
        Ok(Err((_, error))) if changed => Ended::Unknown(format!("the connection broke while the server worked: {}", words(&error))),
        Ok(Err((_, error))) => Ended::Failed(words(&error)),
        Err(_) if changed => Ended::Unknown(format!("no answer within {} s; the server may still work on it", cx.limit.as_secs())),
        Err(_) => Ended::Failed(format!("no answer within {} s", cx.limit.as_secs())),
    };
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), conn.disconnect()).await;
    let rows = answer.sets.last().cloned().unwrap_or_default();
    let shown: Vec<String> = rows.iter().take(20).map(ToString::to_string).collect();
    Ok(Outcome { end, ..Outcome::ok(changed) }
        .said(shown.join("\n"))
        .fact("connected", true)
        .fact("row", rows.first().cloned().unwrap_or(Value::Object(Map::new())))
        .fact("rowcount", rows.len())
        .fact("rows", rows)
        .fact("sets", answer.sets.into_iter().map(Value::from).collect::<Vec<_>>())
        .fact("affected", answer.affected)
        .fact("insert_id", answer.last_id)
        .fact("warnings", answer.warnings))
}

impl Action for Step {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn check<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>> {
        Box::pin(async move {
            Ok(if statements(given, cx)?.iter().all(|s| looks(s)) { Found::done() } else { Found::unknown("only running the statements would tell") })
        })
    }

    fn run<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>> {
        Box::pin(run(given, cx))
    }
}

#[cfg(test)]
mod tests {
    use super::looks;

    #[test]
    fn what_only_looks() {
        for yes in ["SELECT 1", " show slave status", "/* c */ SELECT @@x;", "-- x\nWITH a AS (SELECT 1) SELECT * FROM a"] {
            assert!(looks(yes), "{yes}");
        }
        for no in [
            "CREATE USER x",
            "SELECT 1; DROP TABLE t",
            "select * from t into outfile '/x'",
            "STOP REPLICA",
            "",
            "EXPLAIN ANALYZE DELETE FROM t",
            "SELECT * FROM t FOR UPDATE",
        ] {
            assert!(!looks(no), "{no}");
        }
    }
}
