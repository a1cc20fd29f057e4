//! Thresholds: where a number becomes a worry. Defaults are those that experienced operators use; `[limits]` in the configuration changes them.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub host: HostLimits,
    pub vm: VmLimits,
    pub cluster: ClusterLimits,
    pub pod: PodLimits,
    pub middleware: MiddlewareLimits,
    pub log: LogLimits,
}

/// How much of the logs that are open is kept, in bytes. The oldest lines go first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogLimits {
    /// For each stream.
    pub stream_bytes: u64,
    /// For all of them together.
    pub all_bytes: u64,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { stream_bytes: 16 << 20, all_bytes: 256 << 20 }
    }
}

impl LogLimits {
    /// Both, and never so little that not one block of lines fits.
    pub fn bytes(&self) -> (usize, usize) {
        let at_least = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX).max(1 << 20);
        (at_least(self.stream_bytes), at_least(self.all_bytes))
    }
}

/// Warn and crit of one measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    pub warn: f64,
    pub crit: f64,
}

const fn steps(warn: f64, crit: f64) -> Steps {
    Steps { warn, crit }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostLimits {
    /// Five-minute load for each core; counts only together with a run queue or blocked tasks.
    pub load_per_core: Steps,
    pub steal_percent: Steps,
    pub iowait_percent: Steps,
    /// Memory that is not available.
    pub memory_used_percent: Steps,
    pub disk_used_percent: Steps,
    pub inodes_used_percent: Steps,
    pub clock_skew_seconds: Steps,
    pub swap_pages_per_second: Steps,
    pub cpu_some_avg60_percent: Steps,
    pub memory_full_avg10_percent: Steps,
    pub io_full_avg60_percent: Steps,
    pub conntrack_used_percent: Steps,
    pub files_used_percent: Steps,
    /// A shorter uptime than this is called a reboot.
    pub reboot_seconds: u64,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            load_per_core: steps(1.5, 3.0),
            steal_percent: steps(5.0, 15.0),
            iowait_percent: steps(20.0, 40.0),
            memory_used_percent: steps(90.0, 95.0),
            disk_used_percent: steps(85.0, 95.0),
            inodes_used_percent: steps(85.0, 95.0),
            clock_skew_seconds: steps(0.5, 2.0),
            swap_pages_per_second: steps(1000.0, 10_000.0),
            cpu_some_avg60_percent: steps(30.0, 60.0),
            memory_full_avg10_percent: steps(2.0, 10.0),
            io_full_avg60_percent: steps(10.0, 40.0),
            conntrack_used_percent: steps(80.0, 95.0),
            files_used_percent: steps(80.0, 95.0),
            reboot_seconds: 600,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VmLimits {
    pub steal_percent: Steps,
    pub disk_latency_seconds: Steps,
    pub pool_used_percent: Steps,
    /// Sum of vCPUs against the host's threads.
    pub vcpus_per_thread: Steps,
}

impl Default for VmLimits {
    fn default() -> Self {
        Self {
            steal_percent: steps(10.0, 20.0),
            disk_latency_seconds: steps(0.02, 0.1),
            pool_used_percent: steps(85.0, 95.0),
            vcpus_per_thread: steps(2.0, 4.0),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterLimits {
    /// Age of the scheduler's and controller-manager's lease; it lasts 15 s.
    pub control_lease_seconds: u64,
    /// Age of a node's lease; the controller calls it lost after 40 s.
    pub node_lease_seconds: u64,
    pub certificate_days: Days,
    pub latency_ms: Steps,
    pub requested_percent: Steps,
}

/// Days left before an end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Days {
    pub warn: u64,
    pub crit: u64,
}

impl Default for ClusterLimits {
    fn default() -> Self {
        Self {
            control_lease_seconds: 30,
            node_lease_seconds: 40,
            certificate_days: Days { warn: 30, crit: 7 },
            latency_ms: steps(1000.0, 5000.0),
            requested_percent: steps(90.0, 100.0),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PodLimits {
    pub pending_seconds: u64,
    pub creating_seconds: u64,
    pub not_ready_seconds: u64,
    pub init_seconds: u64,
    pub terminating_seconds: u64,
    /// How long an out-of-memory kill stays a reason.
    pub oom_seconds: u64,
}

impl Default for PodLimits {
    fn default() -> Self {
        Self { pending_seconds: 60, creating_seconds: 120, not_ready_seconds: 60, init_seconds: 300, terminating_seconds: 60, oom_seconds: 3600 }
    }
}

/// Of every middleware kind; a kind uses those that it has a measure for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MiddlewareLimits {
    /// How far a follower is behind, its intended delay taken off.
    pub lag_seconds: Steps,
    /// A lag that grew in this many samples in a row counts one step worse.
    pub lag_growing_samples: u32,
    /// A follower may look for its source this long before it is called cut off.
    pub connecting_seconds: u64,
    /// A member that others announced keeps its row for so long after nobody names it any more.
    pub left_seconds: u64,
    pub connections_used_percent: Steps,
    pub memory_used_percent: Steps,
    /// How long a source keeps its log at least: the longest outage that a follower survives.
    pub log_kept_hours: Steps,
    /// Statements running at once.
    pub running: Steps,
    /// Locks that wait for each other at this moment.
    pub lock_waits: Steps,
    pub redis: RedisLimits,
    pub elasticsearch: ElasticsearchLimits,
    pub nacos: NacosLimits,
    pub rabbitmq: RabbitLimits,
}

impl Default for MiddlewareLimits {
    fn default() -> Self {
        Self {
            lag_seconds: steps(10.0, 60.0),
            lag_growing_samples: 5,
            connecting_seconds: 15,
            left_seconds: 3600,
            connections_used_percent: steps(80.0, 95.0),
            memory_used_percent: steps(80.0, 95.0),
            log_kept_hours: steps(24.0, 1.0),
            running: steps(64.0, 256.0),
            lock_waits: steps(5.0, 50.0),
            redis: RedisLimits::default(),
            elasticsearch: ElasticsearchLimits::default(),
            nacos: NacosLimits::default(),
            rabbitmq: RabbitLimits::default(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisLimits {
    /// Since a replica has heard its master, or a master a replica's acknowledgement. A master speaks every 10 s at least.
    pub link_silent_seconds: Steps,
    /// What a replica lacks, against the master's backlog: beyond the whole of it a broken link means a full copy.
    pub lag_backlog_percent: Steps,
    /// Without `maxmemory`, memory use from which that is a worry; 0 is always.
    pub unlimited_memory_bytes: u64,
    /// `mem_fragmentation_ratio`; counts only above `fragmentation_from_bytes` in use.
    pub fragmentation: f64,
    pub fragmentation_from_bytes: u64,
    /// The server stands still while it forks.
    pub fork_seconds: f64,
    pub evictions_per_second: Steps,
    /// Full copies given out within ten minutes from which a replica is called caught in a loop.
    pub full_syncs: usize,
    /// Slots in motion for longer belong to a reshard that was interrupted.
    pub reshard_seconds: u64,
    /// A client's round trip.
    pub round_trip_seconds: Steps,
}

impl Default for RedisLimits {
    fn default() -> Self {
        Self {
            link_silent_seconds: steps(11.0, 60.0),
            lag_backlog_percent: steps(50.0, 100.0),
            unlimited_memory_bytes: 0,
            fragmentation: 1.5,
            fragmentation_from_bytes: 256 << 20,
            fork_seconds: 1.0,
            evictions_per_second: steps(1.0, 10_000.0),
            full_syncs: 3,
            reshard_seconds: 600,
            round_trip_seconds: steps(0.2, 1.0),
        }
    }
}

/// Elasticsearch and OpenSearch. The disk's own limits are the cluster's watermarks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ElasticsearchLimits {
    /// Of the heap, what is still in use after a collection.
    pub heap_used_percent: Steps,
    /// Of the time, in collections of the old generation: nothing else runs meanwhile.
    pub old_gc_percent: Steps,
    /// Tasks that wait for the master, and how long the oldest does.
    pub pending_tasks: Steps,
    pub pending_seconds: Steps,
    /// Of what `cluster.max_shards_per_node` allows; at 100 no index can be made any more.
    pub shards_used_percent: Steps,
    /// A client's round trip.
    pub round_trip_seconds: Steps,
}

impl Default for ElasticsearchLimits {
    fn default() -> Self {
        Self {
            heap_used_percent: steps(85.0, 95.0),
            old_gc_percent: steps(10.0, 50.0),
            pending_tasks: steps(10.0, 100.0),
            pending_seconds: steps(30.0, 120.0),
            shards_used_percent: steps(90.0, 100.0),
            round_trip_seconds: steps(1.0, 3.0),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NacosLimits {
    /// A client's round trip.
    pub round_trip_seconds: Steps,
}

impl Default for NacosLimits {
    fn default() -> Self {
        Self { round_trip_seconds: steps(1.0, 3.0) }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RabbitLimits {
    /// Free space of the disk that holds the messages. The broker's own limit of 50 MB is reached too late to act on.
    pub disk_free_bytes: Steps,
    /// Open files, sockets and Erlang processes against what the node may have.
    pub handles_used_percent: Steps,
    /// A client's message, there and confirmed.
    pub round_trip_seconds: Steps,
}

impl Default for RabbitLimits {
    fn default() -> Self {
        Self { disk_free_bytes: steps(2e9, 5e8), handles_used_percent: steps(80.0, 95.0), round_trip_seconds: steps(0.5, 2.0) }
    }
}
