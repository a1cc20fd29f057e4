//! metrics-server, where there is one: what the nodes use.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use super::object::Quantity;
use super::session::Session;
use crate::model::fact::Fact;
use crate::model::id::Name;
use crate::model::node::{NodeUsage, NodeUsageNow};

const PATH: &str = "/apis/metrics.k8s.io/v1beta1/nodes";
const LIMIT: Duration = Duration::from_secs(15);
/// metrics-server itself looks every 15 to 60 s.
const EVERY: Duration = Duration::from_secs(30);
/// How often a cluster without it is asked whether it has it now.
const ABSENT: Duration = Duration::from_mins(5);

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Meta,
    usage: Usage,
}

#[derive(Deserialize)]
struct Meta {
    name: String,
}

#[derive(Deserialize)]
struct Usage {
    cpu: Quantity,
    memory: Quantity,
}

/// Polls until it is dropped.
pub(super) async fn poll(session: Session) {
    loop {
        let answer = session.api.get(PATH, "application/json", LIMIT, session.cx.clock.now(), &session.cx.meter).await;
        let list = match &answer {
            Ok((StatusCode::OK, body)) => serde_json::from_slice::<List>(body).ok(),
            _ => None,
        };
        session.with_row(|row| row.metrics = list.is_some());
        let wait = if list.is_some() { EVERY } else { ABSENT };
        let facts: Vec<Fact> = list
            .into_iter()
            .flat_map(|list| list.items)
            .map(|item| {
                let now = NodeUsageNow { cpu_millicores: item.usage.cpu.milli(), memory_bytes: item.usage.memory.whole() };
                Fact::Usage(NodeUsage { cluster: session.cluster.clone(), node: Name::from(item.metadata.name), now })
            })
            .collect();
        for chunk in facts.chunks(1024) {
            session.cx.out.send(chunk.to_vec()).await;
        }
        tokio::time::sleep(wait).await;
    }
}
