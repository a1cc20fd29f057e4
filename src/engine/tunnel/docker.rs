//! Through a container on a host. Its own address is dialled from the host where the container has one; where it has none, or
//! nothing answers there (a server that listens on the container's loopback only), a command inside the container carries the
//! bytes. So every address means what it means inside the container, also what its server announces.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use super::OPEN;
use crate::base::text::clean;
use crate::engine::links::Links;
use crate::link::shell::{ExitStatus, Process, Shell, quote};
use crate::link::tls::Stream;
use crate::model::id::Name;
use crate::source::middleware::member::Trouble;
use crate::source::middleware::reach::{Dial, spelled};

/// How long a command that began to carry bytes is listened for a refusal of its connection.
const REFUSED: Duration = Duration::from_millis(150);

/// Begins with an empty line once there is something that can carry bytes; bash only when it is connected. Its input ends when we
/// go, and the connection with it: a command inside a container outlives the one that started it.
const CARRY: &str = r#"if command -v bash >/dev/null 2>&1; then exec bash -c 'exec 3<>"/dev/tcp/$0/$1" || exit 1; echo
cat <&3 & r=$!; cat >&3 <&0 & w=$!; exec 3>&-; wait -n; kill $r $w 2>/dev/null' "$1" "$2"
elif command -v nc >/dev/null 2>&1; then case "$(nc -h 2>&1)" in *-q*) q="-q 0";; *) q=;; esac; echo; exec nc $q "$1" "$2"
elif command -v socat >/dev/null 2>&1; then echo; exec socat - "TCP:$1:$2"
else echo "it has neither bash, nc nor socat to reach a port with" >&2; exit 127; fi"#;

pub(in crate::engine) struct ThroughContainer {
    pub links: Links,
    pub host: Name,
    pub container: Name,
}

/// How the container stands in its host's network.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    runtime: String,
    running: bool,
    /// It has the host's own network.
    of_host: bool,
    addresses: Vec<IpAddr>,
}

impl Place {
    /// The tool's name, then `true host 172.17.0.2 172.18.0.3`.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let runtime = words.next()?.to_owned();
        let running = words.next()? == "true";
        let of_host = words.next()? == "host";
        Some(Self { runtime, running, of_host, addresses: words.filter_map(|w| w.parse().ok()).collect() })
    }
}

impl ThroughContainer {
    fn trouble(&self, text: impl std::fmt::Display) -> Trouble {
        Trouble::unreachable(format!("through container {} on {}: {text}", self.container, self.host))
    }

    fn shell(&self) -> Result<Arc<dyn Shell>, Trouble> {
        let link = self.links.host(&self.host).ok_or_else(|| self.trouble("there is no such host in the configuration"))?;
        Ok(link.shell.strongest())
    }

    /// Looked up anew for each connection: a container that was started again has another address.
    async fn place(&self, shell: &dyn Shell) -> Result<Place, Trouble> {
        let look = format!(
            "for t in docker podman; do command -v $t >/dev/null 2>&1 || continue; printf '%s ' $t; exec $t inspect --type container \
             -f '{{{{.State.Running}}}} {{{{.HostConfig.NetworkMode}}}}{{{{range .NetworkSettings.Networks}}}} {{{{.IPAddress}}}}{{{{end}}}}' -- {}; done; \
             echo 'neither docker nor podman is installed' >&2; exit 127",
            quote(&self.container)
        );
        let out = shell.run(&look, b"", OPEN).await.map_err(|e| self.trouble(e.text))?;
        if out.status != ExitStatus::Code(0) {
            let said = last_line(&out.stderr);
            return Err(if said.contains("permission denied") {
                Trouble { remedy: "Put the account into the group docker, or set become = \"sudo\" for the host.".to_owned(), ..self.trouble(said) }
            } else {
                self.trouble(said)
            });
        }
        let place = Place::parse(&out.stdout).ok_or_else(|| self.trouble(format!("cannot be understood: {}", clean(out.stdout.trim()))))?;
        if place.running { Ok(place) } else { Err(self.trouble("it is not running")) }
    }

    async fn open(&self, host: &str, port: u16) -> Result<Box<dyn Stream>, Trouble> {
        let shell = self.shell()?;
        let place = self.place(&*shell).await?;
        let own = host == &*self.container || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let from_host: Vec<String> = match (own, place.of_host) {
            (true, true) => vec!["127.0.0.1".to_owned()],
            (true, false) => place.addresses.iter().map(ToString::to_string).collect(),
            // Other names are the container's to resolve; addresses are the same for both.
            (false, false) if host.parse::<IpAddr>().is_err() => Vec::new(),
            (false, _) => vec![host.to_owned()],
        };
        for address in &from_host {
            if let Ok(Ok(line)) = timeout(OPEN, self.links.tcp(&self.host, address, port)).await {
                return Ok(Box::new(line));
            }
        }
        self.carry(&*shell, &place, if own { "127.0.0.1" } else { host }, port).await
    }

    /// A command inside the container that carries the bytes.
    async fn carry(&self, shell: &dyn Shell, place: &Place, host: &str, port: u16) -> Result<Box<dyn Stream>, Trouble> {
        let line = format!("exec {} exec -i {} sh -c {} carry {} {port}", place.runtime, quote(&self.container), quote(CARRY), quote(host));
        let mut process = shell.spawn(&line).await.map_err(|e| self.trouble(e.text))?;
        let mut first = [0_u8; 1];
        let begun = timeout(OPEN, process.stdout.read_exact(&mut first)).await;
        let ended = match begun {
            Ok(Ok(_)) if first == *b"\n" => timeout(REFUSED, &mut process.exit).await.is_ok(),
            Ok(_) => true,
            Err(_) => return Err(self.trouble(format!("no command inside it within {} s", OPEN.as_secs()))),
        };
        if !ended {
            return Ok(Box::new(Carried(process)));
        }
        let mut said = Vec::new();
        let _ = timeout(OPEN, (&mut process.stderr).take(4096).read_to_end(&mut said)).await;
        let said = last_line(&String::from_utf8_lossy(&said));
        let at = spelled(host, port);
        Err(self.trouble(if said.is_empty() { format!("no connection to {at}") } else { format!("no connection to {at}: {said}") }))
    }
}

fn last_line(text: &str) -> String {
    clean(text.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default().trim()).into_owned()
}

impl Dial for ThroughContainer {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, Trouble>> {
        Box::pin(self.open(host, port))
    }
}

/// The command's input and output as one stream; it ends with it.
struct Carried(Process);

impl AsyncRead for Carried {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.stdout).poll_read(cx, buf)
    }
}

impl AsyncWrite for Carried {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.stdin).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.stdin).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.stdin).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_inspect_says() {
        let place = Place::parse("docker true bridge 172.17.0.2 172.18.0.3\n").unwrap();
        assert_eq!((place.running, place.of_host, place.addresses.len(), place.runtime.as_str()), (true, false, 2, "docker"));
        assert_eq!(Place::parse("docker true host \n").unwrap(), Place { runtime: "docker".into(), running: true, of_host: true, addresses: Vec::new() });
        assert!(!Place::parse("podman false none").unwrap().running);
        assert_eq!(Place::parse(""), None);
    }
}
