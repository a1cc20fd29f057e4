//! Commands for a Redis server, from the step's host or into a pod. No cluster client: its redirects would leave the way.

use std::time::Duration;

use futures::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, Value as Reply};
use serde_json::{Map, Value};
use tokio_util::task::AbortOnDropHandle;

use super::{args, way};
use crate::base::text::clean;
use crate::model::catalog::{ActionSpec, Field, FieldKind, Others, Place, Touches};
use crate::port::action::{Action, ActionCx, ActionError, Args, Ended, Found, Hindrance, Outcome, Purpose};

#[derive(Debug)]
pub(super) struct Step;

static SPEC: ActionSpec = ActionSpec {
    name: "redis",
    fields: &[
        Field::one_of("command", FieldKind::List),
        Field::one_of("commands", FieldKind::Any),
        Field::optional("host", FieldKind::Text),
        Field::optional("port", FieldKind::Number),
        Field::optional("user", FieldKind::Text),
        Field::optional("password", FieldKind::Secret),
        way::CLUSTER,
        way::NAMESPACE,
        way::POD,
        way::SELECTOR,
    ],
    short: Some("command"),
    others: Others::Refused,
    touches: Touches::Unknown,
    place: Place::Network,
};

/// Commands that only look, with the first argument where that decides.
const LOOKS: &[&str] = &[
    "PING",
    "INFO",
    "GET",
    "MGET",
    "EXISTS",
    "TTL",
    "PTTL",
    "TYPE",
    "DBSIZE",
    "ROLE",
    "TIME",
    "SCAN",
    "STRLEN",
    "LLEN",
    "HGETALL",
    "HGET",
    "LRANGE",
    "SMEMBERS",
    "ECHO",
    "CLUSTER INFO",
    "CLUSTER NODES",
    "CLUSTER SLOTS",
    "CLUSTER SHARDS",
    "CLUSTER MYID",
    "CLUSTER KEYSLOT",
    "CLUSTER COUNTKEYSINSLOT",
    "CLUSTER REPLICAS",
    "CLUSTER SLAVES",
    "CONFIG GET",
    "ACL WHOAMI",
    "ACL LIST",
    "ACL GETUSER",
    "CLIENT LIST",
    "CLIENT ID",
    "SENTINEL MASTERS",
    "SENTINEL MASTER",
    "SENTINEL REPLICAS",
    "SENTINEL SLAVES",
    "SENTINEL SENTINELS",
    "SENTINEL CKQUORUM",
    "SENTINEL GET-MASTER-ADDR-BY-NAME",
    "MEMORY USAGE",
    "OBJECT ENCODING",
    "LATENCY LATEST",
    "SLOWLOG GET",
];

fn looks(command: &[String]) -> bool {
    let upper = |n: usize| command.get(n).map(|w| w.to_ascii_uppercase()).unwrap_or_default();
    LOOKS.contains(&upper(0).as_str()) || LOOKS.contains(&format!("{} {}", upper(0), upper(1)).as_str())
}

fn commands(given: &Args) -> Result<Vec<Vec<String>>, ActionError> {
    let one = |value: &Value| match value {
        Value::String(line) => args::words(line),
        Value::Array(words) => Ok(words.iter().map(|w| w.as_str().map_or_else(|| w.to_string(), ToOwned::to_owned)).collect()),
        other => Err(ActionError::arguments(format!("{other} is no Redis command"))),
    };
    let all = match (given.get("command"), given.get("commands")) {
        (Some(command), _) => vec![one(command)?],
        (None, Some(Value::Array(all))) => all.iter().map(one).collect::<Result<_, _>>()?,
        _ => Vec::new(),
    };
    if all.is_empty() || all.iter().any(Vec::is_empty) {
        return Err(ActionError::arguments("there is no command"));
    }
    Ok(all)
}

fn json(reply: Reply) -> Value {
    match reply {
        Reply::Nil => Value::Null,
        Reply::Int(n) => n.into(),
        Reply::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
        Reply::SimpleString(text) | Reply::VerbatimString { text, .. } => text.into(),
        Reply::Okay => "OK".into(),
        Reply::Array(all) | Reply::Set(all) => all.into_iter().map(json).collect::<Vec<_>>().into(),
        Reply::Map(pairs) => Value::Object(pairs.into_iter().map(|(k, v)| (text(&json(k)), json(v))).collect()),
        Reply::Double(n) => n.into(),
        Reply::Boolean(b) => b.into(),
        other => format!("{other:?}").into(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// The lines `key:value` of INFO and CLUSTER INFO, by key; what comes in pairs (CONFIG GET, SENTINEL MASTER), by the first of each.
fn fields(reply: &Value) -> Map<String, Value> {
    let value = |v: &str| v.parse::<i64>().map_or_else(|_| Value::from(v), Value::from);
    if let Value::Array(all) = reply {
        let pairs = all.chunks_exact(2).filter_map(|pair| pair[0].as_str().zip(pair[1].as_str()));
        return pairs.map(|(k, v)| (k.to_owned(), value(v))).collect();
    }
    text(reply).lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.trim_end().split_once(':')).map(|(k, v)| (k.to_owned(), value(v))).collect()
}

async fn connect(given: &Args, cx: &ActionCx) -> Result<(MultiplexedConnection, AbortOnDropHandle<()>), String> {
    let host = args::text(given, "host").unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = args::port(given, "port").map_err(|e| e.text)?.unwrap_or(6379);
    let stream = way::stream(given, cx, &host, port).await.map_err(|e| e.text)?;
    let bare = RedisConnectionInfo::default().set_skip_set_lib_name();
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let (mut connection, driver) = MultiplexedConnection::new_with_config(&bare, stream, config).await.map_err(|e| format!("{host}:{port}: {e}"))?;
    let driver = AbortOnDropHandle::new(tokio::spawn(driver));
    if let Some(password) = args::text(given, "password").filter(|p| !p.is_empty()) {
        let mut auth = redis::cmd("AUTH");
        if let Some(user) = args::text(given, "user").filter(|u| !u.is_empty()) {
            auth.arg(user);
        }
        auth.arg(&password);
        match tokio::time::timeout(Duration::from_secs(10), connection.send_packed_command(&auth)).await {
            Ok(Ok(Reply::ServerError(e))) => return Err(format!("{host}:{port} refuses the login: {}", redis::RedisError::from(e))),
            Ok(Ok(_)) => {}
            Ok(Err(e)) => return Err(format!("{host}:{port} refuses the login: {e}")),
            Err(_) => return Err(format!("{host}:{port}: no answer to the login")),
        }
    }
    Ok((connection, driver))
}

async fn run(given: &Args, cx: &ActionCx) -> Result<Outcome, ActionError> {
    let all = commands(given)?;
    let changed = !all.iter().all(|c| looks(c));
    if cx.purpose != Purpose::Act && changed {
        return Err(ActionError::new(Hindrance::Arguments, "a look may only use commands that change nothing", "let the step itself change things"));
    }
    let (mut connection, _driver) = match connect(given, cx).await {
        Ok(both) => both,
        Err(why) => return Ok(Outcome::failed(clean(&why)).fact("connected", false)),
    };
    let mut replies = Vec::new();
    let mut end = Ended::Ok;
    for words in &all {
        let mut command = redis::cmd(&words[0]);
        for word in &words[1..] {
            command.arg(word);
        }
        let reply = tokio::select! {
            reply = tokio::time::timeout(cx.limit, connection.send_packed_command(&command)) => reply,
            () = cx.stop.cancelled() => return Ok(Outcome::unknown("called off while the server worked")),
        };
        let refused = |text: String| Ended::Failed(clean(&format!("{}: {text}", words[0].to_ascii_uppercase())).into_owned());
        match reply {
            Ok(Ok(Reply::ServerError(e))) => end = refused(redis::RedisError::from(e).to_string()),
            Ok(Ok(reply)) => replies.push(json(reply)),
            Ok(Err(e)) if e.code().is_some() || !changed => end = refused(e.to_string()),
            Ok(Err(e)) => end = Ended::Unknown(format!("the connection broke while the server worked: {e}")),
            Err(_) if changed => end = Ended::Unknown(format!("no answer within {} s", cx.limit.as_secs())),
            Err(_) => end = Ended::Failed(format!("no answer within {} s", cx.limit.as_secs())),
        }
        if end != Ended::Ok {
            break;
        }
    }
    let last = replies.last().cloned().unwrap_or(Value::Null);
    let said = text(&last);
    Ok(Outcome { end, ..Outcome::ok(changed) }.fact("fields", fields(&last)).fact("value", last).fact("values", replies).fact("connected", true).said(said))
}

impl Action for Step {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn check<'a>(&'a self, given: &'a Args, _cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>> {
        Box::pin(
            async move { Ok(if commands(given)?.iter().all(|c| looks(c)) { Found::done() } else { Found::unknown("only running the commands would tell") }) },
        )
    }

    fn run<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>> {
        Box::pin(run(given, cx))
    }
}
