//! What the management API shows, as RabbitMQ 3.10.8 showed it.

use serde_json::{Value, json};

use crate::lab::world::rabbit::{Queue, Rabbit, RabbitNode};
use crate::lab::world::whole;

fn rate(per_second: f64) -> Value {
    json!({"rate": (per_second * 10.0).round() / 10.0})
}

pub fn overview(rabbit: &Rabbit, me: &RabbitNode) -> Value {
    let sum = |f: fn(&Queue) -> f64| rabbit.queues.iter().map(f).sum::<f64>();
    let (ready, unacked) = (whole(sum(|q| q.ready)), whole(sum(|q| q.unacked)));
    let (published, delivered) = (sum(|q| q.publish_per_second), sum(|q| q.deliver_per_second));
    let listeners: Vec<Value> = rabbit
        .nodes
        .iter()
        .filter(|n| n.is_running)
        .flat_map(|n| {
            [("amqp", 5672), ("clustering", 25672), ("http", 15672), ("http/prometheus", 15692)]
                .map(|(protocol, port)| json!({"node": n.name, "protocol": protocol, "ip_address": "::", "port": port, "socket_opts": []}))
        })
        .collect();
    json!({
        "management_version": rabbit.version,
        "rates_mode": "basic",
        "sample_retention_policies": {"global": [600, 3600, 28800, 86400], "basic": [600, 3600], "detailed": [600]},
        "exchange_types": [{"name": "direct", "description": "AMQP direct exchange, as per the AMQP specification", "enabled": true}],
        "product_version": rabbit.version,
        "product_name": "RabbitMQ",
        "rabbitmq_version": rabbit.version,
        "cluster_name": rabbit.cluster,
        "erlang_version": rabbit.erlang,
        "erlang_full_version": format!("Erlang/OTP 25 [erts-13.1.5] [source] [64-bit] ({})", rabbit.erlang),
        "disable_stats": false,
        "enable_queue_totals": false,
        "message_stats": {
            "publish": 91_822_113, "publish_details": rate(published),
            "deliver_get": 91_822_000, "deliver_get_details": rate(delivered),
            "ack": 91_822_000, "ack_details": rate(delivered),
        },
        "queue_totals": {
            "messages": ready + unacked, "messages_details": rate(published - delivered),
            "messages_ready": ready, "messages_ready_details": rate(published - delivered),
            "messages_unacknowledged": unacked, "messages_unacknowledged_details": rate(0.0),
        },
        "object_totals": {
            "channels": rabbit.connections * 2, "connections": rabbit.connections,
            "consumers": rabbit.queues.iter().map(|q| q.consumers).sum::<u32>(), "exchanges": 7 * rabbit.vhosts.len() + 3, "queues": rabbit.queues.len(),
        },
        "statistics_db_event_queue": 0,
        "node": me.name,
        "listeners": listeners,
        "contexts": [],
    })
}

pub fn node(n: &RabbitNode) -> Value {
    if !n.is_running {
        return json!({"name": n.name, "type": "disc", "running": false, "partitions": [], "cluster_links": []});
    }
    json!({
        "name": n.name,
        "type": "disc",
        "running": true,
        "partitions": [],
        "os_pid": "1",
        "fd_total": 1_048_576, "fd_used": 112,
        "sockets_total": 943_626, "sockets_used": 24,
        "proc_total": 1_048_576, "proc_used": 688,
        "mem_limit": whole(n.memory_limit_bytes), "mem_used": whole(n.memory_bytes), "mem_alarm": n.memory_alarm,
        "disk_free_limit": whole(n.disk_limit_bytes), "disk_free": whole(n.disk_free_bytes), "disk_free_alarm": n.disk_alarm,
        "rates_mode": "basic",
        "uptime": whole(n.up_seconds * 1000.0),
        "run_queue": 1,
        "processors": 4,
        "enabled_plugins": n.plugins,
        "net_ticktime": 60,
        "db_dir": format!("/var/lib/rabbitmq/mnesia/{}", n.name),
        "config_files": ["/etc/rabbitmq/rabbitmq.conf"],
        "cluster_links": [],
        "mem_calculation_strategy": "rss",
    })
}

pub fn queue(rabbit: &Rabbit, q: &Queue) -> Value {
    let (ready, unacked) = (whole(q.ready), whole(q.unacked));
    let up = |name: &str| rabbit.nodes.iter().any(|n| n.name == name && n.is_running);
    let mut out = json!({
        "name": q.name,
        "vhost": q.vhost,
        "type": q.kind,
        "arguments": if q.kind == "quorum" { json!({"x-queue-type": "quorum"}) } else { json!({}) },
        "durable": q.durable,
        "auto_delete": false,
        "exclusive": false,
        "node": q.node,
        "state": if up(&q.node) { "running" } else { "down" },
        "policy": null,
        "effective_policy_definition": {},
        "consumers": q.consumers,
        "messages": ready + unacked, "messages_details": rate(q.publish_per_second - q.deliver_per_second),
        "messages_ready": ready, "messages_ready_details": rate(q.publish_per_second - q.deliver_per_second),
        "messages_unacknowledged": unacked, "messages_unacknowledged_details": rate(0.0),
        "message_bytes": ready * 2048,
        "memory": 41_200 + ready * 120,
        "message_stats": {
            "publish": 8_122_001, "publish_details": rate(q.publish_per_second),
            "deliver_get": 8_122_000, "deliver_get_details": rate(q.deliver_per_second),
            "ack": 8_122_000, "ack_details": rate(q.deliver_per_second),
        },
    });
    if q.kind == "quorum"
        && let Some(map) = out.as_object_mut()
    {
        let members: Vec<&String> = rabbit.nodes.iter().map(|n| &n.name).collect();
        let online: Vec<&&String> = members.iter().filter(|n| up(n)).collect();
        let enough = online.len() * 2 > members.len();
        let leader = if up(&q.node) { Some(q.node.clone()) } else { online.first().map(|n| (**n).clone()) };
        map.insert("leader".into(), json!(if enough { leader.clone().unwrap_or_default() } else { String::new() }));
        map.insert("members".into(), json!(members));
        map.insert("online".into(), json!(online));
        map.insert("state".into(), json!(if enough { "running" } else { "down" }));
    }
    out
}

pub fn vhost(rabbit: &Rabbit, name: &str) -> Value {
    let states: serde_json::Map<String, Value> = rabbit.nodes.iter().filter(|n| n.is_running).map(|n| (n.name.clone(), json!("running"))).collect();
    let mut out = json!({
        "name": name,
        "description": if name == "/" { "Default virtual host" } else { "" },
        "tags": [],
        "default_queue_type": "undefined",
        "metadata": {"description": "", "tags": []},
        "tracing": false,
        "cluster_state": states,
    });
    // Counted where there is something to count.
    let queues: Vec<_> = rabbit.queues.iter().filter(|q| q.vhost == name).collect();
    if !queues.is_empty() {
        let ready: u64 = queues.iter().map(|q| whole(q.ready)).sum();
        out["messages_ready"] = ready.into();
        out["messages"] = ready.into();
    }
    out
}

/// One of `/api/health/checks`; `None` where 3.10 has none of that name.
pub fn check(rabbit: &Rabbit, me: &RabbitNode, parts: &[&str]) -> Option<(u16, Value)> {
    let passed = || Some((200, json!({"status": "ok"})));
    let failed = |reason: &str, more: Value| {
        let mut out = json!({"status": "failed", "reason": reason});
        if let (Some(out), Value::Object(more)) = (out.as_object_mut(), more) {
            out.extend(more);
        }
        Some((503, out))
    };
    let alarms = |nodes: &[&RabbitNode]| {
        let list: Vec<Value> = nodes
            .iter()
            .filter(|n| n.is_running)
            .flat_map(|n| {
                [(n.memory_alarm, "memory"), (n.disk_alarm, "disk")]
                    .into_iter()
                    .filter(|(on, _)| *on)
                    .map(|(_, resource)| json!({"node": n.name, "resource": resource}))
            })
            .collect();
        if list.is_empty() { None } else { Some(json!({"alarms": list})) }
    };
    let all: Vec<&RabbitNode> = rabbit.nodes.iter().collect();
    match parts {
        ["alarms"] => alarms(&all).map_or_else(passed, |a| failed("There are alarms in effect in the cluster", a)),
        ["local-alarms"] => alarms(&[me]).map_or_else(passed, |a| failed("There are alarms in effect on the node", a)),
        ["virtual-hosts" | "node-is-mirror-sync-critical"] | ["certificate-expiration", ..] => passed(),
        ["node-is-quorum-critical"] => {
            let running = rabbit.nodes.iter().filter(|n| n.is_running).count();
            let queues: Vec<Value> = rabbit
                .queues
                .iter()
                .filter(|q| q.kind == "quorum")
                .map(|q| json!({"name": q.name, "virtual_host": q.vhost, "type": "rabbit_quorum_queue"}))
                .collect();
            if running * 2 > rabbit.nodes.len() + 1 || queues.is_empty() {
                passed()
            } else {
                failed("There are quorum queues that would lose their quorum if the target node is shut down", json!({"queues": queues}))
            }
        }
        ["port-listener", port] => match port.parse::<u16>().ok()? {
            port @ (5672 | 15672 | 15692 | 25672) => Some((200, json!({"status": "ok", "port": port}))),
            port => failed("No active listener", json!({"missing": port, "ports": [15672, 25672, 5672]})),
        },
        ["protocol-listener", protocol @ ("amqp" | "http" | "clustering")] => Some((200, json!({"status": "ok", "protocol": protocol}))),
        ["protocol-listener", protocol] => failed("No active listener", json!({"missing": protocol, "protocols": ["http", "clustering", "amqp"]})),
        _ => None,
    }
}

pub fn connections(rabbit: &Rabbit) -> Vec<Value> {
    let blocked = rabbit.nodes.iter().any(|n| n.is_running && (n.memory_alarm || n.disk_alarm));
    (0..rabbit.connections)
        .map(|n| {
            let from = format!("10.244.{}.{}:{} -> 10.244.4.20:5672", 4 + n % 9, 11 + n, 40_000 + n);
            let state = if blocked && n % 2 == 0 { "blocked" } else { "running" };
            json!({"name": from, "user": "mall", "vhost": "/", "state": state, "protocol": "AMQP 0-9-1", "channels": 2, "node": rabbit.nodes[n as usize % rabbit.nodes.len().max(1)].name})
        })
        .collect()
}
