//! `INFO` of a data member, as far as the verdict needs it. Total: what an old or a cut answer lacks is `None`.

use std::collections::HashMap;

/// One answer to `INFO`. Sizes in bytes, times in seconds, counters since the server's start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Info {
    pub version: String,
    pub run_id: String,
    /// `standalone`, `cluster` or `sentinel`.
    pub mode: String,
    pub uptime_seconds: Option<u64>,
    /// Reading its data from disk; it refuses commands until it is done.
    pub loading: Option<Loading>,
    pub clients: Option<u64>,
    pub clients_max: Option<u64>,
    pub blocked_clients: Option<u64>,
    pub memory_used_bytes: Option<u64>,
    /// `maxmemory`; 0 is no limit at all.
    pub memory_max_bytes: Option<u64>,
    pub memory_policy: String,
    pub fragmentation: Option<f64>,
    /// `rdb_last_bgsave_status:err`.
    pub bgsave: Persistence,
    /// `aof_last_write_status:err`.
    pub aof_write: Persistence,
    pub fork_seconds: Option<f64>,
    pub operations_per_second: Option<f64>,
    pub evicted_keys: Option<u64>,
    pub rejected_connections: Option<u64>,
    pub full_syncs: Option<u64>,
    /// Errors given to clients since the start, by their code (`MISCONF`, `OOM`); Redis 6.2 and later count them.
    pub errors: Vec<(String, u64)>,
    pub role: Option<Role>,
    /// What it has written (a master) or received (a replica) of the replication stream.
    pub offset: Option<u64>,
    pub backlog_bytes: Option<u64>,
    /// A replica's link to its master.
    pub link: Option<Link>,
    /// The replicas that a master sees.
    pub replicas: Vec<Listed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Master,
    Replica,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    #[default]
    Good,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loading {
    pub left_seconds: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// `host:port` of the master, as the replica knows it.
    pub master: String,
    pub state: LinkState,
    /// Since the master was last heard; `None` while the link is down.
    pub silent_seconds: Option<u64>,
    pub down_seconds: Option<u64>,
    pub writes: ReplicaWrites,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    Up,
    /// A full copy of the data is under way.
    Syncing,
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaWrites {
    Refused,
    /// `slave_read_only:0`: what is written here is on no other member.
    Accepted,
}

/// A replica in its master's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub address: String,
    /// `online`, `send_bulk`, `wait_bgsave` ...
    pub state: String,
    pub offset: u64,
    /// Since its last acknowledgement.
    pub silent_seconds: Option<u64>,
}

impl Info {
    pub fn parse(text: &str) -> Self {
        let fields: HashMap<&str, &str> = text.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.trim_end_matches('\r').split_once(':')).collect();
        let word = |key: &str| (*fields.get(key).unwrap_or(&"")).to_owned();
        let count = |key: &str| fields.get(key).and_then(|v| v.parse::<u64>().ok());
        let number = |key: &str| fields.get(key).and_then(|v| v.parse::<f64>().ok());
        let failed = |key: &str| if fields.get(key).is_some_and(|v| *v == "err") { Persistence::Failed } else { Persistence::Good };
        let role = match fields.get("role").copied() {
            Some("master") => Some(Role::Master),
            Some("slave" | "replica") => Some(Role::Replica),
            _ => None,
        };
        let mut errors: Vec<(String, u64)> =
            fields.iter().filter_map(|(key, value)| Some((key.strip_prefix("errorstat_")?.to_owned(), value.strip_prefix("count=")?.parse().ok()?))).collect();
        errors.sort();
        let mut replicas: Vec<Listed> = fields.iter().filter(|(key, _)| is_listed(key)).filter_map(|(_, value)| listed(value)).collect();
        replicas.sort_by(|a, b| a.address.cmp(&b.address));
        Self {
            version: word("redis_version"),
            run_id: word("run_id"),
            mode: word("redis_mode"),
            uptime_seconds: count("uptime_in_seconds"),
            loading: (count("loading") == Some(1)).then(|| Loading { left_seconds: count("loading_eta_seconds") }),
            clients: count("connected_clients"),
            clients_max: count("maxclients"),
            blocked_clients: count("blocked_clients"),
            memory_used_bytes: count("used_memory"),
            memory_max_bytes: count("maxmemory"),
            memory_policy: word("maxmemory_policy"),
            fragmentation: number("mem_fragmentation_ratio"),
            bgsave: failed("rdb_last_bgsave_status"),
            aof_write: failed("aof_last_write_status"),
            fork_seconds: number("latest_fork_usec").map(|us| us / 1e6),
            operations_per_second: number("instantaneous_ops_per_sec"),
            evicted_keys: count("evicted_keys"),
            rejected_connections: count("rejected_connections"),
            full_syncs: count("sync_full"),
            errors,
            role,
            offset: if role == Some(Role::Replica) { count("slave_repl_offset") } else { count("master_repl_offset") },
            backlog_bytes: count("repl_backlog_size"),
            link: (role == Some(Role::Replica)).then(|| Link {
                master: format!("{}:{}", word("master_host"), word("master_port")),
                state: match (fields.get("master_link_status").copied(), count("master_sync_in_progress")) {
                    (_, Some(1)) => LinkState::Syncing,
                    (Some("up"), _) => LinkState::Up,
                    _ => LinkState::Down,
                },
                // -1 while the link is down, which is no number of seconds.
                silent_seconds: count("master_last_io_seconds_ago"),
                down_seconds: count("master_link_down_since_seconds"),
                writes: if count("slave_read_only") == Some(0) { ReplicaWrites::Accepted } else { ReplicaWrites::Refused },
            }),
            replicas,
        }
    }

    pub fn errors_of(&self, code: &str) -> u64 {
        self.errors.iter().find(|(c, _)| c == code).map_or(0, |(_, n)| *n)
    }
}

/// `slave0`, `slave12`; not `slave_repl_offset`.
fn is_listed(key: &str) -> bool {
    key.strip_prefix("slave").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// `ip=10.0.0.2,port=6379,state=online,offset=42,lag=0`.
fn listed(value: &str) -> Option<Listed> {
    let part = |name: &str| value.split(',').find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
    Some(Listed {
        address: format!("{}:{}", part("ip")?, part("port")?),
        state: part("state")?.to_owned(),
        offset: part("offset").and_then(|o| o.parse().ok()).unwrap_or(0),
        silent_seconds: part("lag").and_then(|l| l.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_and_its_list() {
        let info = Info::parse(
            "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:abc\r\n\r\n# Replication\r\nrole:master\r\nconnected_slaves:1\r\n\
             slave0:ip=10.0.0.2,port=6380,state=online,offset=90,lag=1\r\nmaster_repl_offset:100\r\nslave_repl_offset:7\r\nmaxmemory:0\r\n\
             rdb_last_bgsave_status:err\r\nerrorstat_MISCONF:count=3\r\nlatest_fork_usec:1500000\r\n",
        );
        assert_eq!((info.version.as_str(), info.role, info.offset), ("7.0.15", Some(Role::Master), Some(100)));
        assert_eq!(info.replicas, vec![Listed { address: "10.0.0.2:6380".into(), state: "online".into(), offset: 90, silent_seconds: Some(1) }]);
        assert_eq!((info.bgsave, info.errors_of("MISCONF"), info.errors_of("OOM")), (Persistence::Failed, 3, 0));
        assert_eq!((info.link, info.fork_seconds), (None, Some(1.5)));
    }

    #[test]
    fn a_replica_whose_link_is_down() {
        let info = Info::parse(
            "role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\nmaster_link_status:down\r\nmaster_last_io_seconds_ago:-1\r\n\
             master_sync_in_progress:0\r\nslave_repl_offset:55\r\nmaster_link_down_since_seconds:12\r\nslave_read_only:0\r\nmaster_repl_offset:55\r\n",
        );
        let link = info.link.unwrap();
        assert_eq!((link.master.as_str(), link.state, link.silent_seconds, link.down_seconds), ("10.0.0.1:6379", LinkState::Down, None, Some(12)));
        assert_eq!((link.writes, info.offset), (ReplicaWrites::Accepted, Some(55)));
    }

    #[test]
    fn nonsense_is_no_panic_and_no_role() {
        let info = Info::parse("role:king\nslave0:ip=\nslave9\nloading:1\nused_memory:-4");
        assert_eq!((info.role, info.memory_used_bytes, info.replicas.len()), (None, None, 0));
        assert_eq!(info.loading, Some(Loading { left_seconds: None }));
    }
}
