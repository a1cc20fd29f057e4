//! MySQL and MariaDB, against real servers: every way in which replication breaks, and who is believed then.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use libtest_mimic::Trial;
use quarterdeck::link::tls::Stream;
use quarterdeck::model::group::EdgeState;
use quarterdeck::model::source::SourceState;
use quarterdeck::model::verdict::Verdict::{Crit, Ok, Unknown, Warn};
use quarterdeck::source::middleware::Spec;
use quarterdeck::source::middleware::member::Trouble;
use quarterdeck::source::middleware::reach::{Dial, Reach, spelled};
use quarterdeck::source::middleware::spec::{Account, Password, Tls};
use secrecy::SecretString;

use crate::components::case;
use crate::rig::group::{Watched, edge, has, member, number, reasons};
use crate::rig::mysql::{By, Cable, Server, caught_up, follow, maria_source, maria_trio};
use crate::rig::{self, eventually};

pub const SOON: Duration = Duration::from_secs(30);

pub fn tests() -> Vec<Trial> {
    let maria: &[&str] = &["mariadb"];
    let mysql: &[&str] = &["mysql9"];
    vec![
        case("mysql::a_healthy_group_has_roles_edges_and_no_reasons", maria, healthy),
        case("mysql::a_duplicate_key_stops_the_applier", maria, duplicate),
        case("mysql::a_killed_source_is_down_by_every_word", maria, killed),
        case("mysql::a_frozen_source_is_not_ok_though_its_replicas_say_yes", maria, frozen),
        case("mysql::a_wrong_replication_password_is_named", maria, wrong_replication_password),
        case("mysql::a_delay_on_purpose_is_no_problem", maria, delayed),
        case("mysql::a_long_lock_holds_the_applier", maria, locked),
        case("mysql::a_write_to_a_replica_is_found", maria, errant),
        case("mysql::purged_logs_cannot_be_caught_up", maria, purged),
        case("mysql::equal_server_ids", maria, equal_ids),
        case("mysql::a_filter_that_loses_a_database", maria, filtered),
        case("mysql::a_replica_on_a_dead_line_is_not_believed", maria, dead_line),
        case("mysql::a_chain_and_two_sources", maria, chain),
        case("mysql::without_rights_the_rest_lives", maria, no_rights),
        case("mysql::a_wrong_password_is_tried_once", maria, tried_once),
        case("mysql::tls_is_checked_and_its_lack_explained", maria, tls),
        case("mysql::no_connection_left", maria, too_many),
        case("mysql::a_heartbeat_tells_the_lag", maria, heartbeat),
        case("mysql::semi_sync_that_fell_back_and_a_read_only_source", maria, semi_sync),
        case("mysql::members_are_reached_through_a_dialler", maria, through),
        case("mysql::sixty_members_cost_little", maria, sixty),
        case("mysql::nine_pair_by_gtid", mysql, nine),
    ]
}

pub fn spec(members: &[&Server]) -> Spec {
    let addresses: Vec<String> = members.iter().map(|m| m.address()).collect();
    let mut spec = Spec::new("mysql", "orders", &addresses.iter().map(String::as_str).collect::<Vec<_>>());
    spec.account = account("deck", "deck-pw-1");
    spec.every = Some(Duration::from_secs(2));
    spec.limits.connecting_seconds = 4;
    spec
}

fn account(user: &str, password: &str) -> Account {
    Account { user: user.to_owned(), password: Password::known(SecretString::from(password)) }
}

fn healthy() {
    let [source, a, b] = maria_trio();
    let watched = Watched::start(spec(&[&source, &a, &b]));
    let group = watched.wait_ok(SOON);
    let role = |s: &Server| member(&group, &s.address()).role.to_string();
    assert_eq!([role(&source), role(&a), role(&b)], ["source", "replica", "replica"]);
    for replica in [&a, &b] {
        let edge = edge(&group, &replica.address());
        assert_eq!((&*edge.from, edge.state), (source.address().as_str(), EdgeState::Flowing));
        let row = member(&group, &replica.address());
        assert_eq!(number(row, "lag_seconds"), Some(0.0));
        assert_eq!((number(row, "lag_unread_bytes"), number(row, "lag_unapplied_bytes")), (Some(0.0), Some(0.0)));
        assert!(row.denied.is_empty(), "the documented grants are enough: {:?}", row.denied);
        assert_eq!(edge.metrics.iter().find(|m| m.key == "missing_transactions").map(|m| m.value), Some(0.0));
    }
    assert_eq!(number(member(&group, &source.address()), "senders"), Some(2.0));
    let version = member(&group, &source.address()).details.iter().find(|d| d.key == "version").expect("a version").text.clone();
    assert!(version.contains("MariaDB"));
    crate::components::said("mariadb", &version);
    // One question in flight, no faster than asked.
    let (pictures, load) = (watched.pictures(), watched.meter.read().requests);
    std::thread::sleep(Duration::from_secs(6));
    assert!(watched.pictures() - pictures <= 4, "{} pictures in 6 s", watched.pictures() - pictures);
    assert!(watched.meter.read().requests > load);
}

fn duplicate() {
    let [source, a, b] = maria_trio();
    a.sql("SET sql_log_bin=0; INSERT INTO mall.t VALUES(7,'here first')");
    source.sql("INSERT INTO mall.t VALUES(7,'from the source')");
    let watched = Watched::start(spec(&[&source, &a, &b]));
    let group = watched.wait_for("mysql.sql.duplicate", Crit, SOON);
    assert!(has(&member(&group, &a.address()).reasons, "mysql.sql.duplicate", Crit), "on the replica where it happened");
    assert!(!has(&member(&group, &b.address()).reasons, "mysql.sql.duplicate", Crit));
    assert_eq!(edge(&group, &a.address()).state, EdgeState::Broken);
    assert!(edge(&group, &a.address()).details.iter().any(|d| d.key == "applier_error" && d.text.starts_with("1062: ")));
    a.sql("SET sql_log_bin=0; DELETE FROM mall.t WHERE id=7; START SLAVE SQL_THREAD");
    watched.wait_ok(SOON);
}

fn killed() {
    let [mut source, a, b] = maria_trio();
    let watched = Watched::start(spec(&[&source, &a, &b]));
    watched.wait_ok(SOON);
    source.kill();
    let group = watched.wait_for("mysql.source.down", Crit, SOON);
    assert_eq!(&*member(&group, &source.address()).role, "source", "its replicas still know what it is");
    assert!(has(&member(&group, &source.address()).reasons, "middleware.member.unreachable", Crit));
    let group = watched.wait_for("mysql.io.unreachable", Crit, SOON);
    assert_eq!(edge(&group, &a.address()).state, EdgeState::Connecting);
    assert!(watched.trouble().is_none(), "two of three answer: the entry itself is live");
    source.start();
    watched.wait_ok(SOON);
}

fn frozen() {
    let [source, a, b] = maria_trio();
    let watched = Watched::start(spec(&[&source, &a, &b]));
    watched.wait_ok(SOON);
    source.freeze();
    let group = watched.wait_for("mysql.source.mute", Crit, SOON);
    assert!(has(&member(&group, &source.address()).reasons, "middleware.member.mute", Crit));
    for replica in [&a, &b] {
        assert_eq!(edge(&group, &replica.address()).state, EdgeState::Flowing, "they say all is well, and are not believed");
    }
    // One that froze before the first look is found as well.
    let fresh = Watched::start(spec(&[&source, &a, &b]));
    fresh.wait_for("mysql.source.mute", Crit, SOON);
    source.thaw();
    watched.wait_ok(Duration::from_mins(1));
}

fn wrong_replication_password() {
    let [source, a, b] = maria_trio();
    let watched = Watched::start(spec(&[&source, &a, &b]));
    a.sql("STOP SLAVE; CHANGE MASTER TO master_password='nonsense'; START SLAVE");
    let group = watched.wait_for("mysql.io.credentials", Crit, SOON);
    assert!(has(&member(&group, &a.address()).reasons, "mysql.io.credentials", Crit));
    assert!(group.reasons.is_empty(), "the other replica hears the source: {:?}", group.reasons);
    a.sql("STOP SLAVE; CHANGE MASTER TO master_password='replpw'; START SLAVE");
    watched.wait_ok(SOON);
}

fn delayed() {
    let [source, a, b] = maria_trio();
    a.sql("STOP SLAVE; CHANGE MASTER TO master_delay=600; START SLAVE");
    source.sql("INSERT INTO mall.t VALUES(2,'later')");
    let mut spec = spec(&[&source, &a, &b]);
    spec.limits.lag_seconds.warn = 0.9;
    let watched = Watched::start(spec);
    let group = watched.wait_for("mysql.delayed", Ok, SOON);
    assert!(number(member(&group, &a.address()), "lag_seconds").is_none_or(|lag| lag < 0.1), "what is intended is no lag");
    std::thread::sleep(Duration::from_secs(4));
    let group = watched.wait_ok(SOON);
    assert!(edge(&group, &a.address()).metrics.iter().any(|m| m.key == "delay_left_seconds" && m.value > 500.0));
    assert!(number(member(&group, &a.address()), "lag_unapplied_bytes") > Some(0.0), "it has arrived and waits");
}

fn locked() {
    let [source, a, b] = maria_trio();
    let mut spec = spec(&[&source, &a, &b]);
    spec.limits.lag_seconds.warn = 2.0;
    let watched = Watched::start(spec);
    let session = a.background("LOCK TABLES mall.t WRITE; SELECT SLEEP(60)");
    eventually("the lock", SOON, || (a.sql("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%SLEEP(60)'") == "1").then_some(()));
    source.sql("INSERT INTO mall.t VALUES(3,'waits')");
    let group = watched.wait_for("mysql.sql.waits", Warn, SOON);
    assert!(edge(&group, &a.address()).details.iter().any(|d| d.key == "applier_state" && d.text.contains("lock")), "the server's own words");
    watched.wait("a lag that is seen", SOON, |g| reasons(g).any(|r| r.code.starts_with("mysql.lag") && r.verdict != Ok));
    drop(session);
    a.sql("SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE info LIKE '%SLEEP(60)' AND id <> CONNECTION_ID()")
        .lines()
        .for_each(|kill| drop(a.sql(kill)));
    watched.wait_ok(SOON);
}

fn errant() {
    let [source, a, b] = maria_trio();
    a.sql("SET GLOBAL read_only=OFF; INSERT INTO mall.t VALUES(9,'astray')");
    let watched = Watched::start(spec(&[&source, &a, &b]));
    let group = watched.wait_for("mysql.gtid.errant", Warn, SOON);
    let row = &member(&group, &a.address()).reasons;
    assert!(has(row, "mysql.replica.writable", Crit) && has(row, "mysql.gtid.errant", Warn), "{row:?}");
    assert!(row.iter().any(|r| r.args.iter().any(|(_, v)| serde_json::to_string(v).expect("json").contains("0-2-"))), "which one: {row:?}");
    assert!(member(&group, &b.address()).reasons.is_empty(), "only where it was written");
}

fn purged() {
    let [source, a, b] = maria_trio();
    for replica in [&a, &b] {
        replica.sql("STOP SLAVE");
    }
    // A sender that has not noticed keeps its file from being purged.
    source
        .sql("SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'")
        .lines()
        .for_each(|kill| drop(source.sql(kill)));
    source.sql("INSERT INTO mall.t VALUES(4,'x'); FLUSH BINARY LOGS; INSERT INTO mall.t VALUES(5,'y'); FLUSH BINARY LOGS");
    eventually("the purge", SOON, || {
        source.sql("PURGE BINARY LOGS TO 'bin.000003'");
        source.sql("SHOW BINARY LOGS").starts_with("bin.000003").then_some(())
    });
    let watched = Watched::start(spec(&[&source, &a, &b]));
    watched.wait_for("mysql.replica.stopped", Warn, SOON);
    for replica in [&a, &b] {
        replica.sql("START SLAVE");
    }
    let group = watched.wait("both cannot go on", SOON, |g| [&a, &b].iter().all(|r| has(&member(g, &r.address()).reasons, "mysql.io.purged", Crit)));
    assert!(has(&group.reasons, "mysql.source.unheard", Crit), "the source is up, and nobody hears it: {:?}", group.reasons);
}

fn equal_ids() {
    let source = maria_source(5, &[]);
    let twin = Server::maria(5, &[]);
    follow(&twin, source.port, By::Gtid, "");
    // Only the source knows our account: replication never began.
    twin.sql("SET sql_log_bin=0; CREATE USER deck@'%' IDENTIFIED BY 'deck-pw-1'; GRANT SLAVE MONITOR, PROCESS ON *.* TO deck@'%'");
    let watched = Watched::start(spec(&[&source, &twin]));
    let group = watched.wait_for("mysql.io.equal-id", Crit, SOON);
    assert!(has(&group.reasons, "mysql.id.equal", Crit), "{:?}", group.reasons);
}

fn filtered() {
    let source = maria_source(1, &[]);
    let replica = Server::maria(2, &["--replicate-ignore-db=pay"]);
    follow(&replica, source.port, By::Gtid, "");
    source.sql("CREATE DATABASE pay; CREATE DATABASE stock; CREATE TABLE pay.p(id INT PRIMARY KEY)");
    source.sql("USE stock; CREATE TABLE stock.s(id INT PRIMARY KEY)");
    caught_up(&replica, "SHOW DATABASES LIKE 'stock'", "stock");
    let watched = Watched::start(spec(&[&source, &replica]));
    let group = watched.wait_for("mysql.filter.lost", Warn, SOON);
    let text = format!("{:?}", member(&group, &replica.address()).reasons);
    assert!(text.contains("Text(\"pay\")") && text.contains("Replicate_Ignore_DB=pay"), "{text}");
    // A filter on the source's side is one too.
    let half = maria_source(3, &["--binlog-ignore-db=pay"]);
    let other = Server::maria(4, &[]);
    follow(&other, half.port, By::Gtid, "");
    caught_up(&other, "SELECT COUNT(*) FROM mall.t", "1");
    let watched = Watched::start(spec(&[&half, &other]));
    watched.wait_for("mysql.filter", Warn, SOON);
}

fn dead_line() {
    let source = maria_source(1, &[]);
    let cable = Cable::to(source.port);
    let (far, near) = (Server::maria(2, &[]), Server::maria(3, &[]));
    follow(&far, cable.port, By::File, "");
    follow(&near, source.port, By::Gtid, "");
    for replica in [&far, &near] {
        caught_up(replica, "SELECT COUNT(*) FROM mall.t", "1");
    }
    let watched = Watched::start(spec(&[&source, &far, &near]));
    let group = watched.wait_ok(SOON);
    assert_eq!(edge(&group, &far.address()).from.to_string(), source.address(), "known by its server id behind another address");
    cable.hold();
    for n in 10..40 {
        source.sql(&format!("INSERT INTO mall.t VALUES({n},REPEAT('z',40))"));
    }
    let group = watched.wait_for("mysql.io.stalled", Crit, SOON);
    let row = member(&group, &far.address());
    assert_eq!(number(row, "lag_seconds"), Some(0.0), "its own word: nothing is behind");
    assert!(number(row, "lag_unread_bytes") > Some(1000.0), "its source's word");
    assert!(far.sql("SHOW SLAVE STATUS").contains("Yes"));
    assert!(member(&group, &near.address()).reasons.is_empty());
    cable.release();
    watched.wait_ok(SOON);
}

fn chain() {
    let source = maria_source(1, &[]);
    let (middle, end, lonely) = (Server::maria(2, &[]), Server::maria(3, &[]), Server::maria(4, &[]));
    follow(&middle, source.port, By::Gtid, "");
    caught_up(&middle, "SELECT COUNT(*) FROM mall.t", "1");
    follow(&end, middle.port, By::File, "");
    caught_up(&end, "SELECT COUNT(*) FROM mall.t", "1");
    lonely.sql("CREATE USER deck@'%' IDENTIFIED BY 'deck-pw-1'; GRANT SLAVE MONITOR ON *.* TO deck@'%'");
    let watched = Watched::start(spec(&[&source, &middle, &end, &lonely]));
    let group = watched.wait_for("mysql.member.alone", Warn, SOON);
    assert_eq!(&*edge(&group, &end.address()).from, middle.address());
    assert_eq!(&*edge(&group, &middle.address()).from, source.address());
    assert_eq!(&*member(&group, &lonely.address()).role, "standalone");
    // A second, named connection of the end of the chain.
    end.sql(&format!(
        "SET GLOBAL gtid_domain_id=3; CHANGE MASTER 'east' TO master_host='127.0.0.1', master_port={}, master_user='repl', master_password='replpw', master_log_file='bin.000001', master_log_pos=4, master_connect_retry=1",
        lonely.port
    ));
    let group = watched.wait("two channels", SOON, |g| g.edges.iter().filter(|e| *e.to == end.address()).count() == 2);
    let east = group.edges.iter().find(|e| &*e.channel == "east").expect("a named channel");
    assert_eq!((&*east.from, east.state), (lonely.address().as_str(), EdgeState::Stopped));
    // The follower of nobody we know.
    let alone = Watched::start(spec(&[&end]));
    alone.wait_for("mysql.source.not-listed", Warn, SOON);
}

fn no_rights() {
    let [source, a, b] = maria_trio();
    source.sql("CREATE USER poor@'%' IDENTIFIED BY 'poor-pw-1'");
    caught_up(&b, "SELECT COUNT(*) FROM mysql.user WHERE user='poor'", "1");
    let mut spec = spec(&[&source, &a, &b]);
    spec.account = account("poor", "poor-pw-1");
    let watched = Watched::start(spec);
    let group = watched.wait("rows", SOON, |g| g.members.iter().all(|m| m.answered_at.is_some()));
    for m in &group.members {
        assert!(m.denied.iter().any(|d| &*d.fact == "replication" && &*d.need == "GRANT SLAVE MONITOR ON *.* TO 'poor'@'%';"), "{:?}", m.denied);
        assert!(has(&m.reasons, "mysql.no-right", Unknown) && m.role.is_empty(), "unknown is not ok, and not standalone");
        assert!(number(m, "connections").is_some_and(|n| n >= 1.0), "the rest of the row lives");
    }
    // What is said is what is needed.
    for need in group.members[0].denied.iter().map(|d| d.need.to_string()) {
        source.sql(&need);
    }
    watched.wait("the replication after the grant", Duration::from_mins(1), |g| g.edges.len() == 2);
}

fn tried_once() {
    let [source, a, _b] = maria_trio();
    let mut spec = spec(&[&source, &a]);
    spec.account = account("deck", "not-the-password");
    spec.every = Some(Duration::from_millis(500));
    let refused = |s: &Server| s.sql("SHOW GLOBAL STATUS LIKE 'Access_denied_errors'");
    let watched = Watched::start(spec);
    let error = eventually("the end of the source", SOON, || watched.ended());
    assert_eq!(error.state, SourceState::AuthLost);
    assert!(error.text.contains("1045") && !error.text.contains("not-the-password"), "{}", error.text);
    let group = watched.group().expect("a picture of what is known");
    assert!(reasons(&group).all(|r| r.code == "middleware.member.refused" && r.verdict == Unknown));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!([refused(&source), refused(&a)], ["Access_denied_errors\t1", "Access_denied_errors\t1"]);

    // One member that refuses is left alone; the others go on being asked.
    a.sql("SET sql_log_bin=0; ALTER USER deck@'%' IDENTIFIED BY 'changed'");
    let mut spec = self::spec(&[&source, &a]);
    spec.every = Some(Duration::from_secs(1));
    let watched = Watched::start(spec);
    watched.wait_for("middleware.member.refused", Unknown, SOON);
    let pictures = watched.pictures();
    eventually("more pictures", SOON, || (watched.pictures() > pictures + 3).then_some(()));
    assert_eq!(refused(&a), "Access_denied_errors\t2");
    assert!(member(&watched.group().expect("a picture"), &source.address()).reasons.is_empty());
}

fn tls() {
    let dir = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(vec!["db.internal".to_owned()]).expect("a certificate");
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let with = maria_source(1, &[&format!("--ssl-cert={}", cert.display()), &format!("--ssl-key={}", key.display()), "--require-secure-transport=ON"]);
    let without = maria_source(2, &["--skip-ssl"]);

    let verified = |name: &str, pem: &str| Tls::Verified { ca: Some(pem.as_bytes().to_vec()), server_name: Some(name.to_owned()) };
    let watch = |server: &Server, tls: Tls| {
        let mut spec = spec(&[server]);
        spec.tls = tls;
        Watched::start(spec)
    };
    let group = watch(&with, verified("db.internal", &made.cert.pem())).wait_ok(SOON);
    assert!(group.members[0].details.iter().any(|d| d.key == "tls" && d.text.starts_with("TLSv1.")), "{:?}", group.members[0].details);
    let explained = |server: &Server, tls: Tls, words: &str| {
        let group = watch(server, tls).wait_for("middleware.member.tls", Unknown, SOON);
        let text = format!("{:?}", group.members[0].reasons);
        assert!(text.contains(words), "{words}: {text}");
    };
    let other = rcgen::generate_simple_self_signed(vec!["db.internal".to_owned()]).expect("a certificate");
    explained(&with, verified("db.internal", &other.cert.pem()), "tls.ca");
    explained(&with, verified("another.name", &made.cert.pem()), "tls.server_name");
    let group = watch(&with, Tls::Off).wait_for("middleware.member.refused", Unknown, SOON);
    assert!(format!("{:?}", group.members[0].reasons).contains("set `tls`"), "{:?}", group.members[0].reasons);
    explained(&without, verified("db.internal", &made.cert.pem()), "offers no TLS");
    watch(&with, Tls::Unverified).wait_for("middleware.tls.unverified", Ok, SOON);
}

fn too_many() {
    let source = maria_source(1, &["--max-connections=10"]);
    let watched = Watched::start(spec(&[&source]));
    watched.wait_ok(SOON);
    let sessions: Vec<_> = (0..8).map(|_| source.background("SELECT SLEEP(60)")).collect();
    watched.wait("a warning", SOON, |g| reasons(g).any(|r| r.code == "mysql.connections" && r.verdict != Ok));
    let more: Vec<_> = (0..4).map(|_| source.background("SELECT SLEEP(60)")).collect();
    std::thread::sleep(Duration::from_secs(1));
    let late = Watched::start(spec(&[&source]));
    late.wait_for("middleware.member.busy", Crit, SOON);
    assert_eq!(late.trouble().map(|t| t.state), Some(SourceState::Unreachable));
    drop((sessions, more));
}

fn heartbeat() {
    let [source, a, b] = maria_trio();
    source.sql(
        "CREATE DATABASE ops; CREATE TABLE ops.beat(id INT PRIMARY KEY, ts TIMESTAMP(6)); INSERT INTO ops.beat VALUES(1,NOW(6)); \
         GRANT SELECT ON ops.beat TO deck@'%'",
    );
    caught_up(&a, "SELECT COUNT(*) FROM ops.beat", "1");
    caught_up(&b, "SELECT COUNT(*) FROM ops.beat", "1");
    a.sql("STOP SLAVE SQL_THREAD");
    std::thread::sleep(Duration::from_secs(3));
    source.sql("UPDATE ops.beat SET ts=NOW(6)");
    caught_up(&b, "SELECT ts > NOW() - INTERVAL 2 SECOND FROM ops.beat", "1");
    let mut spec = spec(&[&source, &a, &b]);
    spec.settings.insert("heartbeat".to_owned(), "ops.beat.ts".to_owned());
    spec.limits.lag_seconds.warn = 2.0;
    let watched = Watched::start(spec);
    let group = watched.wait_for("mysql.lag.heartbeat", Warn, SOON);
    assert!(number(member(&group, &a.address()), "lag_heartbeat_seconds") >= Some(2.0));
    assert_eq!(number(member(&group, &b.address()), "lag_heartbeat_seconds"), Some(0.0));
    assert_eq!(number(member(&group, &a.address()), "lag_seconds"), None, "a stopped applier tells no seconds");
}

fn semi_sync() {
    let source = maria_source(1, &["--rpl-semi-sync-master-enabled=1", "--rpl-semi-sync-master-timeout=100"]);
    let replica = Server::maria(2, &[]);
    follow(&replica, source.port, By::Gtid, "");
    caught_up(&replica, "SELECT COUNT(*) FROM mall.t", "1");
    source.sql("INSERT INTO mall.t VALUES(2,'nobody acknowledges')");
    let watched = Watched::start(spec(&[&source, &replica]));
    watched.wait_for("mysql.semi-sync.degraded", Warn, SOON);
    let mut strict = spec(&[&source, &replica]);
    strict.settings.insert("semi_sync".to_owned(), "required".to_owned());
    Watched::start(strict).wait_for("mysql.semi-sync.degraded", Crit, SOON);
    replica.sql("SET GLOBAL rpl_semi_sync_slave_enabled=1; STOP SLAVE IO_THREAD; START SLAVE IO_THREAD");
    source.sql("INSERT INTO mall.t VALUES(3,'acknowledged')");
    watched.wait_ok(SOON);
    source.sql("SET GLOBAL read_only=ON");
    let group = watched.wait_for("mysql.source.read-only", Crit, SOON);
    assert!(has(&member(&group, &source.address()).reasons, "mysql.source.read-only", Crit));
}

/// Stands for a tunnel: members have names that nothing here resolves, and a socket is at the other end.
struct Sockets(Vec<(String, std::path::PathBuf)>);

impl Dial for Sockets {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Stream>, Trouble>> {
        let end = self.0.iter().find(|(name, _)| *name == spelled(host, port)).map(|(_, socket)| socket.clone());
        Box::pin(async move {
            let end = end.ok_or_else(|| Trouble::unreachable("no such member"))?;
            let stream = tokio::net::UnixStream::connect(end).await.map_err(|e| Trouble::unreachable(e.to_string()))?;
            Result::Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

fn through() {
    let [source, a, _b] = maria_trio();
    let mut spec = Spec::new("mysql", "orders", &["orders-0.orders:3306", "orders-1.orders:3306"]);
    spec.account = account("deck", "deck-pw-1");
    spec.every = Some(Duration::from_secs(2));
    let sockets = [("orders-0.orders:3306", &source), ("orders-1.orders:3306", &a)].map(|(name, server)| (name.to_owned(), server.socket()));
    spec.reach = Reach::Through(Arc::new(Sockets(sockets.to_vec())));
    let watched = Watched::start(spec);
    let group = watched.wait_ok(SOON);
    assert_eq!(&*edge(&group, "orders-1.orders:3306").from, "orders-0.orders:3306", "the replica calls it 127.0.0.1; its server id tells");
}

/// One server under sixty addresses of the loopback network, at the default pace.
fn sixty() {
    let source = maria_source(1, &["--bind-address=0.0.0.0"]);
    let addresses: Vec<String> = (1..=60).map(|n| format!("127.0.0.{n}:{}", source.port)).collect();
    let mut spec = Spec::new("mysql", "many", &addresses.iter().map(String::as_str).collect::<Vec<_>>());
    spec.account = account("deck", "deck-pw-1");
    let before_kb = resident_kb();
    let watched = Watched::start(spec);
    watched.wait("all sixty", SOON, |g| g.members.len() == 60 && g.members.iter().all(|m| m.answered_at.is_some()));
    let (before, from) = (watched.cpu(), watched.pictures());
    eventually("three more ticks", SOON, || (watched.pictures() >= from + 3).then_some(()));
    let percent = watched.cpu().saturating_sub(before).as_secs_f64() / 15.0 * 100.0;
    println!("sixty members: {percent:.2} % of a core, from {before_kb} to {} kB of memory", resident_kb());
    assert!(percent < 2.0, "{percent:.2} % of a core");
}

/// Of the whole test binary: other tests run beside this one, so it is told and not judged.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    status.lines().find_map(|l| l.strip_prefix("VmRSS:")?.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn nine() {
    let mut source = Server::mysql9(1, &[]);
    let replica = Server::mysql9(2, &[]);
    rig::mysql::follow_nine(&source, &replica);
    let watched = Watched::start(spec(&[&source, &replica]));
    let group = watched.wait_ok(Duration::from_mins(1));
    let version = member(&group, &source.address()).details.iter().find(|d| d.key == "version").expect("a version").text.clone();
    crate::components::said("mysql9", &version);
    assert_eq!([&*member(&group, &source.address()).role, &*member(&group, &replica.address()).role], ["source", "replica"]);
    assert!(group.members.iter().all(|m| m.denied.is_empty()), "the documented grants are enough");
    assert_eq!(edge(&group, &replica.address()).from_identity, member(&group, &source.address()).identity);

    // A row that is there already; a worker knows why.
    replica.sql("SET GLOBAL super_read_only=OFF; SET sql_log_bin=0; INSERT INTO mall.t VALUES(7,'here first'); SET GLOBAL super_read_only=ON");
    source.sql("INSERT INTO mall.t VALUES(7,'from the source')");
    let group = watched.wait_for("mysql.sql.duplicate", Crit, SOON);
    assert!(edge(&group, &replica.address()).details.iter().any(|d| d.key == "worker_error"), "{:?}", edge(&group, &replica.address()));
    replica.sql("SET GLOBAL super_read_only=OFF; SET sql_log_bin=0; DELETE FROM mall.t WHERE id=7; SET GLOBAL super_read_only=ON; START REPLICA");
    watched.wait_ok(SOON);

    // Written to by hand: the source's own GTID_SUBTRACT finds it.
    replica.sql("SET GLOBAL super_read_only=OFF; SET GLOBAL read_only=OFF; INSERT INTO mall.t VALUES(9,'astray')");
    let group = watched.wait_for("mysql.gtid.errant", Warn, SOON);
    let row = member(&group, &replica.address());
    assert!(has(&row.reasons, "mysql.replica.writable", Crit));
    assert!(format!("{:?}", row.reasons).contains(&format!("{}:1", row.identity)), "named by the replica's own uuid: {:?}", row.reasons);

    // Logs gone that it still needs, seen before it fails, and then as the error itself.
    replica.sql("STOP REPLICA");
    source.sql("INSERT INTO mall.t VALUES(20,'x'); FLUSH BINARY LOGS; INSERT INTO mall.t VALUES(21,'y'); FLUSH BINARY LOGS");
    let newest = source.sql("SHOW BINARY LOGS").lines().last().expect("a log").split('\t').next().expect("a name").to_owned();
    source.sql(&format!("PURGE BINARY LOGS TO '{newest}'"));
    watched.wait_for("mysql.gtid.lost", Crit, SOON);
    replica.sql("START REPLICA");
    watched.wait_for("mysql.io.purged", Crit, SOON);
    source.kill();
    watched.wait_for("mysql.source.down", Crit, SOON);
}
