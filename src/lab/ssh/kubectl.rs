//! `kubectl` on the masters, as far as playbooks and a look around call it: what it shows comes from the same objects that the API
//! serves. It writes labels and nothing else; for the rest there is the real one, with the kubeconfig of the demo.

use serde_json::{Value, json};

use super::shell::Ran;
use crate::lab::world::World;
use crate::lab::world::kube::kind::{KINDS, KindId};
use crate::lab::world::kube::{VERSION, kind, version};

/// A command line taken apart.
#[derive(Default)]
struct Line<'a> {
    words: Vec<&'a str>,
    namespace: Option<&'a str>,
    everywhere: bool,
    output: &'a str,
    selector: &'a str,
    raw: &'a str,
    names_only: bool,
}

impl<'a> Line<'a> {
    fn of(arguments: &'a [String]) -> Self {
        let mut line = Self::default();
        let mut rest = arguments.iter().map(String::as_str);
        while let Some(word) = rest.next() {
            let (name, joined) = match word.split_once('=') {
                Some((name, value)) if name.starts_with('-') => (name, Some(value)),
                _ => (word, None),
            };
            let mut value = || joined.or_else(|| rest.next()).unwrap_or_default();
            match name {
                "-n" | "--namespace" => line.namespace = Some(value()),
                "-o" | "--output" => line.output = value(),
                "-l" | "--selector" => line.selector = value(),
                "--raw" => line.raw = value(),
                "-A" | "--all-namespaces" => line.everywhere = true,
                "--no-headers" => line.names_only = true,
                "--kubeconfig" | "--context" | "--request-timeout" | "--as" => {
                    value();
                }
                name if name.starts_with('-') && name.len() > 1 => {}
                _ => line.words.push(word),
            }
        }
        if line.output.is_empty()
            && let Some(joined) = arguments.iter().find_map(|a| a.strip_prefix("-o"))
        {
            line.output = joined;
        }
        line
    }
}

pub(super) fn run(world: &mut World, arguments: &[String]) -> Ran {
    let line = Line::of(arguments);
    match line.words.as_slice() {
        ["version", ..] => Ran::out(format!("Client Version: {VERSION}\nServer Version: {VERSION}\n")),
        ["get"] if line.raw == "/version" => Ran::out(version().to_string()),
        ["get"] if matches!(line.raw, "/readyz" | "/livez" | "/healthz") => Ran::out("ok"),
        ["get"] => Ran::failed(1, "Error from server (NotFound): the server could not find the requested resource\n"),
        ["get", what, names @ ..] => get(world, &line, what, names),
        ["auth", "can-i", ..] => Ran::out("yes\n"),
        ["label", what, name, labels @ ..] => label(world, &line, what, name, labels),
        [verb, ..] => Ran::failed(1, format!("error: unknown command \"{verb}\" for \"kubectl\" on the demo's masters; a real kubectl can do it\n")),
        [] => Ran::failed(1, "kubectl controls the Kubernetes cluster manager.\n"),
    }
}

fn kind_of(word: &str) -> Option<KindId> {
    let word = word.split('.').next().unwrap_or(word);
    KINDS.iter().position(|k| k.plural == word || k.kind.eq_ignore_ascii_case(word) || k.short.contains(&word)).map(KindId)
}

fn unknown(what: &str) -> Ran {
    Ran::failed(1, format!("error: the server doesn't have a resource type \"{what}\"\n"))
}

fn fits(value: &Value, selector: &str) -> bool {
    selector.split(',').filter(|t| !t.is_empty()).all(|term| {
        let (name, wanted) = term.split_once('=').map_or((term, None), |(n, v)| (n.trim_end_matches('='), Some(v.trim_start_matches('='))));
        let label = value["metadata"]["labels"][name].as_str();
        wanted.map_or(label.is_some(), |w| label == Some(w))
    })
}

fn get(world: &World, line: &Line<'_>, what: &str, names: &[&str]) -> Ran {
    let (what, names) = match what.split_once('/') {
        Some((what, name)) => (what, vec![name]),
        None => (what, names.to_vec()),
    };
    let Some(id) = kind_of(what) else { return unknown(what) };
    let k = id.of();
    let space = (k.namespaced && !line.everywhere).then(|| line.namespace.unwrap_or("default"));
    let dressed = |mut value: Value| {
        (value["apiVersion"], value["kind"]) = (k.api_version().into(), k.kind.into());
        value
    };
    let all = world.kube.objects.list(id, space);
    let mut found: Vec<Value> = all.iter().map(|o| dressed(o.value())).filter(|v| fits(v, line.selector)).collect();
    if !names.is_empty() {
        found.retain(|v| names.iter().any(|n| v["metadata"]["name"] == **n));
        if let Some(missing) = names.iter().find(|n| !found.iter().any(|v| v["metadata"]["name"] == ***n)) {
            return Ran::failed(1, format!("Error from server (NotFound): {} \"{missing}\" not found\n", k.plural));
        }
    }
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    if let Some(path) = line.output.strip_prefix("jsonpath=") {
        let root = if names.len() == 1 { found.remove(0) } else { json!({ "items": found }) };
        return match jsonpath(&root, path.trim_matches('\'')) {
            Some(values) => Ran::out(values.iter().map(shown).collect::<Vec<_>>().join(" ")),
            None => Ran::failed(1, format!("error: error parsing jsonpath {path}\n")),
        };
    }
    match line.output {
        "json" => {
            let root = if names.len() == 1 { found.remove(0) } else { json!({ "apiVersion": "v1", "kind": "List", "items": found }) };
            Ran::out(serde_json::to_string_pretty(&root).unwrap_or_default() + "\n")
        }
        "name" => {
            let group = if k.group.is_empty() { String::new() } else { format!(".{}", k.group) };
            let lines: Vec<String> = found.iter().map(|v| format!("{}{group}/{}\n", k.kind.to_lowercase(), text(&v["metadata"]["name"]))).collect();
            Ran::out(lines.concat())
        }
        "" | "wide" => {
            let rows = found.iter().map(|v| (text(&v["metadata"]["namespace"]), text(&v["metadata"]["name"]), text(&v["status"]["phase"])));
            let head = if line.names_only { String::new() } else { format!("{:<16} {:<48} STATUS\n", "NAMESPACE", "NAME") };
            let lines: Vec<String> = rows.map(|(s, n, p)| format!("{s:<16} {n:<48} {p}\n")).collect();
            Ran::out(head + &lines.concat())
        }
        other => Ran::failed(1, format!("error: unable to match a printer suitable for the output format \"{other}\"\n")),
    }
}

/// `name=value` sets a label, `name-` takes it away.
fn label(world: &mut World, line: &Line<'_>, what: &str, name: &str, labels: &[&str]) -> Ran {
    let Some(id) = kind_of(what) else { return unknown(what) };
    let space = if id.of().namespaced { line.namespace.unwrap_or("default") } else { "" };
    let Some(mut object) = world.kube.objects.get(id, space, name).map(|o| o.value()) else {
        return Ran::failed(1, format!("Error from server (NotFound): {} \"{name}\" not found\n", id.of().plural));
    };
    for label in labels {
        match (label.split_once('='), label.strip_suffix('-')) {
            (Some((key, value)), _) => object["metadata"]["labels"][key] = value.into(),
            (None, Some(key)) => {
                object["metadata"]["labels"].as_object_mut().map(|all| all.remove(key));
            }
            _ => return Ran::failed(1, format!("error: invalid label spec: {label}\n")),
        }
    }
    world.kube.write(id, object);
    Ran::out(format!("{}/{name} labeled\n", if id == kind::NODES { "node" } else { id.of().plural }))
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// One `{...}` of names, `[*]`, `[2]` and `[?(@.name=="value")]`.
fn jsonpath(root: &Value, path: &str) -> Option<Vec<Value>> {
    let mut rest = path.strip_prefix('{')?.strip_suffix('}')?;
    let mut at = vec![root.clone()];
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (index, after) = inner.split_once(']')?;
            rest = after;
            at = match (index, index.strip_prefix("?(@.").and_then(|i| i.strip_suffix(')'))) {
                ("*", _) => at.iter().flat_map(|v| v.as_array().cloned().unwrap_or_default()).collect(),
                (_, Some(test)) => {
                    let (name, wanted) = test.split_once("==")?;
                    let wanted = wanted.trim_matches(['"', '\'']);
                    at.iter().flat_map(|v| v.as_array().cloned().unwrap_or_default()).filter(|v| v[name] == *wanted).collect()
                }
                (number, None) => {
                    let number: usize = number.parse().ok()?;
                    at.iter().filter_map(|v| v.get(number).cloned()).collect()
                }
            };
            continue;
        }
        rest = rest.strip_prefix('.')?;
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        at = at.iter().filter_map(|v| v.get(name).cloned()).collect();
        rest = after;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Moment;
    use crate::lab::world::Size;
    use crate::lab::world::scenario::Scenario;

    fn ask(world: &mut World, line: &[&str]) -> (String, u32) {
        let words: Vec<String> = line.iter().map(|w| (*w).to_owned()).collect();
        let ran = run(world, &words);
        (String::from_utf8_lossy(&ran.stdout).into_owned(), ran.code)
    }

    #[test]
    fn it_tells_what_the_api_has() {
        let mut world = World::new(7, Size::default(), Moment::from_seconds(1_795_249_440), Scenario::named("calm").unwrap());
        assert!(ask(&mut world, &["get", "--raw", "/version"]).0.contains("\"gitVersion\":\"v1.19.16\""));
        let path = "jsonpath={.items[*].status.addresses[?(@.type==\"InternalIP\")].address}";
        assert!(ask(&mut world, &["get", "nodes", "-o", path]).0.starts_with("10.20.0.21 10.20.0.22"));
        let nodes: Value = serde_json::from_str(&ask(&mut world, &["get", "nodes", "-o", "json"]).0).unwrap();
        assert_eq!((nodes["items"].as_array().map(Vec::len), &nodes["items"][0]["kind"]), (Some(12), &json!("Node")));
        assert!(ask(&mut world, &["get", "pods", "-n", "pro", "-l", "app=redis", "-o", "name"]).0.starts_with("pod/redis-0\n"));
        assert_eq!(ask(&mut world, &["label", "node", "k8s-w-1", "k8s.kuboard.cn/role=etcd", "--overwrite"]).1, 0);
        assert_eq!(ask(&mut world, &["get", "nodes", "-l", "k8s.kuboard.cn/role=etcd", "-o", "name"]).0, "node/k8s-w-1\n");
        assert_eq!(ask(&mut world, &["label", "node", "k8s-w-1", "k8s.kuboard.cn/role-"]).1, 0);
        assert_eq!(ask(&mut world, &["get", "nodes", "-l", "k8s.kuboard.cn/role", "-o", "name"]), (String::new(), 0));
        assert_eq!((ask(&mut world, &["get", "pod", "nobody"]).1, ask(&mut world, &["drain", "k8s-w-1"]).1), (1, 1));
    }
}
