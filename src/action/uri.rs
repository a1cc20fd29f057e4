//! One HTTP request, from the step's host or into a pod. Credentials go in a header, never in the address.

use futures::future::BoxFuture;
use http::Method;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::{args, http as client, way};
use crate::base::text::percent;
use crate::link::http::{Failure, Login, Request, Server};
use crate::link::tls::Tls;
use crate::model::catalog::{ActionSpec, Field, FieldKind, Others, Place, Touches};
use crate::port::action::{Action, ActionCx, ActionError, Args, Ended, Found, Hindrance, Outcome, Purpose};

#[derive(Debug)]
pub(super) struct Step;

static SPEC: ActionSpec = ActionSpec {
    name: "uri",
    fields: &[
        Field::required("url", FieldKind::Text),
        Field::optional("method", FieldKind::Word(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])),
        Field::optional("headers", FieldKind::Map),
        Field::optional("body", FieldKind::Secret),
        Field::optional("body_files", FieldKind::Map),
        Field::optional("body_format", FieldKind::Word(&["json", "raw", "form"])),
        Field::optional("status_code", FieldKind::List),
        Field::optional("user", FieldKind::Text),
        Field::optional("password", FieldKind::Secret),
        Field::optional("token", FieldKind::Secret),
        Field::optional("validate_certs", FieldKind::Switch),
        Field::optional("ca", FieldKind::File),
        way::CLUSTER,
        way::NAMESPACE,
        way::POD,
        way::SELECTOR,
    ],
    short: Some("url"),
    others: Others::Refused,
    touches: Touches::Unknown,
    place: Place::Network,
};

fn method(given: &Args) -> Result<Method, ActionError> {
    let name = args::text(given, "method").unwrap_or_else(|| "GET".to_owned()).to_ascii_uppercase();
    Method::from_bytes(name.as_bytes()).map_err(|_| ActionError::arguments(format!("`{name}` is no HTTP method")))
}

fn looks(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn request(given: &Args, cx: &ActionCx, path: String) -> Result<Request, ActionError> {
    let mut request = Request::new(method(given)?, path);
    match (given.get("body"), args::text(given, "body_format").as_deref()) {
        (None | Some(Value::Null), _) => {}
        (Some(Value::Object(fields)), Some("form")) => {
            let mut pairs: Vec<String> = fields.keys().map(|k| format!("{}={}", percent(k), percent(args::text(fields, k).unwrap_or_default()))).collect();
            // What a file holds is nobody's to write down: it goes from the file into the request.
            if let Some(Value::Object(files)) = given.get("body_files") {
                for name in files.keys() {
                    let bytes = cx.files.read(&args::required(files, name)?).map_err(ActionError::arguments)?;
                    pairs.push(format!("{}={}", percent(name), percent(bytes)));
                }
            }
            request = request.body("application/x-www-form-urlencoded", pairs.join("&"));
        }
        (Some(Value::String(text)), Some("json")) => request = request.body("application/json", text.clone()),
        (Some(Value::String(text)), _) => request = request.body("text/plain", text.clone()),
        (Some(value), _) => request = request.json(value).map_err(|e| ActionError::arguments(e.to_string()))?,
    }
    if let Some(Value::Object(headers)) = given.get("headers") {
        for name in headers.keys() {
            request = request.header(name, &args::text(headers, name).unwrap_or_default()).map_err(|e| ActionError::arguments(e.to_string()))?;
        }
    }
    Ok(request)
}

async fn run(given: &Args, cx: &ActionCx) -> Result<Outcome, ActionError> {
    let url = args::required(given, "url")?;
    if cx.redact.clean(&url) != url {
        return Err(ActionError::new(
            Hindrance::Arguments,
            "a secret stands in `url`, which servers and proxies write into their logs",
            "give it as `password`, `token` or in `headers`",
        ));
    }
    let method = method(given)?;
    if cx.purpose != Purpose::Act && matches!(method, Method::PUT | Method::PATCH | Method::DELETE) {
        return Err(ActionError::new(
            Hindrance::Arguments,
            format!("a look may not {method}"),
            "let the step itself change things, and `check` and `verify` look",
        ));
    }
    let (server, path) = Server::of_url(&url).map_err(ActionError::arguments)?;
    let tls = match (args::switch(given, "validate_certs"), args::text(given, "ca")) {
        (Some(false), _) => Tls::Unverified,
        (_, Some(path)) => Tls::Verified { ca: Some(cx.files.read(&path).map_err(ActionError::arguments)?), server_name: None },
        _ => Tls::Off,
    };
    // `http://` with any TLS setting stays plain: the scheme says what the writer means.
    let tls = if url.starts_with("https://") { tls } else { Tls::Off };
    let login = match (args::text(given, "token"), args::text(given, "user")) {
        (Some(token), _) => Login::Bearer(SecretString::from(token)),
        (None, Some(user)) => Login::Basic { user, password: SecretString::from(args::text(given, "password").unwrap_or_default()) },
        (None, None) => Login::None,
    };
    let request = request(given, cx, path)?;
    let changed = !looks(&method);
    let mut client = match client::client(given, cx, server, tls, login).await {
        Ok(client) => client,
        Err(e) => return Ok(Outcome::failed(format!("{url}: {e}")).fact("connected", false).fact("status", -1)),
    };
    let answer = tokio::select! {
        answer = client.send(&request) => answer,
        () = cx.stop.cancelled() => return Ok(Outcome::unknown("called off while the server worked")),
    };
    let response = match answer {
        Ok(response) => response,
        Err(e @ (Failure::Unreachable(_) | Failure::Tls { .. })) => {
            return Ok(Outcome::failed(format!("{url}: {e}")).fact("connected", false).fact("status", -1));
        }
        Err(e) if changed => return Ok(Outcome::unknown(format!("{url}: {e}; the server may have carried it out"))),
        Err(e) => return Ok(Outcome::failed(format!("{url}: {e}")).fact("status", -1)),
    };
    let status = response.status.as_u16();
    let expected = args::list(given, "status_code");
    let fits = if expected.is_empty() { response.status.is_success() } else { expected.iter().any(|e| e.trim().parse() == Ok(status)) };
    let body = response.text();
    let end = if fits {
        Ended::Ok
    } else {
        let wanted = if expected.is_empty() { "2xx".to_owned() } else { expected.join(", ") };
        let said: String = body.lines().next().unwrap_or_default().chars().take(400).collect();
        Ended::Failed(format!("{url} answers {status}, expected {wanted}: {said}"))
    };
    let headers: Map<String, Value> =
        response.headers.iter().map(|(k, v)| (k.as_str().replace('-', "_"), Value::from(String::from_utf8_lossy(v.as_bytes()).into_owned()))).collect();
    let json: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
    Ok(Outcome { end, ..Outcome::ok(changed) }
        .fact("status", status)
        .fact("json", json)
        .fact("content", body.as_str())
        .fact("headers", headers)
        .fact("connected", true)
        .said(body))
}

impl Action for Step {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn check<'a>(&'a self, given: &'a Args, _cx: &'a ActionCx) -> BoxFuture<'a, Result<Found, ActionError>> {
        Box::pin(async move { Ok(if looks(&method(given)?) { Found::done() } else { Found::unknown("only sending the request would tell") }) })
    }

    fn run<'a>(&'a self, given: &'a Args, cx: &'a ActionCx) -> BoxFuture<'a, Result<Outcome, ActionError>> {
        Box::pin(run(given, cx))
    }
}
