//! Redis against real servers: what each member says, what the others say of it, and a verdict that neither a lie nor a freeze turns.

use std::time::Duration;

use libtest_mimic::Trial;
use quarterdeck::model::group::{EdgeState, Group};
use quarterdeck::model::id::Name;
use quarterdeck::model::source::SourceState;
use quarterdeck::model::verdict::Verdict;
use quarterdeck::source::middleware::Spec;
use quarterdeck::source::middleware::redis::acl;
use quarterdeck::source::middleware::spec::{Account, Companion, Identity, Password, Tls};

use crate::components::case;
use crate::rig::eventually;
use crate::rig::group::{Watched, edge, has, member, number, reasons, show};
use crate::rig::redis::{PASSWORD, SENTINEL_PASSWORD, Server, cluster, cluster_on, hosts, liar, replicated, settled};

const SOON: Duration = Duration::from_secs(20);
/// A failover takes the node timeout, an election and a few polls.
const FAILOVER: Duration = Duration::from_secs(40);

pub fn tests() -> Vec<Trial> {
    let t = |name: &str, body: fn()| case(&format!("redis::{name}"), &["redis"], body);
    vec![
        t("primary_and_replicas_and_a_frozen_master", frozen_master),
        t("a_replica_that_lies_about_its_link", lying_replica),
        t("two_masters", two_masters),
        t("sentinels_find_members_and_follow_a_failover", sentinel_failover),
        t("sentinels_that_disagree", sentinel_split),
        t("cluster_failover_and_a_master_without_replica", cluster_failover),
        t("cluster_with_two_nodes_frozen", cluster_frozen),
        t("cluster_with_a_wrong_announce_address", cluster_announce),
        t("cluster_on_one_host", cluster_one_host),
        t("cluster_with_an_interrupted_reshard", cluster_reshard),
        t("a_cluster_node_that_lies_about_the_state", cluster_liar),
        t("writes_refused_by_a_full_disk", misconf),
        t("a_wrong_password_is_tried_once", wrong_password),
        t("the_least_rights_are_enough_and_a_missing_one_is_named", least_rights),
        t("tls_with_a_self_signed_certificate", tls),
    ]
}

fn account(user: &str, password: &str) -> Account {
    let password = if password.is_empty() { Password::None } else { Password::known(password.to_owned().into()) };
    Account { user: user.to_owned(), password }
}

fn spec(members: &[String]) -> Spec {
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let mut spec = Spec::new("redis", "cache", &members);
    spec.account = account("", PASSWORD);
    spec.every = Some(Duration::from_secs(1));
    spec
}

fn addresses(servers: &[Server]) -> Vec<String> {
    servers.iter().map(Server::address).collect()
}

fn names(group: &Group, code: &str, argument: &str) -> String {
    let reason = reasons(group).find(|r| r.code == code).unwrap_or_else(|| panic!("no {code} in\n{}", show(group)));
    let arg = reason.args.iter().find(|(name, _)| *name == argument).expect("the argument");
    serde_json::to_string(&arg.1).unwrap()
}

fn worst(group: &Group) -> Verdict {
    reasons(group).map(|r| r.verdict).max().unwrap_or(Verdict::Ok)
}

fn frozen_master() {
    let servers = replicated(2);
    let watched = Watched::start(spec(&addresses(&servers[..2])));
    // The third is found by its master's list.
    let group = watched.wait("three members", SOON, |g| g.members.len() == 3 && worst(g) == Verdict::Ok);
    let (master, replica) = (servers[0].address(), servers[1].address());
    assert_eq!((&*member(&group, &master).role, &*member(&group, &replica).role), ("master", "replica"));
    assert_eq!(member(&group, &replica).upstream.as_deref(), Some(master.as_str()));
    assert_eq!((edge(&group, &replica).state, &*edge(&group, &replica).from), (EdgeState::Flowing, master.as_str()));
    assert_eq!(number(member(&group, &replica), "lag_bytes"), Some(0.0));

    servers[0].freeze();
    let group = watched.wait_for("middleware.member.mute", Verdict::Unknown, SOON);
    assert_eq!(number(member(&group, &master), "memory_used_bytes"), None, "no number of a frozen server is shown as live");
    assert!(worst(&group) >= Verdict::Unknown);
    // First the replicas still think they hear it; then both observers agree.
    let group = watched.wait_for("redis.peers.gone", Verdict::Crit, FAILOVER);
    assert!(names(&group, "redis.peers.gone", "who").contains(&replica));
    assert!(has(&group.reasons, "redis.no_master", Verdict::Crit), "{}", show(&group));
    servers[0].thaw();
    watched.wait("well again", FAILOVER, |g| worst(g) == Verdict::Ok);
}

fn lying_replica() {
    let servers = replicated(2);
    let liar = liar(&servers[1], "master_link_status:down", "master_link_status:up\r\n");
    let watched = Watched::start(spec(&[servers[0].address(), liar.clone(), servers[2].address()]));
    watched.wait("all well", SOON, |g| g.members.len() == 3 && worst(g) == Verdict::Ok);
    // From now on its login at the master is refused; by its own word the link is up.
    servers[1].cli(&["CONFIG", "SET", "masterauth", "wrong"]);
    servers[0].cli(&["CLIENT", "KILL", "TYPE", "replica"]);
    let group = watched.wait_for("redis.link.disputed", Verdict::Crit, SOON);
    assert!(has(&member(&group, &liar).reasons, "redis.link.disputed", Verdict::Crit), "{}", show(&group));
    assert!(!reasons(&group).any(|r| r.code == "redis.link.down"), "the lie was told: {}", show(&group));
    assert_eq!(member(&group, &servers[2].address()).reasons, []);
}

fn two_masters() {
    let servers = replicated(2);
    let watched = Watched::start(spec(&addresses(&servers)));
    watched.wait("all well", SOON, |g| g.members.len() == 3 && worst(g) == Verdict::Ok);
    servers[2].cli(&["REPLICAOF", "NO", "ONE"]);
    let group = watched.wait_for("redis.masters.many", Verdict::Crit, SOON);
    let who = names(&group, "redis.masters.many", "who");
    assert!(who.contains(&servers[0].address()) && who.contains(&servers[2].address()), "{who}");
    // The link of the other is cut by its master's words alone: it says so itself.
    servers[1].cli(&["CONFIG", "SET", "masterauth", "wrong"]);
    servers[0].cli(&["CLIENT", "KILL", "TYPE", "replica"]);
    let group = watched.wait_for("redis.link.down", Verdict::Crit, SOON);
    assert_eq!(edge(&group, &servers[1].address()).state, EdgeState::Broken);
}

fn sentinels(servers: &[Server]) -> (Vec<Server>, Spec) {
    let watchers: Vec<Server> = hosts(3).iter().map(|host| Server::sentinel(host, &servers[0], 2)).collect();
    for watcher in &watchers {
        eventually("the sentinels know all", Duration::from_secs(30), || {
            let text = watcher.cli(&["SENTINEL", "MASTERS"]).replace('\n', " ");
            (text.contains("num-other-sentinels 2") && text.contains(&format!("num-slaves {}", servers.len() - 1))).then_some(())
        });
    }
    let mut spec = spec(&[]);
    spec.companions = vec![Companion {
        role: Name::from("sentinel"),
        members: addresses(&watchers),
        account: account("", SENTINEL_PASSWORD),
        settings: [("master".to_owned(), "mymaster".to_owned())].into(),
    }];
    (watchers, spec)
}

fn sentinel_failover() {
    let mut servers = replicated(2);
    let (watchers, mut spec) = sentinels(&servers);
    // With the least rights, of an account that the data members do not know.
    for watcher in &watchers {
        let rules: Vec<&str> = ["ACL", "SETUSER", "watch", "on", ">watch-only-2"].into_iter().chain(acl::SENTINEL_RULES.split(' ')).collect();
        assert_eq!(watcher.cli(&rules), "OK");
    }
    spec.companions[0].account = account("watch", "watch-only-2");
    let watched = Watched::start(spec);
    let group = watched.wait("sentinels and data members", SOON, |g| g.members.len() == 6 && worst(g) == Verdict::Ok);
    assert_eq!(group.members.iter().filter(|m| &*m.role == "sentinel").count(), 3);
    assert!(group.members.iter().all(|m| m.denied.is_empty()), "{}", show(&group));
    assert_eq!(&*member(&group, &servers[0].address()).role, "master");
    let old = servers[0].address();
    servers[0].kill();
    let group = watched.wait_for("redis.peers.gone", Verdict::Crit, FAILOVER);
    assert!(member(&group, &old).reasons.iter().any(|r| r.code == "middleware.member.unreachable"), "{}", show(&group));
    watched.wait("a new master", FAILOVER, |g| {
        g.members.iter().any(|m| &*m.role == "master" && *m.address != *old && m.reasons.is_empty())
            && !reasons(g).any(|r| r.code.starts_with("redis.sentinel"))
    });
    // The sentinels give the old one, a replica by now, a little time before they miss it again.
    watched.wait("the old one is still gone", FAILOVER, |g| has(&member(g, &old).reasons, "redis.peers.gone", Verdict::Crit));
    servers[0].up();
    let group = watched.wait("well again", FAILOVER, |g| g.members.len() == 6 && worst(g) == Verdict::Ok);
    assert_eq!(&*member(&group, &old).role, "replica");
}

fn sentinel_split() {
    let servers = replicated(1);
    let (watchers, mut spec) = sentinels(&servers);
    spec.members = addresses(&servers);
    let other = Server::start(&hosts(1)[0], PASSWORD, &[]);
    let watched = Watched::start(spec);
    watched.wait("all well", SOON, |g| g.members.len() == 5 && worst(g) == Verdict::Ok);
    // One sentinel stands by another server of the same name.
    watchers[2].cli(&["SENTINEL", "REMOVE", "mymaster"]);
    watchers[2].cli(&["SENTINEL", "MONITOR", "mymaster", &other.host, &other.port.to_string(), "2"]);
    watchers[2].cli(&["SENTINEL", "SET", "mymaster", "auth-pass", PASSWORD]);
    let group = watched.wait_for("redis.sentinel.split", Verdict::Crit, SOON);
    let sides = names(&group, "redis.sentinel.split", "sides");
    assert!(sides.contains(&format!("{}: {}", other.address(), watchers[2].address())), "{sides}");
    assert!(sides.contains(&format!("{}: ", servers[0].address())), "{sides}");
    let group = watched.wait_for("redis.sentinel.quorum", Verdict::Crit, SOON);
    assert!(has(&member(&group, &watchers[2].address()).reasons, "redis.sentinel.quorum", Verdict::Crit));
    // Two of three frozen: one sentinel's word is no majority.
    watchers[0].freeze();
    watchers[1].freeze();
    watched.wait_for("redis.sentinel.few_heard", Verdict::Unknown, SOON);
}

fn role_of(server: &Server) -> String {
    server.field("replication", "role")
}

/// Position of a master's replica.
fn replica_of(nodes: &[Server], master: usize) -> usize {
    let port = nodes[master].port.to_string();
    // The dead do not answer, and are no replicas.
    nodes.iter().position(|n| role_of(n) == "slave" && n.field("replication", "master_port") == port).expect("a replica")
}

fn cluster_failover() {
    let mut nodes = cluster();
    // One seed is enough.
    let watched = Watched::start(spec(&[nodes[1].address()]));
    let group = watched.wait("six nodes", SOON, |g| g.members.len() == 6 && worst(g) == Verdict::Ok);
    assert_eq!(group.edges.len(), 3);
    assert!(group.members.iter().filter(|m| &*m.role == "master").all(|m| number(m, "slots").is_some_and(|s| s > 5000.0)));

    let heir = replica_of(&nodes, 0);
    nodes[0].kill();
    let dead = nodes[0].address();
    watched.wait("the others miss it", FAILOVER, |g| has(&member(g, &dead).reasons, "redis.peers.gone", Verdict::Crit));
    let heir_address = nodes[heir].address();
    watched.wait("a new master without a replica", FAILOVER, |g| {
        let heir = member(g, &heir_address);
        &*heir.role == "master" && has(&heir.reasons, "redis.cluster.no_replica", Verdict::Warn) && g.reasons.is_empty()
    });
    // Forgotten by all, it is no member any more.
    let id = nodes[heir].cli(&["CLUSTER", "NODES"]).lines().find(|l| l.contains(&dead)).expect("the dead one").split(' ').next().unwrap().to_owned();
    for node in &nodes[1..] {
        assert_eq!(node.cli(&["CLUSTER", "FORGET", &id]), "OK");
    }
    watched.wait("five members", SOON, |g| g.members.len() == 5 && !g.members.iter().any(|m| *m.address == *dead));
    // A replica that is there but follows nobody is as good as none.
    let other = replica_of(&nodes, 1);
    nodes[other].freeze();
    let group = watched.wait_for("redis.cluster.no_good_replica", Verdict::Warn, FAILOVER);
    assert!(has(&member(&group, &nodes[1].address()).reasons, "redis.cluster.no_good_replica", Verdict::Warn), "{}", show(&group));
    assert!(names(&group, "redis.cluster.no_good_replica", "who").contains(&nodes[other].address()));
}

fn cluster_frozen() {
    let nodes = cluster();
    let watched = Watched::start(spec(&addresses(&nodes)));
    watched.wait("all well", SOON, |g| g.members.len() == 6 && worst(g) == Verdict::Ok);
    // Two masters of three: the last one cannot elect anybody.
    nodes[0].freeze();
    nodes[1].freeze();
    let group = watched.wait("crit by two observers", FAILOVER, |g| {
        [0, 1].iter().all(|n| has(&member(g, &nodes[*n].address()).reasons, "redis.peers.gone", Verdict::Crit))
            && g.reasons.iter().any(|r| r.code == "redis.cluster.fail" && r.verdict == Verdict::Crit)
    });
    assert!(has(&member(&group, &nodes[0].address()).reasons, "middleware.member.mute", Verdict::Unknown), "{}", show(&group));
    assert!(names(&group, "redis.cluster.fail", "who").contains(&nodes[2].address()));
    assert!(has(&member(&group, &nodes[2].address()).reasons, "redis.read_refused", Verdict::Crit), "a client's read: {}", show(&group));
    nodes[0].thaw();
    nodes[1].thaw();
    settled(&nodes);
    watched.wait("well again", FAILOVER, |g| worst(g) == Verdict::Ok);
}

fn cluster_announce() {
    let nodes = cluster();
    let watched = Watched::start(spec(&addresses(&nodes)));
    watched.wait("all well", SOON, |g| g.members.len() == 6 && worst(g) == Verdict::Ok);
    nodes[3].cli(&["CONFIG", "SET", "cluster-announce-port", "9"]);
    let group = watched.wait_for("redis.announce.nothing", Verdict::Crit, SOON);
    assert!(has(&member(&group, &nodes[3].address()).reasons, "redis.announce.nothing", Verdict::Crit), "{}", show(&group));
    assert!(names(&group, "redis.announce.nothing", "address").contains(&format!("{}:9", nodes[3].host)));
    assert_eq!(group.members.len(), 6, "the wrong address is no member of its own: {}", show(&group));
    // Set right, it is forgotten.
    nodes[3].cli(&["CONFIG", "SET", "cluster-announce-port", &nodes[3].port.to_string()]);
    watched.wait("well again", SOON, |g| g.members.len() == 6 && worst(g) == Verdict::Ok);
}

fn cluster_one_host() {
    let host = hosts(1)[0].clone();
    let nodes = cluster_on(&std::iter::repeat_n(host.clone(), 6).collect::<Vec<_>>());
    let watched = Watched::start(spec(&addresses(&nodes)));
    let group = watched.wait("three pairs on one host", SOON, |g| reasons(g).filter(|r| r.code == "redis.cluster.same_host").count() == 3);
    assert!(names(&group, "redis.cluster.same_host", "host").contains(&host) && worst(&group) == Verdict::Warn, "{}", show(&group));
}

fn cluster_reshard() {
    let nodes = cluster();
    let mut spec = spec(&addresses(&nodes));
    spec.limits.redis.reshard_seconds = 8;
    let watched = Watched::start(spec);
    watched.wait("all well", SOON, |g| g.members.len() == 6 && worst(g) == Verdict::Ok);
    let (from, to) = (nodes[0].cli(&["CLUSTER", "MYID"]), nodes[1].cli(&["CLUSTER", "MYID"]));
    nodes[1].cli(&["CLUSTER", "SETSLOT", "7", "IMPORTING", &from]);
    nodes[0].cli(&["CLUSTER", "SETSLOT", "7", "MIGRATING", &to]);
    watched.wait_for("redis.cluster.resharding", Verdict::Ok, SOON);
    let group = watched.wait_for("redis.cluster.reshard_stuck", Verdict::Warn, SOON);
    assert!(has(&member(&group, &nodes[0].address()).reasons, "redis.cluster.reshard_stuck", Verdict::Warn), "{}", show(&group));
    nodes[1].cli(&["CLUSTER", "SETSLOT", "7", "STABLE"]);
    nodes[0].cli(&["CLUSTER", "SETSLOT", "7", "STABLE"]);
    watched.wait("all well", SOON, |g| worst(g) == Verdict::Ok);
    nodes[0].cli(&["CLUSTER", "SETSLOT", "7", "MIGRATING", &to]);
    watched.wait_for("redis.cluster.reshard_half", Verdict::Warn, SOON);
}

fn cluster_liar() {
    let nodes = cluster();
    let liar = liar(&nodes[2], "cluster_state:fail", "cluster_state:ok  ");
    let mut members = addresses(&nodes);
    members[2].clone_from(&liar);
    let watched = Watched::start(spec(&members));
    watched.wait("all well", SOON, |g| g.members.len() == 6 && worst(g) == Verdict::Ok);
    let slot = "5000";
    for node in &nodes {
        node.cli(&["CLUSTER", "DELSLOTS", slot]);
    }
    let group = watched.wait_for("redis.cluster.split", Verdict::Crit, FAILOVER);
    assert!(names(&group, "redis.cluster.split", "ok").contains(&liar), "{}", show(&group));
    assert!(names(&group, "redis.cluster.split", "fail").contains(&nodes[0].address()), "{}", show(&group));
    watched.wait_for("redis.cluster.slots_unassigned", Verdict::Crit, SOON);
}

fn misconf() {
    let server = Server::start(&hosts(1)[0], PASSWORD, &["--save", "3600 1"]);
    let watched = Watched::start(spec(&[server.address()]));
    watched.wait("all well", SOON, |g| worst(g) == Verdict::Ok);
    std::fs::remove_dir_all(server.dir()).unwrap();
    server.cli(&["BGSAVE"]);
    watched.wait_for("redis.bgsave_failed", Verdict::Crit, SOON);
    // Known before anybody has tried to write, and not from our own questions.
    let group = watched.wait_for("redis.writes_refused", Verdict::Crit, SOON);
    assert!(names(&group, "redis.writes_refused", "error").contains("MISCONF"));
    let seen = watched.pictures();
    let group = watched.wait("three more pictures", SOON, |_| watched.pictures() > seen + 3);
    assert!(!reasons(&group).any(|r| r.code == "redis.refusing.misconf"), "nobody has been refused yet");
    assert!(server.cli(&["SET", "a", "1"]).contains("MISCONF"));
    watched.wait_for("redis.refusing.misconf", Verdict::Crit, SOON);
    std::fs::create_dir(server.dir()).unwrap();
}

fn refusals(server: &Server) -> usize {
    let log = server.cli(&["ACL", "LOG"]);
    let lines: Vec<&str> = log.lines().collect();
    lines.iter().zip(lines.iter().skip(1)).filter(|(name, _)| name.contains("count")).map(|(_, n)| n.trim().parse::<usize>().unwrap()).sum()
}

fn wrong_password() {
    let mut servers = replicated(1);
    let mut entry = spec(&[servers[0].address()]);
    entry.account = account("", "not-the-one");
    entry.every = Some(Duration::from_millis(300));
    let watched = Watched::start(entry);
    let error = eventually("the end", SOON, || watched.ended());
    assert_eq!(error.state, SourceState::AuthLost, "{error:?}");
    assert!(error.text.contains("WRONGPASS") && !error.text.contains("not-the-one"), "{error:?}");
    assert_eq!(refusals(&servers[0]), 1);

    // One of two refuses: the other lives on, and is not enough.
    servers[1].cli(&["CONFIG", "SET", "requirepass", "another-secret"]);
    let mut entry = spec(&addresses(&servers));
    entry.every = Some(Duration::from_millis(300));
    let watched = Watched::start(entry);
    watched.wait_for("middleware.member.refused", Verdict::Unknown, SOON);
    let seen = watched.pictures();
    let group = watched.wait("ten more pictures", SOON, |_| watched.pictures() > seen + 10);
    assert!(has(&group.reasons, "redis.few_witnesses", Verdict::Unknown), "{}", show(&group));
    "another-secret".clone_into(&mut servers[1].password);
    assert_eq!(refusals(&servers[1]), 1, "one attempt in more than ten polls");

    // No password at all where one is wanted.
    let mut entry = spec(&[servers[0].address()]);
    entry.account = account("", "");
    let watched = Watched::start(entry);
    let error = eventually("the end", SOON, || watched.ended());
    assert!(error.state == SourceState::AuthLost && error.text.contains("NOAUTH"), "{error:?}");
}

fn least_rights() {
    let nodes = cluster();
    for node in &nodes {
        let rules: Vec<&str> = ["ACL", "SETUSER", "monitor", "on", ">watch-only-1"].into_iter().chain(acl::DATA_RULES.split(' ')).collect();
        assert_eq!(node.cli(&rules), "OK");
        assert!(node.cli(&["--user", "monitor", "--pass", "watch-only-1", "SET", "a", "1"]).contains("NOPERM"), "it must not write");
    }
    let mut entry = spec(&addresses(&nodes));
    entry.account = account("monitor", "watch-only-1");
    let watched = Watched::start(entry);
    let group = watched.wait("all well", SOON, |g| g.members.len() == 6 && worst(g) == Verdict::Ok);
    assert!(group.members.iter().all(|m| m.denied.is_empty()), "{}", show(&group));
    // Without one command the row says which, how to grant it, and lives on.
    nodes[0].cli(&["ACL", "SETUSER", "monitor", "-cluster|nodes"]);
    nodes[1].cli(&["ACL", "SETUSER", "monitor", "resetkeys"]);
    let group = watched.wait("two denied", SOON, |g| [0, 1].iter().all(|n| !member(g, &nodes[*n].address()).denied.is_empty()));
    assert!(number(member(&group, &nodes[0].address()), "memory_used_bytes").is_some());
    for node in &nodes[..2] {
        let need = member(&group, &node.address()).denied[0].need.to_string();
        assert_eq!(node.cli(&need.split(' ').collect::<Vec<_>>()), "OK", "{need}");
    }
    watched.wait("allowed again", SOON, |g| worst(g) == Verdict::Ok && g.members.iter().all(|m| m.denied.is_empty()));
}

fn tls() {
    let host = hosts(1)[0].clone();
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec![host.clone()]).unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let port = crate::rig::redis::free_port(&host).to_string();
    let (cert_file, key_file) = (cert.display().to_string(), key.display().to_string());
    let flags = ["--tls-port", &port, "--tls-cert-file", &cert_file, "--tls-key-file", &key_file, "--tls-auth-clients", "no"];
    let server = Server::start(&host, PASSWORD, &flags);
    let address = format!("{host}:{port}");

    let start = |tls: Tls, address: &str| {
        let mut entry = spec(&[address.to_owned()]);
        entry.tls = tls;
        Watched::start(entry)
    };
    let known = Tls::Verified { ca: Some(made.cert.pem().into_bytes()), server_name: None };
    start(known.clone(), &address).wait("well, verified", SOON, |g| worst(g) == Verdict::Ok && g.members[0].answered_at.is_some());
    let group = start(Tls::Unverified, &address).wait("well, unverified", SOON, |g| worst(g) == Verdict::Ok && g.members[0].answered_at.is_some());
    assert!(has(&group.members[0].reasons, "middleware.tls.unverified", Verdict::Ok), "its row says so");
    let group = start(Tls::Verified { ca: None, server_name: None }, &address).wait_for("middleware.member.tls", Verdict::Unknown, SOON);
    assert!(names(&group, "middleware.member.tls", "remedy").contains("tls.ca"), "{}", show(&group));
    let wrong = Tls::Verified { ca: Some(made.cert.pem().into_bytes()), server_name: Some("other.example".to_owned()) };
    let group = start(wrong, &address).wait_for("middleware.member.tls", Verdict::Unknown, SOON);
    assert!(names(&group, "middleware.member.tls", "text").contains("other.example"), "{}", show(&group));
    // A server that asks for a certificate of ours takes its own here; who shows none is turned away.
    server.cli(&["CONFIG", "SET", "tls-ca-cert-file", &cert_file]);
    server.cli(&["CONFIG", "SET", "tls-auth-clients", "yes"]);
    let identity = Identity { certificate: made.cert.pem().into_bytes(), key: made.signing_key.serialize_pem().into_bytes() };
    let shown = Tls::Identified { how: Box::new(known.clone()), identity };
    start(shown, &address).wait("well, known to each other", SOON, |g| worst(g) == Verdict::Ok && g.members[0].answered_at.is_some());
    let group = start(known.clone(), &address).wait_for("middleware.member.tls", Verdict::Unknown, SOON);
    assert!(names(&group, "middleware.member.tls", "remedy").contains("tls.cert"), "{}", show(&group));
    server.cli(&["CONFIG", "SET", "tls-auth-clients", "no"]);
    // Each without the other.
    start(known, &server.address()).wait("no TLS there", SOON, |g| reasons(g).any(|r| matches!(r.code, "middleware.member.tls" | "middleware.member.mute")));
    let group = start(Tls::Off, &address).wait_for("middleware.member.unreachable", Verdict::Crit, SOON);
    assert!(names(&group, "middleware.member.unreachable", "text").contains("TLS"), "{}", show(&group));
}
