//! What a client with the application's credentials meets.

use super::super::proof::Door;
use super::node::above;
use crate::base::text::clean;
use crate::model::group::{Member, Unit};
use crate::model::limits::MiddlewareLimits;
use crate::model::reason::Reason;

pub fn judge(member: &mut Member, door: &Door, limits: &MiddlewareLimits) {
    let told = |code: &'static str, text: &str| Reason::crit(code).with("text", clean(text).as_ref());
    match door {
        Door::NotTried => {}
        Door::Open(took) => {
            member.metric("client_round_trip_seconds", Unit::Seconds, Some(took.as_secs_f64()));
            member.reasons.extend(above(took.as_secs_f64(), limits.rabbitmq.round_trip_seconds, "rabbitmq.client.slow"));
        }
        Door::Unwritable(took, text) => {
            member.metric("client_round_trip_seconds", Unit::Seconds, Some(took.as_secs_f64()));
            member.reasons.push(Reason::note("rabbitmq.client.unwritable").with("text", clean(text).as_ref()));
        }
        Door::Blocked(text) => member.reasons.push(told("rabbitmq.client.blocked", text)),
        Door::Refused(text) => member.reasons.push(told("rabbitmq.client.refused", text)),
        Door::NoVhost(text) => member.reasons.push(told("rabbitmq.client.no_vhost", text)),
        Door::NoAccess(text) => member.reasons.push(told("rabbitmq.client.no_access", text)),
        Door::NoPort(text) => member.reasons.push(Reason::unknown("rabbitmq.client.no_port").with("text", clean(text).as_ref())),
        Door::Unreachable(text) => member.reasons.push(told("rabbitmq.client.unreachable", text)),
        Door::Mute(text) => member.reasons.push(told("rabbitmq.client.mute", text)),
        Door::Tls(text) => member.reasons.push(told("rabbitmq.client.tls", text)),
        Door::Broken(text) => member.reasons.push(told("rabbitmq.client.broken", text)),
    }
}
