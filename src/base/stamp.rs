//! When a line was written, to the nanosecond: log streams resume by it, and a millisecond holds many lines.

use std::fmt;

use jiff::Timestamp;

use super::clock::Moment;

/// Nanoseconds since the Unix epoch. Prints as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub i64);

const SECOND: i64 = 1_000_000_000;

impl Stamp {
    pub const fn moment(self) -> Moment {
        Moment(self.0.div_euclid(1_000_000))
    }

    #[must_use]
    pub const fn minus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_sub(seconds.saturating_mul(SECOND)))
    }

    /// The start of its second: the API server asks for logs `sinceTime` in whole seconds.
    #[must_use]
    pub const fn whole_second(self) -> Self {
        Self(self.0 - self.0.rem_euclid(SECOND))
    }

    /// RFC 3339 in whole seconds, as `sinceTime` wants it.
    pub fn seconds_text(self) -> String {
        Timestamp::from_second(self.0.div_euclid(SECOND)).map(|t| t.to_string()).unwrap_or_default()
    }

    /// A line that begins with an RFC 3339 stamp and a blank, as the kubelet and docker write them: the stamp and the rest.
    pub fn split(line: &[u8]) -> Option<(Self, &[u8])> {
        let at = memchr::memchr(b' ', line.get(..line.len().min(40))?)?;
        Some((Self::parse(&line[..at])?, &line[at + 1..]))
    }

    /// RFC 3339 in bytes. Written by hand: it is asked a million times a second.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (date, rest) = text.split_at_checked(19)?;
        if date[4] != b'-' || date[7] != b'-' || !matches!(date[10], b'T' | b't' | b' ') || date[13] != b':' || date[16] != b':' {
            return None;
        }
        let (year, month, day) = (number(&date[..4])?, number(&date[5..7])?, number(&date[8..10])?);
        let (hour, minute, second) = (number(&date[11..13])?, number(&date[14..16])?, number(&date[17..19])?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let (nanos, zone) = fraction(rest)?;
        let offset = match zone {
            b"Z" | b"z" => 0,
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
                let seconds = number(&[*h1, *h2])? * 3600 + number(&[*m1, *m2])? * 60;
                if *sign == b'-' { -seconds } else { seconds }
            }
            _ => return None,
        };
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
        seconds.checked_mul(SECOND)?.checked_add(nanos).map(Self)
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |n, d| d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0')))
}

/// `.123456789Z` or `,123+08:00`: nanoseconds, and what is left for the zone.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.' | b',', digits)) = rest.split_first() else { return Some((0, rest)) };
    let count = digits.iter().take_while(|d| d.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let kept = count.min(9);
    let scale = 10_i64.pow(u32::try_from(9 - kept).unwrap_or(0));
    Some((number(&digits[..kept])? * scale, &digits[count..]))
}

/// Days from the epoch to a date of the Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl From<Moment> for Stamp {
    fn from(moment: Moment) -> Self {
        Self(moment.0.saturating_mul(1_000_000))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(t) => write!(f, "{t}"),
            Err(_) => f.write_str("?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_kubelets_and_daemons_write() {
        for text in
            ["2026-11-21T02:14:07.123456789Z", "2020-02-29T23:59:59Z", "2026-11-21T10:14:07.12+08:00", "1969-12-31T23:59:59.5Z", "2026-03-01T00:00:00-0330"]
        {
            let with_colon = if text.len() == 24 && !text.contains('.') { format!("{}:{}", &text[..22], &text[22..]) } else { text.to_owned() };
            let expected = with_colon.parse::<Timestamp>().unwrap().as_nanosecond();
            assert_eq!(Stamp::parse(text.as_bytes()).map(|s| i128::from(s.0)), Some(expected), "{text}");
        }
        for text in ["", "2026-11-21", "2026-13-21T02:14:07Z", "2026-11-21T02:14:07", "2026-11-21T02:14:07.Z", "not a stamp at all, no"] {
            assert_eq!(Stamp::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn splits_a_line_behind_its_stamp() {
        let (stamp, rest) = Stamp::split(b"2026-11-21T02:14:07.000000001Z hello world").unwrap();
        assert_eq!((stamp.to_string().as_str(), rest), ("2026-11-21T02:14:07.000000001Z", &b"hello world"[..]));
        assert_eq!(stamp.seconds_text(), "2026-11-21T02:14:07Z");
        assert_eq!(Stamp::split(b"2026-11-21T02:14:07Z ").map(|(_, rest)| rest), Some(&b""[..]));
        assert_eq!(Stamp::split(b"hello world"), None);
    }
}
