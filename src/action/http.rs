//! HTTP from the step's host: what `uri` and downloads share.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::way;
use crate::link::http::{Client, Connector, Failure, Limits, Login, Request, Response, Server};
use crate::link::tls::{Stream, Tls};
use crate::port::action::{ActionCx, ActionError, Args};

/// The largest download that fits into memory on the way through this machine.
const MOST_FETCHED: usize = 512 << 20;
/// So many times may an address point to another one.
const MOST_HOPS: usize = 5;

/// A client of one server, dialled from the step's host or into the pod that the arguments name.
pub(super) async fn client(given: &Args, cx: &ActionCx, server: Server, tls: Tls, login: Login) -> Result<Client, Failure> {
    let line = way::stream(given, cx, &server.host, server.port).await.map_err(|e| Failure::Unreachable(e.text))?;
    let ready = Arc::new(std::sync::Mutex::new(Some(line)));
    let connector: Connector = Arc::new(move || -> BoxFuture<'static, Result<Box<dyn Stream>, Failure>> {
        let line = ready.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        Box::pin(async move {
            let stream = line.ok_or_else(|| Failure::Broken("the connection was closed after one answer".to_owned()))?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    });
    let answer = cx.limit.max(Duration::from_secs(1));
    Ok(Client::new(server, tls, login, connector)?.limited(Limits { answer, ..Limits::default() }))
}

/// GETs what an address stands for, redirects followed, from this machine.
pub(super) async fn fetch(stop: &CancellationToken, limit: Duration, address: &str, request: impl Fn(String) -> Request) -> Result<Vec<u8>, ActionError> {
    let failed = |address: &str, why: String| ActionError::unreachable(format!("{address}: {why}"));
    let mut address = address.to_owned();
    for _ in 0..=MOST_HOPS {
        let (server, path) = Server::of_url(&address).map_err(ActionError::arguments)?;
        let connector = crate::link::http::direct(&server);
        let mut client = Client::new(server, Tls::Off, Login::None, connector).map_err(|e| failed(&address, e.to_string()))?.limited(Limits {
            answer: limit.max(Duration::from_mins(1)),
            body: MOST_FETCHED,
            ..Limits::default()
        });
        let request = request(path);
        let response: Response = tokio::select! {
            response = client.send(&request) => response.map_err(|e| failed(&address, e.to_string()))?,
            () = stop.cancelled() => return Err(ActionError::cancelled()),
        };
        if response.status.is_redirection() {
            let to = response.headers.get(http::header::LOCATION).and_then(|l| l.to_str().ok()).unwrap_or_default();
            address = absolute(&address, to);
            continue;
        }
        let response = response.success().map_err(|e| failed(&address, e.to_string()))?;
        return Ok(response.body.to_vec());
    }
    Err(failed(&address, format!("more than {MOST_HOPS} redirects")))
}

/// Where a redirect leads.
fn absolute(from: &str, to: &str) -> String {
    if to.contains("://") {
        return to.to_owned();
    }
    let after_scheme = from.find("://").map_or(0, |at| at + 3);
    let end = from[after_scheme..].find('/').map_or(from.len(), |at| after_scheme + at);
    format!("{}{}{to}", &from[..end], if to.starts_with('/') { "" } else { "/" })
}
