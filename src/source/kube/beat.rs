//! The heartbeat: asks the API server whether it is ready, so that a frozen one shows although its watches stay silent,
//! and keeps the cluster's own row.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use super::session::Session;
use crate::base::backoff::spread;
use crate::base::clock::{Moment, Stopwatch};
use crate::base::text::clean;
use crate::link::kube::Failure;
use crate::model::cluster::ControlEndpoint;
use crate::model::id::Name;
use crate::model::source::SourceState;
use crate::port::SourceError;

/// How often the API is asked; what is older than three of these is stale.
pub(super) const EVERY: Duration = Duration::from_secs(5);
/// Less than the interval, so that silence shows within two.
const LIMIT: Duration = Duration::from_secs(4);
/// The masters one by one, and the certificates.
const MASTERS: Duration = Duration::from_mins(1);

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "gitVersion")]
    git_version: String,
}

#[derive(Deserialize)]
struct Endpoints {
    #[serde(default)]
    subsets: Vec<Subset>,
}

#[derive(Deserialize)]
struct Subset {
    #[serde(default)]
    addresses: Vec<Address>,
    #[serde(default)]
    ports: Vec<Port>,
}

#[derive(Deserialize)]
struct Address {
    ip: String,
}

#[derive(Deserialize)]
struct Port {
    port: u16,
}

/// Asks for the version: the first request of a session, alone, so that a refused credential is refused once.
pub(super) async fn greet(session: &Session) -> Result<(), Failure> {
    let now = session.cx.clock.now();
    let (status, body) = session.api.get("/version", "application/json", LIMIT, now, &session.cx.meter).await?;
    if let Ok(version) = serde_json::from_slice::<Version>(&body) {
        session.with_row(|row| row.version = Name::from(clean(&version.git_version).as_ref()));
    } else if status.is_server_error() {
        return Err(Failure::Status { code: status, text: "it gives no version".to_owned(), retry_after: None });
    }
    Ok(())
}

/// The names of the checks that `/readyz?verbose` reports as failed.
fn failing(body: &str) -> Vec<String> {
    let name = |line: &str| Some(line.strip_prefix("[-]")?.split([' ', ':']).next()?.to_owned());
    body.lines().filter_map(|l| name(l.trim())).map(|n| clean(&n).into_owned()).collect()
}

async fn once(session: &Session) -> Result<(), Failure> {
    let watch = Stopwatch::start();
    let now = session.cx.clock.now();
    let (status, body) = session.api.get("/readyz?verbose", "*/*", LIMIT, now, &session.cx.meter).await?;
    let text = String::from_utf8_lossy(&body);
    let failing = failing(&text);
    // A balancer without a living server behind it answers too, but not like an API server.
    if status.is_server_error() && failing.is_empty() {
        return Err(Failure::Status { code: status, text: clean(text.lines().next().unwrap_or_default()).into_owned(), retry_after: None });
    }
    let latency = u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX);
    session.with_row(|row| {
        row.latency_ms = Some(latency);
        row.failing_checks = failing;
    });
    Ok(())
}

/// Beats until the source stops or its credentials are refused.
pub(super) async fn beat(session: Session, healed: tokio::sync::watch::Sender<u64>) -> Failure {
    let mut well = true;
    loop {
        match once(&session).await {
            Ok(()) => {
                if !well {
                    well = true;
                    // Another server, or a newer one, may stand behind the address now.
                    if let Err(failure @ Failure::Unauthorized(_)) = greet(&session).await {
                        return failure;
                    }
                    healed.send_modify(|n| *n += 1);
                }
                session.cx.out.answered().await;
                session.cx.out.send(vec![session.row_fact()]).await;
            }
            Err(failure @ Failure::Unauthorized(_)) => return failure,
            Err(failure) => {
                well = false;
                // The address may have changed together with what does not answer.
                if let Failure::Transport(_) = failure {
                    let _ = session.api.refresh().await;
                }
                session.cx.out.trouble(trouble(&session, &failure)).await;
            }
        }
        tokio::time::sleep(spread(EVERY)).await;
    }
}

fn trouble(session: &Session, failure: &Failure) -> SourceError {
    let mut error = failure.source_error(&session.cluster);
    if error.state == SourceState::Unreachable && error.remedy.is_empty() {
        let server = session.with_row(|row| row.server.clone());
        error.remedy = format!("check that {server} is up and reachable from here; it is asked again every {} s", EVERY.as_secs());
    }
    error
}

/// Dials each master by itself and reads the certificates, now and every minute.
pub(super) async fn masters(session: Session) {
    loop {
        let now = session.cx.clock.now();
        let expires = session.api.certificate_expiry(now).await.ok().flatten();
        if expires.is_some() {
            session.with_row(|row| row.certificate_expires_at = expires);
        }
        let path = "/api/v1/namespaces/default/endpoints/kubernetes";
        if let Ok((StatusCode::OK, body)) = session.api.get(path, "application/json", LIMIT, now, &session.cx.meter).await
            && let Ok(endpoints) = serde_json::from_slice::<Endpoints>(&body)
        {
            let mut found = Vec::new();
            for subset in &endpoints.subsets {
                let port = subset.ports.first().map_or(6443, |p| p.port);
                for address in &subset.addresses {
                    found.push(dial(&session, &address.ip, port, now).await);
                }
            }
            session.with_row(|row| row.endpoints = found);
        }
        tokio::time::sleep(spread(MASTERS)).await;
    }
}

async fn dial(session: &Session, ip: &str, port: u16, now: Moment) -> ControlEndpoint {
    let address = clean(&if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }).into_owned();
    match session.api.get_direct(ip, port, "/readyz", LIMIT, now, &session.cx.meter).await {
        Ok(direct) => ControlEndpoint {
            address,
            ready: !direct.status.is_server_error(),
            error: if direct.status.is_server_error() { direct.status.to_string() } else { String::new() },
            certificate_expires_at: direct.expires_at,
        },
        Err(failure) => ControlEndpoint { address, ready: false, error: failure.to_string(), certificate_expires_at: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_checks_by_name() {
        let body =
            "[+]ping ok\n[-]etcd failed: reason withheld\n[+]log ok\n[-]poststarthook/rbac/bootstrap-roles failed: reason withheld\nreadyz check failed\n";
        assert_eq!(failing(body), ["etcd", "poststarthook/rbac/bootstrap-roles"]);
    }
}
