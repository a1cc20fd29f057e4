//! A client's connection, AMQP 0-9-1 over any stream: the login, and a message that nobody gets as its round trip.
//!
//! The frames are the codec's; the few steps are our own, because a client library dials by itself (no tunnel, no certificate
//! checked against the member's own name) and gives each connection a thread that nothing can end while a frozen server is silent.

use std::time::Duration;

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, ProtocolVersion, WriteContext, gen_frame, parse_frame};
use amq_protocol::protocol::{AMQPClass, BasicProperties, basic, channel, confirm, connection};
use amq_protocol::types::{AMQPValue, FieldTable, ShortString};
use bytes::{Buf, BytesMut};
use futures::FutureExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::base::clock::Stopwatch;
use crate::base::text::clean;
use crate::link::tls::Stream;

/// A larger frame than we ever agree on is not believed.
const MOST: usize = 256 << 10;
/// Seconds. The broker sends one every half of it; our own questions stand for ours.
const HEARTBEAT: u16 = 60;
const CHANNEL: u16 = 1;
/// No queue has this name: the message is dropped where it arrives, and confirmed.
const NOBODY: &str = "quarterdeck.no-such-queue";

/// Why there is no connection, in the broker's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The credentials.
    Refused(String),
    /// The credentials are good, the virtual host does not exist.
    NoVhost(String),
    /// The credentials are good, the account may not enter the virtual host.
    NoAccess(String),
    Broken(String),
}

/// May the account publish to the default exchange?
#[derive(Clone, Debug, PartialEq, Eq)]
enum Publishing {
    Allowed,
    Forbidden(String),
}

/// What a message's way there and back showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trip {
    Confirmed(Duration),
    /// The broker holds publishers up; its reason.
    Blocked(String),
    /// Only the line and the channel are known to work: the account may not publish; the broker's words.
    Unwritable(Duration, String),
}

/// An open connection.
pub struct Session {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
    blocked: Option<String>,
    publishing: Publishing,
    /// Of the last message, counted from 1.
    tag: u64,
    confirmed: u64,
    /// Since the broker said anything.
    heard: Stopwatch,
}

impl Session {
    /// Logs in, once. The caller sets the time limit.
    ///
    /// # Errors
    /// The broker ended it, or says what is not AMQP 0-9-1.
    pub async fn open(stream: Box<dyn Stream>, user: &str, password: &SecretString, vhost: &str) -> Result<Self, Closed> {
        let mut session =
            Self { stream, buffer: BytesMut::new(), blocked: None, publishing: Publishing::Allowed, tag: 0, confirmed: 0, heard: Stopwatch::start() };
        session.send(&[AMQPFrame::ProtocolHeader(ProtocolVersion::amqp_0_9_1())]).await?;
        match session.next().await? {
            AMQPFrame::Method(_, AMQPClass::Connection(connection::AMQPMethod::Start(_))) => {}
            AMQPFrame::ProtocolHeader(version) => return Err(Closed::Broken(format!("it speaks AMQP {version} only"))),
            other => return Err(unexpected(&other)),
        }
        let start = connection::StartOk {
            client_properties: introduction(),
            mechanism: "PLAIN".into(),
            response: format!("\0{user}\0{}", password.expose_secret()).into(),
            locale: "en_US".into(),
        };
        session.send(&[method(0, AMQPClass::Connection(connection::AMQPMethod::StartOk(start)))]).await?;
        let tune = match session.next().await {
            Ok(AMQPFrame::Method(_, AMQPClass::Connection(connection::AMQPMethod::Tune(tune)))) => tune,
            Ok(other) => return Err(unexpected(&other)),
            // Every broker since 3.2 says 403 before it hangs up; one that only hangs up may be restarting.
            Err(Closed::NoAccess(text)) => return Err(Closed::Refused(text)),
            Err(other) => return Err(other),
        };
        let least = |server: u16, own: u16| if server == 0 { own } else { server.min(own) };
        let tuned = connection::TuneOk { channel_max: least(tune.channel_max, 8), frame_max: tune.frame_max, heartbeat: least(tune.heartbeat, HEARTBEAT) };
        let enter = connection::Open { virtual_host: ShortString::from(vhost) };
        session
            .send(&[
                method(0, AMQPClass::Connection(connection::AMQPMethod::TuneOk(tuned))),
                method(0, AMQPClass::Connection(connection::AMQPMethod::Open(enter))),
            ])
            .await?;
        session.expect(|class| matches!(class, AMQPClass::Connection(connection::AMQPMethod::OpenOk(_)))).await?;
        session.send(&[method(CHANNEL, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})))]).await?;
        session.expect(|class| matches!(class, AMQPClass::Channel(channel::AMQPMethod::OpenOk(_)))).await?;
        session.send(&[method(CHANNEL, AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select { nowait: false })))]).await?;
        session.expect(|class| matches!(class, AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(_)))).await?;
        Ok(session)
    }

    /// Sends a message that no queue takes and waits for the broker's confirm; the caller sets the time limit. While the broker
    /// holds publishers up, nothing more is sent: it would wait in the broker's socket.
    ///
    /// # Errors
    /// The connection is over.
    pub async fn trip(&mut self) -> Result<Trip, Closed> {
        while let Some(frame) = self.pending()? {
            self.take(&frame)?;
        }
        if let Some(reason) = &self.blocked {
            if self.heard.elapsed() > 2 * Duration::from_secs(u64::from(HEARTBEAT)) {
                return Err(Closed::Broken("no heartbeat for two minutes".to_owned()));
            }
            return Ok(Trip::Blocked(reason.clone()));
        }
        let watch = Stopwatch::start();
        if let Publishing::Forbidden(text) = self.publishing.clone() {
            self.knock().await?;
            return Ok(Trip::Unwritable(watch.elapsed(), text));
        }
        self.tag += 1;
        let publish = basic::Publish { exchange: "".into(), routing_key: NOBODY.into(), mandatory: false, immediate: false };
        let header = AMQPContentHeader { class_id: publish.get_amqp_class_id(), body_size: 0, properties: BasicProperties::default() };
        self.send(&[method(CHANNEL, AMQPClass::Basic(basic::AMQPMethod::Publish(publish))), AMQPFrame::Header(CHANNEL, header)]).await?;
        loop {
            if self.confirmed >= self.tag {
                return Ok(Trip::Confirmed(watch.elapsed()));
            }
            if let Some(reason) = &self.blocked {
                return Ok(Trip::Blocked(reason.clone()));
            }
            if let Publishing::Forbidden(text) = &self.publishing {
                return Ok(Trip::Unwritable(watch.elapsed(), text.clone()));
            }
            let frame = self.next().await?;
            self.take(&frame)?;
        }
    }

    /// Opens and closes a second channel, which needs no right.
    async fn knock(&mut self) -> Result<(), Closed> {
        self.send(&[method(CHANNEL + 1, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})))]).await?;
        self.expect(|class| matches!(class, AMQPClass::Channel(channel::AMQPMethod::OpenOk(_)))).await?;
        let close = channel::Close { reply_code: 200, reply_text: "".into(), class_id: 0, method_id: 0 };
        self.send(&[method(CHANNEL + 1, AMQPClass::Channel(channel::AMQPMethod::Close(close)))]).await?;
        self.expect(|class| matches!(class, AMQPClass::Channel(channel::AMQPMethod::CloseOk(_)))).await
    }

    /// What arrives by itself.
    fn take(&mut self, frame: &AMQPFrame) -> Result<(), Closed> {
        let AMQPFrame::Method(_, class) = frame else { return Ok(()) };
        match class {
            AMQPClass::Connection(connection::AMQPMethod::Blocked(blocked)) => self.blocked = Some(clean(blocked.reason.as_str()).into_owned()),
            AMQPClass::Connection(connection::AMQPMethod::Unblocked(_)) => self.blocked = None,
            AMQPClass::Basic(basic::AMQPMethod::Ack(ack)) => {
                self.confirmed = self.confirmed.max(if ack.delivery_tag == 0 { self.tag } else { ack.delivery_tag });
            }
            AMQPClass::Basic(basic::AMQPMethod::Nack(_)) => return Err(Closed::Broken("the broker could not take a message (basic.nack)".to_owned())),
            AMQPClass::Channel(channel::AMQPMethod::Close(close)) if close.reply_code == 403 => {
                self.publishing = Publishing::Forbidden(clean(close.reply_text.as_str()).into_owned());
            }
            AMQPClass::Channel(channel::AMQPMethod::Close(close)) => return Err(Closed::Broken(clean(close.reply_text.as_str()).into_owned())),
            _ => {}
        }
        Ok(())
    }

    async fn expect(&mut self, is: impl Fn(&AMQPClass) -> bool) -> Result<(), Closed> {
        loop {
            match self.next().await? {
                AMQPFrame::Method(_, class) if is(&class) => return Ok(()),
                other => self.take(&other)?,
            }
        }
    }

    async fn send(&mut self, frames: &[AMQPFrame]) -> Result<(), Closed> {
        let mut out = Vec::new();
        for frame in frames {
            let written = gen_frame(frame)(WriteContext::from(Vec::new())).map_err(|e| Closed::Broken(format!("a frame cannot be written: {e}")))?;
            out.extend(written.into_inner().0);
        }
        let lost = |e: std::io::Error| Closed::Broken(e.to_string());
        self.stream.write_all(&out).await.map_err(lost)?;
        self.stream.flush().await.map_err(lost)
    }

    /// The next frame but heartbeats; the broker's close of the connection is the error.
    async fn next(&mut self) -> Result<AMQPFrame, Closed> {
        loop {
            if let Some(frame) = self.parse()? {
                return Ok(frame);
            }
            let n = self.stream.read_buf(&mut self.buffer).await.map_err(|e| Closed::Broken(e.to_string()))?;
            if n == 0 {
                return Err(Closed::Broken("it hung up".to_owned()));
            }
            self.heard = Stopwatch::start();
        }
    }

    /// A frame that has arrived already.
    fn pending(&mut self) -> Result<Option<AMQPFrame>, Closed> {
        loop {
            if let Some(frame) = self.parse()? {
                return Ok(Some(frame));
            }
            match self.stream.read_buf(&mut self.buffer).now_or_never() {
                None => return Ok(None),
                Some(Ok(0)) => return Err(Closed::Broken("it hung up".to_owned())),
                Some(Ok(_)) => self.heard = Stopwatch::start(),
                Some(Err(error)) => return Err(Closed::Broken(error.to_string())),
            }
        }
    }

    fn parse(&mut self) -> Result<Option<AMQPFrame>, Closed> {
        loop {
            if self.buffer.is_empty() {
                return Ok(None);
            }
            let (left, frame) = match parse_frame(&self.buffer[..]) {
                Ok((rest, frame)) => (rest.len(), frame),
                Err(error) if error.is_incomplete() && self.buffer.len() < MOST => return Ok(None),
                Err(_) => return Err(Closed::Broken("what it says is not AMQP 0-9-1".to_owned())),
            };
            self.buffer.advance(self.buffer.len() - left);
            match frame {
                AMQPFrame::Heartbeat | AMQPFrame::InvalidHeartbeat(_) => {}
                AMQPFrame::Method(_, AMQPClass::Connection(connection::AMQPMethod::Close(close))) => {
                    return Err(closed(close.reply_code, close.reply_text.as_str()));
                }
                frame => return Ok(Some(frame)),
            }
        }
    }
}

fn method(channel: u16, class: AMQPClass) -> AMQPFrame {
    AMQPFrame::Method(channel, class)
}

fn unexpected(frame: &AMQPFrame) -> Closed {
    Closed::Broken(clean(&format!("an unexpected {frame}")).into_owned())
}

/// What the broker means: 403 the login, 530 the virtual host (absent, not allowed, or its limit), else its words.
fn closed(code: u16, text: &str) -> Closed {
    let said = clean(text).into_owned();
    match code {
        403 => Closed::NoAccess(said),
        530 if text.contains("not found") => Closed::NoVhost(said),
        530 if text.contains("refused for user") && !text.contains("limit") => Closed::NoAccess(said),
        _ => Closed::Broken(said),
    }
}

/// Who we are, and that we want to be told of a refused login and of being held up.
fn introduction() -> FieldTable {
    let mut capabilities = FieldTable::default();
    for name in ["authentication_failure_close", "connection.blocked", "publisher_confirms"] {
        capabilities.insert(name.into(), AMQPValue::Boolean(true));
    }
    let mut table = FieldTable::default();
    for (key, value) in [("product", "quarterdeck"), ("version", env!("CARGO_PKG_VERSION")), ("connection_name", "quarterdeck health")] {
        table.insert(key.into(), AMQPValue::LongString(value.into()));
    }
    table.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brokers_reasons_are_told_apart() {
        assert!(matches!(closed(530, "NOT_ALLOWED - vhost /nope not found"), Closed::NoVhost(_)));
        assert!(matches!(closed(530, "NOT_ALLOWED - access to vhost '/mall' refused for user 'mon'"), Closed::NoAccess(_)));
        assert!(matches!(closed(530, "NOT_ALLOWED - access to vhost '/mall' refused for user 'mon': connection limit (1) is reached"), Closed::Broken(_)));
        assert!(matches!(closed(403, "ACCESS_REFUSED - Login was refused"), Closed::NoAccess(_)));
        assert!(matches!(closed(320, "CONNECTION_FORCED - broker forced connection closure"), Closed::Broken(_)));
    }

    /// A broker that is too slow, or hostile.
    #[tokio::test]
    async fn what_is_not_amqp_ends_it() {
        let password = SecretString::from("x");
        let open = async |said: &'static [u8]| {
            let (near, mut far) = tokio::io::duplex(4096);
            let server = tokio::spawn(async move {
                let mut header = [0; 8];
                far.read_exact(&mut header).await.unwrap();
                assert_eq!(&header, b"AMQP\0\0\x09\x01");
                far.write_all(said).await.unwrap();
            });
            let result = Session::open(Box::new(near), "u", &password, "/").await.map(|_| ());
            server.await.unwrap();
            result
        };
        assert_eq!(open(b"AMQP\0\0\x09\x00").await, Err(Closed::Broken("it speaks AMQP 0.9.0 only".to_owned())));
        assert_eq!(open(b"HTTP/1.1 400 Bad Request\r\n\r\n").await, Err(Closed::Broken("what it says is not AMQP 0-9-1".to_owned())));
        assert_eq!(open(b"").await, Err(Closed::Broken("it hung up".to_owned())));
    }
}
