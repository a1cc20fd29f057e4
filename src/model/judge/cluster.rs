//! How a cluster is: its API, its control plane's locks, its certificates.

use std::time::Duration;

use crate::base::clock::Moment;
use crate::model::cluster::{Cluster, ControlEndpoint};
use crate::model::limits::{Days, Limits};
use crate::model::reason::Reason;
use crate::model::verdict::{Judgement, Verdict};

const DAY: Duration = Duration::from_hours(24);

pub fn cluster(row: &Cluster, now: Moment, limits: &Limits) -> Judgement {
    let limits = &limits.cluster;
    let mut j = Judgement::default();
    for check in &row.failing_checks {
        j.add(Reason::crit("cluster.check").with("check", check));
    }
    for lease in &row.leases {
        let reason = Reason::crit("cluster.lease").with("name", &lease.name).with("holder", &lease.holder).with("age", age(now, lease.renewed_at));
        j.after(now, lease.renewed_at, Duration::from_secs(limits.control_lease_seconds), reason);
    }
    endpoints(&mut j, &row.endpoints);
    let own = row.certificate_expires_at.map(|at| (&*row.server, at));
    let masters = row.endpoints.iter().filter_map(|e| Some((e.address.as_str(), e.certificate_expires_at?)));
    // One reason for the certificate that ends first: masters are renewed together.
    if let Some((server, at)) = own.into_iter().chain(masters).min_by_key(|(_, at)| *at) {
        certificate(&mut j, server, at, now, limits.certificate_days);
    }
    if let Some(latency) = row.latency_ms {
        #[allow(clippy::cast_precision_loss)]
        let latency = latency as f64;
        if let Some(reason) = Reason::above(latency, limits.latency_ms.warn, limits.latency_ms.crit, "cluster.latency") {
            j.add(reason);
        }
    }
    if !row.tls_verified {
        j.add(Reason::note("cluster.tls-unverified"));
    }
    j
}

fn age(now: Moment, then: Moment) -> crate::model::reason::Arg {
    crate::model::reason::Arg::Seconds(now.since(then).as_secs())
}

/// A master that answers badly is ill. One that cannot be dialled may only be out of reach from here; if another of them
/// can be dialled, the way is there and it is worth a look.
fn endpoints(j: &mut Judgement, endpoints: &[ControlEndpoint]) {
    let any_ready = endpoints.iter().any(|e| e.ready);
    for endpoint in endpoints.iter().filter(|e| !e.ready) {
        let code = "cluster.master";
        let verdict = if any_ready { Verdict::Warn } else { Verdict::Ok };
        j.add(Reason::new(verdict, code).with("address", &endpoint.address).with("error", &endpoint.error));
    }
}

fn certificate(j: &mut Judgement, server: &str, at: Moment, now: Moment, days: Days) {
    let left = at.since(now);
    let reason = |verdict| {
        let code = if left.is_zero() { "cluster.certificate.expired" } else { "cluster.certificate" };
        Reason::new(verdict, code).with("server", server).with("days", i32::try_from(left.as_secs() / DAY.as_secs()).unwrap_or(i32::MAX))
    };
    let (warn, crit) = (DAY * u32::try_from(days.warn).unwrap_or(u32::MAX), DAY * u32::try_from(days.crit).unwrap_or(u32::MAX));
    if left <= crit {
        j.add(reason(Verdict::Crit));
    } else {
        j.after(now, at.minus(warn), Duration::ZERO, reason(Verdict::Warn));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cluster::ControlLease;

    const NOW: Moment = Moment(1_800_000_000_000);

    fn row() -> Cluster {
        Cluster {
            name: "main".into(),
            context: "prod".into(),
            server: "https://api:6443".into(),
            version: "v1.20.2".into(),
            latency_ms: Some(12),
            failing_checks: Vec::new(),
            leases: vec![ControlLease { name: "kube-scheduler".into(), holder: "m1".into(), renewed_at: NOW }],
            endpoints: vec![
                ControlEndpoint { address: "a:6443".into(), ready: true, error: String::new(), certificate_expires_at: None },
                ControlEndpoint { address: "b:6443".into(), ready: true, error: String::new(), certificate_expires_at: None },
            ],
            certificate_expires_at: Some(NOW.plus(DAY * 90)),
            metrics: false,
            tls_verified: true,
            denied: Vec::new(),
        }
    }

    fn judged(change: impl FnOnce(&mut Cluster)) -> (Verdict, Vec<&'static str>) {
        let mut row = row();
        change(&mut row);
        let j = cluster(&row, NOW, &Limits::default());
        (j.verdict, j.reasons.iter().map(|r| r.code).collect())
    }

    #[test]
    fn verdicts() {
        assert_eq!(judged(|_| {}), (Verdict::Ok, vec![]));
        assert_eq!(judged(|c| c.failing_checks = vec!["etcd".into()]), (Verdict::Crit, vec!["cluster.check"]));
        assert_eq!(judged(|c| c.leases[0].renewed_at = NOW.minus(Duration::from_secs(31))), (Verdict::Crit, vec!["cluster.lease"]));
        assert_eq!(judged(|c| c.endpoints[1].ready = false), (Verdict::Warn, vec!["cluster.master"]));
        assert_eq!(judged(|c| c.endpoints.iter_mut().for_each(|e| e.ready = false)).0, Verdict::Ok);
        assert_eq!(judged(|c| c.certificate_expires_at = Some(NOW.plus(DAY * 20))), (Verdict::Warn, vec!["cluster.certificate"]));
        assert_eq!(judged(|c| c.endpoints[0].certificate_expires_at = Some(NOW.plus(DAY * 2))), (Verdict::Crit, vec!["cluster.certificate"]));
        assert_eq!(judged(|c| c.certificate_expires_at = Some(NOW)), (Verdict::Crit, vec!["cluster.certificate.expired"]));
        assert_eq!(judged(|c| c.latency_ms = Some(1500)), (Verdict::Warn, vec!["cluster.latency"]));
    }

    #[test]
    fn a_lease_says_when_to_look_again() {
        assert_eq!(cluster(&row(), NOW, &Limits::default()).due, Some(NOW.plus(Duration::from_secs(30))));
    }
}
