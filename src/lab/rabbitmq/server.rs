//! The edges: HTTP and AMQP of each node.

use std::io;
use std::sync::Arc;

use amq_protocol::frame::{AMQPFrame, WriteContext, gen_frame, parse_frame};
use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::amqp::Talk;
use super::api::{self, Passwords};
use crate::lab::Lab;
use crate::lab::edge::{self, Doorman, Gate};
use crate::lab::http::{self, Answerer};
use crate::lab::stage::Stage;

/// A frame is not larger.
const MOST_BYTES: usize = 256 << 10;

/// Starts the nodes of the cluster.
pub fn start<'a>(lab: &'a Arc<Lab>, stage: &'a mut Stage) -> BoxFuture<'a, io::Result<()>> {
    Box::pin(async move {
        let nodes: Vec<(String, String)> = lab.with(|w| w.rabbit.nodes.iter().map(|n| (n.pod.clone(), n.ip.clone())).collect());
        let passwords = Passwords { admin: lab.secrets.admin.clone(), monitor: lab.secrets.monitor.clone() };
        for (at, (pod, ip)) in nodes.iter().enumerate() {
            let own = pod.clone();
            let doorman: Doorman = Arc::new(move |world| Gate::of_pod(world, &own));
            let listener = lab.listen(&[&format!("{ip}:15672")]).await?;
            stage.access(&format!("RABBITMQ_API_{at}"), &format!("http://{}", listener.local_addr()?));
            let (own, known) = (pod.clone(), passwords.clone());
            let answerer: Answerer = Arc::new(move |lab, ask| lab.with(|world| api::answer(&mut world.rabbit, &own, &known, ask)));
            http::serve(lab, listener, doorman.clone(), &answerer);
            let listener = lab.listen(&[&format!("{ip}:5672")]).await?;
            stage.access(&format!("RABBITMQ_AMQP_{at}"), &listener.local_addr()?.to_string());
            let (owner, known) = (lab.clone(), passwords.clone());
            edge::serve(lab, listener, doorman, move |stream| {
                let (lab, known) = (owner.clone(), known.clone());
                async move {
                    // However a connection ends: nobody else is concerned.
                    let _ = talk(lab, known, stream).await;
                }
            });
        }
        stage.access("RABBITMQ_USER", "admin");
        stage.access("RABBITMQ_PASSWORD", &lab.secrets.admin);
        let password = stage.file("rabbitmq.password", lab.secrets.monitor.as_bytes())?;
        let members: Vec<String> = nodes.iter().map(|(_, ip)| format!("\"http://{ip}:15672\"")).collect();
        stage.config(&format!(
            "[[middleware]]\nkind = \"rabbitmq\"\nname = \"mq\"\nmembers = [{}]\nvia = \"host:{}\"\nuser = \"monitor\"\npassword = {{ file = '{}' }}",
            members.join(", "),
            crate::lab::ssh::JUMP,
            password.display()
        ));
        Ok(())
    })
}

async fn talk(lab: Arc<Lab>, passwords: Passwords, mut stream: DuplexStream) -> io::Result<()> {
    let mut talk = Talk::default();
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 16 << 10]);
    while !talk.is_over {
        let n = stream.read(&mut buffer).await?;
        if n == 0 || bytes.len() > MOST_BYTES {
            return Ok(());
        }
        bytes.extend_from_slice(&buffer[..n]);
        let mut out = Vec::new();
        loop {
            let (left, frame) = match parse_frame(bytes.as_slice()) {
                Ok((rest, frame)) => (rest.len(), frame),
                Err(error) if error.is_incomplete() => break,
                Err(_) => return Ok(()),
            };
            bytes.drain(..bytes.len() - left);
            for answer in lab.with(|world| talk.take(&mut world.rabbit, &passwords, frame)) {
                put(&answer, &mut out)?;
            }
            if bytes.is_empty() {
                break;
            }
        }
        stream.write_all(&out).await?;
    }
    Ok(())
}

fn put(frame: &AMQPFrame, out: &mut Vec<u8>) -> io::Result<()> {
    let written = gen_frame(frame)(WriteContext::from(Vec::new())).map_err(|e| io::Error::other(format!("a frame cannot be written: {e}")))?;
    out.extend(written.into_inner().0);
    Ok(())
}
