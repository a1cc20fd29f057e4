//! A file, followed through rotation and truncation, and carried on by inode and offset when the channel was cut.

use std::fmt::Write as _;
use std::time::Duration;

use super::mux::{At, Frame, Tail};
use super::{Asked, Trouble};
use crate::base::backoff::Backoff;
use crate::base::stamp::Stamp;
use crate::link::shell::quote;
use crate::model::log::{GapCause, Mode, Note, Speaker, StreamId, StreamState};
use crate::source::log::lines::{Lines, Stamps};
use crate::source::log::window;

/// Where lines are wanted from a time on, so much of the file's end is looked through for them, in bytes.
const LOOKED_THROUGH: u64 = 64 << 20;

/// So many bytes before the place that was reached tell whether it is still the same file.
const MARK: usize = 32;

/// How far it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    inode: u64,
    /// Behind the last line that was whole.
    offset: u64,
    /// Bytes of the next line that have come already.
    begun: u64,
}

enum End {
    /// For good.
    Told,
    /// The channel broke.
    Cut,
    Closed,
}

struct Following<'a> {
    asked: &'a Asked,
    path: &'a str,
    stream: StreamId,
    lines: Option<Lines>,
    place: Option<Place>,
    /// The bytes before the place.
    mark: Vec<u8>,
    /// The last bytes that came.
    recent: Vec<u8>,
    trouble: Trouble,
    /// It began within a line: that one is left out.
    in_middle: bool,
}

pub(super) async fn follow(asked: &Asked, path: &str) {
    let stream = asked.cx.out.stream(Speaker::File { host: asked.mux.host.clone(), path: path.into() });
    if path.contains('\n') || !path.starts_with('/') {
        asked.cx.note(stream, Note::Failed { text: format!("{path:?} is no whole path of a file") }).await;
        return asked.cx.state(stream, StreamState::Ended).await;
    }
    let mut following =
        Following { asked, path, stream, lines: None, place: None, mark: Vec::new(), recent: Vec::new(), trouble: Trouble::default(), in_middle: false };
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(15), u64::from(stream.0) + 3);
    loop {
        let opened = tokio::select! {
            opened = asked.mux.open(|id| following.order(id)) => opened,
            () = asked.cx.stop.cancelled() => return,
        };
        match opened {
            Ok(tail) => {
                let came_from = following.place;
                match following.read(tail).await {
                    End::Told | End::Closed => return,
                    End::Cut => following.trouble.cut(asked, stream).await,
                }
                if following.place != came_from {
                    backoff.reset();
                }
            }
            Err(error) => {
                if !following.trouble.told(asked, stream, &error).await || asked.mode == Mode::Once {
                    return asked.cx.state(stream, StreamState::Ended).await;
                }
            }
        }
        if asked.pause(backoff.next()).await {
            return;
        }
    }
}

impl Following<'_> {
    fn order(&self, id: u32) -> String {
        let mode = if self.asked.mode == Mode::Once { "once" } else { "follow" };
        let (inode, offset) = self.place.map_or(("-".to_owned(), 0), |p| (p.inode.to_string(), p.offset));
        let tail = match (self.asked.window.tail, self.asked.window.since) {
            (Some(lines), _) => lines.to_string(),
            (None, Some(_)) => format!("b{LOOKED_THROUGH}"),
            (None, None) => "all".to_owned(),
        };
        let mark = if self.mark.is_empty() { "-".to_owned() } else { hex(&self.mark) };
        format!("file {id} {mode} {inode} {offset} {mark} {tail} {}\n", quote(self.path))
    }

    async fn read(&mut self, mut tail: Tail) -> End {
        let zone = tail.here.zone;
        let (encoding, longest) = (self.asked.encoding, self.asked.cx.longest_line);
        // What was begun of a line comes again.
        if let Some(lines) = &mut self.lines {
            lines.forget_unfinished();
        }
        if let Some(place) = &mut self.place {
            place.begun = 0;
        }
        self.lines.get_or_insert_with(|| Lines::new(Stamps::Within { zone }).encoded(encoding).longest(longest));
        loop {
            let frame = tokio::select! {
                frame = tail.frames.recv() => frame,
                () = self.asked.cx.stop.cancelled() => return End::Closed,
            };
            match frame {
                None => return End::Cut,
                Some(Frame::At { inode, offset, why }) => self.at(inode, offset, why).await,
                Some(Frame::Data(data)) => {
                    if self.data(&data).await == window::More::No {
                        self.asked.cx.end(self.stream, "the end of the time that was asked for").await;
                        return End::Told;
                    }
                }
                Some(Frame::Missing(why)) => self.missing(&why).await,
                Some(Frame::Warning(_)) => {}
                Some(Frame::End { .. }) => {
                    self.finish_line().await;
                    self.asked.cx.end(self.stream, "").await;
                    return End::Told;
                }
            }
        }
    }

    async fn at(&mut self, inode: u64, offset: u64, why: At) {
        let cx = &self.asked.cx;
        self.trouble.over(self.asked, self.stream).await;
        if why != At::Start {
            self.finish_line().await;
        }
        match why {
            At::Start => {}
            At::Middle => self.in_middle = offset > 0,
            At::Rotated => cx.note(self.stream, Note::Rotated).await,
            At::Truncated => cx.note(self.stream, Note::Truncated).await,
            At::Lost => cx.note(self.stream, Note::Gap { lines: None, bytes: 0, cause: GapCause::Rotation }).await,
        }
        if self.place.is_none_or(|p| (p.inode, p.offset) != (inode, offset)) {
            self.mark.clear();
        }
        self.recent.clone_from(&self.mark);
        self.place = Some(Place { inode, offset, begun: 0 });
    }

    async fn missing(&mut self, why: &str) {
        let (path, host) = (self.path, &self.asked.mux.host);
        let note = match why {
            "denied" => {
                Note::Denied { text: format!("{path} on {host} may not be read; add the account to the file's group, or set become = \"sudo\" for this host") }
            }
            "no file" => Note::Failed { text: format!("{path} on {host} is no file") },
            _ => Note::Failed { text: format!("{path} is not there on {host}; it is read as soon as it is") },
        };
        self.asked.cx.note(self.stream, note).await;
        self.asked.cx.state(self.stream, StreamState::Waiting).await;
    }

    async fn data(&mut self, data: &[u8]) -> window::More {
        self.asked.cx.meter.received(data.len());
        let mut data = data;
        if let Some(place) = &mut self.place {
            // In GB 18030 too a line break is a byte of its own and no part of a letter.
            match memchr::memrchr(b'\n', data) {
                Some(last) => {
                    self.mark = latest(&self.recent, &data[..=last]);
                    place.offset += place.begun + last as u64 + 1;
                    place.begun = (data.len() - last - 1) as u64;
                }
                None => place.begun += data.len() as u64,
            }
            self.recent = latest(&self.recent, data);
        }
        if self.in_middle {
            let Some(first) = memchr::memchr(b'\n', data) else { return window::More::Yes };
            data = &data[first + 1..];
            self.in_middle = false;
        }
        let now: Stamp = self.asked.now().into();
        let Some(lines) = &mut self.lines else { return window::More::Yes };
        for mut chunk in lines.push(data, now) {
            let more = window::cut(&self.asked.window, &mut chunk);
            self.asked.cx.lines(self.stream, chunk).await;
            if more == window::More::No {
                return more;
            }
        }
        window::More::Yes
    }

    /// The file is done: what has no line break is a line all the same.
    async fn finish_line(&mut self) {
        let now: Stamp = self.asked.now().into();
        if let Some(mut chunk) = self.lines.as_mut().and_then(|l| l.finish(now)) {
            window::cut(&self.asked.window, &mut chunk);
            self.asked.cx.lines(self.stream, chunk).await;
        }
        if let Some(place) = &mut self.place {
            place.offset += std::mem::take(&mut place.begun);
            self.mark.clone_from(&self.recent);
        }
    }
}

/// The last bytes of both.
fn latest(before: &[u8], data: &[u8]) -> Vec<u8> {
    let kept = MARK.saturating_sub(data.len()).min(before.len());
    [&before[before.len() - kept..], &data[data.len().saturating_sub(MARK)..]].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_what_came_last() {
        assert_eq!(latest(b"", b"ab"), b"ab");
        assert_eq!(latest(b"ab", &[b'x'; 31]), [b"b".as_slice(), &[b'x'; 31]].concat());
        assert_eq!(latest(b"ab", &[b'x'; 99]), [b'x'; 32]);
        assert_eq!(hex(b"\n\xff"), "0aff");
    }
}
