//! Many logs of one host over one channel: `tails.sh` runs there, says frames, and is told what to open and to close.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::base::text::clean;
use crate::link::shell::{Process, Shell};
use crate::model::id::Name;
use crate::model::source::SourceState;
use crate::port::SourceError;

const TAILS: &str = include_str!("tails.sh");
/// A login shell that is not POSIX understands this too.
const LINE: &str = "sh -s quarterdeck || exit 1";
/// For the login and the first frame.
const FIRST: Duration = Duration::from_secs(20);
/// A channel that nobody uses is kept so long for the next one.
const IDLE: Duration = Duration::from_secs(5);
/// Nothing that the script says between two frames is longer.
const MOST_HELD: usize = 1 << 20;

/// What the script says of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Data(Bytes),
    /// From here on a file is read.
    At {
        inode: u64,
        offset: u64,
        why: At,
    },
    /// Why it cannot be opened: `missing`, `denied`, `no file`.
    Missing(String),
    /// A complaint of the command while it goes on.
    Warning(String),
    /// It has ended with this status.
    End {
        status: u32,
        text: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Start,
    /// Somewhere within a line.
    Middle,
    Rotated,
    Truncated,
    /// Where it was before is no longer to be found.
    Lost,
}

/// What the host said of itself when the channel was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Here {
    /// Seconds east of UTC.
    pub(super) zone: i64,
    /// When it was started, in seconds since the epoch.
    pub(super) booted: f64,
}

enum Order {
    Open { id: u32, line: String, to: mpsc::Sender<Frame> },
    Close(u32),
}

#[derive(Clone)]
struct Channel {
    orders: mpsc::Sender<Order>,
    here: Here,
}

/// One host's channel. Opened when the first log is, and closed after the last.
pub struct Mux {
    pub(super) host: Name,
    shell: Arc<dyn Shell>,
    channel: tokio::sync::Mutex<Option<Channel>>,
    next: AtomicU32,
}

impl std::fmt::Debug for Mux {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mux").field("host", &self.host).finish_non_exhaustive()
    }
}

/// One log of the channel. Its frames end without [`Frame::End`] when the channel was lost.
pub(super) struct Tail {
    pub(super) frames: mpsc::Receiver<Frame>,
    pub(super) here: Here,
    id: u32,
    orders: mpsc::Sender<Order>,
}

impl Drop for Tail {
    fn drop(&mut self) {
        // A full line means that the channel is dying; the script ends with it.
        let _ = self.orders.try_send(Order::Close(self.id));
    }
}

impl Mux {
    pub fn new(host: Name, shell: Arc<dyn Shell>) -> Self {
        Self { host, shell, channel: tokio::sync::Mutex::default(), next: AtomicU32::new(1) }
    }

    /// Opens a log; `line` is what the script is told, given its number.
    pub(super) async fn open(&self, line: impl FnOnce(u32) -> String) -> Result<Tail, SourceError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let line = line(id);
        let mut kept = self.channel.lock().await;
        for _ in 0..2 {
            let channel = match kept.clone().filter(|c| !c.orders.is_closed()) {
                Some(channel) => channel,
                None => kept.insert(self.connect().await?).clone(),
            };
            let (to, frames) = mpsc::channel(64);
            if channel.orders.send(Order::Open { id, line: line.clone(), to }).await.is_ok() {
                return Ok(Tail { frames, here: channel.here, id, orders: channel.orders });
            }
            // It closed for want of use in this very moment.
            *kept = None;
        }
        Err(SourceError::unreachable(format!("{}: the channel for logs closes as soon as it is open", self.host)))
    }

    async fn connect(&self) -> Result<Channel, SourceError> {
        let nonce = format!("{:016x}", RandomState::new().build_hasher().finish());
        let begin = async {
            let mut process = self.shell.spawn(LINE).await?;
            let script = format!("N={nonce}\n{TAILS}");
            let failed = |e: std::io::Error| SourceError::unreachable(format!("{}: {e}", self.host));
            process.stdin.write_all(script.as_bytes()).await.map_err(failed)?;
            process.stdin.flush().await.map_err(failed)?;
            let mut frames = Frames::new(&nonce);
            loop {
                let said = frames.next()?;
                match said {
                    Some((0, Said::Ready(here))) => return Ok((process, frames, here)),
                    Some((0, Said::Refused(text))) => {
                        return Err(SourceError::new(
                            SourceState::Broken,
                            format!("{}: {text}", self.host),
                            "make one of these folders writable for the account",
                        ));
                    }
                    Some(_) => {}
                    None => {
                        if process.stdout.read_buf(&mut frames.held).await.map_err(failed)? == 0 {
                            return Err(SourceError::unreachable(format!("{}: its shell ended without a word; check the account's shell", self.host)));
                        }
                    }
                }
            }
        };
        let (process, frames, here) =
            timeout(FIRST, begin).await.unwrap_or_else(|_| Err(SourceError::unreachable(format!("{}: no answer within {} s", self.host, FIRST.as_secs()))))?;
        let (orders, taken) = mpsc::channel(64);
        tokio::spawn(serve(process, frames, taken));
        Ok(Channel { orders, here })
    }
}

/// Carries orders to the script and frames to whoever opened them, until nobody does or the channel breaks.
async fn serve(mut process: Process, mut frames: Frames, mut orders: mpsc::Receiver<Order>) {
    let mut open: HashMap<u32, mpsc::Sender<Frame>> = HashMap::new();
    let mut complaints = tokio::io::sink();
    let mut stderr = std::mem::replace(&mut process.stderr, Box::new(tokio::io::empty()));
    // What login scripts complain of is nobody's business here, but it must not fill the channel.
    let drain = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut stderr, &mut complaints).await;
    });
    loop {
        while let Ok(Some((id, said))) = frames.next() {
            let Said::Of(frame) = said else { continue };
            let ended = matches!(frame, Frame::End { .. });
            if let Some(to) = open.get(&id) {
                let _ = to.send(frame).await;
            }
            if ended {
                open.remove(&id);
            }
        }
        if frames.held.len() > MOST_HELD {
            break;
        }
        tokio::select! {
            got = process.stdout.read_buf(&mut frames.held) => if !matches!(got, Ok(n) if n > 0) { break },
            order = orders.recv() => {
                let line = match order {
                    None => break,
                    Some(Order::Open { id, line, to }) => {
                        open.insert(id, to);
                        line
                    }
                    Some(Order::Close(id)) => {
                        open.remove(&id);
                        format!("close {id}\n")
                    }
                };
                let put = async {
                    process.stdin.write_all(line.as_bytes()).await?;
                    process.stdin.flush().await
                };
                if !matches!(timeout(FIRST, put).await, Ok(Ok(()))) {
                    break;
                }
            }
            () = tokio::time::sleep(IDLE), if open.is_empty() => break,
        }
    }
    orders.close();
    drop(open);
    let _ = timeout(Duration::from_secs(1), process.stdin.shutdown()).await;
    drain.abort();
}

/// A frame of the script, or of the channel itself.
#[derive(Debug, PartialEq)]
enum Said {
    Ready(Here),
    Refused(String),
    Of(Frame),
}

/// Cuts what the script says into frames.
struct Frames {
    /// `=NONCE `
    mark: Vec<u8>,
    /// `\n=NONCE .\n`
    end: Vec<u8>,
    held: BytesMut,
}

impl Frames {
    fn new(nonce: &str) -> Self {
        Self { mark: format!("={nonce} ").into_bytes(), end: format!("\n={nonce} .\n").into_bytes(), held: BytesMut::with_capacity(128 << 10) }
    }

    /// The next frame that is whole; what is none (a greeting of the login shell) is passed over.
    fn next(&mut self) -> Result<Option<(u32, Said)>, SourceError> {
        loop {
            let Some(line_end) = memchr::memchr(b'\n', &self.held) else { return Ok(None) };
            let Some(words) = self.held[..line_end].strip_prefix(&self.mark[..]) else {
                let _ = self.held.split_to(line_end + 1);
                continue;
            };
            let text = String::from_utf8_lossy(words).into_owned();
            let mut words = text.splitn(3, ' ');
            let id = words.next().and_then(|w| w.parse().ok()).unwrap_or(0);
            let word = words.next().unwrap_or_default().to_owned();
            let rest = words.next().unwrap_or_default().trim().to_owned();
            if word == "d" {
                let Some(length) = memchr::memmem::find(&self.held[line_end + 1..], &self.end) else { return Ok(None) };
                let _ = self.held.split_to(line_end + 1);
                let data = self.held.split_to(length).freeze();
                let _ = self.held.split_to(self.end.len());
                return Ok(Some((id, Said::Of(Frame::Data(data)))));
            }
            let _ = self.held.split_to(line_end + 1);
            if let Some(said) = said(&word, &rest) {
                return Ok(Some((id, said)));
            }
        }
    }
}

fn said(word: &str, rest: &str) -> Option<Said> {
    let text = || clean(rest).into_owned();
    Some(match word {
        "r" => {
            let mut words = rest.split(' ');
            let zone = zone(words.next().unwrap_or_default());
            let now: f64 = words.next().and_then(|w| w.parse().ok()).unwrap_or(0.0);
            let up: f64 = words.next().and_then(|w| w.parse().ok()).unwrap_or(0.0);
            Said::Ready(Here { zone, booted: now - up })
        }
        "x" => Said::Refused(text()),
        "n" => {
            let mut words = rest.split(' ');
            let mut number = || words.next().and_then(|w| w.parse::<u64>().ok());
            let (inode, offset) = (number()?, number()?);
            let why = match words.next()? {
                "rotated" => At::Rotated,
                "truncated" => At::Truncated,
                "lost" => At::Lost,
                "middle" => At::Middle,
                _ => At::Start,
            };
            Said::Of(Frame::At { inode, offset, why })
        }
        "m" => Said::Of(Frame::Missing(text())),
        "w" => Said::Of(Frame::Warning(text())),
        "e" => {
            let (status, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            Said::Of(Frame::End { status: status.parse().unwrap_or(255), text: clean(rest.trim()).into_owned() })
        }
        _ => return None,
    })
}

/// `+0800`
fn zone(text: &str) -> i64 {
    let digits = |range: std::ops::Range<usize>| text.get(range).and_then(|d| d.parse::<i64>().ok()).unwrap_or(0);
    let seconds = digits(1..3) * 3600 + digits(3..5) * 60;
    if text.starts_with('-') { -seconds } else { seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_the_same_however_they_are_cut() {
        let text = b"Welcome!\n=zz 1 d\n=ab 0 r +0830 1000 400.5\n=ab 1 n 77 5 rotated\n=ab 1 d\n\x00bin\n=zz .\nary\n=ab .\n=ab 2 e 3 oops \n";
        for cut in 0..text.len() {
            let mut frames = Frames::new("ab");
            let mut got = Vec::new();
            for piece in [&text[..cut], &text[cut..]] {
                frames.held.extend_from_slice(piece);
                while let Some(said) = frames.next().unwrap() {
                    got.push(said);
                }
            }
            assert_eq!(
                got,
                [
                    (0, Said::Ready(Here { zone: 30_600, booted: 599.5 })),
                    (1, Said::Of(Frame::At { inode: 77, offset: 5, why: At::Rotated })),
                    (1, Said::Of(Frame::Data(Bytes::from_static(b"\x00bin\n=zz .\nary")))),
                    (2, Said::Of(Frame::End { status: 3, text: "oops".to_owned() })),
                ],
                "cut at {cut}"
            );
        }
    }
}
