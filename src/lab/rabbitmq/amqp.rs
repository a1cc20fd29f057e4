//! AMQP 0-9-1: the login, channels, queues of one connection, and messages through them. Pure: frames in, frames out.

use std::collections::{BTreeMap, VecDeque};

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, ProtocolVersion};
use amq_protocol::protocol::{AMQPClass, BasicProperties, basic, channel, confirm, connection, queue};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::api::{self, Passwords};
use crate::lab::world::rabbit::Rabbit;

/// What one connection may leave in its queues.
const MOST_MESSAGES: usize = 1000;
const MOST_QUEUES: usize = 200;
const FRAME_MAX: u32 = 131_072;

/// Where the conversation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Greeting,
    LoggingIn,
    Entering,
    Open,
    /// Closed by us; the client has yet to say that it heard.
    Closing,
}

/// A message whose body is on its way.
#[derive(Debug, Default)]
struct Coming {
    key: String,
    size: u64,
    properties: BasicProperties,
    body: Vec<u8>,
}

#[derive(Debug, Default)]
struct Chan {
    confirms: bool,
    published: u64,
    delivered: u64,
    coming: Option<Coming>,
}

/// One connection.
#[derive(Debug, Default)]
pub struct Talk {
    step: Step,
    user: String,
    vhost: String,
    channels: BTreeMap<u16, Chan>,
    queues: BTreeMap<String, VecDeque<(BasicProperties, Vec<u8>)>>,
    blocked: bool,
    pub is_over: bool,
}

fn method(channel: u16, class: AMQPClass) -> AMQPFrame {
    AMQPFrame::Method(channel, class)
}

fn start() -> AMQPFrame {
    let mut capabilities = FieldTable::default();
    for name in ["publisher_confirms", "consumer_cancel_notify", "connection.blocked", "authentication_failure_close", "basic.nack"] {
        capabilities.insert(name.into(), AMQPValue::Boolean(true));
    }
    let mut properties = FieldTable::default();
    properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
    for (name, value) in [("product", "RabbitMQ"), ("version", "3.10.8"), ("platform", "Erlang/OTP 25.2.3"), ("cluster_name", "rabbit@rabbitmq-0")] {
        properties.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    let start =
        connection::Start { version_major: 0, version_minor: 9, server_properties: properties, mechanisms: "AMQPLAIN PLAIN".into(), locales: "en_US".into() };
    method(0, AMQPClass::Connection(connection::AMQPMethod::Start(start)))
}

impl Talk {
    /// Answers one frame.
    pub fn take(&mut self, rabbit: &mut Rabbit, passwords: &Passwords, frame: AMQPFrame) -> Vec<AMQPFrame> {
        match (self.step, frame) {
            (Step::Greeting, AMQPFrame::ProtocolHeader(_)) => {
                self.step = Step::LoggingIn;
                vec![start()]
            }
            (Step::Greeting, _) => {
                self.is_over = true;
                vec![AMQPFrame::ProtocolHeader(ProtocolVersion::amqp_0_9_1())]
            }
            (_, AMQPFrame::Method(0, AMQPClass::Connection(asked))) => self.connection(rabbit, passwords, asked),
            (Step::Open, AMQPFrame::Method(id, class)) => self.method(rabbit, id, class),
            (Step::Open, AMQPFrame::Header(id, header)) => {
                if let Some(coming) = self.channels.get_mut(&id).and_then(|c| c.coming.as_mut()) {
                    (coming.size, coming.properties) = (header.body_size, header.properties);
                }
                self.arrived(rabbit, id)
            }
            (Step::Open, AMQPFrame::Body(id, part)) => {
                if let Some(coming) = self.channels.get_mut(&id).and_then(|c| c.coming.as_mut())
                    && coming.body.len() + part.len() <= 1 << 20
                {
                    coming.body.extend_from_slice(&part);
                }
                self.arrived(rabbit, id)
            }
            _ => Vec::new(),
        }
    }

    fn close(&mut self, code: u16, text: &str) -> Vec<AMQPFrame> {
        self.step = Step::Closing;
        let close = connection::Close { reply_code: code, reply_text: text.into(), class_id: 10, method_id: 40 };
        vec![method(0, AMQPClass::Connection(connection::AMQPMethod::Close(close)))]
    }

    fn connection(&mut self, rabbit: &Rabbit, passwords: &Passwords, asked: connection::AMQPMethod) -> Vec<AMQPFrame> {
        use connection::AMQPMethod as M;
        let answer = |m: M| vec![method(0, AMQPClass::Connection(m))];
        match (self.step, asked) {
            (Step::LoggingIn, M::StartOk(ok)) => {
                let response = String::from_utf8_lossy(ok.response.as_bytes()).into_owned();
                let mut words = response.split('\0').skip(1);
                let (user, password) = (words.next().unwrap_or("").to_owned(), words.next().unwrap_or(""));
                if ok.mechanism.as_str() != "PLAIN" || api::account(rabbit, passwords, &user, password).is_none() {
                    let text = format!(
                        "ACCESS_REFUSED - Login was refused using authentication mechanism {}. For details see the broker logfile.",
                        ok.mechanism.as_str()
                    );
                    return self.close(403, &text);
                }
                (self.user, self.step) = (user, Step::Entering);
                answer(M::Tune(connection::Tune { channel_max: 2047, frame_max: FRAME_MAX, heartbeat: 60 }))
            }
            (Step::Entering, M::Open(open)) => {
                let vhost = open.virtual_host.as_str().to_owned();
                if !rabbit.vhosts.contains(&vhost) {
                    return self.close(530, &format!("NOT_ALLOWED - vhost {vhost} not found"));
                }
                if !api::may_enter(rabbit, &self.user, &vhost) {
                    let text = format!("NOT_ALLOWED - access to vhost '{vhost}' refused for user '{}'", self.user);
                    return self.close(530, &text);
                }
                (self.vhost, self.step) = (vhost, Step::Open);
                answer(M::OpenOk(connection::OpenOk {}))
            }
            (_, M::Close(_)) => {
                self.is_over = true;
                answer(M::CloseOk(connection::CloseOk {}))
            }
            (_, M::CloseOk(_)) => {
                self.is_over = true;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn method(&mut self, rabbit: &mut Rabbit, id: u16, class: AMQPClass) -> Vec<AMQPFrame> {
        match class {
            AMQPClass::Channel(channel::AMQPMethod::Open(_)) => {
                self.channels.insert(id, Chan::default());
                vec![method(id, AMQPClass::Channel(channel::AMQPMethod::OpenOk(channel::OpenOk {})))]
            }
            AMQPClass::Channel(channel::AMQPMethod::Close(_)) => {
                self.channels.remove(&id);
                vec![method(id, AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {})))]
            }
            AMQPClass::Channel(channel::AMQPMethod::CloseOk(_)) => {
                self.channels.remove(&id);
                Vec::new()
            }
            AMQPClass::Confirm(confirm::AMQPMethod::Select(_)) => {
                self.channels.entry(id).or_default().confirms = true;
                vec![method(id, AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {})))]
            }
            AMQPClass::Queue(asked) => self.queue(rabbit, id, asked),
            AMQPClass::Basic(asked) => self.basic(id, asked),
            _ => Self::refuse(id, 540, "NOT_IMPLEMENTED - the demo has no such method"),
        }
    }

    fn refuse(id: u16, code: u16, text: &str) -> Vec<AMQPFrame> {
        let close = channel::Close { reply_code: code, reply_text: text.into(), class_id: 0, method_id: 0 };
        vec![method(id, AMQPClass::Channel(channel::AMQPMethod::Close(close)))]
    }

    fn queue(&mut self, rabbit: &Rabbit, id: u16, asked: queue::AMQPMethod) -> Vec<AMQPFrame> {
        use queue::AMQPMethod as M;
        let answer = |m: M| vec![method(id, AMQPClass::Queue(m))];
        let count = |n: usize| u32::try_from(n).unwrap_or(0);
        match asked {
            M::Declare(d) => {
                let mut name = d.queue.as_str().to_owned();
                let shared = rabbit.queues.iter().find(|q| q.vhost == self.vhost && q.name == name);
                if d.passive && shared.is_none() && !self.queues.contains_key(&name) {
                    let text = format!("NOT_FOUND - no queue '{name}' in vhost '{}'", self.vhost);
                    return Self::refuse(id, 404, &text);
                }
                if name.is_empty() {
                    name = format!("amq.gen-{:06}", self.queues.len() + 1);
                }
                let (ready, consumers) = shared.map_or((0, 0), |q| (crate::lab::world::whole(q.ready), q.consumers));
                if shared.is_none() && self.queues.len() < MOST_QUEUES {
                    self.queues.entry(name.clone()).or_default();
                }
                let own = self.queues.get(&name).map_or(0, VecDeque::len);
                if d.nowait {
                    return Vec::new();
                }
                let message_count = u32::try_from(ready).unwrap_or(u32::MAX).saturating_add(count(own));
                answer(M::DeclareOk(queue::DeclareOk { queue: name.as_str().into(), message_count, consumer_count: consumers }))
            }
            M::Delete(d) => {
                let gone = self.queues.remove(d.queue.as_str()).map_or(0, |q| q.len());
                answer(M::DeleteOk(queue::DeleteOk { message_count: count(gone) }))
            }
            M::Bind(_) => answer(M::BindOk(queue::BindOk {})),
            M::Unbind(_) => answer(M::UnbindOk(queue::UnbindOk {})),
            M::Purge(p) => {
                let gone = self.queues.get_mut(p.queue.as_str()).map_or(0, |q| std::mem::take(q).len());
                answer(M::PurgeOk(queue::PurgeOk { message_count: count(gone) }))
            }
            _ => Vec::new(),
        }
    }

    fn basic(&mut self, id: u16, asked: basic::AMQPMethod) -> Vec<AMQPFrame> {
        use basic::AMQPMethod as M;
        let answer = |m: M| vec![method(id, AMQPClass::Basic(m))];
        match asked {
            M::Publish(p) => {
                self.channels.entry(id).or_default().coming = Some(Coming { key: p.routing_key.as_str().to_owned(), ..Coming::default() });
                Vec::new()
            }
            M::Get(get) => {
                let name = get.queue.as_str().to_owned();
                let Some((properties, body)) = self.queues.get_mut(&name).and_then(VecDeque::pop_front) else {
                    return answer(M::GetEmpty(basic::GetEmpty {}));
                };
                let left = u32::try_from(self.queues.get(&name).map_or(0, VecDeque::len)).unwrap_or(0);
                let channel = self.channels.entry(id).or_default();
                channel.delivered += 1;
                let ok = basic::GetOk {
                    delivery_tag: channel.delivered,
                    redelivered: false,
                    exchange: "".into(),
                    routing_key: name.as_str().into(),
                    message_count: left,
                };
                let mut out = answer(M::GetOk(ok));
                out.push(AMQPFrame::Header(id, AMQPContentHeader { class_id: 60, body_size: body.len() as u64, properties }));
                if !body.is_empty() {
                    out.push(AMQPFrame::Body(id, body));
                }
                out
            }
            M::Qos(_) => answer(M::QosOk(basic::QosOk {})),
            M::Consume(c) => {
                let tag = if c.consumer_tag.as_str().is_empty() { "amq.ctag-1" } else { c.consumer_tag.as_str() };
                answer(M::ConsumeOk(basic::ConsumeOk { consumer_tag: tag.into() }))
            }
            M::Cancel(c) => answer(M::CancelOk(basic::CancelOk { consumer_tag: c.consumer_tag })),
            _ => Vec::new(),
        }
    }

    /// A message that is complete goes to its queue and is confirmed, unless an alarm holds publishers up.
    fn arrived(&mut self, rabbit: &mut Rabbit, id: u16) -> Vec<AMQPFrame> {
        let held = rabbit.nodes.iter().any(|n| n.is_running && (n.memory_alarm || n.disk_alarm));
        let Some(channel) = self.channels.get_mut(&id) else { return Vec::new() };
        if channel.coming.as_ref().is_none_or(|c| (c.body.len() as u64) < c.size) {
            return Vec::new();
        }
        if held {
            if std::mem::replace(&mut self.blocked, true) {
                return Vec::new();
            }
            let reason = connection::Blocked { reason: "low on disk".into() };
            return vec![method(0, AMQPClass::Connection(connection::AMQPMethod::Blocked(reason)))];
        }
        let Some(coming) = channel.coming.take() else { return Vec::new() };
        channel.published += 1;
        let ack = basic::Ack { delivery_tag: channel.published, multiple: false };
        let confirmed = channel.confirms.then(|| method(id, AMQPClass::Basic(basic::AMQPMethod::Ack(ack))));
        if let Some(own) = self.queues.get_mut(&coming.key) {
            if own.len() < MOST_MESSAGES {
                own.push_back((coming.properties, coming.body));
            }
        } else if let Some(shared) = rabbit.queues.iter_mut().find(|q| q.vhost == self.vhost && q.name == coming.key) {
            shared.ready += 1.0;
        }
        confirmed.into_iter().collect()
    }
}
