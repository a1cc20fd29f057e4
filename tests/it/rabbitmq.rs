//! RabbitMQ against real brokers: what each node says, what the others say of it, what a client meets, and a verdict that neither a
//! lie nor a freeze turns.

use std::time::Duration;

use libtest_mimic::Trial;
use quarterdeck::model::group::{EdgeState, Group};
use quarterdeck::model::id::Name;
use quarterdeck::model::source::SourceState;
use quarterdeck::model::verdict::Verdict;
use quarterdeck::source::middleware::Spec;
use quarterdeck::source::middleware::spec::{Account, Companion, Password, Tls};

use crate::components::case;
use crate::rig::eventually;
use crate::rig::group::{Watched, has, member, number, reasons, show};
use crate::rig::rabbitmq::{APP, APP_PASSWORD, Broker, PASSWORD, USER, VHOST, cluster};
use crate::rig::redis::liar_before;

const SOON: Duration = Duration::from_secs(40);
/// Brokers give a silent node up after five to seven seconds here, and gather numbers every five.
const LATER: Duration = Duration::from_secs(90);

pub fn tests() -> Vec<Trial> {
    let t = |name: &str, body: fn()| case(&format!("rabbitmq::{name}"), &["rabbitmq"], body);
    vec![t("three_nodes_growing_alarmed_frozen_cut_and_without_majority", three_nodes), t("logins_tags_vhosts_and_tls_of_one_broker", one_broker)]
}

fn account(user: &str, password: &str) -> Account {
    Account { user: user.to_owned(), password: Password::known(password.to_owned().into()) }
}

fn spec(members: &[String]) -> Spec {
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let mut spec = Spec::new("rabbitmq", "mq", &members);
    spec.account = account(USER, PASSWORD);
    // A listing waits a second for each node that is frozen; this leaves it 1.3.
    spec.every = Some(Duration::from_secs(6));
    spec.limits.lag_growing_samples = 2;
    // The machine of the test may have little left.
    spec.limits.rabbitmq.disk_free_bytes.warn = 1.0;
    spec.limits.rabbitmq.disk_free_bytes.crit = 0.0;
    spec.companions = vec![amqp(APP, APP_PASSWORD, VHOST)];
    spec
}

fn amqp(user: &str, password: &str, vhost: &str) -> Companion {
    Companion { role: Name::from("amqp"), members: Vec::new(), account: account(user, password), settings: [("vhost".to_owned(), vhost.to_owned())].into() }
}

fn worst(group: &Group) -> Verdict {
    reasons(group).map(|r| r.verdict).max().unwrap_or(Verdict::Ok)
}

#[track_caller]
fn words(group: &Group, code: &str) -> String {
    let reason = reasons(group).find(|r| r.code == code).unwrap_or_else(|| panic!("no {code} in\n{}", show(group)));
    serde_json::to_string(&reason.args).unwrap()
}

fn well(group: &Group, members: usize) -> bool {
    group.members.len() == members && worst(group) == Verdict::Ok && group.members.iter().all(|m| number(m, "client_round_trip_seconds").is_some())
}

/// The log is written behind.
fn logged(broker: &Broker, text: &str) -> usize {
    eventually(text, SOON, || Some(broker.logged(text)).filter(|n| *n > 0))
}

fn three_nodes() {
    let mut brokers = cluster();
    for (name, kind) in [("orders", "quorum"), ("mails", "classic")] {
        brokers[0].queue(name, kind);
    }
    // The second is asked through one who calls every node running.
    let liar = format!("http://{}", liar_before("127.0.0.1", format!("127.0.0.1:{}", brokers[1].api), "\"running\":false", "\"running\":true "));
    let addresses = [brokers[0].url(), liar.clone(), brokers[2].url()];
    let watched = Watched::start(spec(&addresses));
    let group = watched.wait("three nodes, clients get in everywhere", LATER, |g| well(g, 3) && g.edges.len() == 2);
    assert_eq!(group.members.iter().map(|m| &*m.identity).collect::<Vec<_>>(), brokers.iter().map(|b| b.node.as_str()).collect::<Vec<_>>());
    assert!(group.edges.iter().all(|e| e.state == EdgeState::Flowing && &*e.channel == "/mall orders"), "{}", show(&group));
    watched.wait("numbers", SOON, |g| number(member(g, &addresses[0]), "memory_used_bytes").is_some());

    // A queue that only grows.
    let start = std::time::Instant::now();
    while !watched.group().is_some_and(|g| has(&g.reasons, "rabbitmq.queue.no_consumer", Verdict::Crit)) {
        assert!(start.elapsed() < LATER, "no consumer: {}", show(&watched.group().unwrap()));
        brokers[0].publish("mails");
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(words(&watched.group().unwrap(), "rabbitmq.queue.no_consumer").contains("/mall mails ("));
    brokers[0].delete("/api/queues/%2Fmall/mails");
    watched.wait("well without it", SOON, |g| well(g, 3));

    // One node's memory holds up publishers at all of them.
    brokers[0].ctl(&["set_vm_memory_high_watermark", "absolute", "10MB"]);
    let group = watched.wait("publishers held up", SOON, |g| g.members.iter().all(|m| has(&m.reasons, "rabbitmq.client.blocked", Verdict::Crit)));
    assert!(has(&member(&group, &addresses[0]).reasons, "rabbitmq.alarm.memory", Verdict::Crit), "{}", show(&group));
    assert!(words(&group, "rabbitmq.alarm.memory").contains(&addresses[2]), "the others say so too");
    watched.wait("and are listed", SOON, |g| has(&g.reasons, "rabbitmq.connections.blocked", Verdict::Crit));
    brokers[0].ctl(&["set_vm_memory_high_watermark", "absolute", "512MB"]);
    watched.wait("well again", SOON, |g| well(g, 3));

    // Frozen: it takes connections, and the others miss it after a while. The liar does not.
    brokers[2].freeze();
    watched.wait_for("middleware.member.mute", Verdict::Unknown, SOON);
    let group = watched.wait_for("rabbitmq.peers.gone", Verdict::Crit, LATER);
    assert!(words(&group, "rabbitmq.peers.gone").contains(&addresses[0]));
    assert_eq!(number(member(&group, &addresses[2]), "memory_used_bytes"), None, "no number of a frozen node is shown as live");
    watched
        .wait("the lie is a contradiction", SOON, |g| has(&g.reasons, "rabbitmq.split_view", Verdict::Crit) && words(g, "rabbitmq.split_view").contains(&liar));
    watched.wait_for("rabbitmq.queue.member_missing", Verdict::Warn, SOON);

    // Back again after it was given up: both sides have gone on without each other.
    brokers[2].thaw();
    let group = watched.wait_for("rabbitmq.partition", Verdict::Crit, LATER);
    assert!(words(&group, "rabbitmq.partition").contains(&brokers[2].node), "{}", show(&group));
    watched.wait("it answers us and not them", SOON, |g| has(&member(g, &addresses[2]).reasons, "rabbitmq.cut_off", Verdict::Crit));

    // Two of three killed: nobody listens there, and the queue has lost its majority.
    brokers[2].kill();
    watched.wait("one killed", SOON, |g| has(&member(g, &addresses[2]).reasons, "middleware.member.unreachable", Verdict::Crit));
    brokers[1].kill();
    let group = watched.wait_for("rabbitmq.queue.no_majority", Verdict::Crit, LATER);
    assert!(words(&group, "rabbitmq.queue.no_majority").contains("(1/3)"), "{}", show(&group));
    watched.wait("one witness is too few", SOON, |g| has(&g.reasons, "rabbitmq.few_witnesses", Verdict::Unknown));
}

fn one_broker() {
    let made = rcgen::generate_simple_self_signed(vec!["mq.example".to_owned()]).unwrap();
    let broker = Broker::alone(Some((&made.cert.pem(), &made.signing_key.serialize_pem())));
    broker.queue("orders", "classic");
    let plain = |companion: Companion| {
        let mut entry = spec(&[broker.url()]);
        entry.companions = vec![companion];
        Watched::start(entry)
    };
    let app = || amqp(APP, APP_PASSWORD, VHOST);
    plain(app()).wait("well", SOON, |g| well(g, 1));

    // What stands in a client's way is told apart; a refused password is used once.
    let refused = plain(amqp(APP, "wrong-1", VHOST));
    for (companion, code, said) in [
        (amqp(APP, APP_PASSWORD, "mall"), "rabbitmq.client.no_vhost", "vhost mall not found"),
        (amqp(USER, PASSWORD, "/"), "rabbitmq.client.no_access", "refused for user"),
    ] {
        let group = plain(companion).wait_for(code, Verdict::Crit, SOON);
        assert!(words(&group, code).contains(said), "{}", show(&group));
    }
    broker.put("/api/users/reader", serde_json::json!({"password": "reader-1", "tags": ""}));
    broker.put("/api/permissions/%2Fmall/reader", serde_json::json!({"configure": "", "write": "", "read": ".*"}));
    let group = plain(amqp("reader", "reader-1", VHOST)).wait_for("rabbitmq.client.unwritable", Verdict::Ok, SOON);
    assert!(number(&group.members[0], "client_round_trip_seconds").is_some(), "it is let in all the same");

    // Tags: with `management` alone the nodes stay unseen, without any tag everything; both rows say how to change that.
    let as_user = |user: &str, password: &str| {
        let mut entry = spec(&[broker.url()]);
        entry.account = account(user, password);
        Watched::start(entry)
    };
    broker.put("/api/users/clerk", serde_json::json!({"password": "clerk-1", "tags": "management"}));
    let clerk = as_user("clerk", "clerk-1");
    let group = clerk.wait_for("rabbitmq.no_right", Verdict::Unknown, SOON);
    assert_eq!(&*group.members[0].denied[0].need, "rabbitmqctl set_user_tags clerk monitoring");
    broker.put("/api/users/nobody", serde_json::json!({"password": "nobody-1", "tags": ""}));
    let nobody = as_user("nobody", "nobody-1");
    let group = nobody.wait_for("rabbitmq.no_right", Verdict::Unknown, SOON);
    assert!(has(&group.members[0].reasons, "rabbitmq.client.no_port", Verdict::Unknown), "the port is told to the tag only: {}", show(&group));
    // The tag is all it takes, also while we watch; a virtual host it may not enter is named.
    broker.put("/api/users/nobody", serde_json::json!({"password": "nobody-1", "tags": "monitoring"}));
    let group = nobody.wait("queues unseen", LATER, |g| g.members[0].denied.iter().any(|d| &*d.fact == "queues"));
    assert!(group.members[0].denied.iter().any(|d| d.need.contains("set_permissions -p /mall nobody")), "{}", show(&group));
    broker.put("/api/permissions/%2Fmall/nobody", serde_json::json!({"configure": "", "write": "", "read": ""}));
    nobody.wait("nothing is missing", SOON, |g| well(g, 1) && g.members[0].denied.is_empty());

    // A wrong password of our own is asked once and ends the source.
    let wrong = as_user(USER, "wrong-2");
    assert_eq!(eventually("its end", SOON, || wrong.ended()).state, SourceState::AuthLost);
    assert_eq!(logged(&broker, "user 'monitor' - invalid credentials"), 1, "one attempt");
    refused.wait_for("rabbitmq.client.refused", Verdict::Crit, SOON);
    let polls = refused.pictures();
    refused.wait("more polls", SOON, |_| refused.pictures() > polls + 2);
    assert_eq!(logged(&broker, "user 'mall' - invalid credentials"), 1, "one attempt");

    // TLS with a self-signed certificate, for the API and for the client.
    let (_, api) = broker.tls.unwrap();
    let protected = |tls: Tls| {
        let mut entry = spec(&[format!("https://127.0.0.1:{api}")]);
        entry.tls = tls;
        Watched::start(entry)
    };
    let known = |name: Option<&str>| Tls::Verified { ca: Some(made.cert.pem().into_bytes()), server_name: name.map(ToOwned::to_owned) };
    protected(known(Some("mq.example"))).wait("well, verified", SOON, |g| well(g, 1));
    let group = protected(Tls::Unverified).wait("well, unverified", SOON, |g| well(g, 1));
    assert!(has(&group.members[0].reasons, "middleware.tls.unverified", Verdict::Ok), "its row says so");
    for (tls, said) in [(Tls::Off, "tls.ca"), (known(None), "tls.server_name")] {
        let group = protected(tls).wait_for("middleware.member.tls", Verdict::Unknown, SOON);
        assert!(words(&group, "middleware.member.tls").contains(said), "{}", show(&group));
    }
}
