//! The management API: who may ask, what is there, what can be made and taken away.

use http::Method;
use serde_json::{Value, json};

use super::view;
use crate::lab::http::{Answer, Ask};
use crate::lab::world::rabbit::{Queue, Rabbit, RabbitUser};

/// More of each than this is a mistake.
const MOST: usize = 500;

/// The passwords of `admin` and `monitor`, who are there from the start.
#[derive(Clone)]
pub struct Passwords {
    pub admin: String,
    pub monitor: String,
}

/// An account as it logs in.
pub struct Account {
    pub name: String,
    pub tags: Vec<String>,
}

/// `None`: wrong.
pub fn account(rabbit: &Rabbit, passwords: &Passwords, user: &str, password: &str) -> Option<Account> {
    let found = |tags: &[&str]| Account { name: user.to_owned(), tags: tags.iter().map(|t| (*t).to_owned()).collect() };
    match user {
        "admin" => (password == passwords.admin).then(|| found(&["administrator"])),
        "monitor" => (password == passwords.monitor).then(|| found(&["monitoring"])),
        user => {
            let known = rabbit.users.iter().find(|u| u.name == user && !u.password.is_empty() && u.password == password)?;
            Some(Account { name: known.name.clone(), tags: known.tags.clone() })
        }
    }
}

/// May the account enter this virtual host?
pub fn may_enter(rabbit: &Rabbit, user: &str, vhost: &str) -> bool {
    matches!(user, "admin" | "monitor") || rabbit.users.iter().any(|u| u.name == user && u.permissions.contains_key(vhost))
}

fn missing() -> Answer {
    Answer::json(404, &json!({"error": "Object Not Found", "reason": "Not Found"}))
}

fn refused(reason: &str) -> Answer {
    Answer::json(401, &json!({"error": "not_authorised", "reason": reason}))
}

fn bad(reason: &str) -> Answer {
    Answer::json(400, &json!({"error": "bad_request", "reason": reason}))
}

/// Answers on the node whose pod is `pod`.
pub fn answer(rabbit: &mut Rabbit, pod: &str, passwords: &Passwords, ask: &Ask) -> Answer {
    let Some((user, password)) = &ask.login else {
        return Answer { challenge: Some("Basic realm=\"RabbitMQ Management\""), ..Answer::empty(401) };
    };
    let Some(account) = account(rabbit, passwords, user, password) else { return refused("Login failed") };
    if account.tags.is_empty() {
        return refused("Not management user");
    }
    let parts = ask.parts();
    let ["api", rest @ ..] = parts.as_slice() else { return missing() };
    if ask.method == Method::GET {
        return get(rabbit, pod, &account, rest, ask);
    }
    if !account.tags.iter().any(|t| t == "administrator") {
        return refused("Not administrator user");
    }
    if ask.method == Method::PUT {
        return put(rabbit, rest, ask);
    }
    if ask.method == Method::DELETE {
        return delete(rabbit, rest);
    }
    match rest {
        ["exchanges", vhost, _, "publish"] => {
            let key = ask.json().and_then(|b| b["routing_key"].as_str().map(str::to_owned)).unwrap_or_default();
            let found = rabbit.queues.iter_mut().find(|q| q.vhost == *vhost && q.name == key);
            let routed = found.is_some();
            if let Some(queue) = found {
                queue.ready += 1.0;
            }
            Answer::ok(&json!({"routed": routed}))
        }
        _ => missing(),
    }
}

/// A listing: whole, or a page of it where one is asked for.
fn listed(ask: &Ask, all: Vec<Value>) -> Answer {
    if ask.parameter("page").is_empty() {
        return Answer::ok(&Value::Array(all));
    }
    let number = |name: &str, otherwise: usize| ask.parameter(name).parse().unwrap_or(otherwise).max(1);
    let (page, size, total) = (number("page", 1), number("page_size", 100), all.len());
    let items: Vec<Value> = all.into_iter().skip((page - 1) * size).take(size).collect();
    let pages = total.div_ceil(size).max(1);
    if page > pages {
        return bad("page_out_of_range");
    }
    Answer::ok(
        &json!({"filtered_count": total, "item_count": items.len(), "items": items, "page": page, "page_count": pages, "page_size": size, "total_count": total}),
    )
}

fn user(u: &RabbitUser) -> Value {
    json!({"name": u.name, "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": u.tags, "limits": {}})
}

fn permission(name: &str, vhost: &str, [configure, write, read]: &[String; 3]) -> Value {
    json!({"user": name, "vhost": vhost, "configure": configure, "write": write, "read": read})
}

fn users(rabbit: &Rabbit) -> Vec<Value> {
    let built_in = [("admin", "administrator"), ("monitor", "monitoring")]
        .map(|(name, tag)| json!({"name": name, "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": [tag], "limits": {}}));
    built_in.into_iter().chain(rabbit.users.iter().map(user)).collect()
}

fn permissions(rabbit: &Rabbit) -> Vec<Value> {
    let all = [".*", ".*", ".*"].map(str::to_owned);
    let built_in = rabbit.vhosts.iter().flat_map(|v| ["admin", "monitor"].map(|u| permission(u, v, &all)));
    let given = rabbit.users.iter().flat_map(|u| u.permissions.iter().map(|(v, p)| permission(&u.name, v, p)));
    built_in.chain(given).collect()
}

fn one_of(found: Option<Value>) -> Answer {
    found.map_or_else(missing, |v| Answer::ok(&v))
}

fn get(rabbit: &Rabbit, pod: &str, account: &Account, rest: &[&str], ask: &Ask) -> Answer {
    let Some(me) = rabbit.nodes.iter().find(|n| n.pod == pod) else { return missing() };
    let queue = |q: &Queue| view::queue(rabbit, q);
    match rest {
        ["whoami"] => Answer::ok(&json!({"name": account.name, "tags": account.tags})),
        ["overview"] => Answer::ok(&view::overview(rabbit, me)),
        ["cluster-name"] => Answer::ok(&json!({"name": rabbit.cluster})),
        ["nodes"] => Answer::ok(&Value::Array(rabbit.nodes.iter().map(view::node).collect())),
        ["nodes", name] => one_of(rabbit.nodes.iter().find(|n| n.name == *name).map(view::node)),
        ["vhosts"] => listed(ask, rabbit.vhosts.iter().map(|v| view::vhost(rabbit, v)).collect()),
        ["vhosts", name] => one_of(rabbit.vhosts.iter().find(|v| v == name).map(|v| view::vhost(rabbit, v))),
        ["vhosts", name, "permissions"] => Answer::ok(&Value::Array(permissions(rabbit).into_iter().filter(|p| p["vhost"] == *name).collect())),
        ["users"] => listed(ask, users(rabbit)),
        ["users", name] => one_of(users(rabbit).into_iter().find(|u| u["name"] == *name)),
        ["users", name, "permissions"] => Answer::ok(&Value::Array(permissions(rabbit).into_iter().filter(|p| p["user"] == *name).collect())),
        ["permissions"] => Answer::ok(&Value::Array(permissions(rabbit))),
        ["permissions", vhost, name] => one_of(permissions(rabbit).into_iter().find(|p| p["vhost"] == *vhost && p["user"] == *name)),
        ["queues"] => listed(ask, rabbit.queues.iter().map(queue).collect()),
        ["queues", vhost] => listed(ask, rabbit.queues.iter().filter(|q| q.vhost == *vhost).map(queue).collect()),
        ["queues", vhost, name] => one_of(rabbit.queues.iter().find(|q| q.vhost == *vhost && q.name == *name).map(queue)),
        ["connections"] => listed(ask, view::connections(rabbit)),
        ["channels" | "consumers" | "policies" | "bindings" | "parameters" | "topic-permissions", ..] => listed(ask, Vec::new()),
        ["exchanges", ..] => {
            listed(ask, ["", "amq.direct", "amq.fanout", "amq.topic"].map(|n| json!({"name": n, "vhost": "/", "type": "direct", "durable": true})).to_vec())
        }
        ["aliveness-test", vhost] if rabbit.vhosts.iter().any(|v| v == vhost) => Answer::ok(&json!({"status": "ok"})),
        ["health", "checks", check @ ..] => view::check(rabbit, me, check).map_or_else(missing, |(status, body)| Answer::json(status, &body)),
        _ => missing(),
    }
}

fn put(rabbit: &mut Rabbit, rest: &[&str], ask: &Ask) -> Answer {
    let body = if ask.body.is_empty() { Some(json!({})) } else { ask.json() };
    let Some(body) = body else { return bad("not_json") };
    let made = |new: bool| Answer::empty(if new { 201 } else { 204 });
    let word = |name: &str| body[name].as_str().map(str::to_owned);
    match rest {
        ["vhosts", name] => {
            let new = !rabbit.vhosts.iter().any(|v| v == name);
            if new && rabbit.vhosts.len() < MOST {
                rabbit.vhosts.push((*name).to_owned());
            }
            made(new)
        }
        ["users", name] => {
            let tags = match &body["tags"] {
                Value::String(tags) => tags.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect(),
                Value::Array(tags) => tags.iter().filter_map(|t| t.as_str().map(str::to_owned)).collect(),
                _ => return bad("[{key_missing,tags}]"),
            };
            if matches!(*name, "admin" | "monitor") || rabbit.users.len() >= MOST {
                return refused("the demo's own accounts stay as they are");
            }
            let Some(known) = rabbit.users.iter_mut().find(|u| u.name == *name) else {
                rabbit.users.push(RabbitUser {
                    name: (*name).to_owned(),
                    password: word("password").unwrap_or_default(),
                    tags,
                    permissions: std::collections::BTreeMap::new(),
                });
                return made(true);
            };
            (known.tags, known.password) = (tags, word("password").unwrap_or_default());
            made(false)
        }
        ["permissions", vhost, name] => {
            let (Some(configure), Some(write), Some(read)) = (word("configure"), word("write"), word("read")) else { return bad("[{key_missing,configure}]") };
            if !rabbit.vhosts.iter().any(|v| v == vhost) {
                return bad(&format!("vhost '{vhost}' does not exist"));
            }
            let Some(user) = rabbit.users.iter_mut().find(|u| u.name == *name) else { return bad("no_such_user") };
            made(user.permissions.insert((*vhost).to_owned(), [configure, write, read]).is_none())
        }
        ["queues", vhost, name] => {
            if !rabbit.vhosts.iter().any(|v| v == vhost) || rabbit.nodes.is_empty() || rabbit.queues.len() >= MOST {
                return missing();
            }
            if rabbit.queues.iter().any(|q| q.vhost == *vhost && q.name == *name) {
                return made(false);
            }
            let kind = body["arguments"]["x-queue-type"].as_str().unwrap_or("classic");
            rabbit.queues.push(new_queue(vhost, name, kind, &rabbit.nodes[0].name.clone()));
            made(true)
        }
        _ => missing(),
    }
}

/// A queue that nobody reads yet.
pub fn new_queue(vhost: &str, name: &str, kind: &str, node: &str) -> Queue {
    Queue {
        vhost: vhost.to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        node: node.to_owned(),
        durable: true,
        ready: 0.0,
        unacked: 0.0,
        consumers: 0,
        publish_per_second: 0.0,
        deliver_per_second: 0.0,
        consumer: None,
        per_consumer: 0.0,
        is_abandoned: false,
    }
}

fn delete(rabbit: &mut Rabbit, rest: &[&str]) -> Answer {
    let gone = match rest {
        ["vhosts", name] if *name != "/" => {
            let before = rabbit.vhosts.len();
            rabbit.vhosts.retain(|v| v != name);
            rabbit.queues.retain(|q| q.vhost != *name);
            for user in &mut rabbit.users {
                user.permissions.remove(*name);
            }
            before != rabbit.vhosts.len()
        }
        ["users", name] => {
            let before = rabbit.users.len();
            rabbit.users.retain(|u| u.name != *name);
            before != rabbit.users.len()
        }
        ["permissions", vhost, name] => rabbit.users.iter_mut().any(|u| u.name == *name && u.permissions.remove(*vhost).is_some()),
        ["queues", vhost, name] => {
            let before = rabbit.queues.len();
            rabbit.queues.retain(|q| q.vhost != *vhost || q.name != *name);
            before != rabbit.queues.len()
        }
        _ => false,
    };
    if gone { Answer::empty(204) } else { missing() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Moment;
    use crate::lab::world::scenario::Scenario;
    use crate::lab::world::{Size, World};

    fn ask(rabbit: &mut Rabbit, login: (&str, &str), method: Method, path: &[&str], body: &str) -> (u16, Value) {
        let ask = Ask {
            method,
            path: path.iter().map(|p| (*p).to_owned()).collect(),
            login: Some((login.0.into(), login.1.into())),
            body: body.into(),
            ..Ask::default()
        };
        let passwords = Passwords { admin: "a".into(), monitor: "m".into() };
        let got = answer(rabbit, "rabbitmq-0", &passwords, &ask);
        (got.status, serde_json::from_str(&got.body).unwrap_or_default())
    }

    #[test]
    fn a_vhost_is_made_for_an_application() {
        let mut rabbit = World::new(7, Size::default(), Moment(1_795_249_440_000), Scenario::named("calm").unwrap()).rabbit;
        let (admin, monitor) = (("admin", "a"), ("monitor", "m"));
        // The statuses that 3.10.8 gave.
        assert_eq!(ask(&mut rabbit, admin, Method::GET, &["api", "vhosts", "/mall"], "").0, 404);
        assert_eq!(ask(&mut rabbit, admin, Method::PUT, &["api", "vhosts", "/mall"], "").0, 201);
        assert_eq!(ask(&mut rabbit, admin, Method::PUT, &["api", "vhosts", "/mall"], "").0, 204);
        assert_eq!(ask(&mut rabbit, monitor, Method::PUT, &["api", "vhosts", "x"], "").1["reason"], "Not administrator user");
        assert_eq!(ask(&mut rabbit, admin, Method::PUT, &["api", "users", "app"], r#"{"password":"p","tags":""}"#).0, 201);
        assert_eq!(ask(&mut rabbit, admin, Method::PUT, &["api", "users", "app"], "{").1, json!({"error": "bad_request", "reason": "not_json"}));
        assert_eq!(ask(&mut rabbit, ("app", "p"), Method::GET, &["api", "overview"], "").1["reason"], "Not management user");
        assert!(!may_enter(&rabbit, "app", "/mall"));
        let all = r#"{"configure":".*","write":".*","read":".*"}"#;
        assert_eq!(ask(&mut rabbit, admin, Method::PUT, &["api", "permissions", "/mall", "app"], all).0, 201);
        assert!(may_enter(&rabbit, "app", "/mall") && !may_enter(&rabbit, "app", "/"));
        assert_eq!(ask(&mut rabbit, admin, Method::GET, &["api", "permissions", "/mall", "app"], "").1["write"], ".*");
        assert_eq!(ask(&mut rabbit, monitor, Method::GET, &["api", "health", "checks", "alarms"], ""), (200, json!({"status": "ok"})));
        rabbit.nodes[1].disk_alarm = true;
        assert_eq!(ask(&mut rabbit, monitor, Method::GET, &["api", "health", "checks", "alarms"], "").0, 503);
        assert_eq!(ask(&mut rabbit, monitor, Method::GET, &["api", "health", "checks", "local-alarms"], "").0, 200);
        assert_eq!(ask(&mut rabbit, monitor, Method::GET, &["api", "health", "checks", "is-in-service"], "").0, 404);
        assert_eq!(ask(&mut rabbit, admin, Method::DELETE, &["api", "vhosts", "/mall"], "").0, 204);
        assert!(!may_enter(&rabbit, "app", "/mall"));
    }
}
