//! The MySQL servers: a source and its replicas, and two that stand alone until somebody makes a pair of them.

use super::chance::Chance;
use crate::lab::mysql::content::Content;

/// Where a replica stands: a position of the source's binary log.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Position {
    /// `binlog.000042`
    pub file: u32,
    pub offset: f64,
    /// Transactions `1..=gtid` of the source's own UUID.
    pub gtid: f64,
}

/// After so many bytes a server begins the next binary log.
pub const LOG_BYTES: f64 = 1_073_741_824.0;
/// A transaction's share of the log.
const TRANSACTION_BYTES: f64 = 620.0;

impl Position {
    pub(in crate::lab) fn advance(&mut self, transactions: f64) {
        self.gtid += transactions;
        self.offset += transactions * TRANSACTION_BYTES;
        if self.offset > LOG_BYTES {
            self.offset -= LOG_BYTES;
            self.file += 1;
        }
    }

    /// Bytes from `earlier` to this.
    pub fn bytes_since(&self, earlier: &Self) -> f64 {
        f64::from(self.file.saturating_sub(earlier.file)) * LOG_BYTES + self.offset - earlier.offset
    }

    pub fn file_name(&self) -> String {
        format!("binlog.{:06}", self.file)
    }
}

/// The receiving thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    Yes,
    Connecting,
    No,
}

/// An error as MySQL numbers it; 0 is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    pub code: u32,
    pub text: String,
}

/// A replica's side.
#[derive(Clone, Debug)]
pub struct Replication {
    /// `10.20.0.41`, as it was given.
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: String,
    pub auto_position: bool,
    pub io: Io,
    pub sql_runs: bool,
    pub io_fault: Fault,
    pub sql_fault: Fault,
    pub received: Position,
    pub applied: Position,
    /// `SOURCE_DELAY`
    pub delay_seconds: u32,
    /// Seconds behind the source; nothing while it does not apply.
    pub behind_seconds: f64,
    /// Transactions in a second that the appliers manage; a fault lowers it.
    pub apply_per_second: f64,
    /// What stops the SQL thread again each time it is started, until the data is repaired.
    pub poison: Option<Fault>,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub user: String,
    /// From where it may log in, as it was given. It is shown; everybody is let in from everywhere.
    pub host: String,
    pub password: String,
    /// `REPLICATION SLAVE` and `SELECT`, `ALL PRIVILEGES`
    pub grants: String,
}

/// Who works with a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Serves {
    /// The shop reads and writes here.
    Shop,
    Nobody,
}

#[derive(Clone, Debug)]
pub struct MysqlServer {
    /// `db-1`, and `db-3:3307` for the second one on a guest.
    pub name: String,
    /// The guest it runs on.
    pub guest: String,
    /// `10.20.0.41:3306`
    pub address: String,
    pub version: String,
    pub server_id: u32,
    pub uuid: String,
    pub is_up: bool,
    pub serves: Serves,
    pub read_only: bool,
    pub super_read_only: bool,
    pub log: Position,
    /// What it wrote under its own UUID although it is a replica.
    pub errant: u64,
    pub replication: Option<Replication>,
    pub databases: Vec<String>,
    /// Tables, and what clients wrote.
    pub content: Content,
    /// Beside `root` and `monitor`, whose passwords are the lab's.
    pub accounts: Vec<Account>,
    pub max_connections: u32,
    pub connections: u32,
    pub running: u32,
    pub queries: f64,
    pub queries_per_second: f64,
    pub commits: f64,
    pub slow_queries: f64,
    pub up_seconds: f64,
    /// Connections that a fault holds open.
    pub held_connections: u32,
}

#[derive(Clone, Debug)]
pub struct Mysql {
    pub servers: Vec<MysqlServer>,
}

const DATABASES: &[&str] = &["mall", "mall_oms", "mall_pms", "mall_sms", "mall_ums", "nacos_config"];

impl Mysql {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance::of(seed, "mysql");
        let start = Position { file: 42, offset: 401_234_567.0, gtid: 18_442_310.0 };
        let mut server = |name: &str, guest: &str, address: &str, server_id: u32| MysqlServer {
            name: name.into(),
            guest: guest.into(),
            address: address.into(),
            version: "8.0.36".into(),
            server_id,
            uuid: chance.uuid(),
            is_up: true,
            serves: Serves::Shop,
            read_only: false,
            super_read_only: false,
            log: start,
            errant: 0,
            replication: None,
            databases: DATABASES.iter().map(|d| (*d).to_owned()).collect(),
            content: Content::of(DATABASES),
            accounts: vec![Account { user: "repl".into(), host: "10.20.0.%".into(), password: "repl".into(), grants: "REPLICATION SLAVE".into() }],
            max_connections: 500,
            connections: 60,
            running: 3,
            queries: 8.1e8,
            queries_per_second: 0.0,
            commits: 1.8e7,
            slow_queries: 312.0,
            up_seconds: 3_456_000.0,
            held_connections: 0,
        };
        let source = server("db-1", "db-1", "10.20.0.41:3306", 1);
        let mut servers = vec![source];
        for n in [2, 3] {
            let mut replica = server(&format!("db-{n}"), &format!("db-{n}"), &format!("10.20.0.4{n}:3306"), n);
            (replica.read_only, replica.super_read_only) = (true, true);
            replica.replication = Some(Replication::new("10.20.0.41", 3306, "repl", "repl", start));
            servers.push(replica);
        }
        for (n, server_id) in [(3, 4), (2, 5)] {
            let mut fresh = server(&format!("db-{n}:3307"), &format!("db-{n}"), &format!("10.20.0.4{n}:3307"), server_id);
            fresh.serves = Serves::Nobody;
            fresh.log = Position { file: 1, offset: 157.0, gtid: 0.0 };
            fresh.databases = vec!["mall".into()];
            fresh.content = Content::of(&["mall"]);
            fresh.accounts.clear();
            (fresh.queries, fresh.commits, fresh.up_seconds) = (1200.0, 0.0, 7200.0);
            servers.push(fresh);
        }
        Self { servers }
    }

    /// By its name (`db-2`) or address (`10.20.0.42:3306`).
    pub fn server(&mut self, name: &str) -> Option<&mut MysqlServer> {
        self.servers.iter_mut().find(|s| s.name == name || s.address == name)
    }

    /// `reachable`: do the guests that they run on answer?
    pub(super) fn advance(&mut self, seconds: f64, load: f64, reachable: impl Fn(&str) -> bool) {
        let writes = 20.0 + 180.0 * load;
        let sources: Vec<(String, bool, Position, Vec<Account>)> = self
            .servers
            .iter_mut()
            .map(|s| {
                let up = s.is_up && reachable(&s.guest);
                if up {
                    let takes_writes = s.replication.is_none() && s.serves == Serves::Shop;
                    if takes_writes {
                        s.log.advance(writes * seconds);
                        s.commits += writes * seconds;
                    }
                    s.up_seconds += seconds;
                    s.queries_per_second = if s.serves == Serves::Shop { 300.0 + 2400.0 * load } else { 0.5 };
                    s.queries += s.queries_per_second * seconds;
                    let own = if s.serves == Serves::Shop { super::whole(40.0 + 120.0 * load) } else { 1 };
                    s.connections = (u32::try_from(own).unwrap_or(0) + s.held_connections).min(s.max_connections);
                    s.running = 2 + u32::try_from(super::whole(6.0 * load)).unwrap_or(0) + s.held_connections / 8;
                }
                (s.address.clone(), up, s.log, s.accounts.clone())
            })
            .collect();
        for server in &mut self.servers {
            if !server.is_up || !reachable(&server.guest) {
                continue;
            }
            let Some(link) = &mut server.replication else { continue };
            let address = format!("{}:{}", link.host, link.port);
            let source = sources.iter().find(|(a, ..)| *a == address);
            link.receive(source, &address);
            link.apply(seconds, writes);
            server.log = link.applied;
        }
    }
}

impl Replication {
    pub fn new(host: &str, port: u16, user: &str, password: &str, at: Position) -> Self {
        Self {
            host: host.into(),
            port,
            user: user.into(),
            password: password.into(),
            auto_position: true,
            io: Io::Yes,
            sql_runs: true,
            io_fault: Fault::default(),
            sql_fault: Fault::default(),
            received: at,
            applied: at,
            delay_seconds: 0,
            behind_seconds: 0.0,
            apply_per_second: 2000.0,
            poison: None,
        }
    }

    fn receive(&mut self, source: Option<&(String, bool, Position, Vec<Account>)>, address: &str) {
        if self.io == Io::No {
            return;
        }
        let failed = |code, why: &str, user: &str| Fault {
            code,
            text: format!("error connecting to source '{user}@{address}' - retry-time: 60 retries: 3 message: {why}"),
        };
        let Some((_, true, log, accounts)) = source else {
            self.io = Io::Connecting;
            self.io_fault = failed(2003, &format!("Can't connect to MySQL server on '{address}' (110)"), &self.user);
            return;
        };
        let known = accounts.iter().find(|a| a.user == self.user);
        if known.is_none_or(|a| a.password != self.password) {
            self.io = Io::Connecting;
            self.io_fault = failed(1045, &format!("Access denied for user '{}' (using password: YES)", self.user), &self.user);
        } else {
            (self.io, self.io_fault) = (Io::Yes, Fault::default());
            self.received = *log;
        }
    }

    fn apply(&mut self, seconds: f64, writes: f64) {
        if self.sql_runs
            && let Some(fault) = &self.poison
        {
            self.sql_runs = false;
            self.sql_fault = fault.clone();
        }
        if !self.sql_runs {
            return;
        }
        let due = self.received.gtid - f64::from(self.delay_seconds) * writes;
        let missing = (due - self.applied.gtid).max(0.0);
        let done = missing.min(self.apply_per_second * seconds);
        if done >= missing && self.delay_seconds == 0 {
            self.applied = self.received;
        } else {
            self.applied.advance(done);
        }
        self.behind_seconds = (self.received.gtid - self.applied.gtid).max(0.0) / writes.max(1.0);
    }
}
