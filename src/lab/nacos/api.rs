//! One request to one server.

use http::Method;
use serde_json::{Value, json};

use crate::lab::http::{Answer, Ask, pairs};
use crate::lab::world::nacos::{Instance, Nacos, NacosNode, Service, Setting};

/// More of them than this are a mistake.
const MOST_SETTINGS: usize = 500;

/// The passwords of `nacos` and `monitor`, and the token that both get.
#[derive(Clone, Copy)]
pub struct Secrets<'a> {
    pub admin: &'a str,
    pub monitor: &'a str,
    pub token: &'a str,
}

fn member(nacos: &Nacos, n: &NacosNode) -> Value {
    let (ip, port) = n.address.rsplit_once(':').unwrap_or((&n.address, "8848"));
    let port: u16 = port.parse().unwrap_or(8848);
    let peers: Vec<String> = nacos.nodes.iter().map(|n| format!("{}:{}", n.address.rsplit_once(':').map_or("", |(ip, _)| ip), port - 1000)).collect();
    let leader = nacos.leader.as_ref().map(|l| format!("{}:{}", l.rsplit_once(':').map_or("", |(ip, _)| ip), port - 1000));
    let group = json!({"leader": leader, "raftGroupMember": peers, "term": nacos.term});
    json!({
        "ip": ip, "port": port, "address": n.address, "state": if n.is_up { "UP" } else { "DOWN" }, "failAccessCnt": if n.is_up { 0 } else { 6 }, "abilities": {},
        "extendInfo": {"version": nacos.version, "raftPort": (port - 1000).to_string(), "raftMetaData": {"metaDataMap": {"naming_persistent_service": group}}},
    })
}

fn wrapped(data: &Value) -> Answer {
    Answer::ok(&json!({"code": 200, "message": null, "data": data}))
}

/// Answers on the server of this pod.
pub fn answer(nacos: &mut Nacos, pod: &str, secrets: &Secrets<'_>, ask: &Ask) -> Answer {
    let parts = ask.parts();
    let ["nacos", rest @ ..] = parts.as_slice() else { return Answer::text(404, "Not Found") };
    let form = pairs(&String::from_utf8_lossy(&ask.body));
    let given = |name: &str| ask.query.get(name).or_else(|| form.get(name)).cloned().unwrap_or_default();
    match rest {
        ["v1", "auth", "login" | "users"] | ["v1", "auth", "users", "login"] => {
            let right = match given("username").as_str() {
                "nacos" => given("password") == secrets.admin,
                "monitor" => given("password") == secrets.monitor,
                _ => false,
            };
            return if right {
                Answer::ok(&json!({"accessToken": secrets.token, "tokenTtl": 18000, "globalAdmin": given("username") == "nacos"}))
            } else {
                Answer::text(403, "unknown user!")
            };
        }
        ["v1", "console", "health", "readiness" | "liveness"] => return Answer::text(200, "OK"),
        _ => {}
    }
    if ask.bearer.as_deref() != Some(secrets.token) && given("accessToken") != secrets.token {
        return Answer::json(403, &json!({"status": 403, "error": "Forbidden", "message": "user not found!", "path": format!("/{}", ask.path.join("/"))}));
    }
    let Some(me) = nacos.nodes.iter().find(|n| n.name == pod).cloned() else { return Answer::empty(503) };
    match rest {
        ["v1", "core", "cluster", "nodes"] => wrapped(&Value::Array(nacos.nodes.iter().map(|n| member(nacos, n)).collect())),
        ["v1", "core", "cluster", "self"] => wrapped(&member(nacos, &me)),
        ["v1", "ns", "operator", "servers"] => Answer::ok(&json!({"servers": nacos.nodes.iter().map(|n| member(nacos, n)).collect::<Vec<_>>()})),
        ["v1", "ns", "operator", "metrics"] => {
            let instances: usize = nacos.services.iter().map(|s| s.instances.len()).sum();
            let status = if nacos.leader.is_some() { "UP" } else { "DOWN" };
            Answer::ok(
                &json!({"serviceCount": nacos.services.len(), "instanceCount": instances, "responsibleServiceCount": nacos.services.len() / 3 + 1, "responsibleInstanceCount": instances / 3, "cpu": 0.04, "load": 0.8, "mem": 0.41, "raftNotifyTaskCount": 0, "status": status}),
            )
        }
        ["v1", "ns", "catalog", "services"] if given("withInstances") == "true" => {
            let detail = |s: &Service| {
                json!({"serviceName": s.name, "groupName": "DEFAULT_GROUP", "metadata": {}, "clusterMap": {"DEFAULT": {
                    "clusterName": "DEFAULT", "healthChecker": {"type": "TCP"}, "metadata": {}, "hosts": hosts(s)}}})
            };
            Answer::ok(&Value::Array(nacos.services.iter().map(detail).collect()))
        }
        ["v1", "ns", "catalog", "services"] => {
            let list: Vec<Value> = nacos
                .services
                .iter()
                .map(|s| {
                    let healthy = s.instances.iter().filter(|i| i.is_healthy).count();
                    json!({"name": s.name, "groupName": "DEFAULT_GROUP", "clusterCount": 1, "ipCount": s.instances.len(), "healthyInstanceCount": healthy, "triggerFlag": "false"})
                })
                .collect();
            Answer::ok(&json!({"count": list.len(), "serviceList": list}))
        }
        ["v1", "ns", "service", "list"] => {
            Answer::ok(&json!({"count": nacos.services.len(), "doms": nacos.services.iter().map(|s| &s.name).collect::<Vec<_>>()}))
        }
        ["v1", "ns", "instance", "list"] => {
            let name = given("serviceName");
            let found = nacos.services.iter().find(|s| s.name == name.rsplit("@@").next().unwrap_or(&name));
            let hosts = found.map_or_else(Vec::new, hosts);
            Answer::ok(&json!({"name": format!("DEFAULT_GROUP@@{name}"), "groupName": "DEFAULT_GROUP", "hosts": hosts, "valid": true}))
        }
        ["v1", "cs", "configs"] => config(nacos, ask, &given),
        _ => Answer::json(404, &json!({"status": 404, "error": "Not Found", "message": "No message available", "path": format!("/{}", ask.path.join("/"))})),
    }
}

fn hosts(service: &Service) -> Vec<Value> {
    let name = format!("DEFAULT_GROUP@@{}", service.name);
    let host = |i: &Instance| json!({"ip": i.ip, "port": i.port, "healthy": i.is_healthy, "enabled": true, "ephemeral": true, "weight": 1.0, "serviceName": name, "metadata": {}});
    service.instances.iter().map(host).collect()
}

fn config(nacos: &mut Nacos, ask: &Ask, given: &dyn Fn(&str) -> String) -> Answer {
    let (data_id, group, tenant) = (given("dataId"), given("group"), given("tenant"));
    let at = nacos.settings.iter().position(|s| s.data_id == data_id && s.group == group && s.tenant == tenant);
    if ask.method == Method::GET && !given("search").is_empty() {
        let items: Vec<Value> =
            nacos.settings.iter().map(|s| json!({"dataId": s.data_id, "group": s.group, "tenant": s.tenant, "content": s.content, "type": "yaml"})).collect();
        return Answer::ok(&json!({"totalCount": items.len(), "pageNumber": 1, "pagesAvailable": 1, "pageItems": items}));
    }
    if data_id.is_empty() || group.is_empty() {
        return Answer::text(400, "caused: Required String parameter 'dataId' is not present;");
    }
    match (&ask.method, at) {
        (&Method::GET, Some(at)) => Answer::text(200, nacos.settings[at].content.clone()),
        (&Method::GET, None) => Answer::text(404, "config data not exist"),
        (&Method::POST, at) => {
            let setting = Setting { data_id, group, tenant, content: given("content") };
            match at {
                Some(at) => nacos.settings[at] = setting,
                None if nacos.settings.len() < MOST_SETTINGS => nacos.settings.push(setting),
                None => return Answer::text(500, "the demo keeps no more configurations"),
            }
            Answer::text(200, "true")
        }
        (&Method::DELETE, at) => {
            if let Some(at) = at {
                nacos.settings.remove(at);
            }
            Answer::text(200, "true")
        }
        _ => Answer::empty(405),
    }
}
