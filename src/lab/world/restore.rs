//! What scenarios broke is whole again.

use super::guest::GuestState;
use super::machine::{Machine, Reach};
use super::{World, cast};

impl World {
    /// Undoes every act; what people did (accounts, replicas, virtual hosts) stays.
    pub(super) fn restore(&mut self) {
        self.ramps.clear();
        let began = self.now;
        for (host, fresh) in self.hosts.iter_mut().zip(cast::hosts(self.seed, began)) {
            mend(&mut host.machine, &fresh.machine, began);
            host.pools = fresh.pools;
        }
        for (guest, fresh) in self.guests.iter_mut().zip(cast::guests(self.seed, began)) {
            if guest.state != GuestState::Running {
                guest.machine.booted_at = began;
            }
            guest.state = GuestState::Running;
            (guest.writes_per_second, guest.write_latency_seconds) = (fresh.writes_per_second, fresh.write_latency_seconds);
            mend(&mut guest.machine, &fresh.machine, began);
        }
        for server in &mut self.mysql.servers {
            server.is_up = true;
            server.held_connections = 0;
            if let Some(link) = &mut server.replication {
                if link.poison.take().is_some() {
                    (link.sql_fault, link.sql_runs) = (super::mysql::Fault::default(), true);
                }
                link.apply_per_second = 2000.0;
            }
        }
        let usual = super::rabbit::Rabbit::new().queues;
        for queue in &mut self.rabbit.queues {
            queue.is_abandoned = false;
            if let Some(usual) = usual.iter().find(|q| q.vhost == queue.vhost && q.name == queue.name) {
                queue.publish_per_second = usual.publish_per_second;
            }
        }
        for step in &self.scenario.steps {
            if let super::fault::Act::Setting { data_id, from, to } = &step.act {
                self.nacos.edit(data_id, to, from);
            }
        }
        for node in &mut self.rabbit.nodes {
            node.disk_free_bytes = 31e9;
        }
        for node in &mut self.elastic.nodes {
            node.disk_used = node.disk_used.min(0.6);
        }
        for node in self.redis.nodes.iter_mut().chain(&mut self.sessions.nodes) {
            node.used_bytes = node.used_bytes.min(node.max_bytes * 0.3);
        }
        self.kube.heal();
    }
}

fn mend(machine: &mut Machine, fresh: &Machine, now: crate::base::clock::Moment) {
    machine.reach = Reach::Up;
    machine.mounts.clone_from(&fresh.mounts);
    machine.available_bytes = fresh.available_bytes;
    (machine.extra_cores, machine.extra_iowait, machine.stolen) = (0.0, 0.0, 0.0);
    machine.blocked = 0;
    machine.clock_ahead_ms = 0;
    machine.failed_units.clear();
    machine.kernel_log.clear();
    for container in machine.containers.iter_mut().filter(|c| !c.is_running) {
        container.is_running = true;
        container.started_at = now;
    }
}
