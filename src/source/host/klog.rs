//! Kernel errors: `dmesg -r`, which both util-linux and busybox have; never `-c`, which would take the evidence away.

use std::time::Duration;

use crate::base::clock::Moment;
use crate::base::text;
use crate::model::host::KernelError;

/// Errors older than this are history, not news.
const NEWS: Duration = Duration::from_hours(1);
const MOST: usize = 20;

/// `now` is when the lines were read and `uptime` the host's at that time: the kernel stamps seconds since its start.
pub(super) fn parse(lines: &[String], now: Moment, uptime: f64) -> Vec<KernelError> {
    let mut errors: Vec<KernelError> = lines.iter().filter_map(|l| line(l, now, uptime)).filter(|e| e.at.is_none_or(|at| now.since(at) <= NEWS)).collect();
    errors.drain(..errors.len().saturating_sub(MOST));
    errors
}

fn line(raw: &str, now: Moment, uptime: f64) -> Option<KernelError> {
    let rest = raw.strip_prefix('<')?.split_once('>')?.1;
    let stamped = rest.strip_prefix('[').and_then(|r| r.split_once(']')).and_then(|(t, text)| Some((t.trim().parse::<f64>().ok()?, text)));
    let (at, body) = match stamped {
        Some((seconds, body)) => (Some(now.minus(Duration::try_from_secs_f64(uptime - seconds).unwrap_or_default())), body),
        None => (None, rest),
    };
    // To the whole second: the same line must look the same at every reading, though uptime and clock are read apart.
    let at = at.map(|m| Moment(m.0.div_euclid(1000) * 1000));
    Some(KernelError { at, text: text::cut_end(body.trim(), 200, "…") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamped_by_our_clock_and_old_news_dropped() {
        let lines = ["<3>[ 9990.500000] Out of memory: Killed process 77 (mysqld)", "<0>[    0.249460] RDSEED32 is broken.", "<4>[ 9000.0] x", "garbage"];
        let got = parse(&lines.map(str::to_owned), Moment::from_seconds(1_000_000), 10_000.0);
        assert_eq!(got.len(), 2);
        assert_eq!((got[0].at, got[0].text.as_str()), (Some(Moment::from_seconds(999_990)), "Out of memory: Killed process 77 (mysqld)"));
    }
}
