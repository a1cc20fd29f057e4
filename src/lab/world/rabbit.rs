//! A RabbitMQ cluster of three.

use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub struct RabbitNode {
    /// The pod: `rabbitmq-0`.
    pub pod: String,
    /// `10.244.4.20`
    pub ip: String,
    /// `rabbit@rabbitmq-0`
    pub name: String,
    pub is_running: bool,
    pub memory_bytes: f64,
    pub memory_limit_bytes: f64,
    pub memory_alarm: bool,
    pub disk_free_bytes: f64,
    pub disk_limit_bytes: f64,
    pub disk_alarm: bool,
    pub up_seconds: f64,
    pub plugins: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Queue {
    pub vhost: String,
    pub name: String,
    /// `quorum`, `classic`
    pub kind: String,
    /// The node that leads it.
    pub node: String,
    pub durable: bool,
    pub ready: f64,
    pub unacked: f64,
    pub consumers: u32,
    pub publish_per_second: f64,
    pub deliver_per_second: f64,
    /// The Deployment whose ready pods consume it.
    pub consumer: Option<String>,
    /// What a consumer manages in a second.
    pub per_consumer: f64,
    /// A fault took its consumers away although their pods live.
    pub is_abandoned: bool,
}

#[derive(Clone, Debug)]
pub struct RabbitUser {
    pub name: String,
    pub password: String,
    pub tags: Vec<String>,
    /// By virtual host: configure, write, read.
    pub permissions: BTreeMap<String, [String; 3]>,
}

#[derive(Clone, Debug)]
pub struct Rabbit {
    pub version: String,
    pub erlang: String,
    pub cluster: String,
    pub nodes: Vec<RabbitNode>,
    pub vhosts: Vec<String>,
    pub users: Vec<RabbitUser>,
    pub queues: Vec<Queue>,
    pub connections: u32,
}

impl Rabbit {
    pub(super) fn new() -> Self {
        let nodes = (0..3)
            .map(|n| RabbitNode {
                pod: format!("rabbitmq-{n}"),
                ip: format!("10.244.{}.20", n + 4),
                name: format!("rabbit@rabbitmq-{n}"),
                is_running: true,
                memory_bytes: 180e6,
                memory_limit_bytes: 858_993_459.0,
                memory_alarm: false,
                disk_free_bytes: 31e9,
                disk_limit_bytes: 2e9,
                disk_alarm: false,
                up_seconds: 1_900_000.0,
                plugins: vec!["rabbitmq_prometheus".into(), "rabbitmq_management".into(), "rabbitmq_management_agent".into(), "rabbitmq_web_dispatch".into()],
            })
            .collect();
        let queue = |name: &str, kind: &str, node: u32, publish: f64, consumer: &str| Queue {
            vhost: "/".into(),
            name: name.into(),
            kind: kind.into(),
            node: format!("rabbit@rabbitmq-{node}"),
            durable: true,
            ready: 0.0,
            unacked: 0.0,
            consumers: 2,
            publish_per_second: publish,
            deliver_per_second: publish,
            consumer: Some(consumer.into()),
            per_consumer: 120.0,
            is_abandoned: false,
        };
        Self {
            version: "3.10.8".into(),
            erlang: "25.2.3".into(),
            cluster: "rabbit@rabbitmq-0".into(),
            nodes,
            vhosts: vec!["/".into()],
            users: Vec::new(),
            queues: vec![
                queue("mall.order.cancel", "quorum", 0, 18.0, "mall-order"),
                queue("mall.order.cancel.ttl", "classic", 1, 18.0, "mall-order"),
                queue("mall.member.points", "quorum", 2, 7.0, "mall-member"),
                queue("mall.search.index", "quorum", 1, 30.0, "mall-search"),
            ],
            connections: 24,
        }
    }

    pub fn queue(&mut self, name: &str) -> Option<&mut Queue> {
        self.queues.iter_mut().find(|q| q.name == name)
    }

    /// `consumers`: ready pods of a Deployment. `ready`: does the pod run?
    pub(super) fn advance(&mut self, seconds: f64, load: f64, ready: impl Fn(&str) -> bool, consumers: impl Fn(&str) -> u32) {
        for node in &mut self.nodes {
            node.is_running = ready(&node.pod);
            node.up_seconds = if node.is_running { node.up_seconds + seconds } else { 0.0 };
            node.memory_alarm = node.memory_bytes > node.memory_limit_bytes;
            node.disk_alarm = node.disk_free_bytes < node.disk_limit_bytes;
        }
        let blocked = self.nodes.iter().any(|n| n.is_running && (n.memory_alarm || n.disk_alarm));
        let mut total = 0.0;
        for queue in &mut self.queues {
            if let Some(deployment) = &queue.consumer {
                queue.consumers = if queue.is_abandoned { 0 } else { consumers(deployment) };
            }
            let rate = if blocked { 0.0 } else { queue.publish_per_second * (0.3 + 1.4 * load) };
            let can = f64::from(queue.consumers) * queue.per_consumer;
            let before = queue.ready;
            queue.ready = (queue.ready + (rate - can) * seconds).max(0.0);
            queue.deliver_per_second = if seconds > 0.0 { (rate - (queue.ready - before) / seconds).max(0.0) } else { queue.deliver_per_second };
            queue.unacked = (queue.deliver_per_second * 0.05).round();
            total += queue.ready;
        }
        for node in &mut self.nodes {
            node.memory_bytes = 180e6 + total * 2048.0 / 3.0;
        }
    }
}
