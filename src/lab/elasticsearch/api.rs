//! One request to one node.

use http::Method;
use serde_json::{Value, json};

use super::view;
use crate::lab::http::{Answer, Ask};
use crate::lab::world::elastic::{Elastic, Index};

/// More indexes than this are a mistake.
const MOST_INDICES: usize = 200;
/// Words that the lab's dictionary knows; `ik_smart` takes the longest, `ik_max_word` all.
const WORDS: [&str; 14] =
    ["中华人民共和国", "中华人民", "中华", "华人", "人民共和国", "人民", "共和国", "共和", "国歌", "小米", "手机", "商品", "订单", "测试"];

fn error(status: u16, kind: &str, reason: &str) -> Answer {
    let cause = json!({"type": kind, "reason": reason});
    Answer::json(status, &json!({"error": {"root_cause": [cause], "type": kind, "reason": reason}, "status": status}))
}

fn no_index(name: &str) -> Answer {
    error(404, "index_not_found_exception", &format!("no such index [{name}]"))
}

/// Answers on the node of this name. `logins` are the accounts that may ask.
pub fn answer(e: &mut Elastic, name: &str, logins: &[(&str, &str)], ask: &Ask) -> Answer {
    let known = ask.login.as_ref().is_some_and(|(user, password)| logins.iter().any(|(u, p)| u == user && p == password));
    if !known {
        let reason = match &ask.login {
            Some((user, _)) => format!("unable to authenticate user [{user}] for REST request [/{}]", ask.path.join("/")),
            None => format!("missing authentication credentials for REST request [/{}]", ask.path.join("/")),
        };
        return Answer { challenge: Some("Basic realm=\"security\" charset=\"UTF-8\""), ..error(401, "security_exception", &reason) };
    }
    let changes = ask.method != Method::GET && ask.method != Method::HEAD;
    let parts = ask.parts();
    let reads = matches!(parts.as_slice(), [.., "_analyze" | "_search" | "_count" | "explain"]);
    if changes && !reads && ask.login.as_ref().is_some_and(|(user, _)| user != "elastic") {
        return error(403, "security_exception", "action [indices:admin/create] is unauthorized for user [monitor]");
    }
    let Some(me) = e.nodes.iter().find(|n| n.name == name).cloned() else { return Answer::empty(503) };
    match parts.as_slice() {
        [] => Answer::ok(&view::root(e, &me)),
        ["_cluster", "health", ..] => {
            if view::has_master(e) || ask.parameter("local") == "true" {
                Answer::ok(&view::health(e))
            } else {
                error(503, "master_not_discovered_exception", "null")
            }
        }
        ["_cluster", "state", ..] => Answer::ok(&view::state(e)),
        ["_cluster", "settings"] if ask.method == Method::PUT => {
            let body = ask.json().unwrap_or_default();
            let key = "cluster.routing.allocation.enable";
            for (given, path) in ["transient", "persistent"].map(|scope| (body[scope].get(key), body[scope].pointer("/cluster/routing/allocation/enable"))) {
                if let Some(word) = given.or(path) {
                    e.allocation = word.as_str().map(str::to_owned);
                }
            }
            Answer::ok(&json!({"acknowledged": true, "persistent": body["persistent"], "transient": body["transient"]}))
        }
        ["_cluster", "settings"] => Answer::ok(&view::settings(e, ask.query.contains_key("flat_settings"))),
        ["_cluster", "pending_tasks"] => Answer::ok(&json!({"tasks": []})),
        ["_cluster", "reroute"] => Answer::ok(&json!({"acknowledged": true})),
        ["_cluster", "stats"] => {
            Answer::ok(&json!({"cluster_name": e.cluster, "cluster_uuid": e.uuid, "status": e.status(), "indices": {"count": e.indices.len()}}))
        }
        ["_cluster", "allocation", "explain"] => {
            let wanted = ask.json();
            view::explanation(e, wanted.as_ref()).map_or_else(
                || error(400, "illegal_argument_exception", "unable to find any unassigned shards to explain [ClusterAllocationExplainRequest[useAnyUnassignedShard=true,includeYesDecisions?=false]"),
                |v| Answer::ok(&v),
            )
        }
        ["_nodes", "_local", ..] => Answer::ok(&view::nodes(e, Some(&me))),
        ["_nodes", ..] => Answer::ok(&view::nodes(e, None)),
        ["_cat", what, ..] => cat(e, what, ask),
        ["_analyze"] | [_, "_analyze"] => analyze(&me, ask),
        ["_xpack" | "_license"] => Answer::ok(&json!({"license": {"status": "active", "type": "basic"}})),
        [start, ..] if start.starts_with('_') => {
            error(400, "illegal_argument_exception", &format!("request [/{}] contains unrecognized parameter", ask.path.join("/")))
        }
        [index, rest @ ..] => document(e, index, rest, ask),
    }
}

/// `_cat`, as text or with `format=json`; `h` chooses and orders columns.
fn cat(e: &Elastic, what: &str, ask: &Ask) -> Answer {
    let Some((columns, rows)) = view::cat(e, what) else { return error(400, "illegal_argument_exception", &format!("no such list [{what}]")) };
    let wanted: Vec<&str> = if ask.parameter("h").is_empty() { columns.clone() } else { ask.parameter("h").split(',').collect() };
    let at: Vec<Option<usize>> = wanted.iter().map(|w| columns.iter().position(|c| c == w)).collect();
    let cell = |row: &Vec<String>, at: &Option<usize>| at.and_then(|a| row.get(a)).cloned().unwrap_or_default();
    if ask.parameter("format") == "json" {
        let list: Vec<Value> =
            rows.iter().map(|row| Value::Object(wanted.iter().zip(&at).map(|(name, at)| ((*name).to_owned(), json!(cell(row, at)))).collect())).collect();
        return Answer::ok(&Value::Array(list));
    }
    let mut lines: Vec<String> = Vec::new();
    if ask.query.contains_key("v") {
        lines.push(wanted.join(" "));
    }
    lines.extend(rows.iter().map(|row| at.iter().map(|a| cell(row, a)).collect::<Vec<_>>().join(" ")));
    Answer::text(200, lines.iter().fold(String::new(), |out, line| out + line + "\n"))
}

/// Tokens of a text; the two analyzers of IK exist where the plugin runs on this node.
fn analyze(me: &crate::lab::world::elastic::ElasticNode, ask: &Ask) -> Answer {
    let body = ask.json().unwrap_or_default();
    let text = body["text"].as_str().unwrap_or("").to_owned();
    let name = body["analyzer"].as_str().unwrap_or("standard");
    let has_ik = me.plugins.iter().any(|(p, active)| p == "analysis-ik" && *active);
    let tokens = match name {
        "ik_smart" | "ik_max_word" if has_ik => words(&text, name == "ik_max_word"),
        "standard" => text.chars().enumerate().filter(|(_, c)| c.is_alphanumeric()).map(|(at, c)| (at, c.to_string())).collect(),
        other => return error(400, "illegal_argument_exception", &format!("failed to find global analyzer [{other}]")),
    };
    let list: Vec<Value> = tokens
        .iter()
        .enumerate()
        .map(|(position, (at, token))| json!({"token": token, "start_offset": at, "end_offset": at + token.chars().count(), "type": "CN_WORD", "position": position}))
        .collect();
    Answer::ok(&json!({"tokens": list}))
}

/// The dictionary's words in a text, with where they start; all of them or the longest at each place.
fn words(text: &str, all: bool) -> Vec<(usize, String)> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let rest: String = chars[at..].iter().collect();
        let found: Vec<&str> = WORDS.iter().copied().filter(|w| rest.starts_with(w)).collect();
        let longest = found.iter().map(|w| w.chars().count()).max();
        match (all, longest) {
            (true, Some(_)) => out.extend(found.iter().map(|w| (at, (*w).to_owned()))),
            (false, Some(n)) => {
                out.push((at, rest.chars().take(n).collect()));
                at += n;
                continue;
            }
            (false, None) => out.push((at, chars[at].to_string())),
            (true, None) => {}
        }
        at += 1;
    }
    out
}

/// An index and its documents, which are only counted.
fn document(e: &mut Elastic, name: &str, rest: &[&str], ask: &Ask) -> Answer {
    let at = e.indices.iter().position(|i| i.name == name);
    match (&ask.method, rest, at) {
        (&Method::PUT, [], None) => {
            if e.indices.len() >= MOST_INDICES {
                return error(
                    400,
                    "validation_exception",
                    "this action would add [2] total shards, but this cluster currently has [3000]/[3000] maximum shards open;",
                );
            }
            let text = String::from_utf8_lossy(&ask.body);
            if text.contains("ik_") && !e.has_plugin("analysis-ik") {
                return error(400, "mapper_parsing_exception", "Failed to parse mapping [_doc]: analyzer [ik_max_word] not found for field [name]");
            }
            e.create(Index {
                name: name.to_owned(),
                uuid: format!("demo{:018}", e.indices.len()),
                shards: 1,
                replicas: 1,
                docs: 0.0,
                bytes: 0.0,
                is_blocked: false,
                docs_per_second: 0.0,
            });
            Answer::ok(&json!({"acknowledged": true, "shards_acknowledged": true, "index": name}))
        }
        (&Method::PUT, [], Some(_)) => error(400, "resource_already_exists_exception", &format!("index [{name}] already exists")),
        (&Method::DELETE, [], Some(at)) => {
            e.indices.remove(at);
            e.shards.retain(|s| s.index != name);
            Answer::ok(&json!({"acknowledged": true}))
        }
        (&Method::PUT, ["_settings"], Some(at)) => {
            e.indices[at].is_blocked = false;
            Answer::ok(&json!({"acknowledged": true}))
        }
        (&Method::GET | &Method::HEAD, [] | ["_settings" | "_mapping" | "_stats"], Some(_)) => {
            Answer::ok(&json!({name: {"settings": {"index": {"number_of_shards": "1"}}}}))
        }
        (_, ["_count"], Some(at)) => Answer::ok(&json!({"count": crate::lab::world::whole(e.indices[at].docs)})),
        (_, ["_search"], Some(_)) => Answer::ok(&json!({"took": 3, "timed_out": false, "hits": {"total": {"value": 0, "relation": "eq"}, "hits": []}})),
        (_, ["_doc", ..], Some(at)) if ask.method != Method::GET => {
            if e.indices[at].is_blocked {
                return error(403, "cluster_block_exception", &format!("index [{name}] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];"));
            }
            e.indices[at].docs += 1.0;
            Answer::json(201, &json!({"_index": name, "_type": "_doc", "_id": "1", "_version": 1, "result": "created"}))
        }
        _ => no_index(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Moment;
    use crate::lab::world::scenario::Scenario;
    use crate::lab::world::{Size, World};

    fn ask(e: &mut Elastic, method: Method, path: &[&str], body: &Value) -> (u16, Value) {
        let ask = Ask {
            method,
            path: path.iter().map(|p| (*p).to_owned()).collect(),
            login: Some(("elastic".into(), "pw".into())),
            body: body.to_string().into_bytes(),
            ..Ask::default()
        };
        let got = answer(e, "elasticsearch-0", &[("elastic", "pw")], &ask);
        (got.status, serde_json::from_str(&got.body).unwrap_or_default())
    }

    #[test]
    fn analyzers_come_with_the_plugin_and_indexes_are_blocked_at_flood_stage() {
        let mut e = World::new(7, Size::default(), Moment(1_795_249_440_000), Scenario::named("calm").unwrap()).elastic;
        let question = json!({"analyzer": "ik_smart", "text": "中华人民共和国国歌"});
        let (status, got) = ask(&mut e, Method::POST, &["_analyze"], &question);
        assert_eq!((status, got["error"]["reason"].as_str()), (400, Some("failed to find global analyzer [ik_smart]")));
        for node in &mut e.nodes {
            node.plugins.push(("analysis-ik".into(), true));
        }
        let (_, got) = ask(&mut e, Method::POST, &["_analyze"], &question);
        let tokens: Vec<&str> = got["tokens"].as_array().unwrap().iter().map(|t| t["token"].as_str().unwrap()).collect();
        assert_eq!(tokens, ["中华人民共和国", "国歌"]);
        let (_, got) = ask(&mut e, Method::POST, &["_analyze"], &json!({"analyzer": "ik_max_word", "text": "中华人民共和国国歌"}));
        assert!(got["tokens"].as_array().unwrap().len() > 5);
        assert_eq!(ask(&mut e, Method::POST, &["pms", "_doc"], &json!({})).0, 201);
        e.indices[0].is_blocked = true;
        assert_eq!(ask(&mut e, Method::POST, &["pms", "_doc"], &json!({})).0, 403);
        assert_eq!(ask(&mut e, Method::GET, &["_cluster", "health"], &Value::Null).1["status"], "green");
        assert_eq!(ask(&mut e, Method::GET, &["nowhere"], &Value::Null).0, 404);
    }
}
