//! One statement against one server: what it reads of the world, what it changes there.

use super::reply::{Cell, Failure, Reply};
use super::session::{Here, Logs, Right, Session};
use super::status::{self, Words};
use super::token::{Token, Tokens};
use super::{account, change, read, replica, variable};
use crate::base::clock::Moment;
use crate::lab::world::World;
use crate::lab::world::mysql::{Io, Mysql};

/// What a statement is about to touch, found once.
pub(super) struct Place<'a> {
    pub mysql: &'a mut Mysql,
    pub at: usize,
    /// The server's own clock.
    pub now: Moment,
}

impl Place<'_> {
    pub(super) fn source_uuid(&self) -> String {
        let server = &self.mysql.servers[self.at];
        let followed = server.replication.as_ref().and_then(|l| self.mysql.servers.iter().find(|s| s.address == format!("{}:{}", l.host, l.port)));
        followed.unwrap_or(server).uuid.clone()
    }

    /// Evaluates something that reads the server only.
    pub(super) fn here<T>(&self, session: &Session, look: impl FnOnce(&Here<'_>) -> T) -> T {
        let source_uuid = self.source_uuid();
        look(&Here { session, server: &self.mysql.servers[self.at], now: self.now, source_uuid: &source_uuid })
    }

    /// The addresses of those that read its log now.
    pub(super) fn followers(&self) -> Vec<String> {
        let address = &self.mysql.servers[self.at].address;
        let follows = |s: &&crate::lab::world::mysql::MysqlServer| {
            s.replication.as_ref().is_some_and(|l| l.io == Io::Yes && format!("{}:{}", l.host, l.port) == *address)
        };
        self.mysql.servers.iter().filter(follows).map(|s| s.address.rsplit_once(':').map_or("", |(host, _)| host).to_owned()).collect()
    }
}

/// Runs one statement of `session` on the server at `address`.
pub fn run(world: &mut World, address: &str, session: &mut Session, text: &str) -> Result<Reply, Failure> {
    let Some(at) = world.mysql.servers.iter().position(|s| s.address == address) else {
        return Err(Failure::general(1053, "Server shutdown in progress"));
    };
    let guest = world.mysql.servers[at].guest.clone();
    let ahead = world.guests.iter().find(|g| g.name == guest).map_or(0, |g| g.machine.clock_ahead_ms);
    let now = Moment(world.now.0 + ahead);
    let mut place = Place { mysql: &mut world.mysql, at, now };
    change::follow(&mut place);
    let mut t = Tokens::of(text);
    if !t.sees("SHOW") {
        session.warnings.clear();
    }
    let answer = statement(&mut place, session, text, &mut t);
    if answer.is_ok() && !t.is_done() {
        return Err(Failure::syntax(t.rest()));
    }
    answer
}

fn need(place: &Place<'_>, session: &Session, right: Right, named: &str) -> Result<(), Failure> {
    if session.right(&place.mysql.servers[place.at]) >= right {
        return Ok(());
    }
    Err(Failure::new(1227, "42000", format!("Access denied; you need (at least one of) the {named} privilege(s) for this operation")))
}

/// Refuses a write where the server takes none.
fn writable(place: &Place<'_>, session: &Session) -> Result<(), Failure> {
    let server = &place.mysql.servers[place.at];
    if session.right(server) < Right::Write {
        return Err(Failure::new(1142, "42000", format!("INSERT, UPDATE, DELETE or CREATE command denied to user '{}'@'{}'", session.user, session.from)));
    }
    let held = match (server.super_read_only, server.read_only && session.right(server) < Right::All) {
        (true, _) => "--super-read-only",
        (false, true) => "--read-only",
        (false, false) => return Ok(()),
    };
    Err(Failure::general(1290, format!("The MySQL server is running with the {held} option so it cannot execute this statement")))
}

/// Everything after what was understood is of no matter to the lab.
fn rest_is_fine(t: &mut Tokens) {
    while t.bump().is_some() {}
}

fn statement(place: &mut Place<'_>, session: &mut Session, text: &str, t: &mut Tokens) -> Result<Reply, Failure> {
    const SUPER: &str = "SUPER, REPLICATION_SLAVE_ADMIN";
    let at = place.at;
    if t.sees("SELECT") || t.sees("DO") {
        return read::select(place, session, t);
    }
    if t.words("SHOW") {
        return show(place, session, t);
    }
    if t.words("SET") {
        return set(place, session, t);
    }
    if t.words("CHANGE MASTER TO") || t.words("CHANGE REPLICATION SOURCE TO") {
        need(place, session, Right::All, SUPER)?;
        return replica::change(place.mysql, at, t);
    }
    for (words, what) in [("START", "start"), ("STOP", "stop"), ("RESET", "reset")] {
        if t.words(&format!("{words} SLAVE")) || t.words(&format!("{words} REPLICA")) {
            need(place, session, Right::All, SUPER)?;
            return match what {
                "start" => replica::start(place.mysql, at, session, t),
                "stop" => replica::stop(place.mysql, at, session, t),
                _ => replica::reset(place.mysql, at, t),
            };
        }
    }
    if t.words("RESET MASTER") || t.words("RESET BINARY LOGS AND GTIDS") {
        need(place, session, Right::All, "RELOAD")?;
        let server = &mut place.mysql.servers[at];
        server.errant = 0;
        server.log = crate::lab::world::mysql::Position { file: 1, offset: 157.0, gtid: 0.0 };
        if let Some(link) = &mut server.replication {
            link.applied = crate::lab::world::mysql::Position::default();
        }
        return Ok(Reply::ok());
    }
    if t.words("USE") {
        let near = t.rest().to_owned();
        let name = t.name().ok_or_else(|| Failure::syntax(&near))?;
        return enter(place, session, &name);
    }
    if t.one_of(&["BEGIN", "COMMIT", "ROLLBACK", "START TRANSACTION", "FLUSH", "UNLOCK TABLES", "LOCK TABLES", "ANALYZE TABLE", "PURGE BINARY LOGS", "KILL"])
        .is_some()
    {
        rest_is_fine(t);
        return Ok(Reply::ok());
    }
    if t.one_of(&["DESCRIBE", "DESC"]).is_some() {
        return read::describe(place, session, t);
    }
    writable(place, session)?;
    let is_account = ["CREATE USER", "ALTER USER", "DROP USER", "GRANT", "REVOKE"].into_iter().find(|w| t.words(w));
    let done = match is_account {
        Some(kind) => {
            need(place, session, Right::All, "CREATE USER")?;
            let server = &mut place.mysql.servers[at];
            let done = match kind {
                "CREATE USER" => account::create(server, t),
                "ALTER USER" => account::alter(server, t),
                "DROP USER" => account::drop(server, t),
                "GRANT" => account::grant(server, t),
                _ => account::revoke(server, t),
            }?;
            rest_is_fine(t);
            done
        }
        None => change::apply(place, session, t)?,
    };
    // As row events are: a statement that changed nothing is none, but whether it did is known too late for DDL.
    if session.logs == Logs::Written && !matches!(done, Reply::Done { affected: 0, .. } if text_is_dml(text)) {
        change::record(place, session, text);
    }
    Ok(done)
}

fn text_is_dml(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or("").to_ascii_uppercase();
    matches!(first.as_str(), "INSERT" | "UPDATE" | "DELETE" | "REPLACE")
}

pub(super) fn enter(place: &Place<'_>, session: &mut Session, name: &str) -> Result<Reply, Failure> {
    let server = &place.mysql.servers[place.at];
    let known = super::schema::SYSTEM.iter().any(|d| d.eq_ignore_ascii_case(name)) || server.content.data.0.contains_key(name);
    if !known {
        return Err(super::data::unknown_database(name));
    }
    name.clone_into(&mut session.database);
    Ok(Reply::ok())
}

fn show(place: &Place<'_>, session: &Session, t: &mut Tokens) -> Result<Reply, Failure> {
    let monitor = "SUPER, REPLICATION CLIENT";
    for (words, which) in [("SLAVE STATUS", Words::Slave), ("ALL SLAVES STATUS", Words::Slave), ("REPLICA STATUS", Words::Replica)] {
        if t.words(words) {
            need(place, session, Right::Look, monitor)?;
            if t.words("FOR CHANNEL") {
                t.text();
            }
            let uuid = place.source_uuid();
            let source = place.mysql.servers.iter().find(|s| s.uuid == uuid);
            return Ok(place.here(session, |here| status::replica(here, source, which)));
        }
    }
    let word = |text: &str| -> Cell { Some(text.to_owned()) };
    let server = &place.mysql.servers[place.at];
    if t.one_of(&["MASTER STATUS", "BINARY LOG STATUS"]).is_some() {
        need(place, session, Right::Look, monitor)?;
        let executed = place.here(session, variable::executed);
        let row = vec![Some(server.log.file_name()), Some(crate::lab::world::whole(server.log.offset).to_string()), word(""), word(""), Some(executed)];
        return Ok(Reply::rows(["File", "Position", "Binlog_Do_DB", "Binlog_Ignore_DB", "Executed_Gtid_Set"], vec![row]));
    }
    if t.one_of(&["BINARY LOGS", "MASTER LOGS"]).is_some() {
        need(place, session, Right::Look, monitor)?;
        let full = crate::lab::world::whole(crate::lab::world::mysql::LOG_BYTES).to_string();
        let first = server.log.file.saturating_sub(3).max(1);
        let rows = (first..=server.log.file)
            .map(|n| {
                let size = if n == server.log.file { crate::lab::world::whole(server.log.offset).to_string() } else { full.clone() };
                vec![Some(format!("binlog.{n:06}")), Some(size), word("No")]
            })
            .collect();
        return Ok(Reply::rows(["Log_name", "File_size", "Encrypted"], rows));
    }
    if t.one_of(&["SLAVE HOSTS", "REPLICAS"]).is_some() {
        need(place, session, Right::Look, "REPLICATION SLAVE")?;
        let mine = server.address.clone();
        let follows =
            place.mysql.servers.iter().filter(|s| s.replication.as_ref().is_some_and(|l| l.io == Io::Yes && format!("{}:{}", l.host, l.port) == mine));
        let row = |s: &crate::lab::world::mysql::MysqlServer| {
            let port = s.address.rsplit_once(':').map_or("", |(_, p)| p);
            vec![Some(s.server_id.to_string()), word(""), word(port), Some(server.server_id.to_string()), Some(s.uuid.clone())]
        };
        return Ok(Reply::rows(["Server_Id", "Host", "Port", "Source_Id", "Replica_UUID"], follows.map(row).collect()));
    }
    read::show(place, session, t)
}

/// `SET a = 1, GLOBAL b = 2`
fn set(place: &mut Place<'_>, session: &mut Session, t: &mut Tokens) -> Result<Reply, Failure> {
    if t.one_of(&["NAMES", "CHARACTER SET", "TRANSACTION", "SESSION TRANSACTION"]).is_some() {
        rest_is_fine(t);
        return Ok(Reply::ok());
    }
    loop {
        let is_global = t.one_of(&["GLOBAL", "PERSIST"]).is_some();
        t.one_of(&["SESSION", "LOCAL"]);
        let near = t.rest().to_owned();
        let (name, is_global) = match t.bump() {
            Some(Token::Word(name)) => (name.to_ascii_lowercase(), is_global),
            Some(Token::Variable(name)) => {
                let global = name.starts_with("global.") || name.starts_with("persist.");
                (name.rsplit('.').next().unwrap_or_default().to_owned(), is_global || global)
            }
            _ => return Err(Failure::syntax(&near)),
        };
        t.symbol(':');
        if !t.symbol('=') {
            return Err(Failure::syntax(t.rest()));
        }
        let expression = match t.one_of(&["ON", "OFF", "DEFAULT", "AUTOMATIC"]) {
            Some(word) => super::expression::Expression::Value(Some(word.to_owned())),
            None => super::expression::Expression::parse(t)?,
        };
        let value = place.here(session, |here| match &expression {
            super::expression::Expression::Column(word) => Ok(Some(word.clone())),
            other => other.value(here),
        })?;
        let value = value.unwrap_or_default();
        assign(place, session, &name, &value, is_global)?;
        if !t.symbol(',') {
            return Ok(Reply::ok());
        }
    }
}

fn assign(place: &mut Place<'_>, session: &mut Session, name: &str, value: &str, is_global: bool) -> Result<(), Failure> {
    if name == "sql_log_bin" {
        need(place, session, Right::All, "SUPER, SYSTEM_VARIABLES_ADMIN")?;
        session.logs = if matches!(value, "0" | "OFF") { Logs::Off } else { Logs::Written };
        return Ok(());
    }
    if name == "gtid_next" {
        // An empty transaction under the number that the applier cannot pass is how it is told to skip it.
        if value.contains(':')
            && let Some(link) = &mut place.mysql.servers[place.at].replication
        {
            link.poison = None;
        }
        return Ok(());
    }
    if !is_global {
        return Ok(());
    }
    need(place, session, Right::All, "SUPER, SYSTEM_VARIABLES_ADMIN")?;
    let known = place.here(session, |here| variable::read(here, name).is_some()) || name == "sql_replica_skip_counter";
    if !known && !name.starts_with("rpl_semi_sync") && name != "gtid_purged" {
        return Err(Failure::general(1193, format!("Unknown system variable '{name}'")));
    }
    variable::write(&mut place.mysql.servers[place.at], name, value)
}
