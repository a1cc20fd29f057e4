//! The playbooks that are carried in this program, with the files that they name.

macro_rules! library {
    (playbooks: $($book:literal)* ; files: $($file:literal)*) => {
        /// Playbooks by name, in the order in which people look for them.
        const BOOKS: &[(&str, &str)] = &[$(($book, include_str!(concat!("../../playbooks/", $book, ".yaml")))),*];
        /// Files beside them, by path.
        const FILES: &[(&str, &str)] = &[$(($file, include_str!(concat!("../../playbooks/", $file)))),*];
    };
}

library! {
    playbooks:
        "kuboard"
        "rabbitmq-vhost"
        "ik-analyzer"
        "ik-analyzer-pods"
        "mysql-replication"
        "node-prepare"
        "container-runtime"
        "kubeadm-init"
        "kubeadm-join"
        "cni"
        "nfs-storageclass"
        "metrics-server"
        "redis-cluster"
        "registry-mirror"
        "redis-sentinel"
        "rabbitmq-cluster"
        "nacos-cluster"
        "nacos"
        "elasticsearch"
        "app-rollout"
        "etcd-snapshot"
        "sql-import";
    files:
        "mysql/replication.cnf"
        "nacos/pods.yaml"
        "tasks/metrics-server.yaml"
}

/// The name and the text of every playbook.
pub fn books() -> impl Iterator<Item = (&'static str, &'static str)> {
    BOOKS.iter().copied()
}

/// The text of a playbook, by name with or without `.yaml`.
pub fn book(name: &str) -> Option<&'static str> {
    let name = name.strip_suffix(".yaml").unwrap_or(name);
    books().find(|(known, _)| *known == name).map(|(_, text)| text)
}

/// The text of a file beside the playbooks.
pub fn file(path: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| *known == path).map(|(_, text)| *text)
}
