use proptest::prelude::*;

use super::*;
use crate::base::stamp::Stamp;

fn ring(lines: &[(u32, String)], most: usize) -> Ring {
    let mut ring = Ring::new(most);
    for (i, (stream, text)) in lines.iter().enumerate() {
        ring.push(Stamp(i64::try_from(i).unwrap()), *stream, text.as_bytes(), 0);
    }
    ring
}

fn all(scan: &Scan, ring: &Ring) -> Vec<u64> {
    let mut out = Vec::new();
    let mut at = ring.first();
    while let Found::Line(n) = scan.next(ring, at) {
        out.push(n);
        at = n + 1;
    }
    out
}

fn query(text: &str) -> Scan {
    Scan::new(Goal::Query(Query::parse(text).unwrap()))
}

#[test]
fn a_search_goes_on_with_what_comes_and_forgets_what_leaves() {
    let lines: Vec<_> = (0..20_000).map(|i| (0, format!("line {i} {}", if i % 100 == 7 { "needle" } else { "hay" }))).collect();
    let mut r = ring(&lines, 8 << 20);
    let mut scan = Scan::new(Goal::Pattern(Pattern::typed("needle").unwrap()));
    assert_eq!(scan.next(&r, 0), Found::NotYet);
    let mut slices = 0;
    while !scan.is_complete() {
        scan.work(&r, &[], 10_000, 64 << 10);
        slices += 1;
    }
    assert!(slices > 2);
    assert_eq!(all(&scan, &r), (0..200).map(|i| i * 100 + 7).collect::<Vec<_>>());
    assert_eq!((scan.count(), scan.count_before(107), scan.count_before(108)), (200, 1, 2));
    assert_eq!((scan.previous(&r, 107), scan.previous(&r, 7), scan.next(&r, 19_908)), (Found::Line(7), Found::Nothing, Found::Nothing));
    r.push(Stamp(0), 0, b"the needle", 0);
    assert_eq!(scan.next(&r, 19_908), Found::NotYet);
    scan.work(&r, &[], 0, 1);
    assert_eq!(scan.next(&r, 19_908), Found::Line(20_000));
    r.set_most(200_000);
    scan.work(&r, &[], 0, 1);
    assert!(scan.count() < 200 && all(&scan, &r).iter().all(|n| *n >= r.first()));
}

#[test]
fn frames_of_a_stack_go_with_their_error() {
    let texts =
        [(0, "INFO start"), (0, "ERROR boom"), (1, "INFO other"), (0, "\tat a.b(C.java:1)"), (0, "Caused by: x"), (1, "  more of other"), (0, "INFO end")];
    let lines: Vec<_> = texts.iter().map(|(s, t)| (*s, (*t).to_owned())).collect();
    let r = ring(&lines, 1 << 20);
    let mut scan = query("level>=warn");
    scan.work(&r, &[], 0, 1 << 20);
    assert_eq!(all(&scan, &r), [1, 3, 4]);
}

#[test]
fn a_stream_that_a_query_does_not_take_gives_nothing() {
    let lines: Vec<_> = (0..9).map(|i| (i % 3, "x".to_owned())).collect();
    let r = ring(&lines, 1 << 20);
    let mut scan = query("x");
    scan.work(&r, &[true, false], 0, 1 << 20);
    assert_eq!(all(&scan, &r), [0, 2, 3, 5, 6, 8]);
}

/// The filter as one would write it without a thought for speed.
fn naive(query: &str, lines: &[(u32, String)]) -> Vec<u64> {
    let keep = |line: &str, word: &str| -> bool {
        let (want, word) = word.strip_prefix('!').map_or((true, word), |w| (false, w));
        let found = if let Some(level) = word.strip_prefix("level>=") {
            let order = ["debug", "info", "warn", "error"];
            let of = |w: &str| order.iter().position(|o| o.eq_ignore_ascii_case(w));
            line.split(' ').find(|w| w.chars().all(char::is_uppercase) && of(w).is_some()).and_then(of) >= of(level)
        } else if let Some(field) = word.strip_prefix(".n>=") {
            line.split_once("{\"n\":").and_then(|(_, t)| t.split('}').next()).and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n >= field.parse().unwrap())
        } else if let Some(regex) = word.strip_prefix('/') {
            regex::Regex::new(regex.trim_end_matches('/')).unwrap().is_match(line)
        } else if word.chars().any(char::is_uppercase) {
            line.contains(word)
        } else {
            line.to_lowercase().contains(word)
        };
        found == want
    };
    (0..).zip(lines).filter(|(_, (_, l))| query.split(' ').all(|w| keep(l, w))).map(|(i, _)| i).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_filter_equals_a_naive_one(
        words in prop::collection::vec(prop::sample::select(vec!["Order", "order", "PAY", "x1", "x22", "timeout", "订单", "INFO", "WARN", "ERROR", "{\"n\":7}", "{\"n\":12}"]), 100..4000),
        terms in prop::collection::vec(prop::sample::select(vec!["order", "Order", "!pay", "/x[0-9]{2}/", "!/^Order/", "level>=warn", "!level>=error", ".n>=8", "!.n>=8", "订单", "time"]), 1..4),
        near in 0u64..500,
        slice in 1usize..20_000,
        most in 4usize..200,
    ) {
        let lines: Vec<(u32, String)> = words.chunks(3).map(|w| (0, if w[0].starts_with('{') { w[0].to_owned() } else { w.join(" ").replace('{', "(") })).collect();
        let typed = terms.join(" ");
        let mut r = Ring::new(most << 10);
        let mut scan = query(&typed);
        for (i, (stream, text)) in lines.iter().enumerate() {
            // Long lines make many blocks of few lines.
            r.push(Stamp(0), *stream, text.as_bytes(), 0);
            if i % 97 == 0 {
                scan.work(&r, &[], near, slice);
            }
        }
        scan.work(&r, &[], near, slice);
        while !scan.is_complete() {
            scan.work(&r, &[], near, slice);
        }
        let want: Vec<u64> = naive(&typed, &lines).into_iter().filter(|n| *n >= r.first()).collect();
        prop_assert_eq!(all(&scan, &r), want.clone(), "{}", typed);
        prop_assert_eq!(scan.count(), want.len() as u64);
        let mut back = Vec::new();
        let mut at = r.next();
        while let Found::Line(n) = scan.previous(&r, at) {
            back.push(n);
            at = n;
        }
        back.reverse();
        prop_assert_eq!(back, want);
    }
}
