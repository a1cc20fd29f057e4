//! A port of a pod as a stream. One websocket for each connection; what the kubelet says on the error channel ends the stream.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use kube::api::Portforwarder;
use kube::client::UpgradeConnectionError;
use kube::{Api, Client, Error};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::timeout;

use super::build::chain;
use super::pod::Pod;
use crate::base::text::clean;

/// How long the API server may take to open it.
const OPEN: Duration = Duration::from_secs(15);
/// How long it is listened for a refusal: the kubelet dials the pod's port after the stream is there.
const REFUSED: Duration = Duration::from_millis(150);

/// Why there is no stream into a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoForward {
    /// There is no such pod.
    Gone,
    /// 401 or 403: the account may not forward.
    NoRight(String),
    /// Anything else, in the server's words where it gave any.
    Broken(String),
}

impl fmt::Display for NoForward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("there is no such pod"),
            Self::NoRight(text) | Self::Broken(text) => f.write_str(text),
        }
    }
}

/// Opens `port` of a pod.
///
/// # Errors
/// The pod is not there, the account may not, or nothing listens on the port (as far as that is told at once; later it is the
/// stream's error).
pub async fn forward(client: &Client, namespace: &str, pod: &str, port: u16) -> Result<Forwarded, NoForward> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut forwarder = match timeout(OPEN, api.portforward(pod, &[port])).await {
        Ok(Ok(forwarder)) => forwarder,
        Ok(Err(error)) => return Err(why(&error)),
        Err(_) => return Err(NoForward::Broken(format!("no answer within {} s", OPEN.as_secs()))),
    };
    let stream = forwarder.take_stream(port).ok_or_else(|| NoForward::Broken("no stream".to_owned()))?;
    let mut refusal: BoxFuture<'static, Option<String>> = match forwarder.take_error(port) {
        Some(error) => Box::pin(error),
        None => Box::pin(std::future::pending()),
    };
    match timeout(REFUSED, &mut refusal).await {
        Ok(Some(text)) => return Err(NoForward::Broken(said(&text))),
        // The channel has closed without a word: the stream's own end says the rest.
        Ok(None) => refusal = Box::pin(std::future::pending()),
        Err(_) => {}
    }
    Ok(Forwarded { stream, refusal, _forwarder: Joined(forwarder) })
}

fn why(error: &Error) -> NoForward {
    let code = match error {
        Error::Api(status) => status.code,
        Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => status.as_u16(),
        _ => 0,
    };
    match code {
        404 => NoForward::Gone,
        401 | 403 => NoForward::NoRight(format!("the API refuses a port-forward ({code})")),
        _ => NoForward::Broken(clean(&chain(error)).into_owned()),
    }
}

/// The kubelet's words begin with the whole command that it tried; the cause stands at their end.
fn said(text: &str) -> String {
    let text = clean(text.trim());
    text.rfind("connect: ").map_or_else(|| text.to_string(), |at| text[at + 9..].to_owned())
}

/// Ends the websocket with the stream.
struct Joined(Portforwarder);

impl Drop for Joined {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A pod's port.
pub struct Forwarded {
    stream: DuplexStream,
    refusal: BoxFuture<'static, Option<String>>,
    _forwarder: Joined,
}

impl fmt::Debug for Forwarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forwarded")
    }
}

impl AsyncRead for Forwarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.refusal.as_mut().poll(cx) {
            Poll::Ready(Some(text)) => {
                self.refusal = Box::pin(std::future::pending());
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionRefused, said(&text))));
            }
            Poll::Ready(None) => self.refusal = Box::pin(std::future::pending()),
            Poll::Pending => {}
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Forwarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelets_words_are_cut_to_the_cause() {
        let whole = "an error occurred forwarding 9 -> 9: error forwarding port 9 to pod 4be1, uid : failed to execute portforward in network namespace \"/x\": failed to dial 9: dial tcp4 127.0.0.1:9: connect: connection refused";
        assert_eq!(said(whole), "connection refused");
        assert_eq!(said("pod not running\n"), "pod not running");
    }
}
