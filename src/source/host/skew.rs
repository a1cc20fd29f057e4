//! How far the host's clock is from ours.

use std::time::Duration;

use crate::base::clock::Moment;

/// Remote minus ours, in seconds. The remote read its clock somewhere between our sending (`heard` less `round_trip`) and
/// our hearing it; the middle is the best guess, half the round trip the error of it. Within that error it is no skew.
///
/// `date` is `%s.%N`; a busybox without `%N` gives whole seconds, and half a second more of error.
pub(super) fn skew(date: &str, heard: Moment, round_trip: Duration) -> Option<f64> {
    let (whole, fraction) = date.split_once('.').unwrap_or((date, ""));
    let whole: i64 = whole.parse().ok()?;
    let exact = (!fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit())).then(|| format!("0.{fraction}").parse::<f64>().ok()).flatten();
    let half = round_trip.as_secs_f64() / 2.0;
    let (part, error) = exact.map_or((0.5, half + 0.5), |f| (f, half));
    // Whole seconds apart first: a float holds no nanoseconds since 1970.
    let apart = whole - heard.0.div_euclid(1000);
    let skew = apart as f64 + part - heard.0.rem_euclid(1000) as f64 / 1000.0 + half;
    Some(if skew.abs() <= error { 0.0 } else { skew })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_the_round_trip_counts() {
        let heard = Moment(1_000_000_200);
        let rtt = Duration::from_millis(400);
        assert_eq!(skew("1000000.000000000", heard, rtt), Some(0.0));
        assert!((skew("1000003.500000000", heard, rtt).unwrap() - 3.5).abs() < 1e-6);
        assert!((skew("999990.0", heard, rtt).unwrap() + 10.0).abs() < 1e-6);
        // Whole seconds only: half a second is not called a skew, three are.
        assert_eq!((skew("1000000.%N", heard, rtt), skew("1000000", heard, rtt), skew("x", heard, rtt)), (Some(0.0), Some(0.0), None));
        assert!(skew("1000003.", heard, rtt).unwrap() > 3.0);
    }
}
