//! A Nacos cluster of three: the shop's registry and its configuration.

#[derive(Clone, Debug)]
pub struct NacosNode {
    /// The pod: `nacos-0`.
    pub name: String,
    /// `10.244.5.40:8848`
    pub address: String,
    pub is_up: bool,
}

#[derive(Clone, Debug)]
pub struct Instance {
    pub ip: String,
    pub port: u16,
    pub is_healthy: bool,
}

#[derive(Clone, Debug)]
pub struct Service {
    /// The Deployment whose pods register.
    pub name: String,
    pub port: u16,
    pub instances: Vec<Instance>,
}

#[derive(Clone, Debug)]
pub struct Setting {
    pub data_id: String,
    pub group: String,
    pub tenant: String,
    pub content: String,
}

#[derive(Clone, Debug)]
pub struct Nacos {
    pub version: String,
    pub nodes: Vec<NacosNode>,
    /// The address that leads; none without a majority.
    pub leader: Option<String>,
    pub term: u64,
    pub services: Vec<Service>,
    pub settings: Vec<Setting>,
}

/// The shop's services and their ports.
pub const SERVICES: &[(&str, u16)] = &[
    ("mall-admin", 8180),
    ("mall-portal", 8085),
    ("mall-gateway", 8201),
    ("mall-member", 8084),
    ("mall-cart", 8086),
    ("mall-order", 8083),
    ("mall-search", 8081),
    ("mall-auth", 8401),
];

impl Nacos {
    pub(super) fn new() -> Self {
        let nodes: Vec<NacosNode> =
            (0..3).map(|n| NacosNode { name: format!("nacos-{n}"), address: format!("10.244.{}.40:8848", n + 5), is_up: true }).collect();
        let settings = SERVICES
            .iter()
            .map(|(name, port)| Setting {
                data_id: format!("{name}-prod.yaml"),
                group: "DEFAULT_GROUP".into(),
                tenant: String::new(),
                content: format!(
                    "server:\n  port: {port}\nspring:\n  rabbitmq:\n    host: rabbitmq.pro\n    port: 5672\n    virtual-host: /\n    username: mall\n"
                ),
            })
            .collect();
        Self {
            version: "1.4.2".into(),
            leader: Some(nodes[0].address.clone()),
            nodes,
            term: 3,
            services: SERVICES.iter().map(|(name, port)| Service { name: (*name).into(), port: *port, instances: Vec::new() }).collect(),
            settings,
        }
    }

    pub(super) fn edit(&mut self, data_id: &str, from: &str, to: &str) {
        for setting in self.settings.iter_mut().filter(|s| s.data_id == data_id) {
            setting.content = setting.content.replace(from, to);
        }
    }

    /// `pods`: addresses of a Deployment's ready pods.
    pub(super) fn advance(&mut self, ready: impl Fn(&str) -> bool, pods: impl Fn(&str) -> Vec<String>) {
        for node in &mut self.nodes {
            node.is_up = ready(&node.name);
        }
        let up = self.nodes.iter().filter(|n| n.is_up).count();
        let leads = |leader: &String, nodes: &[NacosNode]| nodes.iter().any(|n| n.is_up && n.address == *leader);
        if up * 2 <= self.nodes.len() {
            self.leader = None;
            return;
        }
        if !self.leader.as_ref().is_some_and(|l| leads(l, &self.nodes)) {
            self.leader = self.nodes.iter().find(|n| n.is_up).map(|n| n.address.clone());
            self.term += 1;
        }
        for service in &mut self.services {
            service.instances = pods(&service.name).into_iter().map(|ip| Instance { ip, port: service.port, is_healthy: true }).collect();
        }
    }
}
