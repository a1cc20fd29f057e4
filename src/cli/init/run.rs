//! Hosts that count up, as one entry: `web-[1-4]`.

use super::found::Found;

/// A pattern may stand for 4096 names; nobody reads one of more than this.
const LONGEST: usize = 1000;

/// How many of the first hosts count up by one in name (and address) and are alike in all else.
pub(super) fn run(hosts: &[&Found]) -> usize {
    let Some(first) = hosts.first() else { return 0 };
    let mut length = 1;
    while let Some(next) = hosts.get(length).filter(|_| length < LONGEST) {
        let step = u64::try_from(length).unwrap_or(0);
        let alike = Found { name: first.name.clone(), address: first.address.clone(), ..(*next).clone() } == **first;
        let counts =
            follows(&first.name, &next.name, step) && (first.address.is_empty() && next.address.is_empty() || follows(&first.address, &next.address, step));
        if !(alike && counts) {
            break;
        }
        length += 1;
    }
    length
}

/// The text before the digits at its end, and the digits.
fn split(text: &str) -> Option<(&str, &str)> {
    let stem = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &text[stem.len()..];
    (!digits.is_empty() && digits.len() < 9).then_some((stem, digits))
}

fn follows(first: &str, next: &str, by: u64) -> bool {
    let (Some((stem, from)), Some((other, to))) = (split(first), split(next)) else { return false };
    let padded = !from.starts_with('0') || from.len() == to.len();
    let plain = from.starts_with('0') || !to.starts_with('0');
    stem == other && padded && plain && from.parse::<u64>().ok().map(|n| n + by) == to.parse().ok()
}

pub(super) fn range(texts: (&str, &str)) -> String {
    match (split(texts.0), split(texts.1)) {
        (Some((stem, from)), Some((_, to))) => format!("{stem}[{from}-{to}]"),
        _ => texts.0.to_owned(),
    }
}
