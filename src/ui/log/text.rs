//! What leaves the screen: a selection, what is kept, the whole stream. With a header that says who took it, when, and what was asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use jiff::tz::TimeZone;

use super::find::Filter;
use super::note::grouped;
use super::time::zone_name;
use super::{LogPane, Times};
use crate::base::clock::Moment;
use crate::base::ring::Line;
use crate::base::sgr;
use crate::base::text;
use crate::config::lang::Lang;
use crate::model::effect::LargeText;
use crate::model::log::{LogTarget, Run};
use crate::store::log::book::Book;
use crate::store::log::query::Query;
use crate::store::log::search::{Found, Scan};
use crate::store::log::shown::shown;

/// The longest line that is put into the clipboard.
const MOST: usize = 64 << 10;

/// Who takes it and when, for the header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp<'a> {
    pub who: &'a str,
    pub now: Moment,
    pub zone: &'a TimeZone,
    pub lang: &'a Lang,
}

/// How a line starts in a file: its time and who said it.
fn prefix(line: &Line, zone: &TimeZone, name: &str) -> String {
    format!("{} {name}{}", Times::Date.show(line.stamp, zone), if name.is_empty() { "" } else { " " })
}

/// What was asked, by its address.
fn words(target: &LogTarget) -> String {
    let run = |r: Run| if r == Run::Previous { "?previous" } else { "" };
    match target {
        LogTarget::Pod { cluster, namespace, name, run: life, .. } => format!("k8s:{cluster}/{namespace}/pod/{name}{}", run(*life)),
        LogTarget::Workload { cluster, namespace, kind, name, .. } => format!("k8s:{cluster}/{namespace}/{kind:?}/{name}").to_lowercase(),
        LogTarget::Selector { cluster, namespace, selector, .. } => format!("k8s:{cluster}/{}?selector={selector}", namespace.as_deref().unwrap_or("*")),
        LogTarget::Container { host, name, .. } => format!("docker:{host}/{name}"),
        LogTarget::File { host, path } => format!("host:{host}{path}"),
        LogTarget::Unit { host, unit } => format!("host:{host}?unit={unit}"),
        LogTarget::Kernel { host } => format!("host:{host}?kernel"),
        LogTarget::Host { host } => format!("host:{host}"),
        LogTarget::Middleware(group) => format!("{}:{}", group.kind, group.name),
    }
}

impl LogPane {
    /// The lines of the selection, else the one at the cursor, as they are shown but without colours; `whole`: with their times and names.
    pub(super) fn selection(&self, book: &Book, zone: &TimeZone, whole: bool) -> String {
        let cursor = if self.is_following() { self.drawn.last().copied().unwrap_or(0) } else { self.cursor };
        let (from, to) = self.anchor.map_or((cursor, cursor), |a| (a.min(cursor), a.max(cursor)));
        let mut out = String::new();
        let mut at = from;
        while let Found::Line(n) = self.shown(book).at_or_after(at) {
            if n > to {
                break;
            }
            if let Some(line) = book.ring().line(n).filter(|l| book.note(l.number).is_none()) {
                if whole {
                    out.push_str(&prefix(&line, zone, &text::clean(&book.speaker(&line).map_or_else(String::new, ToString::to_string))));
                }
                out.push_str(&sgr::plain(line.bytes, MOST));
                out.push('\n');
            }
            at = n + 1;
        }
        out.truncate(out.trim_end_matches('\n').len());
        out
    }

    /// What stands above the lines in a file.
    pub(super) fn header(&self, stamp: Stamp, extent: &str) -> String {
        let lang = stamp.lang;
        let zone = zone_name(stamp.now, stamp.zone);
        let mut out = format!("# {}\n", text::clean(&self.title));
        let at = Times::Date.show(stamp.now.into(), stamp.zone);
        let _ = writeln!(out, "# {}", lang.fill("log.header.taken", &[("who", stamp.who), ("at", &at), ("zone", &zone)]));
        let _ = writeln!(
            out,
            "# {}",
            lang.fill("log.header.targets", &[("targets", &text::clean(&self.query.targets.iter().map(words).collect::<Vec<_>>().join(", ")))])
        );
        let _ = writeln!(out, "# {extent}");
        out
    }

    /// Everything that is kept and that the filter shows. Blocks of lines are shared, not copied.
    pub(super) fn kept(&self, book: &Book, stamp: Stamp) -> LargeText {
        let ring = book.ring().clone();
        let scan: Option<Scan> = self.filter.as_ref().map(|f| f.scan.clone());
        let query = self.filter.as_ref().and_then(Filter::query).map_or("", Query::typed);
        let counts = [
            ("lines", grouped(ring.lines())),
            ("evicted", grouped(ring.evicted())),
            ("dropped", grouped(book.dropped())),
            ("query", if query.is_empty() { "-".to_owned() } else { query.to_owned() }),
        ];
        let args: Vec<(&str, &str)> = counts.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let header = self.header(stamp, &stamp.lang.fill("log.header.kept", &args));
        let names: BTreeMap<u32, String> = book.streams().map(|(id, s)| (id.0, text::clean(&s.speaker.to_string()).into_owned())).collect();
        let notes: BTreeMap<u64, String> = book
            .notes()
            .map(|(n, (stream, note))| {
                let who = stream.and_then(|s| names.get(&s.0)).map_or("", String::as_str);
                (n, text::clean(&super::note::words(stamp.lang, who, note).0).into_owned())
            })
            .collect();
        LargeText::new(move |out: &mut dyn Write| -> io::Result<u64> {
            out.write_all(header.as_bytes())?;
            let mut count = 0;
            let wanted = scan.as_ref().map(|scan| shown(&ring, scan, ring.first()..ring.next()));
            for line in ring.from(0) {
                if let Some(words) = notes.get(&line.number) {
                    writeln!(out, "-- {} {words}", line.stamp)?;
                    continue;
                }
                let place = usize::try_from(line.number - ring.first()).unwrap_or(usize::MAX);
                if wanted.as_ref().is_some_and(|wanted| !wanted.get(place).copied().unwrap_or(false)) {
                    continue;
                }
                let name = names.get(&line.stream).map_or("", String::as_str);
                write!(out, "{} {name} ", line.stamp)?;
                out.write_all(line.bytes)?;
                if line.cut > 0 {
                    write!(out, " [+{}]", text::bytes(u64::from(line.cut)))?;
                }
                out.write_all(b"\n")?;
                count += 1;
            }
            Ok(count)
        })
    }
}
