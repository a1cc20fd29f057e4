use super::*;

fn fits(query: &str, line: &str) -> bool {
    Query::parse(query).unwrap().fits(line.as_bytes(), None)
}

#[test]
fn words_regexes_and_their_opposites() {
    assert!(fits("", "anything"));
    assert!(fits("timeout order", "Order 7: TIMEOUT"));
    assert!(!fits("Timeout", "timeout"));
    assert!(fits("\"read timed out\"", "x Read timed out y"));
    assert!(fits(r"/took \d{4,}ms/", "took 1234ms") && !fits(r"/took \d{4,}ms/", "took 123ms"));
    assert!(fits("/ERR/i", "err") && !fits("/ERR/", "err"));
    assert!(fits(r"/a\/b/", "a/b"));
    assert!(fits("!health", "order") && !fits("!health", "GET /health"));
    assert!(!fits("!/^GET/", "GET /") && fits("!\"a b\"", "ab"));
    assert!(fits("http://x", "see http://x") && fits("订单", "新订单"));
    assert!(fits("ä", "Ä"));
}

#[test]
fn levels_and_lines_that_go_on() {
    assert!(fits("level>=warn", "2026 ERROR x") && !fits("level>=warn", "2026 INFO x") && !fits("level>=warn", "no level"));
    assert!(fits("level:info", "INFO x") && fits("level<info", "level=debug a=1") && fits("level!=info", "WARN x"));
    assert!(fits("!level>=warn", "plain"));
    assert!(Query::parse("level=error").unwrap().fits(b"\tat x.y(Z.java:1)", Some(Level::Error)));
}

#[test]
fn where_a_line_is_from() {
    let origin = Speaker::Pod { cluster: "main".into(), namespace: "pro".into(), pod: "mall-order-5b49".into(), container: "app".into() };
    for (query, want) in [
        ("pod:order", true),
        ("pod:pay", false),
        ("!pod:pay container:app", true),
        ("pod:/^mall-.*-5b/", true),
        ("ns:pro", true),
        ("host:x", false),
        ("!unit:x cluster:main", true),
        ("word", true),
    ] {
        assert_eq!(Query::parse(query).unwrap().from(&origin), want, "{query}");
    }
}

#[test]
fn fields_of_records() {
    let line = r#"{"level":"warn","status":503,"req":{"path":"/pay","tags":["a","b"]},"log.origin":"x","took":"12.5"}"#;
    for (query, want) in [
        (".status == 503", true),
        (".status>=500 .req.path", true),
        (".status<500", false),
        (".status != 200", true),
        (".nothing != 200", false),
        ("!.nothing", true),
        (".req.path == /pay", true),
        (".req.path ~ /^.pa/", true),
        (".req.tags == b", true),
        (".req.tags != b", false),
        (".req.tags[0]=a", true),
        (".log.origin=\"x\"", true),
        (".took > 12", true),
        (".missing", false),
        ("level>=warn .status", true),
    ] {
        assert_eq!(fits(query, line), want, "{query}");
    }
    assert!(fits(".pod=a/b level=error", r#"E1121 10:00:00.1 1 k.go:1] "x" pod="a/b""#));
    assert!(fits(".key == v", r#"{"k\u0065y":"v"}"#));
}

#[test]
fn lines_around() {
    let q = Query::parse("x -C 3").unwrap();
    assert_eq!((q.before, q.after), (3, 3));
    let q = Query::parse("-B2 x -A 5").unwrap();
    assert_eq!((q.before, q.after, q.typed()), (2, 5, "-B2 x -A 5"));
    assert!(fits("-Create", "x -Create y"));
}

#[test]
fn errors_name_their_place() {
    for (query, at, code) in [
        ("ok \"open", 3, "open-quote"),
        ("/open", 0, "open-regex"),
        ("x /a(/", 2, "regex"),
        ("level>=loud", 7, "level"),
        ("level>=", 7, "no-value"),
        ("pod:", 4, "no-value"),
        (".a == ", 6, "no-value"),
        ("a .b[x]", 2, "path"),
        ("-C x", 0, "count"),
        ("-C 5000", 0, "count"),
        ("a ! b", 2, "nothing-negated"),
        ("/var/log", 0, "open-regex"),
    ] {
        let e = Query::parse(query).unwrap_err();
        assert_eq!((e.at, e.wrong.code()), (at, code), "{query}");
    }
    let e = Query::parse("订单 /a(/").unwrap_err();
    assert_eq!(e.column("订单 /a(/"), 5);
    assert!(e.wrong.text().contains("unclosed group"), "{:?}", e.wrong);
}
