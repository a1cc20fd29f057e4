// What three pods, a kubelet and a database say in a bad minute: every form of line, and everything that can happen between them.

use qd::base::clock::Moment;
use qd::model::fact::{Batch, Fact};
use qd::model::id::SourceId;
use qd::model::log::{Chunk, GapCause, LogEvent, LogFact, LogId, Mark, Note, Speaker, Stamp, StreamId, StreamState};
use qd::store::Store;

/// Says everything to the log `id`; the last line is written at `now`.
pub fn speak(store: &mut Store, id: LogId, now: Moment) {
    let mut say = |event: LogEvent| {
        store.apply(Batch { source: SourceId(0), at: now, facts: vec![Fact::Log(Box::new(LogFact { log: id, event }))] }, now);
    };
    let pod = |pod: &str| Speaker::Pod { cluster: "main".into(), namespace: "pro".into(), pod: pod.into(), container: "app".into() };
    let speakers = [
        (pod("mall-order-5b49d784c-gbr8m"), StreamState::Live),
        (pod("mall-order-5b49d784c-x2k7p"), StreamState::Live),
        (pod("mall-pay-7c9f6b5d8-q4wzt"), StreamState::Waiting),
        (Speaker::Unit { host: "k8s-n-2".into(), unit: "kubelet.service".into() }, StreamState::Live),
        (Speaker::File { host: "db-1".into(), path: "/var/log/mysql/error.log".into() }, StreamState::Ended),
    ];
    say(LogEvent::Opened);
    for (i, (speaker, _)) in speakers.iter().enumerate() {
        say(LogEvent::Stream { stream: StreamId(i as u32), speaker: speaker.clone() });
    }
    let line = |at_ms: i64, text: &[u8]| -> Chunk {
        let stamp = Stamp::from(Moment(now.0 - 90_000 + at_ms));
        Chunk { bytes: text.to_vec().into(), marks: vec![Mark { start: 0, end: text.len() as u32, stamp, cut: 0 }] }
    };
    let mut at = 0;
    let mut lines = |stream: u32, text: &[u8]| {
        at += 700;
        say(LogEvent::Lines { stream: StreamId(stream), chunk: line(at, text) });
    };
    for round in 0..6u32 {
        lines(0, format!(r#"{{"ts":"2026-11-21T02:12:37Z","level":"info","msg":"order created","order":"o-{}","took_ms":{},"user":{{"id":{},"vip":{}}}}}"#, 881 + round, 12 + round * 7, 4000 + round, round % 2 == 0).as_bytes());
        lines(1, format!("2026-11-21 02:12:38.{round:03}  INFO 1 --- [nio-8080-exec-{round}] c.m.order.OrderController     : GET /orders/{} 200", 881 + round).as_bytes());
        lines(3, format!(r#"I1121 02:12:39.10{round}123    1207 kubelet.go:2160] "SyncLoop (PLEG): event for pod" pod="pro/mall-pay-7c9f6b5d8-q4wzt" event={round}"#).as_bytes());
    }
    lines(1, b"2026-11-21 02:13:01.418  WARN 1 --- [nio-8080-exec-4] c.m.order.PayClient           : pay answered after 4012 ms, retry 1 of 3");
    lines(4, "2026-11-21T02:13:02.000123Z 0 [Warning] [MY-010055] [Server] IP address \u{2018}10.0.3.7\u{2019} could not be resolved: 订单库 连接数 950/1000".as_bytes());
    lines(2, br#"time=2026-11-21T02:13:03Z level=error msg="connection pool exhausted" pool=orders active=50 waiting=212 took=4.2s"#);
    lines(2, b"\tat com.mall.pay.Pool.take(Pool.java:118)");
    lines(2, b"\tat com.mall.pay.PayService.charge(PayService.java:64)");
    lines(2, b"Caused by: java.net.SocketTimeoutException: Read timed out");
    lines(0, br#"{"ts":"2026-11-21T02:13:05Z","level":"error","msg":"pay failed","order":"o-889","status":503,"error":{"kind":"timeout","stack":"PayError: Read timed out\n  at charge (pay.ts:31)\n  at order (order.ts:118)"},"retry":3}"#);
    lines(1, b"\x1b[32m2026-11-21 02:13:06\x1b[0m \x1b[1;31mERROR\x1b[0m \x1b[36mc.m.order.Saga\x1b[0m compensation of \x1b[1mo-889\x1b[0m started\x1b]0;owned\x07\x1b[2J");
    lines(3, br#"E1121 02:13:07.000321    1207 pod_workers.go:191] "Error syncing pod, skipping" err="failed to StartContainer for app with CrashLoopBackOff: back-off 2m40s restarting failed container" pod="pro/mall-pay-7c9f6b5d8-q4wzt""#);
    lines(0, &[b"\xff\xfe binary \x00\x01\x02 ", "订单服务".as_bytes(), b"\xe8\xae"].concat());
    for round in 0..4u32 {
        lines(round % 2, format!("2026-11-21 02:13:2{round}.418  INFO 1 --- [nio-8080-exec-4] c.m.order.OrderController     : POST /orders 201 in {} ms", 20 + round).as_bytes());
    }
    let note = |stream: u32, note: Note| LogEvent::Note { stream: Some(StreamId(stream)), note };
    say(note(0, Note::Gap { lines: Some(12_408), bytes: 1_300_000, cause: GapCause::Overflow }));
    say(note(2, Note::Cut { text: "the container ended (exit 137)".into() }));
    say(note(2, Note::Restarted { count: 15 }));
    say(LogEvent::Note { stream: None, note: Note::Denied { text: "pods/log in namespace pay".into() } });
    let mut at = 80_000;
    for text in ["GET /health 200 in 1 ms", "POST /orders 201 in 22 ms", "POST /orders 500 in 4021 ms: pay: read timed out"] {
        at += 900;
        say(LogEvent::Lines { stream: StreamId(0), chunk: line(at, format!("2026-11-21 02:13:58.418  {} 1 --- [nio-8080-exec-9] c.m.order.OrderController     : {text}", if text.contains("500") { "ERROR" } else { " INFO" }).as_bytes()) });
    }
    for (i, (_, state)) in speakers.iter().enumerate() {
        say(LogEvent::State { stream: StreamId(i as u32), state: *state });
    }
    let later = Moment(now.0 + 3000);
    store.tick(later);
}
