//! What MySQL 9 says differently, and Group Replication, against real servers.

use std::time::Duration;

use libtest_mimic::Trial;
use quarterdeck::model::group::EdgeState;
use quarterdeck::model::verdict::Verdict::{Crit, Ok, Unknown, Warn};

use crate::components::case;
use crate::mysql::{SOON, spec};
use crate::rig::eventually;
use crate::rig::group::{Watched, edge, has, member, number, reasons, show};
use crate::rig::mysql::{Server, follow_nine, group_of_nine};

pub fn tests() -> Vec<Trial> {
    let t = |name: &str, body: fn()| case(&format!("mysql9::{name}"), &["mysql9"], body);
    vec![t("what_holds_a_replica_up", held_up), t("group_replication_frozen_and_failed_over", group)]
}

fn held_up() {
    let (source, replica) = (Server::mysql9(1, &[]), Server::mysql9(2, &["--replicate-ignore-db=pay"]));
    follow_nine(&source, &replica);
    let mut entry = spec(&[&source, &replica]);
    entry.limits.lag_seconds.warn = 2.0;
    let watched = Watched::start(entry);

    // A filter that loses a database.
    source.sql("CREATE DATABASE pay; USE pay; CREATE TABLE p(id INT PRIMARY KEY)");
    let group = watched.wait_for("mysql.filter.lost", Warn, SOON);
    assert!(format!("{:?}", member(&group, &replica.address()).reasons).contains("pay"), "{}", show(&group));
    source.sql("DROP DATABASE pay");
    watched.wait("nothing is lost", SOON, |g| !reasons(g).any(|r| r.code == "mysql.filter.lost"));

    // A wrong password, right again; two servers of one number.
    let change = |what: &str| replica.sql(&format!("STOP REPLICA; CHANGE REPLICATION SOURCE TO {what}; START REPLICA"));
    change("SOURCE_PASSWORD='nonsense'");
    let group = watched.wait_for("mysql.io.credentials", Crit, SOON);
    assert_ne!(edge(&group, &replica.address()).state, EdgeState::Flowing);
    change("SOURCE_PASSWORD='replpw'");
    watched.wait("it flows again", SOON, |g| edge(g, &replica.address()).state == EdgeState::Flowing);
    replica.sql("STOP REPLICA; SET GLOBAL server_id=1; START REPLICA");
    watched.wait_for("mysql.io.equal-id", Crit, SOON);
    replica.sql("STOP REPLICA; SET GLOBAL server_id=2; START REPLICA");
    watched.wait("it flows again", SOON, |g| edge(g, &replica.address()).state == EdgeState::Flowing);

    // Held back on purpose is no lag; a lock is one.
    change("SOURCE_DELAY=600");
    source.sql("INSERT INTO mall.t VALUES(2,'later')");
    let group = watched.wait_for("mysql.delayed", Ok, SOON);
    assert!(number(member(&group, &replica.address()), "lag_seconds").is_none_or(|lag| lag < 0.1), "{}", show(&group));
    change("SOURCE_DELAY=0");
    watched.wait("it has caught up", SOON, |g| !reasons(g).any(|r| r.code == "mysql.delayed"));
    let session = replica.background("LOCK TABLES mall.t READ; SELECT SLEEP(90)");
    let holds = "SELECT COUNT(*) FROM performance_schema.processlist WHERE info LIKE '%SLEEP(90)' AND id <> CONNECTION_ID()";
    eventually("the lock", SOON, || (replica.sql(holds) == "1").then_some(()));
    source.sql("INSERT INTO mall.t VALUES(3,'waits')");
    watched.wait("a lag that is seen", SOON, |g| reasons(g).any(|r| r.code.starts_with("mysql.lag") && r.verdict != Ok));
    drop(session);
    let kill = "SELECT CONCAT('KILL ', id) FROM performance_schema.processlist WHERE info LIKE '%SLEEP(90)' AND id <> CONNECTION_ID()";
    replica.sql(kill).lines().for_each(|kill| drop(replica.sql(kill)));
    watched.wait("it flows on", SOON, |g| !reasons(g).any(|r| r.code.starts_with("mysql.lag") && r.verdict != Ok));

    // Frozen: its replica says that all is well, and is not believed.
    source.freeze();
    let group = watched.wait_for("mysql.source.mute", Crit, SOON);
    assert_eq!(edge(&group, &replica.address()).state, EdgeState::Flowing);
    source.thaw();
    watched.wait("thawed", SOON, |g| !reasons(g).any(|r| r.code == "mysql.source.mute"));
}

fn group() {
    let mut trio = group_of_nine();
    let watched = Watched::start(spec(&trio.iter().collect::<Vec<_>>()));
    let group = watched.wait_ok(Duration::from_mins(1));
    let of = |g: &quarterdeck::model::group::Group, n: usize, trio: &[Server]| member(g, &trio[n].address()).role.to_string();
    assert_eq!([0, 1, 2].map(|n| of(&group, n, &trio)), ["primary", "secondary", "secondary"], "{}", show(&group));
    assert!(group.members.iter().all(|m| m.denied.is_empty()), "the documented grants are enough: {}", show(&group));

    // Its peers miss it, and so do we.
    trio[2].freeze();
    let lost = trio[2].address();
    let group = watched.wait_for("mysql.group.member-lost", Crit, SOON);
    assert!(format!("{:?}", group.reasons).contains(&lost), "{}", show(&group));
    let group = watched.wait("it is silent", SOON, |g| member(g, &lost).reasons.iter().any(|r| r.code == "middleware.member.mute"));
    assert!(!reasons(&group).any(|r| r.code == "mysql.group.no-majority"), "two of three go on: {}", show(&group));
    trio[2].thaw();
    watched.wait("whole again", Duration::from_mins(1), |g| of(g, 2, &trio) == "secondary" && !reasons(g).any(|r| r.verdict == Crit));

    // The primary dies: another one, by the word of both that are left.
    trio[0].kill();
    let group = watched.wait("another primary", Duration::from_mins(1), |g| (1..3).filter(|n| of(g, *n, &trio) == "primary").count() == 1);
    assert!(has(&member(&group, &trio[0].address()).reasons, "middleware.member.unreachable", Crit) || reasons(&group).any(|r| r.verdict == Crit));

    // One frozen of the two that are left: nobody has a majority.
    let alive: Vec<usize> = (1..3).filter(|n| of(&group, *n, &trio) == "secondary").collect();
    trio[alive[0]].freeze();
    watched.wait("no majority", Duration::from_mins(1), |g| reasons(g).any(|r| matches!(r.verdict, Crit | Unknown) && r.code.starts_with("mysql.group.")));
    trio[alive[0]].thaw();
}
