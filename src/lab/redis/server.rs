//! The edge.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::command::{self, Client, Keys, Passwords};
use super::resp::{Question, question};
use crate::lab::edge::{self, Doorman, Gate};
use crate::lab::stage::Stage;
use crate::lab::{Lab, random};

/// Unread questions of one client at most.
const MOST_BYTES: usize = 4 << 20;

/// Starts the nodes of the cluster.
pub fn start<'a>(lab: &'a Arc<Lab>, stage: &'a mut Stage) -> BoxFuture<'a, io::Result<()>> {
    Box::pin(async move {
        let nodes: Vec<(String, String)> = lab.with(|w| w.redis.nodes.iter().map(|n| (n.name.clone(), n.address.clone())).collect());
        let keys = Arc::new(Mutex::new(Keys::default()));
        let passwords = Passwords { default: lab.secrets.admin.clone(), monitor: lab.secrets.monitor.clone() };
        for (at, (name, address)) in nodes.iter().enumerate() {
            let listener = lab.listen(&[address]).await?;
            let near = listener.local_addr()?;
            let pod = name.clone();
            let doorman: Doorman = Arc::new(move |world| Gate::of_pod(world, &pod));
            let (owner, keys, passwords, address) = (lab.clone(), keys.clone(), passwords.clone(), address.clone());
            edge::serve(lab, listener, doorman, move |stream| {
                let (lab, keys, passwords, address) = (owner.clone(), keys.clone(), passwords.clone(), address.clone());
                async move {
                    // However a connection ends: nobody else is concerned.
                    let _ = talk(lab, keys, passwords, address, stream).await;
                }
            });
            stage.access(&format!("REDIS_{at}"), &near.to_string());
        }
        stage.access("REDISCLI_AUTH", &lab.secrets.admin);
        let password = stage.file("redis.password", lab.secrets.monitor.as_bytes())?;
        let members: Vec<String> = nodes.iter().take(3).map(|(_, a)| format!("\"{a}\"")).collect();
        stage.config(&format!(
            "[[middleware]]\nkind = \"redis\"\nname = \"cache\"\nmembers = [{}]\nvia = \"host:{}\"\nuser = \"monitor\"\npassword = {{ file = '{}' }}",
            members.join(", "),
            crate::lab::ssh::JUMP,
            password.display()
        ));
        Ok(())
    })
}

async fn talk(lab: Arc<Lab>, keys: Arc<Mutex<Keys>>, passwords: Passwords, address: String, mut stream: DuplexStream) -> io::Result<()> {
    let mut client = Client { id: u64::from_str_radix(&random(2)?, 16).unwrap_or(1), ..Client::default() };
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 16 << 10]);
    loop {
        let mut out = Vec::new();
        loop {
            match question(&bytes) {
                Question::More => break,
                Question::Broken(text) => {
                    stream.write_all(format!("-{text}\r\n").as_bytes()).await?;
                    return Ok(());
                }
                Question::Whole(words, used) => {
                    bytes.drain(..used);
                    if words.is_empty() {
                        continue;
                    }
                    let reply = {
                        let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
                        lab.with(|world| command::answer(world, &mut keys, &address, &mut client, &passwords, &words))
                    };
                    reply.put(&mut out);
                    if words[0].eq_ignore_ascii_case("quit") {
                        return stream.write_all(&out).await;
                    }
                }
            }
        }
        stream.write_all(&out).await?;
        let n = stream.read(&mut buffer).await?;
        if n == 0 || bytes.len() > MOST_BYTES {
            return Ok(());
        }
        bytes.extend_from_slice(&buffer[..n]);
    }
}
