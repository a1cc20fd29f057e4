//! One question to one sentinel, answered as Redis 7.0.15 answers it in that mode.

use super::command::{Client, Passwords, few, login};
use super::resp::Reply;
use super::text::split;
use crate::lab::world::redis::{NODE_TIMEOUT, QUORUM, Redis, RedisNode, SESSIONS, Sentinel};
use crate::lab::world::whole;

/// What `monitor` may do.
const MONITOR: [&str; 6] = ["ping", "info", "sentinel|masters", "sentinel|replicas", "sentinel|sentinels", "sentinel|ckquorum"];

/// Answers `words` at the sentinel at `address`.
pub fn answer(group: &mut Redis, address: &str, client: &mut Client, passwords: &Passwords, words: &[String]) -> Reply {
    let Some(me) = group.sentinels.iter().find(|s| s.address == address).cloned() else { return Reply::error("ERR no such sentinel") };
    let (Some(first), rest) = (words.first().map(|w| w.to_ascii_lowercase()), words.get(1..).unwrap_or_default()) else { return few("") };
    let sub = rest.first().map(|w| w.to_ascii_lowercase()).unwrap_or_default();
    match first.as_str() {
        "auth" => return login(client, passwords, rest),
        "quit" => return Reply::Simple("OK"),
        "hello" => {
            if rest.first().is_some_and(|v| v != "2") {
                return Reply::error("NOPROTO unsupported protocol version");
            }
            if let Some(at) = rest.iter().position(|w| w.eq_ignore_ascii_case("auth")) {
                let done = login(client, passwords, rest.get(at + 1..at + 3).unwrap_or_default());
                if matches!(done, Reply::Error(_)) {
                    return done;
                }
            }
        }
        _ => {}
    }
    let Some(user) = client.user else { return Reply::error("NOAUTH Authentication required.") };
    let full = if first == "sentinel" { format!("sentinel|{sub}") } else { first.clone() };
    if user == "monitor" && !MONITOR.contains(&full.as_str()) && first != "hello" {
        return Reply::error(format!("NOPERM this user has no permissions to run the '{full}' command"));
    }
    match first.as_str() {
        "ping" => rest.first().map_or(Reply::Simple("PONG"), |w| Reply::bulk(w.as_str())),
        "hello" => pairs([("server", "redis"), ("version", &group.version), ("mode", "sentinel")]),
        "info" => Reply::Bulk(info(group, &me, &sub)),
        "role" => Reply::List(vec![Reply::bulk("sentinel"), Reply::list([SESSIONS])]),
        "acl" if sub == "whoami" => Reply::bulk(user),
        "client" => Reply::Simple("OK"),
        "command" => Reply::List(Vec::new()),
        "sentinel" => sentinel(group, &me, &sub, rest),
        _ => {
            let seen = rest.iter().map(|w| ["'", w, "' "].concat()).collect::<String>();
            // Named as it was written.
            let name = words.first().map_or("", String::as_str);
            Reply::error(format!("ERR unknown command '{name}', with args beginning with: {seen}"))
        }
    }
}

fn sentinel(group: &mut Redis, me: &Sentinel, sub: &str, words: &[String]) -> Reply {
    let others: Vec<Sentinel> = group.sentinels.iter().filter(|s| s.address != me.address).cloned().collect();
    let usable = 1 + others.iter().filter(|s| s.is_up).count();
    let Some(master) = group.nodes.iter().find(|n| n.master.is_none()).cloned() else { return Reply::error("ERR No such master with that name") };
    match sub {
        "masters" => return Reply::List(vec![watched(group, &master, others.len())]),
        "myid" => return Reply::bulk(me.id.as_str()),
        "master" | "replicas" | "slaves" | "sentinels" | "ckquorum" | "get-master-addr-by-name" | "failover" => {}
        other => return Reply::error(format!("ERR unknown subcommand '{other}'. Try SENTINEL HELP.")),
    }
    let Some(name) = words.get(1) else { return few(&format!("sentinel|{sub}")) };
    if name != SESSIONS {
        return if sub == "get-master-addr-by-name" { Reply::Nil } else { Reply::error("ERR No such master with that name") };
    }
    match sub {
        "master" => watched(group, &master, others.len()),
        "replicas" | "slaves" => Reply::List(group.nodes.iter().filter(|n| n.master.is_some()).map(|n| replica(n, &master)).collect()),
        "sentinels" => Reply::List(others.iter().map(peer).collect()),
        "ckquorum" => {
            let most = group.sentinels.len() / 2 + 1;
            match (usable >= QUORUM, usable >= most) {
                (true, true) => Reply::Bulk(format!("OK {usable} usable Sentinels. Quorum and failover authorization can be reached")),
                (true, false) => {
                    Reply::error(format!("NOQUORUM {usable} usable Sentinels. Not enough available Sentinels to reach the majority and authorize a failover"))
                }
                (false, _) => {
                    Reply::error(format!("NOQUORUM {usable} usable Sentinels. Not enough available Sentinels to reach the specified quorum for this master"))
                }
            }
        }
        "get-master-addr-by-name" => {
            let (host, port) = split(&master.address);
            Reply::list([host.to_owned(), port.to_string()])
        }
        _ => {
            if group.promote(&master.id) {
                Reply::Simple("OK")
            } else {
                Reply::error("NOGOODSLAVE No suitable replica to promote")
            }
        }
    }
}

fn pairs<'a>(all: impl IntoIterator<Item = (&'a str, &'a str)>) -> Reply {
    Reply::List(all.into_iter().flat_map(|(name, value)| [Reply::bulk(name), Reply::bulk(value)]).collect())
}

/// What the sentinels think of a node's health.
fn flags(node: &RedisNode, role: &str) -> String {
    let silent = node.silent_seconds > NODE_TIMEOUT.as_secs_f64();
    match (node.is_up, silent, role) {
        (false, true, "master") => "s_down,o_down,master".to_owned(),
        (false, true, role) => format!("s_down,{role},disconnected"),
        _ => role.to_owned(),
    }
}

/// The fields that masters and replicas share, the name first.
fn node<'a>(name: &'a str, n: &RedisNode, role: &'a str) -> Vec<(&'a str, String)> {
    let (host, port) = split(&n.address);
    let silent = whole(n.silent_seconds * 1000.0);
    vec![
        ("name", name.to_owned()),
        ("ip", host.to_owned()),
        ("port", port.to_string()),
        ("runid", n.id.chars().rev().collect()),
        ("flags", flags(n, role)),
        ("link-pending-commands", "0".into()),
        ("link-refcount", "1".into()),
        ("last-ping-sent", silent.to_string()),
        ("last-ok-ping-reply", (silent + 102).to_string()),
        ("last-ping-reply", (silent + 102).to_string()),
        ("down-after-milliseconds", NODE_TIMEOUT.as_millis().to_string()),
        ("info-refresh", "3264".into()),
        ("role-reported", role.to_owned()),
        ("role-reported-time", "812003".into()),
    ]
}

fn told(fields: &[(&str, String)]) -> Reply {
    pairs(fields.iter().map(|(name, value)| (*name, value.as_str())))
}

fn watched(group: &Redis, master: &RedisNode, others: usize) -> Reply {
    let mut fields = node(SESSIONS, master, "master");
    fields.extend([
        ("config-epoch", group.epoch.to_string()),
        ("num-slaves", (group.nodes.len() - 1).to_string()),
        ("num-other-sentinels", others.to_string()),
        ("quorum", QUORUM.to_string()),
        ("failover-timeout", "180000".into()),
        ("parallel-syncs", "1".into()),
    ]);
    told(&fields)
}

fn replica(n: &RedisNode, master: &RedisNode) -> Reply {
    let (host, port) = split(&master.address);
    let (time, state) = if n.link_down_seconds == 0.0 { ("0".to_owned(), "ok") } else { (whole(n.link_down_seconds * 1000.0).to_string(), "err") };
    let mut fields = node(&n.address, n, "slave");
    fields.extend([
        ("master-link-down-time", time),
        ("master-link-status", state.to_owned()),
        ("master-host", host.to_owned()),
        ("master-port", port.to_string()),
        ("slave-priority", "100".into()),
        ("slave-repl-offset", whole(n.offset).to_string()),
        ("replica-announced", "1".into()),
    ]);
    told(&fields)
}

fn peer(s: &Sentinel) -> Reply {
    let (host, port) = split(&s.address);
    let flags = if s.is_up { "sentinel" } else { "s_down,sentinel,disconnected" };
    let port = port.to_string();
    pairs([
        ("name", s.id.as_str()),
        ("ip", host),
        ("port", port.as_str()),
        ("runid", s.id.as_str()),
        ("flags", flags),
        ("link-pending-commands", "0"),
        ("link-refcount", "1"),
        ("last-ping-sent", "0"),
        ("last-ok-ping-reply", "112"),
        ("last-ping-reply", "112"),
        ("down-after-milliseconds", "5000"),
        ("last-hello-message", "1162"),
        ("voted-leader", "?"),
        ("voted-leader-epoch", "0"),
    ])
}

/// `section`: only that; all of it where none is named.
fn info(group: &Redis, me: &Sentinel, section: &str) -> String {
    let master = group.nodes.iter().find(|n| n.master.is_none());
    let (address, status) = master.map_or(("", "odown"), |m| (m.address.as_str(), if flags(m, "master") == "master" { "ok" } else { "odown" }));
    let server = format!(
        "# Server\nredis_version:{}\nredis_mode:sentinel\nos:Linux 5.4.278 x86_64\narch_bits:64\nprocess_id:1\nrun_id:{}\ntcp_port:{}\nuptime_in_seconds:1900000\n",
        group.version,
        me.id,
        split(&me.address).1
    );
    let sentinel = format!(
        "# Sentinel\nsentinel_masters:1\nsentinel_tilt:0\nsentinel_tilt_since_seconds:-1\nsentinel_running_scripts:0\nsentinel_scripts_queue_length:0\nsentinel_simulate_failure_flags:0\nmaster0:name={SESSIONS},status={status},address={address},slaves={},sentinels={}\n",
        group.nodes.len() - 1,
        group.sentinels.len()
    );
    let text = match section {
        "server" => server,
        "sentinel" => sentinel,
        "" | "all" | "default" | "everything" => server + "\n" + &sentinel,
        _ => String::new(),
    };
    text.replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::clock::Moment;
    use crate::lab::world::scenario::Scenario;
    use crate::lab::world::{Size, World};

    const BEGAN: Moment = Moment(1_795_249_440_000);

    fn ask(world: &mut World, line: &str) -> Reply {
        let passwords = Passwords { default: "pw".into(), monitor: "mo".into() };
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let mut client = Client { user: Some("monitor"), ..Client::default() };
        let address = world.sessions.sentinels[0].address.clone();
        answer(&mut world.sessions, &address, &mut client, &passwords, &words)
    }

    #[test]
    fn a_lost_master_is_replaced_by_the_sentinels() {
        let mut world = World::new(7, Size::default(), BEGAN, Scenario::named("calm").unwrap());
        world.advance(BEGAN.plus(Duration::from_secs(2)));
        let text = |reply: &Reply| format!("{reply:?}");
        let (first, second) = (world.sessions.nodes[0].address.clone(), world.sessions.nodes[1].address.clone());
        let masters = text(&ask(&mut world, "SENTINEL MASTERS"));
        assert!(masters.contains(split(&first).0) && masters.contains("\"num-other-sentinels\"), Bulk(\"2\")"), "{masters}");
        assert!(text(&ask(&mut world, "SENTINEL CKQUORUM sessions")).contains("OK 3 usable Sentinels"));
        assert!(text(&ask(&mut world, "SENTINEL CKQUORUM nobody")).contains("ERR No such master with that name"));
        assert!(text(&ask(&mut world, "SENTINEL FAILOVER sessions")).contains("NOPERM"));
        assert!(text(&ask(&mut world, "GET x")).contains("NOPERM"));
        world.kube.ail("pro/sessions-0", Some(crate::lab::world::kube::Ail::NotReady { message: String::new() }));
        world.advance(BEGAN.plus(Duration::from_secs(40)));
        let masters = text(&ask(&mut world, "SENTINEL MASTERS"));
        assert!(masters.contains(split(&second).0), "{masters}");
        assert!(text(&ask(&mut world, "SENTINEL REPLICAS sessions")).contains("s_down,slave,disconnected"));
        world.kube.ail("pro/sentinel-1", Some(crate::lab::world::kube::Ail::NotReady { message: String::new() }));
        world.kube.ail("pro/sentinel-2", Some(crate::lab::world::kube::Ail::NotReady { message: String::new() }));
        world.advance(BEGAN.plus(Duration::from_mins(1)));
        assert!(text(&ask(&mut world, "SENTINEL CKQUORUM sessions")).contains("NOQUORUM 1 usable Sentinels"));
    }
}
