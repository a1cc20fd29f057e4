//! Short names for the streams of one log: what they have in common is left out.

use std::collections::BTreeMap;

use crate::base::text;
use crate::model::log::{Speaker, StreamId};
use crate::store::log::book::Book;

/// Colours that names may have.
const COLOURS: [&str; 8] = ["log.name.0", "log.name.1", "log.name.2", "log.name.3", "log.name.4", "log.name.5", "log.name.6", "log.name.7"];

#[derive(Debug, Default)]
pub(super) struct Names {
    by_stream: BTreeMap<u32, (String, &'static str)>,
    pub width: usize,
    count: usize,
    most: usize,
}

impl Names {
    /// Brings the names up to date; they change only when a stream joins. `most`: cells that a name may take.
    pub(super) fn refresh(&mut self, book: &Book, most: usize, cut: &str) {
        if (self.count, self.most) == (book.streams().len(), most) {
            return;
        }
        (self.count, self.most) = (book.streams().len(), most);
        let speakers: Vec<(StreamId, &Speaker)> = book.streams().map(|(id, s)| (id, &s.speaker)).collect();
        let short = shorten(&speakers.iter().map(|(_, s)| *s).collect::<Vec<_>>());
        self.by_stream =
            speakers.iter().zip(short).map(|((id, speaker), name)| (id.0, (text::cut_middle(&text::clean(&name), most, cut), colour(speaker)))).collect();
        self.width = if self.count < 2 { 0 } else { self.by_stream.values().map(|(n, _)| text::width(n)).max().unwrap_or(0) };
    }

    /// The name and its colour's scope.
    pub(super) fn of(&self, stream: u32) -> (&str, &'static str) {
        self.by_stream.get(&stream).map_or(("", "text.dim"), |(n, c)| (n.as_str(), c))
    }
}

/// The same speaker has the same colour in every log.
fn colour(speaker: &Speaker) -> &'static str {
    let hash =
        format!("{}/{}", speaker.place(), speaker.part()).bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    COLOURS[usize::try_from((hash >> 32) % 8).unwrap_or(0)]
}

fn part(speaker: &Speaker) -> &str {
    let part = speaker.part();
    match speaker {
        Speaker::File { .. } => part.rsplit('/').next().unwrap_or(part),
        Speaker::Unit { .. } => part.strip_suffix(".service").unwrap_or(part),
        _ => part,
    }
}

/// Of a pod its container only where it has several; of a host always which file or unit it is.
fn shorten(speakers: &[&Speaker]) -> Vec<String> {
    let Some(first) = speakers.first() else { return Vec::new() };
    if speakers.iter().all(|s| s.place() == first.place()) {
        return speakers.iter().map(|s| part(s).to_owned()).collect();
    }
    let pods: Vec<&str> = speakers.iter().filter(|s| matches!(s, Speaker::Pod { .. })).map(|s| &**s.place()).collect();
    // Pods of one workload have their start in common, up to a dash.
    let common = pods.iter().skip(1).fold(pods.first().copied().unwrap_or_default(), |c, p| &c[..c.bytes().zip(p.bytes()).take_while(|(a, b)| a == b).count()]);
    let several = pods.iter().any(|p| *p != pods[0]);
    let keep_from = if several { common.rfind(['-', '.']).map_or(0, |i| i + 1) } else { 0 };
    let name = |s: &Speaker| -> String {
        let Speaker::Pod { pod, container, .. } = s else { return format!("{}/{}", s.place(), part(s)) };
        let short = pod.get(keep_from..).filter(|p| !p.is_empty()).unwrap_or(pod);
        let alone = speakers.iter().filter(|o| o.place() == s.place()).count() == 1;
        if alone { short.to_owned() } else { format!("{short}/{container}") }
    };
    speakers.iter().map(|s| name(s)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(pod: &str, container: &str) -> Speaker {
        Speaker::Pod { cluster: "c".into(), namespace: "n".into(), pod: pod.into(), container: container.into() }
    }

    #[test]
    fn names_say_what_differs() {
        let (first, second) = (pod("mall-order-5b49-abcde", "app"), pod("mall-order-5b49-fghij", "app"));
        assert_eq!(shorten(&[&first, &second]), ["abcde", "fghij"]);
        let (app, proxy) = (pod("mall-order-0", "app"), pod("mall-order-0", "proxy"));
        assert_eq!(shorten(&[&app, &proxy]), ["app", "proxy"]);
        let unit = Speaker::Unit { host: "n1".into(), unit: "kubelet.service".into() };
        let file = Speaker::File { host: "n1".into(), path: "/var/log/my/error.log".into() };
        assert_eq!(shorten(&[&unit, &file]), ["kubelet", "error.log"]);
        assert_eq!(shorten(&[&app, &unit]), ["mall-order-0", "n1/kubelet"]);
        assert_eq!(shorten(&[&app, &proxy, &first]), ["0/app", "0/proxy", "5b49-abcde"]);
        assert_eq!(colour(&first), colour(&first.clone()));
    }
}
