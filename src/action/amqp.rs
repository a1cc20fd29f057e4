//! A broker as an application sees it: opens a connection with the application's own account and vhost, and does what it would do.

use std::time::Duration;

use futures::future::BoxFuture;
use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::uri::{AMQPAuthority, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{BasicProperties, Connection, ConnectionProperties};

use super::args;
use super::way::{self, End};
use crate::base::text::clean;
use crate::model::catalog::{ActionSpec, Field, FieldKind, Others, Place, Touches};
use crate::port::action::{Action, ActionCx, ActionError, Args, Found, Outcome};

#[derive(Debug)]
pub(super) struct Step;

static SPEC: ActionSpec = ActionSpec {
    name: "amqp",
    fields: &[
        Field::optional("host", FieldKind::Text),
        Field::optional("port", FieldKind::Number),
        Field::required("vhost", FieldKind::Text),
        Field::required("user", FieldKind::Text),
        Field::required("password", FieldKind::Secret),
        Field::optional("does", FieldKind::Word(&["open", "declare", "roundtrip"])),
        way::CLUSTER,
        way::NAMESPACE,
        way::POD,
        way::SELECTOR,
    ],
    short: None,
    others: Others::Refused,
    // The queue that it declares is exclusive: it goes with the connection.
    touches: Touches::Nothing,
    place: Place::Network,
};

async fn attempt(given: &Args, cx: &ActionCx) -> Result<String, String> {
    let host = args::text(given, "host").unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = args::port(given, "port").map_err(|e| e.text)?.unwrap_or(5672);
    let vhost = args::required(given, "vhost").map_err(|e| e.text)?;
    let user = args::required(given, "user").map_err(|e| e.text)?;
    let way = way::tcp(given, cx, &host, port).await.map_err(|e| e.text)?;
    let End::Tcp { host: near, port: near_port } = &way.end else { return Err("AMQP goes over TCP".to_owned()) };
    let uri = AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: user.clone(), password: args::text(given, "password").unwrap_or_default() },
            host: near.clone(),
            port: *near_port,
        },
        vhost: vhost.clone(),
        ..AMQPUri::default()
    };
    let said = |e: lapin::Error| clean(&e.to_string()).into_owned();
    let open = |why: String| format!("{user} cannot open vhost {vhost} at {host}:{port}: {why}");
    let connection = Connection::connect_uri(uri, ConnectionProperties::default()).await.map_err(|e| open(said(e)))?;
    let does = args::text(given, "does").unwrap_or_else(|| "declare".to_owned());
    let work = async {
        if does == "open" {
            return Ok(format!("{user} opened vhost {vhost}"));
        }
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?;
        let name = queue.name().clone();
        if does == "roundtrip" {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            channel.basic_publish("".into(), name.clone(), BasicPublishOptions::default(), b"quarterdeck", BasicProperties::default()).await?.await?;
            let back = channel.basic_get(name.clone(), BasicGetOptions { no_ack: true }).await?;
            if back.is_none_or(|m| m.data != b"quarterdeck") {
                return Ok("a message that was confirmed did not come back".to_owned());
            }
        }
        channel.queue_delete(name, QueueDeleteOptions::default()).await?;
        Ok(format!("{user} opened vhost {vhost}, declared and deleted a queue"))
    };
    let result = work.await.map_err(|e: lapin::Error| format!("{user} in vhost {vhost}: {}", said(e)));
    let _ = tokio::time::timeout(Duration::from_secs(2), connection.close(200, "done".into())).await;
    result
}

async fn run(given: &Args, cx: &ActionCx) -> Result<Outcome, ActionError> {
    let ended = tokio::select! {
        ended = tokio::time::timeout(cx.limit.min(Duration::from_mins(1)), attempt(given, cx)) => ended,
        () = cx.stop.cancelled() => return Err(ActionError::cancelled()),
    };
    Ok(match ended {
        Ok(Ok(text)) if text.starts_with("a message") => Outcome::failed(text),
        Ok(Ok(text)) => Outcome::ok(false).said(text),
        // The broker said no, which is an answer; a line that nobody takes is none.
        Ok(Err(why)) if why.contains("REFUSED") || why.contains("NOT_ALLOWED") || why.contains("NOT_FOUND") => {
            Outcome::failed(cx.redact.clean(&why)).fact("ok", false)
        }
        Ok(Err(why)) => Outcome::failed(cx.redact.clean(&why)),
        Err(_) => Outcome::failed("the broker did not answer in time"),
    })
}

impl Action for Step {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn check<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>> {
        Box::pin(async move { Ok(if attempt(given, cx).await.is_ok() { Found::done() } else { Found::to_do() }) })
    }

    fn run<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>> {
        Box::pin(run(given, cx))
    }
}
