//! `INFO` and `CLUSTER` as Redis 7.0.15 printed them.

use std::fmt::Write as _;

use super::resp::Reply;
use crate::base::clock::Moment;
use crate::lab::world::redis::{NODE_TIMEOUT, Redis, RedisNode};
use crate::lab::world::whole;

/// Host and port of an address.
pub fn split(address: &str) -> (&str, u16) {
    address.rsplit_once(':').map_or((address, 6379), |(host, port)| (host, port.parse().unwrap_or(6379)))
}

fn master<'a>(redis: &'a Redis, node: &RedisNode) -> Option<&'a RedisNode> {
    redis.nodes.iter().find(|n| Some(&n.id) == node.master.as_ref())
}

fn replicas<'a>(redis: &'a Redis, node: &'a RedisNode) -> impl Iterator<Item = &'a RedisNode> {
    redis.nodes.iter().filter(|n| n.master.as_ref() == Some(&node.id))
}

/// `INFO`, or one section of it.
pub fn info(redis: &Redis, node: &RedisNode, now: Moment, wanted: &[String]) -> String {
    let sections: [(&str, String); 9] = [
        ("Server", server(redis, node, now)),
        ("Clients", format!("connected_clients:{}\ncluster_connections:10\nmaxclients:10000\nblocked_clients:0\ntracking_clients:0\n", node.clients)),
        ("Memory", memory(node)),
        (
            "Persistence",
            format!(
                "loading:0\nasync_loading:0\nrdb_changes_since_last_save:812\nrdb_bgsave_in_progress:0\nrdb_last_save_time:{}\nrdb_last_bgsave_status:ok\nrdb_last_bgsave_time_sec:2\naof_enabled:1\naof_rewrite_in_progress:0\naof_last_bgrewrite_status:ok\naof_last_write_status:ok\n",
                now.0 / 1000 - 240
            ),
        ),
        ("Stats", stats(node)),
        ("Replication", replication(redis, node)),
        ("CPU", "used_cpu_sys:8123.112\nused_cpu_user:9921.201\n".to_owned()),
        ("Cluster", format!("cluster_enabled:{}\n", u8::from(redis.is_cluster()))),
        ("Keyspace", format!("db0:keys={},expires={},avg_ttl=0\n", node.keys, node.keys / 3)),
    ];
    let all = wanted.is_empty() || wanted.iter().any(|w| matches!(w.to_ascii_lowercase().as_str(), "all" | "default" | "everything"));
    let chosen = sections.iter().filter(|(name, _)| all || wanted.iter().any(|w| w.eq_ignore_ascii_case(name)));
    chosen.map(|(name, text)| format!("# {name}\n{text}")).collect::<Vec<_>>().join("\n").replace('\n', "\r\n")
}

fn server(redis: &Redis, node: &RedisNode, now: Moment) -> String {
    let up = whole(node.up_seconds);
    format!(
        "redis_version:{}\nredis_git_sha1:00000000\nredis_git_dirty:0\nredis_mode:{}\nos:Linux 5.4.278 x86_64\narch_bits:64\nmultiplexing_api:epoll\nprocess_id:1\nrun_id:{}\ntcp_port:{}\nserver_time_usec:{}000\nuptime_in_seconds:{up}\nuptime_in_days:{}\nhz:10\nconfigured_hz:10\nexecutable:/usr/local/bin/redis-server\nconfig_file:/etc/redis/redis.conf\n",
        redis.version,
        if redis.is_cluster() { "cluster" } else { "standalone" },
        run_id(node),
        split(&node.address).1,
        now.0,
        up / 86_400
    )
}

/// Another number than the cluster's id, and as steady.
fn run_id(node: &RedisNode) -> String {
    node.id.chars().rev().collect()
}

fn memory(node: &RedisNode) -> String {
    let (used, most) = (whole(node.used_bytes), whole(node.max_bytes));
    let human = crate::base::text::bytes;
    format!(
        "used_memory:{used}\nused_memory_human:{}\nused_memory_rss:{}\nused_memory_peak:{}\ntotal_system_memory:34359738368\nmaxmemory:{most}\nmaxmemory_human:{}\nmaxmemory_policy:noeviction\nmem_fragmentation_ratio:1.12\nmem_allocator:jemalloc-5.2.1\n",
        human(used),
        used / 100 * 112,
        used / 100 * 105,
        human(most)
    )
}

fn stats(node: &RedisNode) -> String {
    format!(
        "total_connections_received:91822\ntotal_commands_processed:{}\ninstantaneous_ops_per_sec:{}\nrejected_connections:0\nsync_full:{}\nsync_partial_ok:3\nsync_partial_err:0\nexpired_keys:1811244\nevicted_keys:{}\nkeyspace_hits:77123001\nkeyspace_misses:1822011\nlatest_fork_usec:18211\ntotal_error_replies:0\n",
        whole(node.commands),
        whole(node.commands_per_second),
        node.full_syncs,
        whole(node.evicted)
    )
}

fn replication(redis: &Redis, node: &RedisNode) -> String {
    let offset = whole(node.offset);
    let mut out = String::new();
    if let Some(master) = master(redis, node) {
        let (host, port) = split(&master.address);
        let up = node.link_down_seconds == 0.0;
        let _ = write!(
            out,
            "role:slave\nmaster_host:{host}\nmaster_port:{port}\nmaster_link_status:{}\nmaster_last_io_seconds_ago:{}\nmaster_sync_in_progress:0\nslave_read_repl_offset:{offset}\nslave_repl_offset:{offset}\n",
            if up { "up" } else { "down" },
            if up { "1" } else { "-1" },
        );
        if !up {
            let _ = writeln!(out, "master_link_down_since_seconds:{}", whole(node.link_down_seconds));
        }
        out.push_str("slave_priority:100\nslave_read_only:1\nreplica_announced:1\nconnected_slaves:0\n");
    } else {
        let present: Vec<&RedisNode> = replicas(redis, node).filter(|r| r.is_up).collect();
        let _ = writeln!(out, "role:master\nconnected_slaves:{}", present.len());
        for (n, replica) in present.iter().enumerate() {
            let (host, port) = split(&replica.address);
            let _ = writeln!(out, "slave{n}:ip={host},port={port},state=online,offset={},lag=0", whole(replica.offset));
        }
    }
    let replid = master(redis, node).map_or(&node.id, |m| &m.id);
    let _ = write!(
        out,
        "master_failover_state:no-failover\nmaster_replid:{replid}\nmaster_replid2:0000000000000000000000000000000000000000\nmaster_repl_offset:{offset}\nsecond_repl_offset:-1\nrepl_backlog_active:1\nrepl_backlog_size:1048576\nrepl_backlog_first_byte_offset:{}\nrepl_backlog_histlen:1048576\n",
        offset.saturating_sub(1_048_575)
    );
    out
}

/// Do the others miss it, and have they agreed on that?
fn flag(node: &RedisNode) -> &'static str {
    match (node.is_up, node.silent_seconds) {
        (false, s) if s > NODE_TIMEOUT.as_secs_f64() => ",fail",
        (false, s) if s > NODE_TIMEOUT.as_secs_f64() / 2.0 => ",fail?",
        _ => "",
    }
}

pub fn nodes(redis: &Redis, me: &RedisNode, now: Moment) -> String {
    redis.nodes.iter().fold(String::new(), |mut out, n| {
        let (host, port) = split(&n.address);
        let myself = if n.id == me.id { "myself," } else { "" };
        let (role, of) = n.master.as_ref().map_or(("master", "-"), |m| ("slave", m.as_str()));
        let linked = if n.is_up || n.silent_seconds < 1.0 { "connected" } else { "disconnected" };
        let pong = if n.id == me.id { 0 } else { now.0 - 400 - super::super::world::whole(n.silent_seconds * 1000.0).cast_signed() };
        let asked = if n.is_up { 0 } else { pong + 500 };
        let _ = write!(out, "{} {host}:{port}@{} {myself}{role}{} {of} {asked} {pong} {} {linked}", n.id, port + 10_000, flag(n), n.epoch);
        for slots in &n.slots {
            let _ = write!(out, " {}-{}", slots.start(), slots.end());
        }
        out.push('\n');
        out
    })
}

pub fn state(redis: &Redis, me: &RedisNode) -> String {
    let count = |keep: &dyn Fn(&RedisNode) -> bool| -> u32 {
        let slots = |n: &RedisNode| n.slots.iter().map(|r| u32::from(r.end() - r.start()) + 1).sum::<u32>();
        redis.nodes.iter().filter(|n| keep(n)).map(slots).sum()
    };
    let failed = count(&|n| flag(n) == ",fail");
    let suspected = count(&|n| flag(n) == ",fail?");
    let assigned = count(&|_| true);
    let ok = failed == 0 && assigned == 16384;
    format!(
        "cluster_state:{}\r\ncluster_slots_assigned:{assigned}\r\ncluster_slots_ok:{}\r\ncluster_slots_pfail:{suspected}\r\ncluster_slots_fail:{failed}\r\ncluster_known_nodes:{}\r\ncluster_size:{}\r\ncluster_current_epoch:{}\r\ncluster_my_epoch:{}\r\ncluster_stats_messages_sent:1882211\r\ncluster_stats_messages_received:1882190\r\ntotal_cluster_links_buffer_limit_exceeded:0\r\n",
        if ok { "ok" } else { "fail" },
        assigned - failed - suspected,
        redis.nodes.len(),
        redis.nodes.iter().filter(|n| !n.slots.is_empty()).count(),
        redis.epoch,
        me.epoch
    )
}

pub fn is_ok(redis: &Redis) -> bool {
    !redis.nodes.iter().any(|n| flag(n) == ",fail" && !n.slots.is_empty())
}

pub fn role(redis: &Redis, node: &RedisNode) -> Reply {
    let number = |n: f64| Reply::Number(whole(n).cast_signed());
    if let Some(master) = master(redis, node) {
        let (host, port) = split(&master.address);
        let link = if node.link_down_seconds == 0.0 { "connected" } else { "connect" };
        return Reply::List(vec![Reply::bulk("slave"), Reply::bulk(host), Reply::Number(port.into()), Reply::bulk(link), number(node.offset)]);
    }
    let each = |r: &RedisNode| {
        let (host, port) = split(&r.address);
        Reply::list([host.to_owned(), port.to_string(), whole(r.offset).to_string()])
    };
    Reply::List(vec![Reply::bulk("master"), number(node.offset), Reply::List(replicas(redis, node).filter(|r| r.is_up).map(each).collect())])
}

fn place(node: &RedisNode) -> Reply {
    let (host, port) = split(&node.address);
    Reply::List(vec![Reply::bulk(host), Reply::Number(port.into()), Reply::bulk(node.id.as_str()), Reply::List(Vec::new())])
}

pub fn slots(redis: &Redis) -> Reply {
    let of = |n: &RedisNode| {
        let mut all: Vec<Vec<Reply>> = Vec::new();
        for range in &n.slots {
            let mut entry = vec![Reply::Number((*range.start()).into()), Reply::Number((*range.end()).into()), place(n)];
            entry.extend(replicas(redis, n).filter(|r| r.is_up).map(place));
            all.push(entry);
        }
        all
    };
    Reply::List(redis.nodes.iter().flat_map(of).map(Reply::List).collect())
}

pub fn shards(redis: &Redis) -> Reply {
    let member = |n: &RedisNode| {
        let (host, port) = split(&n.address);
        let role = if n.master.is_some() { "replica" } else { "master" };
        let health = if n.is_up { "online" } else { "failed" };
        let mut out = Vec::new();
        for (key, value) in [
            ("id", Reply::bulk(n.id.as_str())),
            ("port", Reply::Number(port.into())),
            ("ip", Reply::bulk(host)),
            ("endpoint", Reply::bulk(host)),
            ("role", Reply::bulk(role)),
            ("replication-offset", Reply::Number(whole(n.offset).cast_signed())),
            ("health", Reply::bulk(health)),
        ] {
            out.extend([Reply::bulk(key), value]);
        }
        Reply::List(out)
    };
    let shard = |n: &RedisNode| {
        let ranges = n.slots.iter().flat_map(|r| [Reply::Number((*r.start()).into()), Reply::Number((*r.end()).into())]).collect();
        let members = std::iter::once(n).chain(replicas(redis, n)).map(member).collect();
        Reply::List(vec![Reply::bulk("slots"), Reply::List(ranges), Reply::bulk("nodes"), Reply::List(members)])
    };
    Reply::List(redis.nodes.iter().filter(|n| n.master.is_none()).map(shard).collect())
}
