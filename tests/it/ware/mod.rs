//! Carried playbooks for middleware and applications on real servers: each twice, the second time without a change, then taken back
//! and compared.

mod cluster;
mod configs;
mod etcd;
mod import;
mod registry;
mod rollout;
mod search;
mod sentinel;

use libtest_mimic::Trial;

use crate::components::case;
use crate::kube::beside_others;

pub fn tests() -> Vec<Trial> {
    use sentinel::Drill;
    vec![
        case("playbook: nacos-cluster on three hosts, twice, and taken back", &["sshd", "netns", "nacos", "curl", "drills"], registry::set_up),
        case("playbook: redis-sentinel on three hosts, twice, and taken back", &["sshd", "netns", "redis"], || sentinel::guarded(Drill::No)),
        case("playbook: redis-sentinel, a failover there and back", &["sshd", "netns", "redis", "drills"], || sentinel::guarded(Drill::Yes)),
        case("playbook: sql-import on a host: refused, over what was there, and taken back", &["sshd", "netns", "mariadb"], import::on_host),
        case("playbook: sql-import on MySQL 9, twice, and taken back", &["sshd", "netns", "mysql9"], import::on_mysql_nine),
        case("playbook: sql-import into a container, twice, and taken back", &["docker", "mariadb"], import::into_container),
        case("playbook: sql-import into a pod, twice, and taken back", &["kubernetes", "kubectl", "mariadb"], beside_others(import::into_pod)),
        case(
            "playbook: rabbitmq-cluster of three hosts, a node taken out, mirrors, and taken back",
            &["sshd", "netns", "rabbitmq", "curl", "drills"],
            cluster::joined,
        ),
        case("playbook: nacos, a folder of configurations on every server, written over, and taken back", &["nacos", "curl", "drills"], configs::imported),
        case(
            "playbook: elasticsearch, three masters and three data nodes, and taken back",
            &["sshd", "netns", "elasticsearch", "curl", "drills"],
            search::built,
        ),
        case("playbook: app-rollout, a release that nobody can pull, and taken back", &["kubernetes", "kubectl"], beside_others(rollout::there_and_back)),
        case(
            "playbook: app-rollout, an image pushed from where it was built",
            &["kubernetes", "kubectl", "docker", "registry", "curl"],
            beside_others(rollout::pushed),
        ),
        case("playbook: etcd-snapshot with certificates, a damaged one noticed, and taken back", &["sshd", "netns", "etcd", "curl"], etcd::taken),
    ]
}

/// The text that is carried, read from beside the sources.
fn shipped(name: &str) -> String {
    format!("{}/playbooks/{name}.yaml", env!("CARGO_MANIFEST_DIR"))
}

/// Values for `-e`.
fn words<'a>(book: &'a str, values: &[&'a str]) -> Vec<&'a str> {
    std::iter::once(book).chain(values.iter().flat_map(|v| ["-e", v])).collect()
}
