//! Nacos by its HTTP API: the cluster, the services and the configuration.
//!
//! The shapes are those of 1.4.2's source and documentation; no server of it was at hand. Shown with curl.
//!
//! Known differences: no gRPC port (1.x has none), no history of configurations, no beats: instances are the ready pods.

pub mod api;

use std::io;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::Lab;
use super::edge::{Doorman, Gate};
use super::http::{self, Answerer};
use super::stage::Stage;

/// Starts the servers of the cluster.
pub fn start<'a>(lab: &'a Arc<Lab>, stage: &'a mut Stage) -> BoxFuture<'a, io::Result<()>> {
    Box::pin(async move {
        let nodes: Vec<(String, String)> = lab.with(|w| w.nacos.nodes.iter().map(|n| (n.name.clone(), n.address.clone())).collect());
        for (at, (name, address)) in nodes.iter().enumerate() {
            let listener = lab.listen(&[address]).await?;
            stage.access(&format!("NACOS_{at}"), &format!("http://{}/nacos", listener.local_addr()?));
            let pod = name.clone();
            let doorman: Doorman = Arc::new(move |world| Gate::of_pod(world, &pod));
            let own = name.clone();
            let answerer: Answerer = Arc::new(move |lab, ask| {
                let secrets = api::Secrets { admin: &lab.secrets.admin, monitor: &lab.secrets.monitor, token: &lab.secrets.token };
                lab.with(|world| api::answer(&mut world.nacos, &own, &secrets, ask))
            });
            http::serve(lab, listener, doorman, &answerer);
        }
        stage.access("NACOS_USER", "nacos");
        stage.access("NACOS_PASSWORD", &lab.secrets.admin);
        let password = stage.file("nacos.password", lab.secrets.monitor.as_bytes())?;
        let members: Vec<String> = nodes.iter().map(|(_, address)| format!("\"{address}\"")).collect();
        stage.config(&format!(
            "[[middleware]]\nkind = \"nacos\"\nname = \"registry\"\nmembers = [{}]\nvia = \"host:{}\"\nuser = \"monitor\"\npassword = {{ file = '{}' }}",
            members.join(", "),
            super::ssh::JUMP,
            password.display()
        ));
        Ok(())
    })
}
