//! Opens a connection and says in words why that failed.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{ChangeUserOpts, ClientIdentity, Conn, DriverError, Error, IoError, Opts, OptsBuilder, Row, ServerError, SslOpts};
use secrecy::ExposeSecret;
use tokio_util::task::AbortOnDropHandle;

use super::dialect::Dialect;
use super::record::Record;
use crate::base::clock::Moment;
use crate::base::text::clean;
use crate::port::Meter;
use crate::source::middleware::member::{Target, Trouble, TroubleKind};
use crate::source::middleware::spec::Tls;

const DEFAULT_PORT: u16 = 3306;
/// No answer to our few questions is larger; a server that sends more is not believed.
const LARGEST_ANSWER: usize = 16 << 20;
/// Longer than any interval between two polls.
const IDLE_SECONDS: usize = 28_800;

/// A connection and what was learned when it was opened.
pub struct Link {
    conn: Conn,
    pub dialect: Dialect,
    pub version: String,
    /// `user@host` as the server knows us.
    pub account: String,
    pub may_see_threads: Right,
    pub tls: String,
    _carry: Option<AbortOnDropHandle<()>>,
    /// When the rights were last read; a server keeps those of the login.
    rights_at: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    Given,
    Missing,
}

/// What became of one statement.
#[derive(Debug)]
pub enum Answer {
    Rows(Vec<Record>),
    /// The account lacks a right.
    Denied,
    /// The server knows no such statement, table or variable, or is not set up for it.
    Unknown,
}

impl Answer {
    pub fn rows(self) -> Vec<Record> {
        match self {
            Self::Rows(rows) => rows,
            Self::Denied | Self::Unknown => Vec::new(),
        }
    }
}

impl Link {
    pub async fn open(to: Target<'_>) -> Result<Self, Trouble> {
        let near = to.spec.reach.near_end(to.address, DEFAULT_PORT).await?;
        let password = to.spec.account.password.fetch().await.map_err(|why| Trouble::new(TroubleKind::Refused, why, ""))?;
        if let Some(secret) = &password {
            to.redact.learn(secret.expose_secret());
        }
        let builder = OptsBuilder::default()
            .user(Some(to.spec.account.user.clone()))
            .pass(password.as_ref().map(|p| p.expose_secret().to_owned()))
            // On a loopback tunnel the client would otherwise look for the server's socket on this machine.
            .prefer_socket(false)
            .max_allowed_packet(Some(LARGEST_ANSWER))
            .wait_timeout(Some(IDLE_SECONDS))
            .stmt_cache_size(0)
            .connect_attribute("program_name", "quarterdeck");
        let opts: Opts = builder.ip_or_hostname(near.host).tcp_port(near.port).ssl_opts(ssl(to)?).into();
        let mut conn = Conn::new(opts).await.map_err(|error| login_trouble(&error, to))?;
        let what = "SELECT VERSION(), @@version_comment, CURRENT_USER()";
        let first: Option<Row> = conn.query_first(what).await.map_err(|error| broken_off(&error, to.address))?;
        let first = first.as_ref().map(Record::from).unwrap_or_default();
        let version = first.at(0).unwrap_or("").to_owned();
        let mut link = Self {
            conn,
            dialect: Dialect::parse(&version, first.at(1).unwrap_or("")),
            version,
            account: first.at(2).unwrap_or("").to_owned(),
            may_see_threads: Right::Missing,
            tls: String::new(),
            _carry: near.carry,
            rights_at: Moment::default(),
        };
        let meter = Meter::default();
        link.read_rights(to.address, &meter).await?;
        link.tls = link.ask("SHOW SESSION STATUS LIKE 'Ssl_version'", to.address, &meter).await?.rows().first().map(|r| r.text("Value")).unwrap_or_default();
        Ok(link)
    }

    async fn read_rights(&mut self, address: &str, meter: &Meter) -> Result<(), Trouble> {
        let grants = self.ask("SHOW GRANTS", address, meter).await?.rows();
        let given = grants.iter().filter_map(|g| g.at(0)).any(sees_threads);
        self.may_see_threads = if given { Right::Given } else { Right::Missing };
        Ok(())
    }

    /// Logs in again on the same connection, so that a grant given meanwhile counts; at most once in `pause`.
    pub(super) async fn renew_rights(&mut self, now: Moment, pause: Duration, address: &str, meter: &Meter) -> Result<(), Trouble> {
        if self.rights_at == Moment::default() {
            self.rights_at = now;
        }
        if now.since(self.rights_at) < pause {
            return Ok(());
        }
        self.rights_at = now;
        meter.request();
        self.conn.change_user(ChangeUserOpts::default()).await.map_err(|error| broken_off(&error, address))?;
        self.read_rights(address, meter).await
    }

    /// Asks one statement. An error of the server about the statement is an answer; one of the line is a trouble.
    pub async fn ask(&mut self, statement: &str, address: &str, meter: &Meter) -> Result<Answer, Trouble> {
        meter.request();
        meter.sent(statement.len() + 5);
        let rows: Result<Vec<Row>, Error> = self.conn.query(statement).await;
        match rows {
            Ok(rows) => {
                let rows: Vec<Record> = rows.iter().map(Record::from).collect();
                meter.received(rows.iter().map(Record::bytes).sum());
                Ok(Answer::Rows(rows))
            }
            // No right: to the command, the table, the column, the variable, the routine.
            Err(Error::Server(ServerError { code: 1044 | 1142 | 1143 | 1227 | 1370 | 3695, .. })) => Ok(Answer::Denied),
            // Going away: this connection is over.
            Err(Error::Server(error @ ServerError { code: 1053 | 1927 | 3169 | 4031, .. })) => {
                Err(Trouble::new(TroubleKind::Busy, format!("{address}: {}", clean(&error.message)), ""))
            }
            Err(Error::Server(_)) => Ok(Answer::Unknown),
            Err(error) => Err(broken_off(&error, address)),
        }
    }
}

/// Does this line of `SHOW GRANTS` let the account see other accounts' threads?
fn sees_threads(grant: &str) -> bool {
    let Some((rights, _)) = grant.split_once(" ON *.* ") else { return false };
    rights.trim_start_matches("GRANT ").split(',').map(str::trim).any(|r| r == "PROCESS" || r.starts_with("ALL PRIVILEGES"))
}

fn ssl(to: Target<'_>) -> Result<Option<SslOpts>, Trouble> {
    let opts = match to.spec.tls.known() {
        Tls::Off => return Ok(None),
        Tls::Unverified | Tls::Identified { .. } => SslOpts::default().with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true),
        Tls::Pinned { .. } => {
            let text = format!("{}: a MySQL server's certificate cannot be known by its fingerprint here.", to.address);
            return Err(Trouble::new(TroubleKind::Tls, text, "Take tls.fingerprint out, and name the certificate of its authority as tls.ca."));
        }
        Tls::Verified { ca, server_name } => {
            let mut opts = SslOpts::default();
            if let Some(pem) = ca {
                opts = opts.with_root_certs(vec![pem.clone().into()]).with_disable_built_in_roots(true);
            }
            // Through a tunnel the client would check 127.0.0.1: the member's own name is what counts.
            let own = crate::source::middleware::reach::split(to.address, DEFAULT_PORT).map(|(host, _)| host);
            match server_name.clone().or(own) {
                Some(name) => opts.with_danger_tls_hostname_override(Some(name)),
                None => opts,
            }
        }
    };
    Ok(Some(match &to.spec.tls {
        Tls::Identified { identity, .. } => {
            opts.with_client_identity(Some(ClientIdentity::new(identity.certificate.clone().into(), identity.key.clone().into())))
        }
        _ => opts,
    }))
}

fn login_trouble(error: &Error, to: Target<'_>) -> Trouble {
    let address = to.address;
    match error {
        Error::Server(server) => refusal(server, to),
        Error::Driver(DriverError::NoClientSslFlagFromServer) => Trouble::new(
            TroubleKind::Tls,
            format!("{address} offers no TLS, and `tls` is asked for."),
            "Give the server a certificate (ssl_cert, ssl_key), or reach it with `via` and leave `tls` out.",
        ),
        Error::Driver(DriverError::UnknownAuthPlugin { name }) => Trouble::new(
            TroubleKind::Refused,
            format!("{address} wants the login method `{}`, which is not spoken here.", clean(name)),
            "Give the account caching_sha2_password, mysql_native_password or ed25519.",
        ),
        Error::Io(IoError::Tls(tls)) => tls_trouble(&tls.to_string(), address),
        // An old server hangs up, or sends an alert, in the middle of the handshake.
        Error::Io(IoError::Io(io)) if to.spec.tls != Tls::Off && io.kind() != std::io::ErrorKind::ConnectionRefused => tls_trouble(&io.to_string(), address),
        error => broken_off(error, address),
    }
}

/// Tells a certificate that does not fit from a server that is too old: the ways out differ.
fn tls_trouble(text: &str, address: &str) -> Trouble {
    let text = clean(text);
    let remedy = if text.contains("certificate") || text.contains("UnknownIssuer") || text.contains("NotValidForName") {
        "Name the authority's file as tls.ca and the name in the certificate as tls.server_name; `tls.verify = false` encrypts without checking."
    } else {
        "TLS 1.2 is the oldest that is spoken here. MySQL before 5.7.28 and builds with yaSSL have only 1.0 and 1.1: upgrade the server, or reach it through SSH (`via = \"host:NAME\"`) and leave `tls` out."
    };
    Trouble::new(TroubleKind::Tls, format!("{address}: no TLS connection: {text}"), remedy)
}

fn refusal(error: &ServerError, to: Target<'_>) -> Trouble {
    let address = to.address;
    let text = format!("{address}: {} (error {})", clean(&error.message), error.code);
    let (kind, remedy) = match error.code {
        // Some servers say no more than this to an account that must use TLS.
        1045 | 1698 | 1044 if to.spec.tls == Tls::Off => (
            TroubleKind::Refused,
            "Check user and password of this entry, and set `tls` if the account requires it; then retry. It is not tried again by itself: the server counts wrong logins.",
        ),
        1045 | 1698 | 1044 => {
            (TroubleKind::Refused, "Check user and password of this entry, then retry. It is not tried again by itself: the server counts wrong logins.")
        }
        1130 => (TroubleKind::Refused, "The account is not allowed from this machine: create it for this host, or reach the server with `via`."),
        1820 | 1862 => (TroubleKind::Refused, "The password has expired: set a new one with ALTER USER."),
        3118 | 4151 => (TroubleKind::Refused, "The account is locked: ALTER USER ... ACCOUNT UNLOCK."),
        1129 => (
            TroubleKind::Refused,
            "The server blocks this machine after too many broken logins: run FLUSH HOSTS there (TRUNCATE performance_schema.host_cache), then retry.",
        ),
        3159 => (TroubleKind::Tls, "The server takes encrypted connections only: set `tls`."),
        1040 | 1203 | 1226 => (TroubleKind::Busy, "All connections are taken: end some, or raise max_connections."),
        _ => (TroubleKind::Busy, ""),
    };
    Trouble::new(kind, text, remedy)
}

fn broken_off(error: &Error, address: &str) -> Trouble {
    match error {
        Error::Io(IoError::Io(io)) => Trouble::unreachable(format!("{address}: {io}")),
        Error::Driver(DriverError::ConnectionClosed) => Trouble::unreachable(format!("{address}: the server closed the connection.")),
        other => Trouble::broken(format!("{address}: {}", clean(&other.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sees_threads() {
        assert!(sees_threads("GRANT PROCESS, BINLOG MONITOR ON *.* TO `m`@`%`"));
        assert!(sees_threads("GRANT ALL PRIVILEGES ON *.* TO `m`@`%`"));
        assert!(!sees_threads("GRANT ALL PRIVILEGES ON `mall`.* TO `m`@`%`"));
        assert!(!sees_threads("GRANT USAGE ON *.* TO `m`@`%`"));
    }

    #[test]
    fn an_old_server_and_a_wrong_certificate_have_different_ways_out() {
        assert!(tls_trouble("received fatal alert: ProtocolVersion", "db:3306").remedy.contains("TLS 1.2"));
        assert!(tls_trouble("invalid peer certificate: UnknownIssuer", "db:3306").remedy.contains("tls.ca"));
    }
}
