//! The first look at a big cluster: the server's own printed table, a twentieth of the size of the objects. Its rows have
//! no identity, so they are counted and shown, never selected.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use http::{Request, header};
use http_body_util::BodyExt;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::session::Session;
use super::wire::{Part, Reading};
use crate::base::intern::{Interner, Name};
use crate::base::text::clean;
use crate::model::fact::{Fact, Glance, GlancePod};

const HEAD: Duration = Duration::from_secs(20);
const STALL: Duration = Duration::from_secs(10);
/// So many unhealthy rows fit any screen.
const UNHEALTHY: usize = 300;
const PATH: &str = "/api/v1/pods?resourceVersion=0&includeObject=None";

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    cells: Cells<'a>,
}

/// Name, Ready, Status, Restarts: the first columns of pods since 1.8.
struct Cells<'a> {
    name: Cow<'a, str>,
    ready: Cow<'a, str>,
    status: Cow<'a, str>,
    restarts: u32,
}

impl<'de: 'a, 'a> Deserialize<'de> for Cells<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Four;
        impl<'de> Visitor<'de> for Four {
            type Value = Cells<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the cells of a pod")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut cells: A) -> Result<Cells<'de>, A::Error> {
                let text = |cell: Option<Text<'de>>| cell.map(|t| t.0).unwrap_or_default();
                let (name, ready, status) = (text(cells.next_element()?), text(cells.next_element()?), text(cells.next_element()?));
                let restarts = cells.next_element::<Restarts>()?.map_or(0, |r| r.0);
                while cells.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Cells { name, ready, status, restarts })
            }
        }
        d.deserialize_seq(Four)
    }
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A number, or `5 (3m ago)` from newer servers.
struct Restarts(u32);

impl<'de> Deserialize<'de> for Restarts {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let count = match serde_json::Value::deserialize(d)? {
            serde_json::Value::Number(n) => n.as_u64().and_then(|n| u32::try_from(n).ok()),
            serde_json::Value::String(s) => s.split(' ').next().and_then(|n| n.parse().ok()),
            _ => None,
        };
        Ok(Self(count.unwrap_or(0)))
    }
}

/// Counts rows as they arrive.
#[derive(Debug, Default)]
struct Count {
    names: Interner,
    total: u32,
    by_status: HashMap<Name, u32>,
    unhealthy: Vec<GlancePod>,
}

fn is_healthy(status: &str, ready: &str) -> bool {
    match status {
        "Completed" | "Succeeded" => true,
        "Running" => ready.split_once('/').is_some_and(|(now, all)| now == all),
        _ => false,
    }
}

impl Count {
    fn row(&mut self, bytes: &[u8]) {
        let Ok(Row { cells }) = serde_json::from_slice::<Row<'_>>(bytes) else { return };
        let status = self.names.name(&cells.status);
        self.total += 1;
        *self.by_status.entry(status.clone()).or_default() += 1;
        if self.unhealthy.len() < UNHEALTHY && !is_healthy(&cells.status, &cells.ready) {
            self.unhealthy.push(GlancePod { name: clean(&cells.name).into_owned(), ready: clean(&cells.ready).into_owned(), status, restarts: cells.restarts });
        }
    }

    fn glance(self, cluster: Name) -> Glance {
        let mut by_status: Vec<_> = self.by_status.into_iter().collect();
        by_status.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Glance { cluster, total: self.total, by_status, unhealthy: self.unhealthy }
    }
}

/// Looks once. A server that cannot, or an account that may not, is simply not looked at: the objects are on their way.
pub(super) async fn look(session: &Session) -> Option<()> {
    let request = Request::get(PATH).header(header::ACCEPT, "application/json;as=Table;v=v1;g=meta.k8s.io").body(Vec::new()).ok()?;
    let response = session.api.send(request, HEAD, session.cx.clock.now(), &session.cx.meter).await.ok()?;
    let mut body = response.into_body();
    let (mut reading, mut count) = (Reading::table(), Count::default());
    while let Some(frame) = tokio::time::timeout(STALL, body.frame()).await.ok()? {
        let Ok(data) = frame.ok()?.into_data() else { continue };
        session.cx.meter.received(data.len());
        let pushed = reading.push(&data, |part| {
            if let Part::Item(row) = part {
                count.row(row);
            }
        });
        pushed.ok()?;
    }
    reading.end().ok()?;
    session.cx.out.send(vec![Fact::Glance(count.glance(session.cluster.clone()))]).await;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_in_both_spellings() {
        let mut count = Count::default();
        for row in [
            r#"{"cells":["a","1/1","Running",0,"5d","10.0.0.1","n1","\u003cnone\u003e","\u003cnone\u003e"],"object":null}"#,
            r#"{"cells":["b","0/1","CrashLoopBackOff","17 (3m ago)","5d"]}"#,
            r#"{"cells":["c","0/1","Completed",0,"5d"]}"#,
            r#"{"cells":["d","0/1","Running",0,"5d"]}"#,
        ] {
            count.row(row.as_bytes());
        }
        let glance = count.glance("main".into());
        assert_eq!(glance.total, 4);
        assert_eq!(glance.by_status[0], ("Running".into(), 2));
        assert_eq!(glance.unhealthy.iter().map(|p| (p.name.as_str(), p.restarts)).collect::<Vec<_>>(), [("b", 17), ("d", 0)]);
    }
}
