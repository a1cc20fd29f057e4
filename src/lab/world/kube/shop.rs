//! What runs in the cluster when the world begins: the shop in its environments, what it stands on, and what watches it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::node::{Node, Role};
use super::{Kube, kind};
use crate::base::clock::Moment;
use crate::lab::world::Size;
use crate::lab::world::chance::Chance;
use crate::lab::world::guest::Guest;
use crate::lab::world::nacos::SERVICES;

const REGISTRY: &str = "harbor.mall.lan";

/// StatefulSets of the shop whose members have addresses that the middleware's data knows: name, first worker, last number.
const FIXED: &[(&str, u32, u32)] =
    &[("redis", 1, 10), ("rabbitmq", 1, 20), ("elasticsearch", 4, 30), ("nacos", 2, 40), ("sessions", 6, 50), ("sentinel", 6, 60)];

fn member(namespace: &str, pod: &str) -> Option<(u32, u32)> {
    if namespace != "pro" {
        return None;
    }
    let (set, ordinal) = pod.rsplit_once('-')?;
    let ordinal: u32 = ordinal.parse().ok()?;
    FIXED.iter().find(|(name, ..)| *name == set).map(|(_, worker, last)| (worker + ordinal, *last))
}

pub(super) fn fixed_ip(namespace: &str, pod: &str) -> Option<String> {
    // Masters have the first three subnets.
    member(namespace, pod).map(|(worker, last)| format!("10.244.{}.{last}", worker + 3))
}

const WORKERS: &[&str] = &["k8s-w-1", "k8s-w-2", "k8s-w-3", "k8s-w-4", "k8s-w-5", "k8s-w-6", "k8s-w-7", "k8s-w-8", "k8s-w-9"];

pub(super) fn preferred(namespace: &str, pod: &str) -> Option<&'static str> {
    member(namespace, pod).and_then(|(worker, _)| WORKERS.get(worker as usize - 1).copied())
}

struct Set<'a> {
    namespace: &'a str,
    name: &'a str,
    image: String,
    replicas: u32,
    port: u16,
    cpu: &'a str,
    memory: &'a str,
}

impl Set<'_> {
    fn object(&self) -> Value {
        let labels = json!({ "app": self.name });
        json!({
            "metadata": { "name": self.name, "namespace": self.namespace, "labels": labels, "annotations": { "deployment.kubernetes.io/revision": "7" } },
            "spec": {
                "replicas": self.replicas, "selector": { "matchLabels": labels }, "serviceName": self.name, "podManagementPolicy": "OrderedReady",
                "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10,
                "template": { "metadata": { "labels": labels }, "spec": { "containers": [{
                    "name": self.name, "image": self.image, "ports": [{ "containerPort": self.port, "protocol": "TCP" }],
                    "resources": { "requests": { "cpu": self.cpu, "memory": self.memory }, "limits": { "memory": self.memory } },
                    "readinessProbe": { "tcpSocket": { "port": self.port }, "periodSeconds": 10 },
                }] } },
            },
        })
    }
}

impl Kube {
    /// Brings everything to life as it has been for weeks. Called once.
    pub(in crate::lab::world) fn settle(&mut self, guests: &[Guest], size: Size, seed: u64) {
        self.join_nodes(guests, size, seed);
        for (name, extra) in [("default", false), ("kube-system", false), ("kube-public", false), ("kube-node-lease", false)]
            .into_iter()
            .chain(["ingress-nginx", "monitoring", "logging", "pro", "pre", "test", "dev"].map(|n| (n, true)))
        {
            let labels = if extra { json!({ "env": name }) } else { json!({}) };
            self.write(kind::NAMESPACES, json!({ "metadata": { "name": name, "labels": labels } }));
        }
        self.write(kind::SERVICES, json!({ "metadata": { "name": "kubernetes", "namespace": "default" }, "spec": { "clusterIP": "10.96.0.1", "type": "ClusterIP", "ports": [{ "name": "https", "port": 443, "targetPort": 6443, "protocol": "TCP" }] } }));
        self.write(kind::STORAGE_CLASSES, json!({ "metadata": { "name": "nfs-client", "annotations": { "storageclass.kubernetes.io/is-default-class": "true" } }, "provisioner": "nfs.mall.lan/provisioner", "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate" }));
        for role in ["cluster-admin", "view", "edit"] {
            let verbs = if role == "view" { json!(["get", "list", "watch"]) } else { json!(["*"]) };
            self.write(kind::CLUSTER_ROLES, json!({ "metadata": { "name": role }, "rules": [{ "apiGroups": ["*"], "resources": ["*"], "verbs": verbs }] }));
        }
        self.settle_system();
        self.settle_shop();
        self.settle_tools();
        self.fill(size);
        for root in std::mem::take(&mut self.dirty) {
            self.reconcile(&root);
        }
        for space in std::mem::take(&mut self.unrouted) {
            self.route(&space);
        }
        self.renew_leases();
        self.is_history = false;
        self.objects.compact();
    }

    fn join_nodes(&mut self, guests: &[Guest], size: Size, seed: u64) {
        let now = self.now;
        let known = guests.iter().filter(|g| g.name.starts_with("k8s")).take(size.nodes as usize);
        let mut nodes: Vec<Node> =
            known.enumerate().map(|(i, g)| young(&g.name, &g.machine.address, i + 1, g.name.contains("-m-"), g.vcpus, g.memory_bytes, now)).collect();
        for (node, guest) in nodes.iter_mut().zip(guests) {
            (node.uuid, node.machine_id, node.boot_id) = (guest.machine.uuid.clone(), guest.machine.machine_id.clone(), guest.machine.boot_id.clone());
        }
        for n in nodes.len()..size.nodes as usize {
            let name = format!("node-{:05}", n + 1);
            let mut chance = Chance::of(seed, &name);
            let mut node = young(&name, &format!("10.{}.{}.{}", 32 + n / 62_500, n / 250 % 250, 1 + n % 250), n + 1, false, 32, 128 << 30, now);
            (node.uuid, node.machine_id, node.boot_id) = (chance.uuid(), chance.hex(32), chance.uuid());
            nodes.push(node);
        }
        for node in nodes {
            let name = node.name.clone();
            self.nodes.insert(name.clone(), node);
            self.publish_node(&name);
        }
    }

    fn set(&mut self, kind: super::kind::KindId, set: &Set<'_>) {
        self.write(kind, set.object());
        let (kind, port) = if kind == kind::DAEMON_SETS { return } else { (kind::SERVICES, set.port) };
        let spec =
            json!({ "selector": { "app": set.name }, "type": "ClusterIP", "ports": [{ "name": "tcp", "port": port, "targetPort": port, "protocol": "TCP" }] });
        self.write(kind, json!({ "metadata": { "name": set.name, "namespace": set.namespace, "labels": { "app": set.name } }, "spec": spec }));
    }

    fn settle_system(&mut self) {
        let google = "registry.cn-hangzhou.aliyuncs.com/google_containers";
        let everywhere = json!([{ "operator": "Exists" }]);
        let masters: Vec<Arc<str>> = self.nodes.values().filter(|n| n.is_master()).map(|n| n.name.clone()).collect();
        for master in &masters {
            for (name, image) in [
                ("etcd", "etcd:3.4.13-0"),
                ("kube-apiserver", "kube-apiserver:v1.19.16"),
                ("kube-controller-manager", "kube-controller-manager:v1.19.16"),
                ("kube-scheduler", "kube-scheduler:v1.19.16"),
            ] {
                self.write(kind::PODS, json!({
                    "metadata": { "name": format!("{name}-{master}"), "namespace": "kube-system", "labels": { "component": name, "tier": "control-plane" },
                        "ownerReferences": super::objects::owned_by("Node", "v1", master, master) },
                    "spec": { "nodeName": &**master, "hostNetwork": true, "priorityClassName": "system-node-critical", "tolerations": everywhere, "containers": [{
                        "name": name, "image": format!("{google}/{image}"), "resources": { "requests": { "cpu": "200m" } } }] },
                }));
            }
        }
        for (name, image, space) in [
            ("kube-proxy", format!("{google}/kube-proxy:v1.19.16"), "kube-system"),
            ("calico-node", "calico/node:v3.17.3".to_owned(), "kube-system"),
            ("node-exporter", "prom/node-exporter:v1.0.1".to_owned(), "monitoring"),
            ("filebeat", "elastic/filebeat:7.6.2".to_owned(), "logging"),
        ] {
            let mut object = Set { namespace: space, name, image, replicas: 1, port: 9100, cpu: "100m", memory: "128Mi" }.object();
            object["spec"]["template"]["spec"]["tolerations"] = everywhere.clone();
            if let Some(spec) = object["spec"].as_object_mut() {
                spec.remove("replicas");
            }
            self.write(kind::DAEMON_SETS, object);
        }
        for (name, image, replicas, port) in [
            ("coredns", format!("{google}/coredns:1.7.0"), 2, 53),
            ("calico-kube-controllers", "calico/kube-controllers:v3.17.3".to_owned(), 1, 9094),
            ("metrics-server", format!("{google}/metrics-server:v0.3.7"), 1, 4443),
            ("nfs-client-provisioner", "quay.io/external_storage/nfs-client-provisioner:latest".to_owned(), 1, 80),
        ] {
            self.set(kind::DEPLOYMENTS, &Set { namespace: "kube-system", name, image, replicas, port, cpu: "100m", memory: "170Mi" });
        }
        self.write(kind::API_SERVICES, json!({
                "metadata": { "name": "v1beta1.metrics.k8s.io" },
                "spec": { "group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100, "insecureSkipTLSVerify": true, "service": { "name": "metrics-server", "namespace": "kube-system", "port": 443 } },
                "status": { "conditions": [{ "type": "Available", "status": "True", "reason": "Passed", "message": "all checks passed" }] },
            }));
    }

    fn settle_shop(&mut self) {
        for (space, tag) in [("pro", "1.8.3"), ("pre", "1.9.0-rc2"), ("test", "1.9.0-412")] {
            let replicas = |name: &str| match (space, name) {
                ("pro", "mall-gateway" | "mall-order" | "mall-portal") => 3,
                ("pro", _) => 2,
                _ => 1,
            };
            self.write(
                kind::CONFIG_MAPS,
                json!({ "metadata": { "name": "mall-common", "namespace": space }, "data": { "SPRING_PROFILES_ACTIVE": "prod", "NACOS_ADDR": "nacos:8848" } }),
            );
            self.write(kind::SECRETS, json!({ "metadata": { "name": "mall-mysql", "namespace": space }, "type": "Opaque", "data": { "username": "cmVhZGVy", "password": "ZGVtby1vbmx5" } }));
            for (name, port) in SERVICES {
                let image = format!("{REGISTRY}/springcloud/{name}:{tag}");
                self.set(kind::DEPLOYMENTS, &Set { namespace: space, name, image, replicas: replicas(name), port: *port, cpu: "250m", memory: "768Mi" });
            }
            let mut timeout = json!({ "metadata": { "name": "order-timeout-close", "namespace": space }, "spec": { "schedule": "*/10 * * * *", "concurrencyPolicy": "Forbid", "suspend": space != "pro" } });
            timeout["spec"]["jobTemplate"] = json!({ "metadata": { "labels": { "app": "order-timeout-close" } }, "spec": { "template": { "metadata": { "labels": { "app": "order-timeout-close" } }, "spec": {
                "restartPolicy": "Never", "containers": [{ "name": "close", "image": format!("{REGISTRY}/springcloud/mall-jobs:{tag}"), "resources": { "requests": { "cpu": "100m", "memory": "128Mi" } } }] } } } });
            self.write(kind::CRON_JOBS, timeout);
        }
        for (name, image, replicas, port, memory) in [
            ("redis", "redis:7.0.15", 6, 6379, "2560Mi"),
            ("rabbitmq", "rabbitmq:3.10.8-management", 3, 5672, "2Gi"),
            ("elasticsearch", "elasticsearch:7.6.2", 3, 9200, "4Gi"),
            ("nacos", "nacos/nacos-server:v1.4.2", 3, 8848, "2Gi"),
        ] {
            let mut object = Set { namespace: "pro", name, image: image.to_owned(), replicas, port, cpu: "500m", memory }.object();
            object["spec"]["template"]["spec"]["volumes"] = json!([{ "name": "data", "hostPath": { "path": format!("/data/{name}") } }]);
            let path = match name {
                "redis" => "/data",
                "rabbitmq" => "/var/lib/rabbitmq",
                "elasticsearch" => "/usr/share/elasticsearch/data",
                _ => "/home/nacos/data",
            };
            object["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = json!([{ "name": "data", "mountPath": path }]);
            self.write(kind::STATEFUL_SETS, object);
            let ports: Vec<Value> = match name {
                "rabbitmq" => {
                    vec![json!({ "name": "amqp", "port": 5672, "targetPort": 5672 }), json!({ "name": "management", "port": 15672, "targetPort": 15672 })]
                }
                _ => vec![json!({ "name": "tcp", "port": port, "targetPort": port })],
            };
            self.write(kind::SERVICES, json!({ "metadata": { "name": name, "namespace": "pro" }, "spec": { "selector": { "app": name }, "clusterIP": "None", "type": "ClusterIP", "ports": ports } }));
        }
        for n in 0..3 {
            self.write(kind::CLAIMS, json!({ "metadata": { "name": format!("upload-{n}"), "namespace": "pro" }, "spec": { "accessModes": ["ReadWriteMany"], "storageClassName": "nfs-client", "resources": { "requests": { "storage": "50Gi" } }, "volumeName": format!("pvc-upload-{n}") } }));
        }
        let mut upload = Set {
            namespace: "pro",
            name: "mall-upload",
            image: format!("{REGISTRY}/springcloud/mall-upload:1.8.3"),
            replicas: 3,
            port: 8090,
            cpu: "200m",
            memory: "512Mi",
        }
        .object();
        upload["spec"]["template"]["spec"]["volumes"] = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "upload-0" } }]);
        self.write(kind::DEPLOYMENTS, upload);
    }

    fn settle_tools(&mut self) {
        for (namespace, name, image, replicas, port, memory) in [
            ("ingress-nginx", "nginx-ingress-controller", "nginx-ingress-controller:0.30.0", 2, 80, "256Mi"),
            ("monitoring", "grafana", "grafana/grafana:7.3.4", 1, 3000, "256Mi"),
            ("monitoring", "alertmanager", "prom/alertmanager:v0.21.0", 1, 9093, "128Mi"),
            ("logging", "logstash", "elastic/logstash:7.6.2", 1, 4560, "1536Mi"),
            ("logging", "kibana", "elastic/kibana:7.6.2", 1, 5601, "1Gi"),
            ("dev", "skywalking-oap", "apache/skywalking-oap-server:8.1.0", 1, 11800, "2Gi"),
            ("dev", "skywalking-ui", "apache/skywalking-ui:8.1.0", 1, 8080, "512Mi"),
            ("dev", "sentinel-dashboard", "bladex/sentinel-dashboard:1.7.2", 1, 8858, "512Mi"),
            ("dev", "zipkin", "openzipkin/zipkin:2.21", 1, 9411, "512Mi"),
        ] {
            self.set(kind::DEPLOYMENTS, &Set { namespace, name, image: image.to_owned(), replicas, port, cpu: "100m", memory });
        }
        self.set(
            kind::STATEFUL_SETS,
            &Set {
                namespace: "monitoring",
                name: "prometheus",
                image: "prom/prometheus:v2.22.0".to_owned(),
                replicas: 1,
                port: 9090,
                cpu: "500m",
                memory: "4Gi",
            },
        );
        for (name, replicas, port, memory) in [("sessions", 2, 6379, "2560Mi"), ("sentinel", 3, 26379, "128Mi")] {
            let set = Set { namespace: "pro", name, image: "redis:7.0.15".to_owned(), replicas, port, cpu: "100m", memory };
            self.set(kind::STATEFUL_SETS, &set);
        }
    }

    /// Pods that are only many.
    fn fill(&mut self, size: Size) {
        let missing = (size.pods as usize).saturating_sub(self.pods.len());
        let mut left = missing;
        let mut n = 0;
        while left > 0 {
            let replicas = left.min(50);
            let namespace = format!("load-{:03}", n / 20);
            if n % 20 == 0 {
                self.write(kind::NAMESPACES, json!({ "metadata": { "name": namespace } }));
            }
            let (name, image) = (format!("batch-{n:04}"), format!("{REGISTRY}/load/batch:{}", n % 7));
            let set = Set { namespace: &namespace, name: &name, image, replicas: u32::try_from(replicas).unwrap_or(0), port: 8080, cpu: "10m", memory: "16Mi" };
            self.write(kind::DEPLOYMENTS, set.object());
            left -= replicas;
            n += 1;
        }
    }
}

fn young(name: &str, address: &str, subnet: usize, is_master: bool, cores: u32, memory_bytes: u64, now: Moment) -> Node {
    let created = now.minus(Duration::from_hours(24 * 58));
    Node {
        name: name.into(),
        address: address.to_owned(),
        subnet: u32::try_from(subnet).unwrap_or(0),
        role: if is_master { Role::Master } else { Role::Worker },
        cores,
        memory_bytes,
        most_pods: 110,
        uuid: String::new(),
        machine_id: String::new(),
        boot_id: String::new(),
        is_cordoned: false,
        is_stopped: false,
        silent_from: None,
        is_unknown: false,
        evicted_at: None,
        since: created,
        pressures: BTreeMap::new(),
        lease_due: 0.0,
        next_eviction: 0.0,
        cpu_milli: 0,
        memory_requested: 0,
        pods: 0,
        created,
        next_ip: 0,
    }
}
