//! One connection to one member: opened with exactly one login, and plain commands on it. No cluster client: its redirects
//! would leave the tunnel.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, RedisError, Value};
use secrecy::ExposeSecret;
use tokio::task::JoinHandle;

use super::seen::Door;
use crate::base::text::clean;
use crate::port::Meter;
use crate::source::middleware::line;
use crate::source::middleware::member::{Target, Trouble, TroubleKind};
use crate::source::middleware::spec::Account;

pub struct Link {
    connection: MultiplexedConnection,
    driver: JoinHandle<()>,
    pub door: Door,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The server's refusal of one command: its code (`NOPERM`, `LOADING`) and its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: String,
    pub text: String,
}

impl Refusal {
    fn of(error: &RedisError) -> Self {
        let code = error.code().unwrap_or("ERR").to_owned();
        let detail = error.detail().map_or_else(|| error.to_string(), ToOwned::to_owned);
        Self { text: clean(&format!("{code} {detail}")).into_owned(), code }
    }
}

impl Link {
    /// Connects and logs in, once.
    ///
    /// # Errors
    /// Nobody listens, the line could not be protected, or the server refused the credentials.
    pub async fn open(to: Target<'_>, account: &Account, default_port: u16) -> Result<Self, Trouble> {
        let stream = line::open(&to.spec.reach, &to.spec.tls, to.address, default_port).await?;
        let password = account.password.fetch().await.map_err(|text| Trouble::new(TroubleKind::Refused, text, "Check where the password is read from."))?;
        // Neither a login nor CLIENT SETINFO by the library: the one would try twice, the other needs a right.
        let bare = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (connection, driver) =
            MultiplexedConnection::new_with_config(&bare, stream, config).await.map_err(|e| Trouble::unreachable(format!("{}: {e}", to.address)))?;
        let mut link = Self { connection, driver: tokio::spawn(driver), door: Door::Locked };
        if let Some(password) = password {
            to.redact.learn(password.expose_secret());
            let mut auth = redis::cmd("AUTH");
            if !account.user.is_empty() {
                auth.arg(&account.user);
            }
            auth.arg(password.expose_secret());
            match link.connection.send_packed_command(&auth).await {
                Ok(Value::ServerError(error)) => link.door = refused(to, account, &RedisError::from(error))?,
                Ok(_) => {}
                Err(error) if error.code().is_some() => link.door = refused(to, account, &error)?,
                Err(error) => return Err(broke(to.address, &error)),
            }
        }
        Ok(link)
    }

    /// One command. The outer error is the end of the connection.
    ///
    /// # Errors
    /// The connection broke, or the server wants a login.
    pub async fn ask(&mut self, command: &Cmd, address: &str, meter: &Meter) -> Result<Result<Value, Refusal>, Trouble> {
        meter.request();
        meter.sent(command.get_packed_command().len());
        let refusal = match self.connection.send_packed_command(command).await {
            Ok(Value::ServerError(error)) => Refusal::of(&RedisError::from(error)),
            Ok(value) => {
                meter.received(size(&value));
                return Ok(Ok(value));
            }
            Err(error) if error.code().is_some() => Refusal::of(&error),
            Err(error) => return Err(broke(address, &error)),
        };
        meter.received(refusal.text.len() + 3);
        if refusal.code == "NOAUTH" {
            let text = format!("{address} wants a login: {}", refusal.text);
            return Err(Trouble::new(TroubleKind::Refused, text, "Give the entry a password, and a user where the server has ACL users."));
        }
        // Too many clients, or a stranger at a server in protected mode: it says so and hangs up.
        if refusal.text.contains("max number of clients") {
            return Err(Trouble::new(TroubleKind::Busy, format!("{address}: {}", refusal.text), "Raise maxclients, or find who keeps the connections."));
        }
        if refusal.code == "DENIED" || refusal.text.contains("protected mode") {
            return Err(Trouble::new(
                TroubleKind::Refused,
                format!("{address} is in protected mode: it has no password and answers to its own machine only."),
                "Set requirepass (or an ACL user) on it; protected-mode no would let anybody in.",
            ));
        }
        Ok(Err(refusal))
    }
}

/// The answer to a refused login. A server without any password lets us in all the same.
fn refused(to: Target<'_>, account: &Account, error: &RedisError) -> Result<Door, Trouble> {
    let refusal = Refusal::of(error);
    if refusal.text.contains("without any password configured") || refusal.text.contains("no password is set") {
        return Ok(Door::Open);
    }
    let (address, text) = (to.address, to.redact.clean(&refusal.text));
    if refusal.code == "LOADING" || refusal.text.contains("max number of clients") {
        return Err(Trouble::new(TroubleKind::Busy, format!("{address}: {text}"), ""));
    }
    let user = if account.user.is_empty() { "default" } else { &account.user };
    Err(Trouble::new(
        TroubleKind::Refused,
        format!("{address} refused the login of `{user}`: {text}"),
        "Correct user and password of the entry (ACL LIST on the server shows its users), then retry; it is not tried again by itself.",
    ))
}

fn broke(address: &str, error: &RedisError) -> Trouble {
    if error.is_connection_dropped() || error.is_io_error() {
        Trouble::unreachable(format!("{address} closed the connection ({error}). A server that listens for TLS only does that to an entry without tls."))
    } else {
        Trouble::broken(format!("{address}: {}", clean(&error.to_string())))
    }
}

/// Bytes of an answer, its framing left out.
fn size(value: &Value) -> usize {
    match value {
        Value::BulkString(bytes) => bytes.len(),
        Value::SimpleString(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        _ => 4,
    }
}
