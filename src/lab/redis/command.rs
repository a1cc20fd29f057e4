//! One question to one node.

use std::collections::BTreeMap;

use super::resp::Reply;
use super::text;
use crate::lab::world::World;
use crate::lab::world::redis::{Redis, RedisNode};

/// Keys that clients may set; the cluster's own are a number.
const MOST_KEYS: usize = 10_000;
/// What `monitor` may do, with the sub-command where there is one.
const MONITOR: [&str; 9] = ["ping", "info", "role", "exists", "cluster|info", "cluster|nodes", "auth", "hello", "quit"];

/// What clients have set, of the whole cluster.
#[derive(Debug, Default)]
pub struct Keys(BTreeMap<String, String>);

/// One connection.
#[derive(Clone, Debug, Default)]
pub struct Client {
    pub id: u64,
    /// `None` until it logged in.
    pub user: Option<&'static str>,
    pub reads_replicas: bool,
}

/// The passwords: of `default` and of `monitor`.
#[derive(Clone)]
pub struct Passwords {
    pub default: String,
    pub monitor: String,
}

/// The slot of a key; only what stands between the first `{` and the next `}` counts, if it is anything.
pub fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag).filter(|t| !t.is_empty());
    let crc = tag
        .unwrap_or(key)
        .bytes()
        .fold(0_u16, |crc, byte| (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }));
    crc % 16384
}

pub(super) fn few(command: &str) -> Reply {
    Reply::error(format!("ERR wrong number of arguments for '{}' command", command.to_ascii_lowercase()))
}

/// Answers `words` on the node at `address`.
pub fn answer(world: &World, keys: &mut Keys, address: &str, client: &mut Client, passwords: &Passwords, words: &[String]) -> Reply {
    let redis = if world.sessions.nodes.iter().any(|n| n.address == address) { &world.sessions } else { &world.redis };
    let Some(node) = redis.nodes.iter().find(|n| n.address == address) else { return Reply::error("ERR no such node") };
    let (Some(first), rest) = (words.first().map(|w| w.to_ascii_lowercase()), words.get(1..).unwrap_or_default()) else { return few("") };
    let sub = rest.first().map(|w| w.to_ascii_lowercase()).unwrap_or_default();
    match first.as_str() {
        "auth" => return login(client, passwords, rest),
        "hello" => return hello(redis, node, client, passwords, rest),
        "quit" => return Reply::Simple("OK"),
        _ => {}
    }
    let Some(user) = client.user else { return Reply::error("NOAUTH Authentication required.") };
    let full = if matches!(first.as_str(), "cluster" | "config" | "acl" | "client" | "command") { format!("{first}|{sub}") } else { first.clone() };
    if user == "monitor" && !MONITOR.contains(&full.as_str()) {
        return Reply::error(format!("NOPERM this user has no permissions to run the '{full}' command"));
    }
    match (first.as_str(), sub.as_str()) {
        ("ping", "") => Reply::Simple("PONG"),
        ("ping" | "echo", _) => rest.first().map_or_else(|| few(&first), |w| Reply::bulk(w.as_str())),
        ("info", _) => Reply::Bulk(text::info(redis, node, world.now, rest)),
        ("role", _) => text::role(redis, node),
        ("cluster", _) if !redis.is_cluster() => Reply::error("ERR This instance has cluster support disabled"),
        ("cluster", _) => cluster(world, node, &sub, rest),
        ("config", "get") => config(redis, node, rest.get(1).map_or("", String::as_str)),
        ("config", "set" | "resetstat" | "rewrite")
        | ("client", "setname" | "setinfo" | "no-evict")
        | ("select" | "readwrite" | "asking" | "flushall" | "reset", _) => Reply::Simple("OK"),
        ("readonly", _) => {
            client.reads_replicas = true;
            Reply::Simple("OK")
        }
        ("acl", "whoami") => Reply::bulk(user),
        ("acl", "list") => Reply::list([
            "user default on ~* &* +@all",
            "user monitor on ~quarterdeck:* resetchannels -@all +ping +info +role +exists +cluster|info +cluster|nodes",
        ]),
        ("client", "id") => Reply::Number(client.id.cast_signed()),
        ("client", "list" | "info") => {
            Reply::Bulk(format!("id={} addr=127.0.0.1:49936 name= age=0 idle=0 flags=N db=0 cmd=client|{sub} user={user}\n", client.id))
        }
        ("command", "count") => Reply::Number(241),
        ("command", _) => Reply::List(Vec::new()),
        ("dbsize", _) => Reply::Number(node.keys.cast_signed()),
        ("time", _) => Reply::list([(world.now.0 / 1000).to_string(), "0".to_owned()]),
        ("lastsave", _) => Reply::Number(world.now.0 / 1000 - 240),
        ("get" | "set" | "del" | "exists" | "incr" | "ttl" | "type" | "expire", _) => key(redis, node, keys, client, &first, rest),
        _ => {
            let seen = rest.iter().map(|w| ["'", w, "' "].concat()).collect::<String>();
            // Named as it was written.
            let name = words.first().map_or("", String::as_str);
            Reply::error(format!("ERR unknown command '{name}', with args beginning with: {seen}"))
        }
    }
}

pub(super) fn login(client: &mut Client, passwords: &Passwords, words: &[String]) -> Reply {
    let (user, password) = match words {
        [password] => ("default", password),
        [user, password] => (user.as_str(), password),
        _ => return few("auth"),
    };
    client.user = match user {
        "default" if *password == passwords.default => Some("default"),
        "monitor" if *password == passwords.monitor => Some("monitor"),
        _ => return Reply::error("WRONGPASS invalid username-password pair or user is disabled."),
    };
    Reply::Simple("OK")
}

fn hello(redis: &Redis, node: &RedisNode, client: &mut Client, passwords: &Passwords, words: &[String]) -> Reply {
    if words.first().is_some_and(|v| v != "2") {
        return Reply::error("NOPROTO unsupported protocol version");
    }
    if let Some(at) = words.iter().position(|w| w.eq_ignore_ascii_case("auth")) {
        let done = login(client, passwords, words.get(at + 1..at + 3).unwrap_or_default());
        if matches!(done, Reply::Error(_)) {
            return done;
        }
    }
    if client.user.is_none() {
        return Reply::error(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
        );
    }
    let role = if node.master.is_some() { "replica" } else { "master" };
    let mut out = Vec::new();
    for (name, value) in [
        ("server", Reply::bulk("redis")),
        ("version", Reply::bulk(redis.version.as_str())),
        ("proto", Reply::Number(2)),
        ("id", Reply::Number(client.id.cast_signed())),
        ("mode", Reply::bulk(if redis.is_cluster() { "cluster" } else { "standalone" })),
        ("role", Reply::bulk(role)),
        ("modules", Reply::List(Vec::new())),
    ] {
        out.extend([Reply::bulk(name), value]);
    }
    Reply::List(out)
}

fn cluster(world: &World, node: &RedisNode, sub: &str, words: &[String]) -> Reply {
    let redis = &world.redis;
    match sub {
        "info" => Reply::Bulk(text::state(redis, node)),
        "nodes" => Reply::Bulk(text::nodes(redis, node, world.now)),
        "slots" => text::slots(redis),
        "shards" => text::shards(redis),
        "myid" => Reply::bulk(node.id.as_str()),
        "keyslot" => words.get(1).map_or_else(|| few("cluster|keyslot"), |k| Reply::Number(slot(k).into())),
        "countkeysinslot" => Reply::Number((node.keys / 5461).cast_signed()),
        "replicas" | "slaves" => {
            let lines = text::nodes(redis, node, world.now);
            let of = words.get(1).cloned().unwrap_or_default();
            Reply::list(lines.lines().filter(|l| l.contains(&format!(" {of} "))).map(str::to_owned).collect::<Vec<_>>())
        }
        other => Reply::error(format!("ERR unknown subcommand '{other}'. Try CLUSTER HELP.")),
    }
}

fn config(redis: &Redis, node: &RedisNode, pattern: &str) -> Reply {
    let all = [
        ("maxmemory", crate::lab::world::whole(node.max_bytes).to_string()),
        ("maxmemory-policy", "noeviction".to_owned()),
        ("appendonly", "yes".to_owned()),
        ("cluster-enabled", if redis.is_cluster() { "yes" } else { "no" }.to_owned()),
        ("cluster-node-timeout", "5000".to_owned()),
        ("save", "3600 1 300 100 60 10000".to_owned()),
        ("port", text::split(&node.address).1.to_string()),
    ];
    let fits = |name: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    Reply::list(all.into_iter().filter(|(name, _)| fits(name)).flat_map(|(name, value)| [name.to_owned(), value]).collect::<Vec<_>>())
}

/// Commands with a key: only the master of its slot serves it, or a replica that is told to.
fn key(redis: &Redis, node: &RedisNode, keys: &mut Keys, client: &Client, command: &str, words: &[String]) -> Reply {
    let Some(name) = words.first() else { return few(command) };
    let reads = matches!(command, "get" | "exists" | "ttl" | "type");
    if !redis.is_cluster() {
        if !reads && node.master.is_some() {
            return Reply::error("READONLY You can't write against a read only replica.");
        }
        return touch(node, keys, command, words);
    }
    let slot = slot(name);
    let Some(owner) = redis.nodes.iter().find(|n| n.slots.iter().any(|r| r.contains(&slot))) else { return Reply::error("CLUSTERDOWN Hash slot not served") };
    if !text::is_ok(redis) {
        return Reply::error("CLUSTERDOWN The cluster is down");
    }
    let own = owner.id == node.id || (reads && client.reads_replicas && node.master.as_ref() == Some(&owner.id));
    if !own {
        return Reply::error(format!("MOVED {slot} {}", owner.address));
    }
    touch(node, keys, command, words)
}

/// The key itself, on a node that serves it.
fn touch(node: &RedisNode, keys: &mut Keys, command: &str, words: &[String]) -> Reply {
    let Some(name) = words.first() else { return few(command) };
    if !matches!(command, "get" | "exists" | "ttl" | "type" | "del") && node.used_bytes >= node.max_bytes {
        return Reply::error("OOM command not allowed when used memory > 'maxmemory'.");
    }
    match command {
        "get" => keys.0.get(name).map_or(Reply::Nil, |v| Reply::bulk(v.as_str())),
        "exists" | "expire" => Reply::Number(i64::from(keys.0.contains_key(name))),
        "ttl" => Reply::Number(if keys.0.contains_key(name) { -1 } else { -2 }),
        "type" => Reply::Simple(if keys.0.contains_key(name) { "string" } else { "none" }),
        "del" => Reply::Number(i64::from(keys.0.remove(name).is_some())),
        "incr" => {
            let Ok(n) = keys.0.get(name).map_or(Ok(0), |v| v.parse::<i64>()) else { return Reply::error("ERR value is not an integer or out of range") };
            keys.0.insert(name.clone(), (n + 1).to_string());
            Reply::Number(n + 1)
        }
        _ => {
            let Some(value) = words.get(1) else { return few(command) };
            if keys.0.len() >= MOST_KEYS && !keys.0.contains_key(name) {
                return Reply::error("OOM command not allowed when used memory > 'maxmemory'.");
            }
            keys.0.insert(name.clone(), value.clone());
            Reply::Simple("OK")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::clock::Moment;
    use crate::lab::world::Size;
    use crate::lab::world::scenario::Scenario;

    const BEGAN: Moment = Moment(1_795_249_440_000);

    fn world() -> World {
        let mut world = World::new(7, Size::default(), BEGAN, Scenario::named("calm").unwrap());
        world.advance(BEGAN.plus(Duration::from_secs(2)));
        world
    }

    fn ask(world: &World, at: usize, client: &mut Client, line: &str) -> Reply {
        let passwords = Passwords { default: "pw".into(), monitor: "mo".into() };
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        answer(world, &mut Keys::default(), &world.redis.nodes[at].address, client, &passwords, &words)
    }

    fn text(reply: &Reply) -> String {
        match reply {
            Reply::Bulk(text) | Reply::Error(text) => text.clone(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn logins_rights_and_unknown_words() {
        let world = world();
        let mut nobody = Client::default();
        assert_eq!(text(&ask(&world, 0, &mut nobody, "PING")), "NOAUTH Authentication required.");
        assert_eq!(text(&ask(&world, 0, &mut nobody, "AUTH wrong")), "WRONGPASS invalid username-password pair or user is disabled.");
        let mut monitor = Client::default();
        assert_eq!(ask(&world, 0, &mut monitor, "AUTH monitor mo"), Reply::Simple("OK"));
        assert_eq!(ask(&world, 0, &mut monitor, "PING"), Reply::Simple("PONG"));
        assert!(text(&ask(&world, 0, &mut monitor, "CLUSTER SLOTS")).starts_with("NOPERM"));
        let mut root = Client { user: Some("default"), ..Client::default() };
        assert_eq!(text(&ask(&world, 0, &mut root, "foo a")), "ERR unknown command 'foo', with args beginning with: 'a' ");
        assert_eq!(text(&ask(&world, 0, &mut root, "get")), "ERR wrong number of arguments for 'get' command");
        assert_eq!(text(&ask(&world, 0, &mut root, "cluster foo")), "ERR unknown subcommand 'foo'. Try CLUSTER HELP.");
        // `GET foo` of Redis 7.0.15 was moved to this slot too.
        assert_eq!(text(&ask(&world, 0, &mut root, "GET foo")), format!("MOVED 12182 {}", world.redis.nodes[2].address));
        assert_eq!(ask(&world, 2, &mut root, "GET foo"), Reply::Nil);
        assert_eq!(slot("{user}.a"), slot("user"));
    }

    #[test]
    fn a_lost_master_is_suspected_failed_and_replaced() {
        let mut world = world();
        let mut root = Client { user: Some("default"), ..Client::default() };
        let nodes = |world: &World, root: &mut Client| text(&ask(world, 1, root, "CLUSTER NODES"));
        assert_eq!(nodes(&world, &mut root).matches("fail").count(), 0);
        world.redis.nodes[0].is_up = false;
        world.redis.nodes[0].silent_seconds = 3.0;
        assert!(nodes(&world, &mut root).contains("master,fail? "), "{}", nodes(&world, &mut root));
        world.redis.nodes[0].silent_seconds = 0.0;
        let ail = crate::lab::world::kube::Ail::NotReady { message: String::new() };
        world.kube.ail("pro/redis-0", Some(ail));
        world.advance(BEGAN.plus(Duration::from_secs(40)));
        let after = nodes(&world, &mut root);
        assert!(after.contains(",fail "), "{after}");
        assert!(text(&ask(&world, 1, &mut root, "CLUSTER INFO")).contains("cluster_state:ok"), "its replica took over");
        assert!(text(&ask(&world, 3, &mut root, "INFO replication")).contains("role:master"));
    }
}
