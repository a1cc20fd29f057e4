//! A member that speaks HTTP: the kept connection of `link::http` along whatever way leads there, its failures as troubles.

use std::sync::Arc;

use secrecy::ExposeSecret;

use super::member::{Target, Trouble, TroubleKind};
use super::spec::{Account, Credential};
use crate::link::http::{Client, Connector, Failure, Limits, Login, Request, Response, Server};
use crate::port::Meter;

/// The login of an account: its user and password, or none where there is no user. To be fetched once a connection.
///
/// # Errors
/// The password cannot be had.
pub async fn basic(account: &Account, to: Target<'_>) -> Result<Login, Trouble> {
    let password = account.password.fetch().await.map_err(|text| Trouble::new(TroubleKind::Refused, text, "Check where the password is read from."))?;
    if let Some(password) = &password {
        to.redact.learn(password.expose_secret());
    }
    if account.user.is_empty() {
        return Ok(Login::None);
    }
    Ok(Login::Basic { user: account.user.clone(), password: password.unwrap_or_default() })
}

/// The login of the entry, whichever sort of secret it has.
///
/// # Errors
/// The secret cannot be had.
pub async fn login(to: Target<'_>) -> Result<Login, Trouble> {
    if to.spec.credential == Credential::Password {
        return basic(&to.spec.account, to).await;
    }
    let key = to.spec.account.password.fetch().await.map_err(|text| Trouble::new(TroubleKind::Refused, text, "Check where the API key is read from."))?;
    let Some(key) = key else { return Ok(Login::None) };
    to.redact.learn(key.expose_secret());
    Ok(Login::ApiKey(key))
}

/// A client for one member, not connected yet: the first request does that, and says what stands in the way.
///
/// # Errors
/// The member's address or the TLS settings cannot be used.
pub fn client(to: Target<'_>, login: Login, default_port: u16, limits: Limits) -> Result<Client, Trouble> {
    let server = Server::parse(to.address, default_port).map_err(|text| Trouble::broken(format!("{text}.")))?;
    let (reach, address, at) = (to.spec.reach.clone(), to.address.to_owned(), server.address());
    let connector: Connector = Arc::new(move || {
        let (reach, address, at) = (reach.clone(), address.clone(), at.clone());
        Box::pin(async move {
            // The place is named by whoever shows the failure.
            let failed = |trouble: Trouble| Failure::Unreachable(trouble.text.strip_prefix(&format!("{address}: ")).unwrap_or(&trouble.text).to_owned());
            reach.open(&at, default_port).await.map_err(failed)
        })
    });
    let client = Client::new(server, to.spec.tls.clone(), login, connector).map_err(|e| trouble(to.address, &e))?;
    Ok(client.limited(limits))
}

/// One request, counted. Every status is an answer.
///
/// # Errors
/// There is none.
pub async fn send(client: &mut Client, request: &Request, address: &str, meter: &Meter) -> Result<Response, Trouble> {
    meter.request();
    let answer = client.send(request).await.map_err(|e| trouble(address, &e))?;
    meter.sent(answer.sent_bytes);
    meter.received(answer.received_bytes);
    Ok(answer)
}

/// What a failure means for the member. 401 and 403 are [`TroubleKind::Refused`], so `poll` asks no further with these credentials:
/// where only one fact is refused, the kind has to look at the status itself.
pub fn trouble(address: &str, failure: &Failure) -> Trouble {
    let (kind, remedy) = match failure {
        Failure::Unreachable(_) => (TroubleKind::Unreachable, ""),
        Failure::Mute { .. } => (TroubleKind::Mute, ""),
        Failure::Tls { remedy, .. } => (TroubleKind::Tls, *remedy),
        Failure::Refused { .. } => (TroubleKind::Refused, "Check user and password of the entry."),
        Failure::Status { status: 429 | 502 | 503 | 504, .. } => (TroubleKind::Busy, ""),
        Failure::Status { .. } | Failure::TooLong { .. } | Failure::Broken(_) => (TroubleKind::Broken, ""),
    };
    Trouble::new(kind, format!("{address}: {failure}."), remedy)
}
