//! Elasticsearch by its HTTP API, as far as a look at its health, its disks and its plugins goes.
//!
//! The shapes are those of 7.6's documentation and of the answers that the cockpit's own source was shown against (7.17); the words
//! of errors are the real server's. Shown with curl and the cockpit's own source.
//!
//! Known differences:
//! - `filter_path` and the metrics in a path are read over: an answer has all that the lab knows.
//! - Documents are counted, not kept; a search finds nothing. `ik_smart` and `ik_max_word` know a dozen words.
//! - `_cat` prints its columns with single blanks. Every node has every role.

pub mod api;
pub mod view;

use std::io;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::Lab;
use super::edge::{Doorman, Gate};
use super::http::{self, Answerer};
use super::stage::Stage;

/// Starts the nodes of the cluster.
pub fn start<'a>(lab: &'a Arc<Lab>, stage: &'a mut Stage) -> BoxFuture<'a, io::Result<()>> {
    Box::pin(async move {
        let nodes: Vec<(String, String)> = lab.with(|w| w.elastic.nodes.iter().map(|n| (n.name.clone(), n.ip.clone())).collect());
        for (at, (name, ip)) in nodes.iter().enumerate() {
            let listener = lab.listen(&[&format!("{ip}:9200")]).await?;
            stage.access(&format!("ELASTICSEARCH_{at}"), &format!("http://{}", listener.local_addr()?));
            let pod = name.clone();
            let doorman: Doorman = Arc::new(move |world| Gate::of_pod(world, &pod));
            let own = name.clone();
            let answerer: Answerer = Arc::new(move |lab, ask| {
                let logins = [("elastic", lab.secrets.admin.as_str()), ("monitor", lab.secrets.monitor.as_str())];
                lab.with(|world| api::answer(&mut world.elastic, &own, &logins, ask))
            });
            http::serve(lab, listener, doorman, &answerer);
        }
        stage.access("ELASTICSEARCH_USER", "elastic");
        stage.access("ELASTICSEARCH_PASSWORD", &lab.secrets.admin);
        let password = stage.file("elasticsearch.password", lab.secrets.monitor.as_bytes())?;
        let members: Vec<String> = nodes.iter().map(|(_, ip)| format!("\"http://{ip}:9200\"")).collect();
        stage.config(&format!(
            "[[middleware]]\nkind = \"elasticsearch\"\nname = \"search\"\nmembers = [{}]\nvia = \"host:{}\"\nuser = \"monitor\"\npassword = {{ file = '{}' }}",
            members.join(", "),
            super::ssh::JUMP,
            password.display()
        ));
        Ok(())
    })
}
