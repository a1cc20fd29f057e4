//! Elasticsearch against real nodes: its colour and what lies behind it, lost and frozen nodes, and a verdict that no lie turns.

use std::time::Duration;

use libtest_mimic::Trial;
use quarterdeck::model::group::{Group, Member};
use quarterdeck::model::reason::Arg;
use quarterdeck::model::source::SourceState;
use quarterdeck::model::verdict::Verdict::{Crit, Ok, Unknown, Warn};
use quarterdeck::source::middleware::Spec;
use quarterdeck::source::middleware::elasticsearch::rights;
use quarterdeck::source::middleware::spec::{Account, Credential, Password, Tls};

use crate::components::case;
use crate::rig::eventually;
use crate::rig::group::{Watched, has, member, number, reasons, show};
use crate::rig::opensearch::{NAME, PASSWORD, secured};
use crate::rig::redis::liar_before;
use crate::rig::search::{Node, joined, nodes, version};
use crate::rig::stub::{Asked, stub};

const SOON: Duration = Duration::from_secs(60);

pub fn tests() -> Vec<Trial> {
    let t = |name: &str, body: fn()| case(&format!("elasticsearch::{name}"), &["elasticsearch"], body);
    vec![
        t("three_nodes_from_green_to_no_master", trio),
        t("one_node_alone", alone),
        case("elasticsearch::an_opensearch_with_tls_login_and_the_least_rights", &["opensearch"], opensearch),
        case("elasticsearch::an_api_key_and_a_health_report_as_documented", &[], eighth),
    ]
}

fn spec(members: &[&str]) -> Spec {
    let mut spec = Spec::new("elasticsearch", "search", members);
    // A round has a quarter of it, and the machine may be busy.
    spec.every = Some(Duration::from_secs(2));
    spec
}

fn addresses(nodes: &[Node]) -> Vec<&str> {
    nodes.iter().map(|n| n.address.as_str()).collect()
}

fn words(group: &Group, code: &str) -> String {
    reasons(group).filter(|r| r.code == code).map(|r| format!("{:?}", r.args)).collect()
}

/// Everything but what is said of each of these nodes all the time: none of them asks for a login, one lacks the analyzer.
fn well(group: &Group) -> bool {
    let usual = ["elasticsearch.open", "elasticsearch.plugin.missing", "elasticsearch.plugin.not-here"];
    reasons(group).all(|r| r.verdict == Ok || usual.contains(&r.code)) && group.members.iter().all(|m| m.answered_at.is_some())
}

fn master_of(group: &Group) -> String {
    group.members.iter().find(|m| &*m.role == "master").expect("a master").address.to_string()
}

fn trio() {
    let mut trio = nodes(3, 2);
    let everybody: Vec<String> = addresses(&trio).iter().map(ToString::to_string).collect();
    // Two are configured; the third is found.
    let watched = Watched::start(spec(&addresses(&trio[..2])));
    let group = watched.wait("three healthy nodes", SOON, |g| g.members.len() == 3 && well(g));
    assert!(group.members.iter().all(|m| has(&m.reasons, "elasticsearch.open", Warn)), "nobody asked for a login: {}", show(&group));
    assert_eq!(group.members.iter().filter(|m| &*m.role == "master").count(), 1);
    for m in &group.members {
        assert!(number(m, "heap_used_percent").is_some() && number(m, "disk_used_percent").is_some(), "{}", show(&group));
        assert!(m.details.iter().any(|d| d.key == "version" && d.text == version(&trio[0])));
    }
    // An analyzer on two of three.
    assert!(has(&group.reasons, "elasticsearch.plugin.missing", Crit) && words(&group, "elasticsearch.plugin.missing").contains(&everybody[2]));
    assert!(has(&member(&group, &everybody[2]).reasons, "elasticsearch.plugin.not-here", Crit));
    assert!(member(&group, &everybody[0]).details.iter().any(|d| d.key == "plugins" && d.text.contains("analysis-icu 7.17")), "{}", show(&group));

    yellow_and_a_liar(&trio, &watched);
    flood(&trio, &watched);
    // The index without replicas makes a lost node a lost primary.
    trio[0].ask("DELETE", "/mall", "");
    trio[0].index("lone", 3, 0);
    watched.wait("green again", SOON, well);
    lost(&mut trio, &watched);
    frozen(&trio, &watched);
    no_master(&mut trio, &watched);
}

/// More copies than nodes; and one node says that all is well.
fn yellow_and_a_liar(trio: &[Node], watched: &Watched) {
    trio[0].index("mall", 1, 3);
    let group = watched.wait_for("elasticsearch.why.same-shard", Warn, SOON);
    assert!(has(&group.reasons, "elasticsearch.yellow", Warn) && has(&group.reasons, "elasticsearch.unassigned.replicas", Warn), "{}", show(&group));
    assert!(words(&group, "elasticsearch.since.created").contains("mall[0]"), "{}", show(&group));
    assert_eq!(number(member(&group, &master_of(&group)), "shards_unassigned"), Some(1.0));

    let lying = liar_before(trio[0].host(), trio[0].address.clone(), "\"status\":\"yellow\"", "\"status\":\"green\" ");
    let deceived = Watched::start(spec(&[&lying, &trio[1].address, &trio[2].address]));
    let group = deceived.wait_for("elasticsearch.colour.disputed", Warn, SOON);
    assert!(has(&group.reasons, "elasticsearch.yellow", Warn), "its word does not count: {}", show(&group));
    assert!(words(&group, "elasticsearch.colour.disputed").contains(&format!("green: {lying}")), "{}", show(&group));
}

/// The watermarks are set below what this disk holds.
fn flood(trio: &[Node], watched: &Watched) {
    let marks = |low: &str, high: &str, flood: &str| {
        let of = |name: &str, value: &str| format!("\"cluster.routing.allocation.disk.watermark.{name}\":{value}");
        [of("low", low), of("high", high), of("flood_stage", flood)].join(",")
    };
    trio[0].set(&marks("\"0.1%\"", "\"0.2%\"", "\"0.3%\""));
    let group = watched.wait_for("elasticsearch.blocked.flood", Crit, SOON);
    assert!(words(&group, "elasticsearch.blocked.flood").contains("mall"), "{}", show(&group));
    let refused = trio[0].ask("POST", "/mall/_doc?timeout=5s", "{\"a\":1}");
    assert!(refused.contains("read-only-allow-delete"), "a client is refused: {refused}");
    // The watermarks are asked once a minute; the blocks at every look.
    trio[0].set(&marks("null", "null", "null"));
    trio[0].ask("PUT", "/mall/_settings", "{\"index.blocks.read_only_allow_delete\":null}");
    watched.wait("no block any more", SOON, |g| !reasons(g).any(|r| r.code == "elasticsearch.blocked.flood"));
    trio[0].ask("PUT", "/mall/_settings", "{\"index.blocks.write\":true}");
    watched.wait_for("elasticsearch.blocked.write", Warn, SOON);
}

/// A node dies with the only copy of a shard.
fn lost(trio: &mut [Node], watched: &Watched) {
    let victim = &mut trio[2];
    victim.kill();
    let address = victim.address.clone();
    let group = watched.wait_for("elasticsearch.why.no-copy", Crit, SOON);
    assert!(has(&group.reasons, "elasticsearch.red", Crit) && has(&group.reasons, "elasticsearch.unassigned.primaries", Crit), "{}", show(&group));
    assert!(words(&group, "elasticsearch.since.node-left").contains(&address), "the lost node by its address: {}", show(&group));
    assert!(has(&group.reasons, "elasticsearch.votes.thin", Warn) || has(&group.reasons, "elasticsearch.eligible.few", Warn), "{}", show(&group));
    let row = member(&group, &address);
    assert!(has(&row.reasons, "middleware.member.unreachable", Crit) && has(&row.reasons, "elasticsearch.peers.gone", Crit), "{}", show(&group));
    trio[2].up();
    joined(trio, 3);
    watched.wait("all three again", SOON, well);
}

/// A frozen master keeps its connections. The others go on answering us, drop it and elect another; red stays red by their word.
fn frozen(trio: &[Node], watched: &Watched) {
    let group = watched.group().expect("a picture");
    let master = master_of(&group);
    let victim = trio.iter().find(|n| n.address == master).expect("a node");
    victim.freeze();
    let mute = |m: &Member| has(&m.reasons, "middleware.member.mute", Unknown);
    let group = watched.wait("only the frozen one is silent", SOON, |g| g.members.iter().all(|m| mute(m) == (*m.address == *master)));
    assert!(reasons(&group).any(|r| r.code.starts_with("elasticsearch.peers.")), "{}", show(&group));
    let group = watched.wait("another master", SOON, |g| {
        g.members.iter().any(|m| &*m.role == "master" && *m.address != *master && m.reasons.iter().all(|r| r.verdict != Unknown))
            && has(&member(g, &master).reasons, "elasticsearch.peers.gone", Crit)
            && has(&g.reasons, "elasticsearch.unassigned.primaries", Crit)
    });
    assert!(has(&group.reasons, "elasticsearch.red", Crit), "{}", show(&group));
    victim.thaw();
    watched.wait("thawed", SOON, well);
}

/// Two of three are gone: the last one still answers, and nobody takes its word for the cluster.
fn no_master(trio: &mut [Node], watched: &Watched) {
    trio[1].kill();
    trio[2].kill();
    let group = watched.wait_for("elasticsearch.master.none", Crit, SOON);
    assert!(has(&member(&group, &trio[0].address).reasons, "elasticsearch.no-master", Crit), "{}", show(&group));
    assert!(has(&group.reasons, "elasticsearch.few-witnesses", Unknown), "{}", show(&group));
}

/// One node holds all data: yellow is normal, and a wanted plugin that is missing is not.
fn alone() {
    let one = nodes(1, 0);
    one[0].index("mall", 1, 1);
    let mut spec = spec(&[&format!("http://{}", one[0].address)]);
    spec.settings.insert("plugins".to_owned(), "analysis-ik".to_owned());
    let watched = Watched::start(spec);
    let group = watched.wait_for("elasticsearch.yellow.alone", Ok, SOON);
    let usual = ["elasticsearch.open", "elasticsearch.plugin.missing", "elasticsearch.plugin.not-here"];
    assert!(reasons(&group).all(|r| r.verdict == Ok || usual.contains(&r.code)), "{}", show(&group));
    assert!(words(&group, "elasticsearch.plugin.missing").contains("analysis-ik"));
    assert!(reasons(&group).any(|r| r.args.iter().any(|(name, arg)| *name == "plugin" && *arg == Arg::from("analysis-ik"))));
    let node = &one[0];
    let requests = watched.meter.read().requests;
    let pictures = watched.pictures();
    eventually("ten looks", SOON, || (watched.pictures() >= pictures + 10).then_some(()));
    let asked = (watched.meter.read().requests - requests) as f64 / 10.0;
    println!("one look at one node: {asked:.1} requests; home {}", node.home().display());
    assert!(asked < 12.0, "{asked} requests a look");
}

/// Self-signed TLS by name and by fingerprint, a role that is enough, one that is not, and a password that is tried once.
fn opensearch() {
    let (_, role) = rights::OPENSEARCH_ROLE.split_once("quarterdeck ").expect("the role itself");
    let node = secured(role);
    let pem = node.made.cert.pem().into_bytes();
    let verified = |name: &str| Tls::Verified { ca: Some(pem.clone()), server_name: Some(name.to_owned()) };
    let with = |user: &str, password: &str, tls: Tls| {
        let mut spec = spec(&[&format!("https://{}", node.address)]);
        spec.account = Account { user: user.to_owned(), password: Password::known(password.to_owned().into()) };
        spec.tls = tls;
        spec
    };
    let watched = Watched::start(with("deck", PASSWORD, verified(NAME)));
    let group = watched.wait("a healthy node", SOON, |g| g.members[0].answered_at.is_some() && reasons(g).all(|r| r.verdict == Ok));
    assert!(group.members[0].denied.is_empty() && !reasons(&group).any(|r| r.code == "elasticsearch.open"), "{}", show(&group));
    assert!(group.members[0].details.iter().any(|d| d.key == "version" && d.text.starts_with("OpenSearch 2.")), "{}", show(&group));
    assert!(group.members[0].details.iter().any(|d| d.key == "plugins" && d.text.contains("opensearch-security 2.")), "{}", show(&group));
    node.curl("PUT", "/mall", "{\"settings\":{\"number_of_replicas\":1}}");
    let group = watched.wait_for("elasticsearch.yellow.alone", Ok, SOON);
    assert!(reasons(&group).any(|r| r.code == "elasticsearch.why.same-shard") && group.members[0].denied.is_empty(), "{}", show(&group));
    drop(watched);

    let digest = ring::digest::digest(&ring::digest::SHA256, node.made.cert.der());
    let sha256 = <[u8; 32]>::try_from(digest.as_ref()).expect("32 bytes");
    let poor = Watched::start(with("poor", PASSWORD, Tls::Pinned { sha256 }));
    let group = poor.wait_for("elasticsearch.no-right", Unknown, SOON);
    assert!(group.members[0].denied.iter().any(|d| d.need.contains("cluster_monitor") && d.need.contains("cluster:monitor/")), "{}", show(&group));
    drop(poor);

    let other = Watched::start(with("deck", PASSWORD, verified("another.name")));
    let group = other.wait_for("middleware.member.tls", Unknown, SOON);
    assert!(words(&group, "middleware.member.tls").contains("tls.server_name"), "{}", show(&group));
    drop(other);

    let wrong = Watched::start(with("deck", "not-the-password", verified(NAME)));
    let error = eventually("the end of the source", SOON, || wrong.ended());
    assert!(error.state == SourceState::AuthLost && !error.text.contains("not-the-password"), "{error:?}");
    assert!(node.home().exists());
}

/// 8.x: an API key instead of a password, and what its health report says. From its manual, not from a server.
fn eighth() {
    let address = stub(|asked: &Asked| {
        let text = match asked.path.split('?').next().unwrap_or_default() {
            _ if !asked.head.contains("ApiKey aWQ6a2V5") => {
                return (401, r#"{"error":{"type":"security_exception","reason":"missing authentication credentials"},"status":401}"#.to_owned());
            }
            "/" => r#"{"name":"es-1","cluster_name":"mall","cluster_uuid":"u","version":{"number":"8.15.3"}}"#,
            "/_cluster/health" => r#"{"status":"green","number_of_nodes":1,"number_of_data_nodes":1,"active_shards":3}"#,
            path if path.starts_with("/_cluster/state/master_node") => {
                r#"{"cluster_uuid":"u","master_node":"n1","nodes":{"n1":{"name":"es-1","roles":["data","master"]}},"blocks":{}}"#
            }
            path if path.starts_with("/_nodes/_local/stats") => r#"{"nodes":{"n1":{"jvm":{"uptime_in_millis":1000,"mem":{"heap_used_percent":20}}}}}"#,
            path if path.starts_with("/_nodes") || path.starts_with("/_cluster") => "{}",
            "/_health_report" => {
                r#"{"status":"yellow","indicators":{"master_is_stable":{"status":"green","symptom":"stable"},
                "shards_capacity":{"status":"yellow","symptom":"Cluster is close to reaching the configured maximum number of shards for data nodes.",
                "diagnosis":[{"cause":"c","action":"Increase the value of [cluster.max_shards_per_node]"}]}}}"#
            }
            _ => return (404, "{}".to_owned()),
        };
        (200, text.to_owned())
    });
    let mut with = spec(&[&address]);
    with.account.password = Password::known("id:key".to_owned().into());
    with.credential = Credential::ApiKey;
    let group = Watched::start(with).wait_for("elasticsearch.report", Warn, SOON);
    assert!(
        words(&group, "elasticsearch.report").contains("cluster.max_shards_per_node") && !reasons(&group).any(|r| r.code == "elasticsearch.open"),
        "{}",
        show(&group)
    );
}
