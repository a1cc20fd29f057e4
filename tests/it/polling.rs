//! What it costs to watch many members of several kinds at their own pace.

use std::time::Duration;

use libtest_mimic::Trial;
use quarterdeck::source::middleware::Spec;
use quarterdeck::source::middleware::spec::{Account, Password};

use crate::components::case;
use crate::rig::eventually;
use crate::rig::group::Watched;
use crate::rig::mysql::Server as Mysql;
use crate::rig::redis::{PASSWORD, Server as Redis};
use crate::rig::search;

const SOON: Duration = Duration::from_secs(60);
/// Of the seconds between two looks.
const PACE: Duration = Duration::from_secs(5);

pub fn tests() -> Vec<Trial> {
    vec![case("polling::sixty_members_of_three_kinds_cost_little", &["mariadb", "redis", "elasticsearch"], sixty)]
}

/// One server under twenty addresses of the loopback network.
fn twenty(kind: &str, port: u16, user: &str, password: &str) -> Spec {
    let addresses: Vec<String> = (1..=20).map(|n| format!("127.0.0.{n}:{port}")).collect();
    let mut spec = Spec::new(kind, "many", &addresses.iter().map(String::as_str).collect::<Vec<_>>());
    if !password.is_empty() {
        spec.account = Account { user: user.to_owned(), password: Password::known(password.to_owned().into()) };
    }
    spec.every = Some(PACE);
    spec
}

fn sixty() {
    let mysql = Mysql::maria(1, &["--bind-address=0.0.0.0"]);
    mysql.sql("CREATE USER deck@'%' IDENTIFIED BY 'deck-pw-1'; GRANT SLAVE MONITOR, BINLOG MONITOR ON *.* TO deck@'%'");
    let redis = Redis::start("0.0.0.0", PASSWORD, &[]);
    let node = search::anywhere();
    let port = |address: &str| address.rsplit_once(':').expect("a port").1.parse::<u16>().expect("a number");
    let before_kb = resident_kb();
    let watched =
        [twenty("mysql", mysql.port, "deck", "deck-pw-1"), twenty("redis", redis.port, "", PASSWORD), twenty("elasticsearch", port(&node.address), "", "")]
            .map(Watched::start);
    for one in &watched {
        one.wait("all twenty", SOON, |g| g.members.len() == 20 && g.members.iter().all(|m| m.answered_at.is_some()));
    }
    let before: Vec<(Duration, usize)> = watched.iter().map(|w| (w.cpu(), w.pictures())).collect();
    for (one, (_, pictures)) in watched.iter().zip(&before) {
        eventually("three more looks", SOON, || (one.pictures() >= pictures + 3).then_some(()));
    }
    let percent: Vec<f64> =
        watched.iter().zip(&before).map(|(w, (cpu, _))| w.cpu().saturating_sub(*cpu).as_secs_f64() / PACE.as_secs_f64() / 3.0 * 100.0).collect();
    let sum: f64 = percent.iter().sum();
    println!("sixty members: {sum:.2} % of a core (mysql, redis, elasticsearch: {percent:.2?}), from {before_kb} to {} kB of memory", resident_kb());
    assert!(sum < 2.0, "{sum:.2} % of a core: {percent:.2?}");
}

/// Of the whole test binary: other tests run beside this one, so it is told and not judged.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    status.lines().find_map(|l| l.strip_prefix("VmRSS:")?.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
