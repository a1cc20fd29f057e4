//! Times of lines, all in one zone, and the way back from what a person types after `:at`.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

use super::Times;
use crate::base::clock::Moment;
use crate::base::stamp::Stamp;

fn zoned(at: Stamp, zone: &TimeZone) -> Option<Zoned> {
    Timestamp::from_nanosecond(i128::from(at.0)).ok().map(|t| t.to_zoned(zone.clone()))
}

impl Times {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Clock => Self::Date,
            Self::Date => Self::Off,
            Self::Off => Self::Clock,
        }
    }

    pub(super) fn width(self) -> usize {
        match self {
            Self::Off => 0,
            Self::Clock => 12,
            Self::Date => 23,
        }
    }

    /// `02:14:07.123`, or with the date before it.
    pub(super) fn show(self, at: Stamp, zone: &TimeZone) -> String {
        let Some(z) = zoned(at, zone) else { return String::new() };
        let clock = format!("{:02}:{:02}:{:02}.{:03}", z.hour(), z.minute(), z.second(), z.millisecond());
        match self {
            Self::Off => String::new(),
            Self::Clock => clock,
            Self::Date => format!("{:04}-{:02}-{:02} {clock}", z.year(), z.month(), z.day()),
        }
    }
}

/// The zone's name with its offset: names are not unique (CST is three of them).
pub(in crate::ui) fn zone_name(at: Moment, zone: &TimeZone) -> String {
    let Ok(at) = Timestamp::from_millisecond(at.0) else { return String::new() };
    let info = zone.to_offset_info(at);
    let seconds = info.offset().seconds();
    let (sign, abs) = if seconds < 0 { ('-', -seconds) } else { ('+', seconds) };
    let minutes = abs / 60 % 60;
    let hours = if minutes == 0 { format!("{sign}{:02}", abs / 3600) } else { format!("{sign}{:02}:{minutes:02}", abs / 3600) };
    match info.abbreviation() {
        "UTC" => "UTC".to_owned(),
        name if name.starts_with(char::is_alphabetic) => format!("{name}{hours}"),
        _ => hours,
    }
}

/// What stands after `:at`: `02:14`, `02:14:07`, `2026-11-21 02:14`, RFC 3339, or `-10m`, `-2h`, `-90s`. A clock time is the
/// last one that has been.
pub(super) fn parse(text: &str, now: Moment, zone: &TimeZone) -> Option<Stamp> {
    let text = text.trim();
    if let Some(ago) = text.strip_prefix('-') {
        let (digits, unit) = ago.split_at(ago.find(|c: char| !c.is_ascii_digit())?);
        let n: i64 = digits.parse().ok()?;
        let seconds = match unit.trim() {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => 86400,
            _ => return None,
        };
        return Some(Stamp::from(now).minus_seconds(n.checked_mul(seconds)?));
    }
    let stamp = |t: Timestamp| i64::try_from(t.as_nanosecond()).ok().map(Stamp);
    if let Ok(t) = text.parse::<Timestamp>() {
        return stamp(t);
    }
    let padded = if text.len() == 16 || text.len() == 5 || text.len() == 4 { format!("{text}:00") } else { text.to_owned() };
    if let Ok(day) = padded.replacen(' ', "T", 1).parse::<DateTime>()
        && text.contains('-')
    {
        return stamp(day.to_zoned(zone.clone()).ok()?.timestamp());
    }
    let padded = if padded.len() == 7 { format!("0{padded}") } else { padded };
    let time: Time = padded.parse().ok()?;
    let today = zoned(now.into(), zone)?;
    let at = today.date().to_datetime(time).to_zoned(zone.clone()).ok()?;
    let at = if at > today { at.checked_sub(Span::new().days(1)).ok()? } else { at };
    stamp(at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_both_ways_in_one_zone() {
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let now = Moment::parse("2026-11-20T18:14:07.250Z").unwrap();
        assert_eq!(Times::Clock.show(now.into(), &zone), "02:14:07.250");
        assert_eq!(Times::Date.show(now.into(), &zone), "2026-11-21 02:14:07.250");
        assert_eq!((zone_name(now, &zone), zone_name(now, &TimeZone::UTC)), ("+08".to_owned(), "UTC".to_owned()));
        for (typed, want) in [
            ("02:14", Some("2026-11-20T18:14:00Z")),
            ("2:14", Some("2026-11-20T18:14:00Z")),
            ("02:15", Some("2026-11-19T18:15:00Z")),
            ("02:14:05", Some("2026-11-20T18:14:05Z")),
            ("2026-11-19 23:00", Some("2026-11-19T15:00:00Z")),
            ("2026-11-19T23:00:00Z", Some("2026-11-19T23:00:00Z")),
            ("-10m", Some("2026-11-20T18:04:07.250Z")),
            ("25:00", None),
            ("soon", None),
        ] {
            assert_eq!(parse(typed, now, &zone), want.map(|w| Stamp::from(Moment::parse(w).unwrap())), "{typed}");
        }
    }
}
