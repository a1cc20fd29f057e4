//! One session channel as a [`Process`].

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use russh::client::Msg;
use russh::{Channel, ChannelMsg};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio_util::io::StreamReader;

use super::dial::Connection;
use super::slots::Slot;
use crate::link::shell::{ExitStatus, Process};
use crate::port::Meter;

/// How long a reader may leave its output lying: all channels of a host share one line, and one that is full holds up the rest.
const PATIENCE: Duration = Duration::from_secs(30);

/// The error at the end of a sampler's output when its session was needed by somebody else.
#[derive(Debug, thiserror::Error)]
#[error("gave its session to work on demand")]
struct Yielded;

/// Did this output end because the session was taken for work on demand? Then start again: there is nothing wrong.
pub fn yielded(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Yielded>)
}

type Chunk = io::Result<Bytes>;

fn reader(from: mpsc::Receiver<Chunk>) -> Box<dyn AsyncRead + Send + Unpin> {
    let stream = futures::stream::unfold(from, |mut from| async move { from.recv().await.map(|chunk| (chunk, from)) });
    Box::new(StreamReader::new(Box::pin(stream)))
}

/// Counts what goes out.
struct Counted<W> {
    inner: W,
    meter: Option<Arc<Meter>>,
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Counted<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let (Poll::Ready(Ok(n)), Some(meter)) = (&wrote, &self.meter) {
            meter.sent(*n);
        }
        wrote
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Gives the channel its process; `slot` is held until the channel has closed.
pub(super) fn process(channel: Channel<Msg>, connection: Arc<Connection>, slot: Slot, meter: Option<Arc<Meter>>) -> Process {
    let stdin = Counted { inner: Box::pin(channel.make_writer()), meter: meter.clone() };
    let (to_out, out) = mpsc::channel::<Chunk>(16);
    let (to_err, err) = mpsc::channel::<Chunk>(16);
    let (ended, exit) = oneshot::channel();
    let (alive, dropped) = oneshot::channel::<()>();
    tokio::spawn(pump(channel, connection, slot, meter, (to_out, to_err), ended, dropped));
    Process { stdin: Box::new(stdin), stdout: reader(out), stderr: reader(err), exit, guard: Box::new(alive) }
}

async fn pump(
    mut channel: Channel<Msg>,
    connection: Arc<Connection>,
    slot: Slot,
    meter: Option<Arc<Meter>>,
    (out, err): (mpsc::Sender<Chunk>, mpsc::Sender<Chunk>),
    ended: oneshot::Sender<ExitStatus>,
    mut dropped: oneshot::Receiver<()>,
) {
    let mut status = ExitStatus::Missing;
    let mut over = false;
    let give_way = slot.give_way.clone();
    let end: Option<io::Error> = loop {
        let message = tokio::select! {
            message = channel.wait() => message,
            _ = &mut dropped => break None,
            () = give_way.notified() => break Some(io::Error::other(Yielded)),
        };
        let (data, to) = match message {
            Some(ChannelMsg::Data { data }) => (data, &out),
            Some(ChannelMsg::ExtendedData { data, .. }) => (data, &err),
            Some(ChannelMsg::ExitStatus { exit_status }) => {
                status = ExitStatus::Code(exit_status);
                over = true;
                continue;
            }
            Some(ChannelMsg::ExitSignal { .. }) => {
                status = ExitStatus::Signal;
                over = true;
                continue;
            }
            Some(ChannelMsg::Failure) => break Some(io::Error::other("the server refuses to run commands for this user")),
            Some(ChannelMsg::Eof | ChannelMsg::Close) => {
                over = true;
                continue;
            }
            Some(_) => continue,
            None if over => break None,
            None => break Some(io::Error::new(io::ErrorKind::ConnectionReset, connection.why())),
        };
        if let Some(meter) = &meter {
            meter.received(data.len());
        }
        let given = tokio::select! {
            given = tokio::time::timeout(PATIENCE, to.send(Ok(data))) => given,
            _ = &mut dropped => break None,
        };
        if given.is_err() {
            break Some(io::Error::new(io::ErrorKind::TimedOut, "its output was not read in time"));
        }
    };
    let _ = channel.close().await;
    if let Some(error) = end {
        let _ = tokio::time::timeout(PATIENCE, out.send(Err(error))).await;
    }
    drop((out, err));
    let _ = ended.send(status);
    // The server counts the session until it has closed its side too.
    let _ = tokio::time::timeout(Duration::from_secs(2), async { while channel.wait().await.is_some() {} }).await;
    drop(slot);
}
