//! The login: a token for a user and a password, renewed before it ends.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::dialect::Dialect;
use super::{Link, context};
use crate::base::clock::Moment;
use crate::base::redact::Redactor;
use crate::base::text::clean;
use crate::link::http::{Login, Request};
use crate::port::Meter;
use crate::source::middleware::http;
use crate::source::middleware::member::{Trouble, TroubleKind};

#[derive(Clone, Debug)]
pub struct Token {
    /// When a new one is fetched; `None` before the first login.
    renew: Option<Moment>,
    redact: Redactor,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    access_token: String,
    /// Seconds.
    #[serde(default)]
    token_ttl: u64,
}

impl Token {
    pub fn none(redact: &Redactor) -> Self {
        Self { renew: None, redact: redact.clone() }
    }
}

/// Logs in where the account has a user and no token holds. Tried once a connection and again only when a token runs out.
pub(super) async fn hold(link: &mut Link, dialect: Dialect, address: &str, now: Moment, meter: &Meter) -> Result<(), Trouble> {
    if link.account.user.is_empty() || link.token.renew.is_some_and(|at| now < at) {
        return Ok(());
    }
    let refused = |text: String, remedy: &str| Trouble::new(TroubleKind::Refused, text, remedy);
    let password = link.account.password.fetch().await.map_err(|text| refused(text, "Check where the password is read from."))?.unwrap_or_default();
    link.token.redact.learn(password.expose_secret());
    let form: String =
        form_urlencoded::Serializer::new(String::new()).append_pair("username", &link.account.user).append_pair("password", password.expose_secret()).finish();
    let request = Request::post(format!("{}{}", context(&link.client), dialect.login())).body("application/x-www-form-urlencoded", form);
    let answer = http::send(&mut link.client, &request, address, meter).await?;
    if answer.status.as_u16() == 404 {
        // Without the authentication plugin there is nothing to log in to.
        link.token.renew = Some(now.plus(Duration::from_hours(1)));
        return Ok(());
    }
    let status = answer.status.as_u16();
    let words = clean(answer.text().trim()).chars().take(200).collect::<String>();
    match (answer.status.is_success(), answer.json::<Given>()) {
        (true, Ok(given)) => {
            let lasts = Duration::from_secs(given.token_ttl.max(60));
            link.token.redact.learn(&given.access_token);
            link.token.renew = Some(now.plus(lasts * 4 / 5));
            link.client.set_login(Login::Bearer(SecretString::from(given.access_token)));
            Ok(())
        }
        _ if matches!(status, 502..=504) => Err(Trouble::new(TroubleKind::Busy, format!("{address}: the login was not answered: HTTP {status}."), "")),
        _ => Err(refused(format!("{address}: the login was refused: HTTP {status} {words}."), "Check user and password of the entry.")),
    }
}
