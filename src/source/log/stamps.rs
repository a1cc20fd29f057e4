//! The time that a line's own text begins with, as daemons write it. Pure.

use crate::base::stamp::Stamp;

/// A stamp is looked for within so many bytes of a line's start.
const WITHIN: usize = 64;

/// `2026-11-21T02:14:07.123456Z` (MySQL, MariaDB), `2026-11-21 02:14:07.123456+08:00 [info]` (RabbitMQ), `[2026-11-21T02:14:07,123][INFO ]`
/// (Elasticsearch), `12345:M 21 Nov 2026 02:14:07.123 * ` (Redis), `# Time: 2026-11-21T...` (MySQL's slow log), `2026/11/21 02:14:07 [error]`
/// (nginx). Where the text names no zone, `zone` (seconds east of UTC) is taken.
pub fn within(line: &[u8], zone: i64) -> Option<Stamp> {
    let head = &line[..line.len().min(WITHIN)];
    let text = strip(head);
    iso(text, zone).or_else(|| redis(head, zone))
}

/// What stands before the date.
fn strip(line: &[u8]) -> &[u8] {
    let line = line.strip_prefix(b"# Time: ").unwrap_or(line);
    line.strip_prefix(b"[").unwrap_or(line)
}

fn iso(text: &[u8], zone: i64) -> Option<Stamp> {
    let mut copy = [0_u8; WITHIN];
    let digits = text.get(19..).map_or(0, |rest| match rest.first() {
        Some(b'.' | b',') => 1 + rest[1..].iter().take_while(|b| b.is_ascii_digit()).count(),
        _ => 0,
    });
    let (stamp, rest) = text.split_at_checked(19 + digits)?;
    let named = match rest {
        [b'Z' | b'z', ..] => 1,
        [b'+' | b'-', h1, h2, b':', m1, m2, ..] if [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()) => 6,
        [b'+' | b'-', tail @ ..] if tail.len() >= 4 && tail[..4].iter().all(u8::is_ascii_digit) => 5,
        _ => 0,
    };
    let length = stamp.len() + named;
    let copy = copy.get_mut(..=length)?;
    copy[..length].copy_from_slice(&text[..length]);
    if matches!((copy[4], copy[7]), (b'/', b'/')) {
        (copy[4], copy[7]) = (b'-', b'-');
    }
    if named > 0 {
        return Stamp::parse(&copy[..length]);
    }
    copy[length] = b'Z';
    Stamp::parse(copy).map(|s| s.minus_seconds(zone))
}

const MONTHS: [&[u8]; 12] = [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// `1234:M 21 Nov 2026 02:14:07.123 * Ready`
fn redis(line: &[u8], zone: i64) -> Option<Stamp> {
    let colon = line.iter().take(12).position(|b| *b == b':')?;
    let rest = line.get(colon + 3..).filter(|_| line[..colon].iter().all(u8::is_ascii_digit) && line.get(colon + 2) == Some(&b' '))?;
    let mut words = rest.split(|b| *b == b' ');
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|m| *m == month)? + 1;
    let text = [year, format!("-{month:02}-").as_bytes(), day, b"T", time].concat();
    iso(&text, zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_are_understood() {
        let at = |text: &str| Stamp::parse(text.as_bytes());
        for (line, expected) in [
            ("2026-11-21T02:14:07.123456Z 0 [Warning] [MY-010068] [Server] CA certificate", "2026-11-21T02:14:07.123456Z"),
            ("2026-11-21  2:14:07 0 [Note] InnoDB: padded hour", ""),
            ("2026-11-21 02:14:07.123456+08:00 [info] <0.222.0> node", "2026-11-20T18:14:07.123456Z"),
            ("[2026-11-21T02:14:07,123][INFO ][o.e.n.Node] started", "2026-11-20T18:14:07.123Z"),
            ("12345:M 21 Nov 2026 02:14:07.123 * Ready to accept connections", "2026-11-20T18:14:07.123Z"),
            ("# Time: 2026-11-21T02:14:07.123456Z", "2026-11-21T02:14:07.123456Z"),
            ("2026/11/21 02:14:07 [error] 31#31: *1 open() failed", "2026-11-20T18:14:07Z"),
            ("    at com.example.Order.pay(Order.java:42)", ""),
            ("99999999999999999999 no date", ""),
            ("", ""),
        ] {
            assert_eq!(within(line.as_bytes(), 8 * 3600), at(expected), "{line}");
        }
    }
}
