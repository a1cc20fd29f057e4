//! From a request to the answer.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::answer::{Answer, Encoding, Refusal, json, text};
use super::ask::{Query, Target};
use super::{Server, change, discovery, list, log, metrics, review, stream, watch};
use crate::lab::world::kube::kind;

/// No object may be larger (`--max-request-bytes` of etcd, with room).
const MOST: usize = 3 << 20;

pub(super) async fn answer(server: &Arc<Server>, request: Request<Incoming>) -> Answer {
    let encoding = Encoding::wanted(request.headers());
    match asked(server, request).await {
        Ok(answer) => answer,
        Err(refusal) => refusal.answer(encoding),
    }
}

async fn asked(server: &Arc<Server>, request: Request<Incoming>) -> Result<Answer, Refusal> {
    let (latency, failing) = server.lab.with(|w| (w.kube.health.latency_ms, w.kube.health.failing.clone()));
    if latency > 0 {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let query = Query::of(request.uri());
    // Health is for everyone.
    if let "/readyz" | "/livez" | "/healthz" = path.as_str() {
        let verbose = request.uri().query().is_some_and(|q| q.contains("verbose"));
        return Ok(health(&path, verbose, &failing));
    }
    let allowed = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    if allowed != Some(server.lab.secrets.token.as_str()) {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized"));
    }
    if let Some(answer) = discovery::answer(&path, request.headers()) {
        return Ok(answer);
    }
    if path.starts_with("/apis/metrics.k8s.io/v1beta1/") {
        return metrics::answer(&server.lab, &path);
    }
    if path.starts_with("/apis/authorization.k8s.io/") || path.starts_with("/apis/authentication.k8s.io/") {
        let (_, body) = whole(request).await?;
        return review::answer(&path, &body);
    }
    let target = Target::of(&path)?;
    let method = request.method().clone();
    if let (kind::PODS, Some(sub)) = (target.kind, target.sub.as_deref()) {
        match sub {
            "log" => return log::answer(&server.lab, &target, &query),
            "exec" => return stream::exec(&server.lab, &target, &query, request),
            "portforward" => return stream::forward(&server.lab, &target, &query, request),
            _ => {}
        }
    }
    if method == Method::GET {
        let encoding = Encoding::wanted(request.headers());
        return match (&target.name, query.is("watch")) {
            (Some(_), false) => list::get(&server.lab, &target, &query, encoding),
            (_, true) => watch::answer(&server.lab, &target, &query, encoding),
            (None, false) => list::list(&server.lab, &target, &query, encoding),
        };
    }
    if let Some(message) = server.lab.with(|w| w.kube.health.refuses_writes.clone()) {
        return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message));
    }
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let (_, body) = whole(request).await?;
    match method {
        Method::POST => change::create(&server.lab, &target, &query, &body),
        Method::PUT => change::replace(&server.lab, &target, &query, &body),
        Method::PATCH => change::patch(&server.lab, &target, &query, &content_type, &body),
        Method::DELETE => change::delete(&server.lab, &target, &query, &body),
        _ => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "the server does not allow this method on the requested resource")),
    }
}

async fn whole(request: Request<Incoming>) -> Result<(http::request::Parts, bytes::Bytes), Refusal> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MOST).collect().await.map_err(|e| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", e.to_string()))?;
    Ok((parts, body.to_bytes()))
}

/// The checks of v1.19's `/readyz?verbose`.
const CHECKS: &[&str] = &[
    "ping",
    "log",
    "etcd",
    "informer-sync",
    "poststarthook/start-kube-apiserver-admission-initializer",
    "poststarthook/generic-apiserver-start-informers",
    "poststarthook/start-apiextensions-informers",
    "poststarthook/start-apiextensions-controllers",
    "poststarthook/crd-informer-synced",
    "poststarthook/bootstrap-controller",
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/scheduling/bootstrap-system-priority-classes",
    "poststarthook/start-cluster-authentication-info-controller",
    "poststarthook/start-kube-aggregator-informers",
    "poststarthook/apiservice-registration-controller",
    "poststarthook/apiservice-status-available-controller",
    "poststarthook/kube-apiserver-autoregistration",
    "autoregister-completion",
    "poststarthook/apiservice-openapi-controller",
    "shutdown",
];

fn health(path: &str, verbose: bool, failing: &std::collections::BTreeSet<String>) -> Answer {
    let fails = failing.iter().any(|f| CHECKS.contains(&f.as_str()));
    if !verbose && !fails {
        return text(StatusCode::OK, "ok");
    }
    let mut out = String::new();
    for check in CHECKS {
        let _ = if failing.contains(*check) { writeln!(out, "[-]{check} failed: reason withheld") } else { writeln!(out, "[+]{check} ok") };
    }
    let _ = writeln!(out, "{} check {}", path.trim_start_matches('/'), if fails { "failed" } else { "passed" });
    text(if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }, out)
}

/// `/version`
pub(super) fn version() -> Answer {
    json(StatusCode::OK, &crate::lab::world::kube::version())
}
