//! `CHANGE REPLICATION SOURCE TO`, `START`, `STOP` and `RESET REPLICA`, and the older words for them.

use super::reply::{Failure, Reply};
use super::session::Session;
use super::token::{Token, Tokens};
use crate::lab::world::mysql::{Fault, Io, Mysql, Position, Replication};

/// A server without any transaction is taken to hold what its source had this many transactions ago: the lab has no years of
/// binary logs to send, and whoever builds a replica restores a backup first.
const SINCE_BACKUP: f64 = 60_000.0;

const WRONG_WORD: &str = "This operation cannot be performed with a running replica io thread; run STOP REPLICA IO_THREAD FOR CHANNEL '' first.";

pub fn change(mysql: &mut Mysql, at: usize, t: &mut Tokens) -> Result<Reply, Failure> {
    let server = &mut mysql.servers[at];
    if let Some(link) = &server.replication {
        if link.io != Io::No {
            return Err(Failure::general(3021, WRONG_WORD));
        }
        if link.sql_runs {
            let text = "This operation cannot be performed with a running replica sql thread; run STOP REPLICA SQL_THREAD FOR CHANNEL '' first.";
            return Err(Failure::general(3081, text));
        }
    }
    let own = server.log;
    let mut link = server.replication.clone().unwrap_or_else(|| Replication {
        io: Io::No,
        sql_runs: false,
        auto_position: false,
        ..Replication::new("", 3306, "", "", own)
    });
    loop {
        let near = t.rest().to_owned();
        let Some(option) = t.name() else { return Err(Failure::syntax(&near)) };
        let option = option.to_ascii_uppercase();
        let Some(option) = option.strip_prefix("MASTER_").or_else(|| option.strip_prefix("SOURCE_")).map(str::to_owned).or_else(|| known(&option)) else {
            return Err(Failure::syntax(&near));
        };
        if !t.symbol('=') {
            return Err(Failure::syntax(t.rest()));
        }
        let Some(Token::Text(value) | Token::Number(value) | Token::Word(value)) = t.bump() else { return Err(Failure::syntax(&near)) };
        match option.as_str() {
            "HOST" => {
                link.host = value;
                link.received = Position::default();
            }
            "PORT" => link.port = value.parse().unwrap_or(3306),
            "USER" => link.user = value,
            "PASSWORD" => link.password = value,
            "AUTO_POSITION" => link.auto_position = value == "1",
            "DELAY" => link.delay_seconds = value.parse().unwrap_or(0),
            "LOG_FILE" => link.applied.file = value.rsplit('.').next().and_then(|n| n.parse().ok()).unwrap_or(1),
            "LOG_POS" => link.applied.offset = value.parse::<f64>().unwrap_or(4.0).max(4.0),
            "CONNECT_RETRY" | "RETRY_COUNT" | "HEARTBEAT_PERIOD" | "PUBLIC_KEY" | "PUBLIC_KEY_PATH" | "TLS_VERSION" | "BIND" | "COMPRESSION_ALGORITHMS" => {}
            ssl if ssl.starts_with("SSL") => {}
            _ => return Err(Failure::syntax(&near)),
        }
        if !t.symbol(',') {
            break;
        }
    }
    server.replication = Some(link);
    Ok(Reply::Done { affected: 0, warnings: 2 })
}

/// Options without the common start.
fn known(option: &str) -> Option<String> {
    match option {
        "GET_SOURCE_PUBLIC_KEY" | "GET_MASTER_PUBLIC_KEY" => Some("PUBLIC_KEY".to_owned()),
        "REQUIRE_ROW_FORMAT" | "REQUIRE_TABLE_PRIMARY_KEY_CHECK" | "ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS" | "PRIVILEGE_CHECKS_USER" => Some("SSL".to_owned()),
        _ => None,
    }
}

/// Which threads a statement means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Threads {
    Both,
    Receiver,
    Applier,
}

fn threads(t: &mut Tokens) -> Result<Threads, Failure> {
    let which = match t.one_of(&["IO_THREAD", "SQL_THREAD"]) {
        Some("IO_THREAD") => Threads::Receiver,
        Some(_) => Threads::Applier,
        None => Threads::Both,
    };
    let which = if t.symbol(',') && t.one_of(&["IO_THREAD", "SQL_THREAD"]).is_some() { Threads::Both } else { which };
    if t.words("FOR CHANNEL") {
        t.text();
    }
    if t.is_done() { Ok(which) } else { Err(Failure::syntax(t.rest())) }
}

pub fn start(mysql: &mut Mysql, at: usize, session: &mut Session, t: &mut Tokens) -> Result<Reply, Failure> {
    let which = threads(t)?;
    let address = mysql.servers[at].replication.as_ref().map(|l| format!("{}:{}", l.host, l.port));
    let source = mysql.servers.iter().find(|s| Some(&s.address) == address.as_ref()).map(|s| s.log);
    let server = &mut mysql.servers[at];
    let is_fresh = server.log.gtid < 0.5;
    let Some(link) = server.replication.as_mut().filter(|l| !l.host.is_empty()) else {
        return Err(Failure::general(1200, "The server is not configured as replica; fix in config file or with CHANGE REPLICATION SOURCE TO"));
    };
    if which != Threads::Applier {
        if link.io == Io::No {
            link.io = Io::Connecting;
        } else {
            session.warn("Note", 3083, "Replication thread(s) for channel '' are already running.");
        }
    }
    if which != Threads::Receiver {
        link.sql_runs = true;
        link.sql_fault = Fault::default();
    }
    if let (true, Some(source)) = (is_fresh, source) {
        link.applied = Position { gtid: (source.gtid - SINCE_BACKUP).max(0.0), offset: (source.offset - SINCE_BACKUP * 620.0).max(157.0), file: source.file };
        server.content.followed = link.applied.gtid;
    }
    Ok(Reply::Done { affected: 0, warnings: u16::try_from(session.warnings.len()).unwrap_or(0) })
}

pub fn stop(mysql: &mut Mysql, at: usize, session: &mut Session, t: &mut Tokens) -> Result<Reply, Failure> {
    let which = threads(t)?;
    let Some(link) = &mut mysql.servers[at].replication else {
        return Err(Failure::general(1200, "The server is not configured as replica; fix in config file or with CHANGE REPLICATION SOURCE TO"));
    };
    if link.io == Io::No && !link.sql_runs {
        session.warn("Note", 3084, "Replication thread(s) for channel '' are already stopped.");
    }
    if which != Threads::Applier {
        link.io = Io::No;
        link.io_fault = Fault::default();
    }
    if which != Threads::Receiver {
        link.sql_runs = false;
    }
    Ok(Reply::Done { affected: 0, warnings: u16::try_from(session.warnings.len()).unwrap_or(0) })
}

pub fn reset(mysql: &mut Mysql, at: usize, t: &mut Tokens) -> Result<Reply, Failure> {
    let all = t.words("ALL");
    threads(t)?;
    let server = &mut mysql.servers[at];
    let Some(link) = &mut server.replication else { return Ok(Reply::ok()) };
    if link.io != Io::No || link.sql_runs {
        return Err(Failure::general(3021, WRONG_WORD));
    }
    link.received = link.applied;
    (link.io_fault, link.sql_fault) = (Fault::default(), Fault::default());
    if all {
        server.replication = None;
    }
    Ok(Reply::ok())
}
