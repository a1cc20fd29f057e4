//! The edge.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::command::{self, Client, Keys, Passwords};
use super::resp::{Question, Reply, question};
use super::sentinel;
use crate::lab::edge::{self, Doorman, Gate};
use crate::lab::stage::Stage;
use crate::lab::world::redis::{Redis, SESSIONS};
use crate::lab::{Lab, random};

/// Unread questions of one client at most.
const MOST_BYTES: usize = 4 << 20;

/// What listens at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Node,
    Sentinel,
}

/// Starts the nodes of the cluster, the pair and its sentinels.
pub fn start<'a>(lab: &'a Arc<Lab>, stage: &'a mut Stage) -> BoxFuture<'a, io::Result<()>> {
    Box::pin(async move {
        let named = |redis: &Redis| redis.nodes.iter().map(|n| (n.name.clone(), n.address.clone())).collect::<Vec<_>>();
        let (cluster, pair) = lab.with(|w| (named(&w.redis), named(&w.sessions)));
        let sentinels: Vec<(String, String)> = lab.with(|w| w.sessions.sentinels.iter().map(|s| (s.name.clone(), s.address.clone())).collect());
        for (group, members, role) in [("REDIS", &cluster, Role::Node), ("SESSIONS", &pair, Role::Node), ("SENTINEL", &sentinels, Role::Sentinel)] {
            // Of the whole group, so that what is written to its master is read from its replicas.
            let keys = Arc::new(Mutex::new(Keys::default()));
            for (at, (pod, address)) in members.iter().enumerate() {
                let near = serve(lab, pod, address, role, &keys).await?;
                stage.access(&format!("{group}_{at}"), &near.to_string());
            }
        }
        stage.access("REDISCLI_AUTH", &lab.secrets.admin);
        let password = stage.file("redis.password", lab.secrets.monitor.as_bytes())?;
        let list = |members: &[(String, String)]| members.iter().map(|(_, a)| format!("\"{a}\"")).collect::<Vec<_>>().join(", ");
        let (jump, password) = (crate::lab::ssh::JUMP, password.display());
        let account = format!("user = \"monitor\"\npassword = {{ file = '{password}' }}");
        stage.config(&format!("[[middleware]]\nkind = \"redis\"\nname = \"cache\"\nmembers = [{}]\nvia = \"host:{jump}\"\n{account}", list(&cluster[..3])));
        stage.config(&format!(
            "[[middleware]]\nkind = \"redis\"\nname = \"sessions\"\nvia = \"host:{jump}\"\n{account}\nsentinel = {{ members = [{}], master = \"{SESSIONS}\", user = \"monitor\", password = {{ file = '{password}' }} }}",
            list(&sentinels)
        ));
        Ok(())
    })
}

async fn serve(lab: &Arc<Lab>, pod: &str, address: &str, role: Role, keys: &Arc<Mutex<Keys>>) -> io::Result<SocketAddr> {
    let listener = lab.listen(&[address]).await?;
    let near = listener.local_addr()?;
    let pod = pod.to_owned();
    let doorman: Doorman = Arc::new(move |world| Gate::of_pod(world, &pod));
    let passwords = Passwords { default: lab.secrets.admin.clone(), monitor: lab.secrets.monitor.clone() };
    let (owner, keys, address) = (lab.clone(), keys.clone(), address.to_owned());
    edge::serve(lab, listener, doorman, move |stream| {
        let talk = Talk { lab: owner.clone(), keys: keys.clone(), passwords: passwords.clone(), address: address.clone(), role };
        async move {
            // However a connection ends: nobody else is concerned.
            let _ = talk.run(stream).await;
        }
    });
    Ok(near)
}

struct Talk {
    lab: Arc<Lab>,
    keys: Arc<Mutex<Keys>>,
    passwords: Passwords,
    address: String,
    role: Role,
}

impl Talk {
    fn answer(&self, client: &mut Client, words: &[String]) -> Reply {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        self.lab.with(|world| match self.role {
            Role::Node => command::answer(world, &mut keys, &self.address, client, &self.passwords, words),
            Role::Sentinel => sentinel::answer(&mut world.sessions, &self.address, client, &self.passwords, words),
        })
    }

    async fn run(self, mut stream: DuplexStream) -> io::Result<()> {
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
                        self.answer(&mut client, &words).put(&mut out);
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
}
