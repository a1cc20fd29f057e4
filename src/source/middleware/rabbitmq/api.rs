//! Answers of the management API to plain structs. Read value by value: RabbitMQ says some keys twice (the last one holds), and
//! leaves out what it does not know yet.

use serde_json::Value;

use crate::base::text::clean;

/// Of the node that answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overview {
    /// `rabbit@mq1`.
    pub node: String,
    pub version: String,
    pub erlang: String,
    pub cluster: String,
    /// Who may see only its own part gets no listeners.
    pub listeners: Vec<Listener>,
    /// Statistics are switched off: no rates, no totals.
    pub statistics: Statistics,
    pub queues: Option<u64>,
    pub connections: Option<u64>,
    pub ready: Option<u64>,
    pub unacked: Option<u64>,
    pub publish_per_second: Option<f64>,
    pub deliver_per_second: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Statistics {
    #[default]
    On,
    Off,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub node: String,
    /// `amqp`, `amqp/ssl`, `http`, `clustering` ...
    pub protocol: String,
    pub port: u16,
}

/// A node as the answering one sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    pub name: String,
    pub running: bool,
    /// In maintenance: it takes no clients and leads no queues.
    pub draining: bool,
    /// Nodes that it has lost, by its own account.
    pub partitions: Vec<String>,
    pub alarms: Vec<Resource>,
    pub memory_used: Option<u64>,
    pub memory_limit: Option<u64>,
    pub disk_free: Option<u64>,
    pub disk_limit: Option<u64>,
    pub files: Option<(u64, u64)>,
    pub sockets: Option<(u64, u64)>,
    pub processes: Option<(u64, u64)>,
    /// Milliseconds.
    pub uptime: Option<u64>,
}

/// What a node runs short of; then it holds publishers up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    Memory,
    Disk,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueKind {
    #[default]
    Classic,
    Quorum,
    Stream,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Queue {
    pub vhost: String,
    pub name: String,
    pub kind: QueueKind,
    pub state: String,
    /// Where it is, or where its leader is.
    pub leader: String,
    /// Of a quorum queue or stream: all replicas, and those that are up.
    pub members: Vec<String>,
    pub online: Vec<String>,
    /// Of a mirrored classic queue (3.x): all mirrors, and those that hold everything.
    pub mirrors: Vec<String>,
    pub synced: Vec<String>,
    pub consumers: u64,
    pub ready: u64,
    pub unacked: u64,
    /// Acknowledged since it exists, where statistics are on.
    pub acked: Option<u64>,
    /// A policy asks for mirrors.
    pub asks_mirrors: bool,
}

impl Queue {
    /// `orders`, or `/mall orders` outside the default virtual host.
    pub fn label(&self) -> String {
        if self.vhost == "/" { clean(&self.name).into_owned() } else { clean(&format!("{} {}", self.vhost, self.name)).into_owned() }
    }
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub page: u64,
    pub pages: u64,
    /// Of all pages.
    pub total: u64,
}

/// A health check's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    Passed,
    /// Why, and what it names: queues, virtual hosts, `node: resource`.
    Failed {
        reason: String,
        names: Vec<String>,
    },
    /// This version knows no such check.
    Absent,
    /// The account may not ask, or the answer is none.
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    pub name: String,
    pub user: String,
    pub state: String,
}

pub const OVERVIEW: &str = "node,rabbitmq_version,erlang_version,cluster_name,disable_stats,listeners.node,listeners.protocol,listeners.port,\
object_totals.queues,object_totals.connections,queue_totals.messages_ready,queue_totals.messages_unacknowledged,\
message_stats.publish_details.rate,message_stats.deliver_get_details.rate";
pub const NODES: &str = "name,running,being_drained,partitions,mem_alarm,mem_used,mem_limit,disk_free,disk_free_alarm,disk_free_limit,\
fd_used,fd_total,sockets_used,sockets_total,proc_used,proc_total,uptime";
pub const QUEUES: &str = "vhost,name,type,state,node,leader,members,online,slave_nodes,synchronised_slave_nodes,consumers,messages_ready,\
messages_unacknowledged,effective_policy_definition,message_stats.ack";
pub const CONNECTIONS: &str = "name,user,state";

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn count(value: &Value, key: &str) -> Option<u64> {
    let found = value.get(key)?;
    found.as_u64().or_else(|| found.as_i64().map(|n| u64::try_from(n).unwrap_or(0)))
}

fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn list(value: &Value, key: &str) -> Vec<String> {
    value.get(key).and_then(Value::as_array).map(|all| all.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()).unwrap_or_default()
}

fn all(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub fn overview(value: &Value) -> Overview {
    let rate = |key: &str| value.pointer(&format!("/message_stats/{key}/rate")).and_then(Value::as_f64);
    let within = |part: &str, key: &str| value.get(part).and_then(|v| count(v, key));
    let listener =
        |v: &Value| Listener { node: text(v, "node"), protocol: text(v, "protocol"), port: count(v, "port").and_then(|p| u16::try_from(p).ok()).unwrap_or(0) };
    Overview {
        node: text(value, "node"),
        version: text(value, "rabbitmq_version"),
        erlang: text(value, "erlang_version"),
        cluster: text(value, "cluster_name"),
        listeners: value.get("listeners").map(all).unwrap_or_default().iter().map(listener).collect(),
        statistics: if flag(value, "disable_stats") { Statistics::Off } else { Statistics::On },
        queues: within("object_totals", "queues"),
        connections: within("object_totals", "connections"),
        ready: within("queue_totals", "messages_ready"),
        unacked: within("queue_totals", "messages_unacknowledged"),
        publish_per_second: rate("publish_details"),
        deliver_per_second: rate("deliver_get_details"),
    }
}

pub fn nodes(value: &Value) -> Vec<Node> {
    let node = |v: &Value| {
        let pair = |used: &str, total: &str| count(v, used).zip(count(v, total).filter(|t| *t > 0));
        Node {
            name: text(v, "name"),
            running: flag(v, "running"),
            draining: flag(v, "being_drained"),
            partitions: list(v, "partitions"),
            alarms: [("mem_alarm", Resource::Memory), ("disk_free_alarm", Resource::Disk)]
                .into_iter()
                .filter(|(key, _)| flag(v, key))
                .map(|(_, r)| r)
                .collect(),
            memory_used: count(v, "mem_used"),
            memory_limit: count(v, "mem_limit"),
            disk_free: count(v, "disk_free"),
            disk_limit: count(v, "disk_free_limit"),
            files: pair("fd_used", "fd_total"),
            sockets: pair("sockets_used", "sockets_total"),
            processes: pair("proc_used", "proc_total"),
            uptime: count(v, "uptime"),
        }
    };
    all(value).iter().map(node).collect()
}

fn queue(v: &Value) -> Queue {
    let kind = match v.get("type").and_then(Value::as_str) {
        Some("quorum" | "rabbit_quorum_queue") => QueueKind::Quorum,
        Some("stream" | "rabbit_stream_queue") => QueueKind::Stream,
        _ => QueueKind::Classic,
    };
    let leader = text(v, "leader");
    Queue {
        vhost: text(v, "vhost"),
        name: text(v, "name"),
        kind,
        state: text(v, "state"),
        leader: if leader.is_empty() { text(v, "node") } else { leader },
        members: list(v, "members"),
        online: list(v, "online"),
        mirrors: list(v, "slave_nodes"),
        synced: list(v, "synchronised_slave_nodes"),
        consumers: count(v, "consumers").unwrap_or(0),
        ready: count(v, "messages_ready").unwrap_or(0),
        unacked: count(v, "messages_unacknowledged").unwrap_or(0),
        acked: v.get("message_stats").and_then(|m| count(m, "ack")),
        asks_mirrors: v.pointer("/effective_policy_definition/ha-mode").is_some(),
    }
}

fn page<T>(value: &Value, item: impl Fn(&Value) -> T) -> Page<T> {
    let number = |key: &str| count(value, key).unwrap_or(0);
    Page {
        items: value.get("items").map(all).unwrap_or_default().iter().map(item).collect(),
        page: number("page").max(1),
        pages: number("page_count"),
        total: number("total_count"),
    }
}

pub fn queues(value: &Value) -> Page<Queue> {
    page(value, queue)
}

pub fn connections(value: &Value) -> Page<Connection> {
    page(value, |v| Connection { name: text(v, "name"), user: text(v, "user"), state: text(v, "state") })
}

/// The names of the virtual hosts, those first that surely hold queues: they have a count of messages once there are statistics.
pub fn vhosts(value: &Value) -> Vec<String> {
    let mut found: Vec<(bool, bool, String)> = all(value).iter().map(|v| (count(v, "messages").is_none(), text(v, "name") == "/", text(v, "name"))).collect();
    found.sort();
    found.into_iter().map(|(_, _, name)| name).collect()
}

/// The tags of an account: a list, and in old versions one text.
pub fn tags(value: &Value) -> Vec<String> {
    match value.get("tags") {
        Some(Value::String(text)) => text.split(',').map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect(),
        Some(_) => list(value, "tags"),
        None => Vec::new(),
    }
}

/// 200 is passed, 503 is failed with its reason.
pub fn check(status: u16, value: &Value) -> Check {
    match status {
        200 => Check::Passed,
        404 => Check::Absent,
        503 => {
            let mut names = Vec::new();
            for alarm in value.get("alarms").map(all).unwrap_or_default() {
                names.push(format!("{} {}", text(alarm, "node"), text(alarm, "resource")));
            }
            for queue in value.get("queues").map(all).unwrap_or_default() {
                let vhost = text(queue, "virtual_host");
                names.push(Queue { vhost, name: text(queue, "name"), ..Queue::default() }.label());
            }
            for key in ["virtual-hosts", "virtual_hosts"] {
                names.extend(list(value, key));
            }
            for expired in value.get("expired").map(all).unwrap_or_default() {
                names.push(format!("{}:{} {}", text(expired, "node"), count(expired, "port").unwrap_or(0), text(expired, "protocol")));
            }
            Check::Failed { reason: clean(&text(value, "reason")).into_owned(), names: names.iter().map(|n| clean(n).into_owned()).collect() }
        }
        _ => Check::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_key_said_twice_holds_the_last_time() {
        // As 3.10.8 answers while a mirror's node is frozen.
        let page = queues(&json(
            r#"{"filtered_count":1,"item_count":1,"items":[{"name":"m","vhost":"/mall","slave_nodes":[],"slave_nodes":["b@x"],
            "state":"running","synchronised_slave_nodes":[],"effective_policy_definition":{"ha-mode":"all"},"type":"classic","node":"a@x"}],
            "page":1,"page_count":1,"page_size":100,"total_count":1}"#,
        ));
        let queue = &page.items[0];
        assert_eq!((queue.mirrors.len(), queue.synced.len(), queue.asks_mirrors, queue.label().as_str()), (1, 0, true, "/mall m"));
        assert_eq!((queue.leader.as_str(), page.total, page.pages), ("a@x", 1, 1));
    }

    #[test]
    fn a_node_that_is_down_has_no_numbers() {
        let all = nodes(&json(r#"[{"name":"a@x","running":true,"partitions":["b@x"],"fd_used":9,"fd_total":10},{"name":"b@x","running":false}]"#));
        assert_eq!((all[0].partitions.as_slice(), all[0].files), (&["b@x".to_owned()][..], Some((9, 10))));
        assert_eq!(all[1], Node { name: "b@x".into(), ..Node::default() });
    }

    #[test]
    fn checks_say_what_they_name() {
        let alarms = check(503, &json(r#"{"alarms":[{"node":"a@x","resource":"memory"}],"reason":"There are alarms","status":"failed"}"#));
        assert_eq!(alarms, Check::Failed { reason: "There are alarms".into(), names: vec!["a@x memory".into()] });
        let queues = check(503, &json(r#"{"status":"failed","reason":"r","queues":[{"name":"q","virtual_host":"/","type":"quorum"}]}"#));
        assert_eq!(queues, Check::Failed { reason: "r".into(), names: vec!["q".into()] });
        assert_eq!([check(200, &Value::Null), check(404, &Value::Null), check(401, &Value::Null)], [Check::Passed, Check::Absent, Check::Unknown]);
    }

    #[test]
    fn tags_in_both_spellings() {
        assert_eq!(tags(&json(r#"{"name":"m","tags":["monitoring"]}"#)), ["monitoring"]);
        assert_eq!(tags(&json(r#"{"name":"m","tags":"management, policymaker"}"#)), ["management", "policymaker"]);
    }
}
