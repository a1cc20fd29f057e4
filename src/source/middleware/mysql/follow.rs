//! Who follows whom, as far as the members' words can be matched. Pure.

use super::seen::{Channel, Seen};
use crate::source::middleware::member::View;
use crate::source::middleware::reach::split;

/// The member that `channel` of `follower` follows. By UUID; else by address; else by server id where no other has the same.
/// A silent member is matched by what it said last.
pub(super) fn source_of<'a>(channel: &Channel, follower: &str, views: &'a [View<Seen>]) -> Option<&'a View<Seen>> {
    let others = || views.iter().filter(|v| &*v.address != follower);
    let by_uuid = others().find(|v| !channel.source_uuid.is_empty() && v.seen.as_ref().is_some_and(|s| s.server_uuid == channel.source_uuid));
    let by_address = || others().find(|v| split(&v.address, 3306).is_some_and(|(host, port)| host.eq_ignore_ascii_case(&channel.host) && port == channel.port));
    let by_name = || others().find(|v| v.seen.as_ref().is_some_and(|s| s.port == channel.port && s.host.eq_ignore_ascii_case(&channel.host)));
    by_uuid.or_else(by_address).or_else(by_name).or_else(|| {
        // Behind another address (a tunnel, a service): the id that the follower has learned, if it is known to be of one member only.
        let another = |s: &Seen| !channel.source_uuid.is_empty() && !s.server_uuid.is_empty();
        let mut same = others().filter(|v| channel.source_id != 0 && v.seen.as_ref().is_some_and(|s| s.server_id == channel.source_id && !another(s)));
        same.next().filter(|_| same.next().is_none())
    })
}

/// The members that follow `address`, whether they answer or not.
pub(super) fn followers<'a>(address: &str, views: &'a [View<Seen>]) -> Vec<&'a View<Seen>> {
    views
        .iter()
        .filter(|v| {
            v.seen.as_ref().is_some_and(|s| s.channels.iter().any(|c| source_of(c, &v.address, views).is_some_and(|source| &*source.address == address)))
        })
        .collect()
}
