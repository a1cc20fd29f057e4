//! Short names for the streams of one log: what they have in common is left out.

use std::collections::BTreeMap;

use crate::base::text;
use crate::model::log::{Speaker, StreamId};
use crate::store::log::book::Book;

/// A name takes at most this many cells.
const WIDEST: usize = 20;
/// Colours that names may have, as scopes `log.name.0` to `log.name.7`.
pub(super) const COLOURS: u64 = 8;

#[derive(Debug, Default)]
pub(super) struct Names {
    by_stream: BTreeMap<u32, (String, &'static str)>,
    pub width: usize,
    count: usize,
}

impl Names {
    /// Brings the names up to date; they change only when a stream joins.
    pub fn refresh(&mut self, book: &Book, cut: &str) {
        if self.count == book.streams().len() {
            return;
        }
        self.count = book.streams().len();
        let speakers: Vec<(StreamId, &Speaker)> = book.streams().map(|(id, s)| (id, &s.speaker)).collect();
        let short = shorten(&speakers.iter().map(|(_, s)| *s).collect::<Vec<_>>());
        self.by_stream = speakers
            .iter()
            .zip(short)
            .map(|((id, speaker), name)| (id.0, (text::cut_middle(&text::clean(&name), WIDEST, cut), colour(speaker))))
            .collect();
        self.width = if self.count < 2 { 0 } else { self.by_stream.values().map(|(n, _)| text::width(n)).max().unwrap_or(0) };
    }

    /// The name and its colour's scope.
    pub fn of(&self, stream: u32) -> (&str, &'static str) {
        self.by_stream.get(&stream).map_or(("", "text.dim"), |(n, c)| (n.as_str(), c))
    }
}

/// The same speaker has the same colour in every log.
fn colour(speaker: &Speaker) -> &'static str {
    const SCOPES: [&str; COLOURS as usize] = ["log.name.0", "log.name.1", "log.name.2", "log.name.3", "log.name.4", "log.name.5", "log.name.6", "log.name.7"];
    let hash = speaker.to_string().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    SCOPES[usize::try_from((hash >> 32) % COLOURS).unwrap_or(0)]
}

fn part(speaker: &Speaker) -> &str {
    let part = speaker.part();
    match speaker {
        Speaker::File { .. } => part.rsplit('/').next().unwrap_or(part),
        Speaker::Unit { .. } => part.strip_suffix(".service").unwrap_or(part),
        _ => part,
    }
}

fn shorten(speakers: &[&Speaker]) -> Vec<String> {
    let Some(first) = speakers.first() else { return Vec::new() };
    let one_place = speakers.iter().all(|s| s.place() == first.place());
    let one_part = speakers.iter().all(|s| s.part() == first.part());
    let places: Vec<&str> = speakers.iter().map(|s| &**s.place()).collect();
    // Pods of one workload have their start in common, up to a dash.
    let common = places.iter().fold(places[0], |c, p| &c[..c.bytes().zip(p.bytes()).take_while(|(a, b)| a == b).count()]);
    let keep_from = if one_place { 0 } else { common.rfind(['-', '.']).map_or(0, |i| i + 1) };
    speakers
        .iter()
        .map(|s| {
            let place = s.place().get(keep_from..).filter(|p| !p.is_empty()).unwrap_or(s.place());
            match (one_place, one_part) {
                (true, false) => part(s).to_owned(),
                (false, true) | (true, true) => place.to_owned(),
                (false, false) => format!("{place}/{}", part(s)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(pod: &str, container: &str) -> Speaker {
        Speaker::Pod { cluster: "c".into(), namespace: "n".into(), pod: pod.into(), container: container.into() }
    }

    #[test]
    fn names_say_what_differs() {
        let (a, b) = (pod("mall-order-5b49-abcde", "app"), pod("mall-order-5b49-fghij", "app"));
        assert_eq!(shorten(&[&a, &b]), ["abcde", "fghij"]);
        let (c, d) = (pod("mall-order-0", "app"), pod("mall-order-0", "proxy"));
        assert_eq!(shorten(&[&c, &d]), ["app", "proxy"]);
        let (e, f) = (Speaker::Unit { host: "n1".into(), unit: "kubelet.service".into() }, Speaker::File { host: "n1".into(), path: "/var/log/my/error.log".into() });
        assert_eq!(shorten(&[&e, &f]), ["kubelet", "error.log"]);
        assert_eq!(shorten(&[&c, &e]), ["mall-order-0/app", "n1/kubelet"]);
        assert_eq!(colour(&a), colour(&a.clone()));
    }
}
