//! The time that a line's own text begins with, as daemons write it. Pure.

use crate::base::stamp::Stamp;

/// A stamp is looked for within so many bytes of a line's start.
const WITHIN: usize = 64;
/// An access log has the client's address and name before it, a record of fields some of them.
const FAR: usize = 200;
const JSON: [&[u8]; 5] = [b"\"time\"", b"\"ts\"", b"\"timestamp\"", b"\"@timestamp\"", b"\"t\""];
const LOGFMT: [&[u8]; 4] = [b"time=", b"ts=", b"timestamp=", b"t="];

/// `2026-11-21T02:14:07.123456Z` (MySQL), `2026-11-21  2:14:07 0 [Note]` (MariaDB), `2026-11-21 02:14:07.123456+08:00 [info]` (RabbitMQ),
/// `[2026-11-21T02:14:07,123][INFO ]` (Elasticsearch), `12345:M 21 Nov 2026 02:14:07.123 * ` (Redis), `# Time: 2026-11-21T...` and
/// `# Time: 261121  2:14:07` (slow logs), `2026/11/21 02:14:07 [error]` and `... [21/Nov/2026:02:14:07 +0800] "GET` (nginx),
/// `{"ts":"2026-11-21T02:14:07Z",` and `time=2026-11-21T02:14:07Z level=` (JSON and logfmt, also as a number since the epoch),
/// `Nov 21 02:14:07 host ...` (syslog, RFC 3164), `I1121 02:14:07.123456` (klog). Where the text names no zone, `zone` (seconds east of UTC)
/// is taken; where it names no year, the last one in which it is not after `now`.
pub fn within(line: &[u8], zone: i64, now: Stamp) -> Option<Stamp> {
    let head = &line[..line.len().min(WITHIN)];
    let text = strip(head);
    let far = &line[..line.len().min(FAR)];
    iso(text, zone).or_else(|| named(head, zone, now)).or_else(|| short(text, zone)).or_else(|| field(far, zone)).or_else(|| access(far))
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
    if copy[11] == b' ' {
        copy[11] = b'0';
    }
    if named > 0 {
        return Stamp::parse(&copy[..length]);
    }
    copy[length] = b'Z';
    Stamp::parse(copy).map(|s| s.minus_seconds(zone))
}

const MONTHS: [&[u8]; 12] = [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

fn month(word: &[u8]) -> Option<usize> {
    MONTHS.iter().position(|m| *m == word).map(|at| at + 1)
}

/// Forms that name the month, or no year.
fn named(line: &[u8], zone: i64, now: Stamp) -> Option<Stamp> {
    match line {
        [b'0'..=b'9', ..] => redis(line, zone),
        [b'A'..=b'Z', b'0' | b'1', b'0'..=b'9', ..] => klog(line, zone, now),
        [b'A'..=b'Z', ..] => syslog(line, zone, now),
        _ => None,
    }
}

/// `1234:M 21 Nov 2026 02:14:07.123 * Ready`
fn redis(line: &[u8], zone: i64) -> Option<Stamp> {
    let colon = line.iter().take(12).position(|b| *b == b':')?;
    let rest = line.get(colon + 3..).filter(|_| line[..colon].iter().all(u8::is_ascii_digit) && line.get(colon + 2) == Some(&b' '))?;
    let mut words = rest.split(|b| *b == b' ');
    let (day, name, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let text = [year, format!("-{:02}-", month(name)?).as_bytes(), day, b"T", time].concat();
    iso(&text, zone)
}

/// `Nov  1 02:14:07 host sshd[1]: ...`
fn syslog(line: &[u8], zone: i64, now: Stamp) -> Option<Stamp> {
    let (name, rest) = line.split_at_checked(3)?;
    let [b' ', ten, one, b' ', time @ ..] = rest else { return None };
    let ten = if *ten == b' ' { b'0' } else { *ten };
    without_year(&[format!("{:02}-", month(name)?).as_bytes(), &[ten, *one], b"T", time.get(..8)?].concat(), zone, now)
}

/// `E1121 02:14:07.123456    1 reflector.go:138] ...`
fn klog(line: &[u8], zone: i64, now: Stamp) -> Option<Stamp> {
    let ([_, m1, m2, d1, d2, b' '], time) = line.split_at_checked(6)? else { return None };
    without_year(&[&[*m1, *m2, b'-', *d1, *d2, b'T'], time.get(..15)?].concat(), zone, now)
}

fn without_year(rest: &[u8], zone: i64, now: Stamp) -> Option<Stamp> {
    const DAY: i64 = 86_400;
    let year: i64 = now.seconds_text().get(..4)?.parse().ok()?;
    // A clock that is a little ahead is not a year behind.
    let latest = now.minus_seconds(-DAY);
    [year + 1, year, year - 1].into_iter().filter_map(|year| iso(&[format!("{year:04}-").as_bytes(), rest].concat(), zone)).find(|stamp| *stamp <= latest)
}

/// `# Time: 261121  2:14:07`, by then without what stands before it.
fn short(text: &[u8], zone: i64) -> Option<Stamp> {
    let ([y1, y2, m1, m2, d1, d2, b' '], time) = text.split_at_checked(7)? else { return None };
    iso(&[b"20", &[*y1, *y2, b'-', *m1, *m2, b'-', *d1, *d2, b' '][..], time.get(..8)?].concat(), zone)
}

/// A record's own field for its time.
fn field(line: &[u8], zone: i64) -> Option<Stamp> {
    let value = if line.first() == Some(&b'{') {
        JSON.iter().find_map(|key| {
            let at = memchr::memmem::find(line, key)? + key.len();
            line[at..].trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start)
        })
    } else {
        let head = &line[..line.len().min(WITHIN)];
        LOGFMT.iter().find_map(|key| {
            let at = memchr::memmem::find(head, key)?;
            let alone = at == 0 || line[at - 1] == b' ';
            alone.then(|| &line[at + key.len()..])
        })
    }?;
    let text = value.strip_prefix(b"\"").unwrap_or(value);
    iso(&text[..text.len().min(WITHIN)], zone).or_else(|| epoch(text))
}

/// `1790000047`, `1790000047.123` (seconds), `1790000047123` (milliseconds), and so on to nanoseconds.
fn epoch(text: &[u8]) -> Option<Stamp> {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let whole = digits(text);
    let number: i64 = std::str::from_utf8(&text[..whole]).ok()?.parse().ok()?;
    let unit = match whole {
        10 => 1_000_000_000,
        13 => 1_000_000,
        16 => 1000,
        19 => 1,
        _ => return None,
    };
    let rest = text[whole..].strip_prefix(b".").filter(|_| whole == 10).unwrap_or_default();
    let nanos = rest[..digits(rest)].iter().chain([b'0'; 9].iter()).take(9).fold(0_i64, |n, d| n * 10 + i64::from(d - b'0'));
    number.checked_mul(unit)?.checked_add(nanos).map(Stamp)
}

/// `192.0.2.7 - li [21/Nov/2026:02:14:07 +0800] "GET / HTTP/1.1" 200`
fn access(line: &[u8]) -> Option<Stamp> {
    let at = memchr::memchr(b'[', line)?;
    let ([d1, d2, b'/', n1, n2, n3, b'/', year @ .., b':'], rest) = line.get(at + 1..)?.split_at_checked(12)? else { return None };
    let (time, zone) = (rest.get(..8)?, rest.get(9..14)?);
    Stamp::parse(&[year, format!("-{:02}-", month(&[*n1, *n2, *n3])?).as_bytes(), &[*d1, *d2, b'T'], time, zone].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_are_understood() {
        let at = |text: &str| Stamp::parse(text.as_bytes());
        let now = at("2026-11-20T18:20:00Z").unwrap();
        for (line, expected) in [
            ("2026-11-21T02:14:07.123456Z 0 [Warning] [MY-010068] [Server] CA certificate", "2026-11-21T02:14:07.123456Z"),
            ("2026-11-21  2:14:07 0 [Note] InnoDB: padded hour", "2026-11-20T18:14:07Z"),
            ("# Time: 261121  2:14:07", "2026-11-20T18:14:07Z"),
            ("# Time: 261121 12:14:07", "2026-11-21T04:14:07Z"),
            ("Nov 21 02:14:07 k8s-w-1 systemd[1]: Started", "2026-11-20T18:14:07Z"),
            ("Nov  1 02:14:07 k8s-w-1 systemd[1]: Started", "2026-10-31T18:14:07Z"),
            ("Dec 31 23:14:07 k8s-w-1 systemd[1]: last year", "2025-12-31T15:14:07Z"),
            ("E1121 02:14:07.123456    1 reflector.go:138] failed", "2026-11-20T18:14:07.123456Z"),
            ("192.0.2.7 - li [21/Nov/2026:02:14:07 +0300] \"GET / HTTP/1.1\" 200 612", "2026-11-20T23:14:07Z"),
            (r#"{"level":"info","ts":"2026-11-21T02:14:07.5Z","msg":"x"}"#, "2026-11-21T02:14:07.5Z"),
            (r#"{ "@timestamp" : "2026-11-21T02:14:07.123+08:00", "message": "x" }"#, "2026-11-20T18:14:07.123Z"),
            (r#"{"type": "server", "timestamp": "2026-11-21T02:14:07,123Z", "level": "INFO"}"#, "2026-11-21T02:14:07.123Z"),
            (r#"{"level":"info","ts":1795227247.25,"msg":"x"}"#, "2026-11-21T02:14:07.25Z"),
            (r#"{"time":1795227247123}"#, "2026-11-21T02:14:07.123Z"),
            (r#"{"took_ms":12,"msg":"no time=2026"}"#, ""),
            ("time=\"2026-11-21T02:14:07Z\" level=info msg=x", "2026-11-21T02:14:07Z"),
            ("level=info ts=2026-11-21T02:14:07.123Z caller=main.go:1", "2026-11-21T02:14:07.123Z"),
            ("uptime=2026 level=info", ""),
            ("ERROR [main] 21/Nov no date", ""),
            ("Mon is no month", ""),
            ("2026-11-21 02:14:07.123456+08:00 [info] <0.222.0> node", "2026-11-20T18:14:07.123456Z"),
            ("[2026-11-21T02:14:07,123][INFO ][o.e.n.Node] started", "2026-11-20T18:14:07.123Z"),
            ("12345:M 21 Nov 2026 02:14:07.123 * Ready to accept connections", "2026-11-20T18:14:07.123Z"),
            ("# Time: 2026-11-21T02:14:07.123456Z", "2026-11-21T02:14:07.123456Z"),
            ("2026/11/21 02:14:07 [error] 31#31: *1 open() failed", "2026-11-20T18:14:07Z"),
            ("    at com.example.Order.pay(Order.java:42)", ""),
            ("99999999999999999999 no date", ""),
            ("", ""),
        ] {
            assert_eq!(within(line.as_bytes(), 8 * 3600, now), at(expected), "{line}");
        }
    }
}
