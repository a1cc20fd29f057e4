//! Logs of pods on a real cluster: merged, cut, started anew, refused.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use libtest_mimic::Trial;
use quarterdeck::link::kube::Api;
use quarterdeck::model::log::{Containers, LogQuery, LogTarget, Mode, Note, Run, StreamState, Window};
use quarterdeck::model::workload::WorkloadKind;
use quarterdeck::port::LogCx;
use quarterdeck::source::log::kube::{Asked, Wanted, run};
use serde_json::{Value, json};

use crate::components::case;
use crate::kube::{Space, account, admin, alone, api, beside_others, edited, with_user};
use crate::rig::apiserver::{ApiServer, CutLine};
use crate::rig::eventually;
use crate::rig::hear::Hear;
use crate::rig::kubelet::{self, Kubelet, NodeCut};

pub fn tests() -> Vec<Trial> {
    const PARTS: &[&str] = &["kubernetes"];
    let mut tests = vec![
        case("logs: three writers in one order, two of them delayed", PARTS, beside_others(three_writers)),
        case("logs: a stream that is cut again and again loses nothing and doubles nothing", PARTS, beside_others(cut)),
        case("logs: a crash loop, life after life, and the one before", PARTS, beside_others(crash_loop)),
        case("logs: pods that come and go, and one that may not be read", PARTS, beside_others(come_and_go)),
    ];
    if std::env::var("QUARTERDECK_TEST_APISERVER_PID").is_ok() {
        tests.push(case("logs: the API server started anew in the stream", &["kubernetes", "curl"], alone(restarted)));
    }
    if kubelet::is_here() {
        tests.push(case("logs: a kubelet that rotates at 10 MB under load", PARTS, alone(kubelet_rotates)));
        tests.push(case("logs: a node's network cut for 20 s", &["kubernetes", "nftables"], alone(node_cut)));
    }
    tests
}

fn follow(api: &Arc<Api>, cx: &LogCx, target: LogTarget, mode: Mode) -> BoxFuture<'static, ()> {
    let query = LogQuery { targets: vec![target.clone()], window: Window::default(), mode, encoding: None };
    run(Asked::new(api.clone(), &query, Wanted::Stamps, cx.clone()), target).boxed()
}

fn pod(space: &Space, name: &str, run: Run) -> LogTarget {
    LogTarget::Pod { cluster: "main".into(), namespace: space.name.as_str().into(), name: name.into(), uid: None, containers: Containers::All, run }
}

/// Counts from 1 to `most`, a line every `pause` seconds.
fn counter(space: &Space, name: &str, most: u32, pause: &str) {
    counter_after(space, name, 0, most, pause);
}

/// The same, a while after its start.
fn counter_after(space: &Space, name: &str, wait: u32, most: u32, pause: &str) {
    let script = format!("sleep {wait}; i=0; while [ $i -lt {most} ]; do i=$((i+1)); echo {name} $i; sleep {pause}; done; echo {name} done; sleep 1000");
    space.pod(name, "busybox:1.35", &["sh", "-c", &script], &json!({}));
}

fn running(space: &Space, name: &str) {
    eventually(&format!("{name} runs"), Duration::from_secs(90), || {
        let pod = space.try_send("GET", &space.path(&format!("pods/{name}")), &Value::Null).ok()?;
        pod["status"]["containerStatuses"][0]["state"]["running"].is_object().then_some(())
    });
}

fn server() -> String {
    let config: Value = serde_saphyr::from_str(&std::fs::read_to_string(admin()).unwrap()).unwrap();
    let url: http::Uri = config["clusters"][0]["cluster"]["server"].as_str().unwrap().parse().unwrap();
    format!("{}:{}", url.host().unwrap(), url.port_u16().unwrap_or(443))
}

/// The API behind another address of this machine.
fn behind(dir: &std::path::Path, port: u16) -> Arc<Api> {
    let server = server();
    let file = edited(dir, |config| {
        let cluster = &mut config["clusters"][0]["cluster"];
        cluster["tls-server-name"] = json!(server.rsplit_once(':').unwrap().0);
        cluster["server"] = json!(format!("https://127.0.0.1:{port}"));
    });
    api(&file, None)
}

/// A line to the API server on which everything that it says comes late.
fn late(by: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(up) = TcpStream::connect(server()) else { return };
            pass(client.try_clone().unwrap(), up.try_clone().unwrap(), Duration::ZERO);
            pass(up, client, by);
        }
    });
    port
}

fn pass(mut from: TcpStream, mut to: TcpStream, by: Duration) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(n) = from.read(&mut buffer) {
            std::thread::sleep(by);
            if n == 0 || to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

fn three_writers() {
    let space = Space::new("writers");
    let names = ["one", "two", "three"];
    for name in names {
        // Late lines make slow logins: all of them are open before anybody speaks.
        counter_after(&space, name, 20, 60, "0.1");
    }
    names.iter().for_each(|name| running(&space, name));
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let late = [late(Duration::from_millis(300)), late(Duration::from_millis(500))];
    let apis = [api(&admin(), None), behind(dirs[0].path(), late[0]), behind(dirs[1].path(), late[1])];
    let hear = Hear::start(|cx| names.iter().zip(&apis).map(|(name, api)| follow(api, cx, pod(&space, name, Run::Current), Mode::Follow)).collect());
    for name in names {
        hear.line(&format!("{name} done"), 60);
    }
    let (mut stamps, lines) = hear.with(|b| {
        let own: Vec<_> = b.ring().from(0).filter(|l| b.note(l.number).is_none()).collect();
        (own.iter().map(|l| l.stamp).collect::<Vec<_>>(), own.iter().map(|l| String::from_utf8_lossy(l.bytes).into_owned()).collect::<Vec<_>>())
    });
    for name in names {
        let of: Vec<&String> = lines.iter().filter(|l| l.starts_with(&format!("{name} "))).collect();
        let wanted: Vec<String> = (1..=60).map(|i| format!("{name} {i}")).chain([format!("{name} done")]).collect();
        assert!(of.iter().copied().eq(wanted.iter()), "{name}: {of:?}");
    }
    let shown = stamps.clone();
    stamps.sort_unstable();
    let wrong = shown.iter().zip(&stamps).position(|(a, b)| a != b);
    assert_eq!(wrong, None, "in the order in which they were written");
    assert_eq!(hear.notes(), [], "nothing happened to any of them");
    // The same once and as it is, into a pipe: what several say is in the order of time there too.
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("c.toml");
    std::fs::write(&config, format!("[[cluster]]\nname = \"lab\"\nkubeconfig = \"{}\"\n", admin().display())).unwrap();
    let all = format!("selector:{}/of=test", space.name);
    let out = crate::logs::quarterdeck(home.path(), &["logs", "--config", config.to_str().unwrap(), &all]);
    assert_eq!(String::from_utf8_lossy(&out.stdout).lines().collect::<Vec<_>>(), lines, "{}", String::from_utf8_lossy(&out.stderr));
}

/// Every number once, in order.
#[track_caller]
fn whole(hear: &Hear, name: &str, most: u32) {
    let lines: Vec<String> = hear.lines().into_iter().filter(|l| l.starts_with(&format!("{name} "))).collect();
    let wanted: Vec<String> = (1..=most).map(|i| format!("{name} {i}")).chain([format!("{name} done")]).collect();
    let wrong = lines.iter().zip(&wanted).position(|(a, b)| a != b);
    assert_eq!(
        (wrong, lines.len()),
        (None, wanted.len()),
        "{:?}; notes {:?}",
        wrong.map(|at| &lines[at.saturating_sub(3)..(at + 3).min(lines.len())]),
        hear.notes()
    );
}

fn cut() {
    let space = Space::new("cutlog");
    counter(&space, "count", 700, "0.02");
    running(&space, "count");
    let dir = tempfile::tempdir().unwrap();
    let line = CutLine::to(&server());
    let through = behind(dir.path(), line.port);
    let hear = Hear::start(|cx| vec![follow(&through, cx, pod(&space, "count", Run::Current), Mode::Follow)]);
    for round in 1..=5 {
        let before = hear.until("lines", 60, |h| Some(h.lines().len()).filter(|n| *n > 0));
        hear.until("it goes on", 60, |h| (h.lines().len() > before + 20).then_some(()));
        assert!(line.cut() > 0, "round {round}: nothing was open");
    }
    hear.line("count done", 90);
    whole(&hear, "count", 700);
    let notes = hear.notes();
    assert!(notes.iter().filter(|n| matches!(n, Note::Cut { .. })).count() >= 5 && notes.contains(&Note::Resumed), "{notes:?}");
    assert!(!notes.iter().any(|n| matches!(n, Note::Gap { .. })), "{notes:?}");
}

fn restarted() {
    let space = Space::new("anew");
    counter(&space, "count", 400, "0.05");
    running(&space, "count");
    let direct = api(&admin(), None);
    let hear = Hear::start(|cx| vec![follow(&direct, cx, pod(&space, "count", Run::Current), Mode::Follow)]);
    hear.line("count 20", 60);
    let mut server = ApiServer::here();
    server.kill();
    hear.until("the cut", 30, |h| h.notes().iter().any(|n| matches!(n, Note::Cut { .. })).then_some(()));
    server.start();
    hear.line("count done", 120);
    whole(&hear, "count", 400);
    assert!(hear.notes().contains(&Note::Resumed), "{:?}", hear.notes());
}

/// Twenty-five seconds of lines, some megabytes a second, every one with its number.
const FLOOD: &str = r#"awk 'BEGIN { pad = sprintf("%180s", ""); gsub(/ /, "x", pad); start = systime()
  while (systime() - start < 25) { for (j = 0; j < 500; j++) printf "flood %d %s\n", ++i, pad; fflush(); system("sleep 0.1") }
  printf "flood done %d\n", i; fflush() }'; sleep 1000"#;

fn kubelet_rotates() {
    let _kubelet = Kubelet::with("containerLogMaxSize: 10Mi");
    let space = Space::new("rotates");
    space.pod("flood", "busybox:1.35", &["sh", "-c", FLOOD], &json!({}));
    running(&space, "flood");
    let direct = api(&admin(), None);
    let hear = Hear::start(|cx| vec![follow(&direct, cx, pod(&space, "flood", Run::Current), Mode::Follow)]);
    let last = |h: &Hear| h.with(|b| b.ring().before(u64::MAX).find(|l| b.note(l.number).is_none()).map(|l| String::from_utf8_lossy(l.bytes).into_owned()));
    let total: u64 = hear.until("the end of the flood", 150, |h| last(h)?.strip_prefix("flood done ")?.parse().ok());

    // On its disk the kubelet has more than one file of it now: it did rotate.
    let own = std::fs::read_dir("/var/log/pods").unwrap().flatten().find(|e| e.file_name().to_string_lossy().starts_with(&format!("{}_flood_", space.name)));
    let files = std::fs::read_dir(own.expect("the pod's folder").path().join("app")).unwrap().count();
    assert!(files >= 2, "{files} files: nothing was rotated");

    // Every line once and in order, but where a notice says that some are missing.
    let (mut seen, mut expected, mut gap) = (0_u64, 1_u64, false);
    hear.with(|b| {
        for line in b.ring().from(0) {
            if let Some((_, note)) = b.note(line.number) {
                gap |= matches!(note, Note::Gap { .. });
                continue;
            }
            let text = String::from_utf8_lossy(line.bytes);
            let Some(number) = text.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()) else { continue };
            assert!(number == expected || (gap && number > expected), "after {} comes {number}; no notice: {:?}", expected - 1, hear_notes(b));
            (expected, gap, seen) = (number + 1, false, seen + 1);
        }
    });
    assert_eq!(expected, total + 1);
    eprintln!("{seen} of {total} lines over {files} files");
}

fn hear_notes(book: &quarterdeck::store::log::book::Book) -> Vec<Note> {
    book.notes().map(|(_, (_, note))| note.clone()).collect()
}

fn node_cut() {
    let space = Space::new("nodecut");
    counter(&space, "count", 500, "0.05");
    running(&space, "count");
    let direct = api(&admin(), None);
    let hear = Hear::start(|cx| vec![follow(&direct, cx, pod(&space, "count", Run::Current), Mode::Follow)]);
    hear.line("count 20", 60);
    let cut = NodeCut::now();
    let before = hear.lines().len();
    // The cut itself is what is tested, so here a span of time is meant.
    std::thread::sleep(Duration::from_secs(20));
    assert!(hear.lines().len() < before + 20, "the cut does cut");
    drop(cut);
    hear.line("count done", 150);
    whole(&hear, "count", 500);
    assert!(!hear.notes().iter().any(|n| matches!(n, Note::Gap { .. })), "{:?}", hear.notes());
}

fn crash_loop() {
    let space = Space::new("crash");
    // Every life says when it began, so that no two are the same.
    space.pod("crashes", "busybox:1.35", &["sh", "-c", "echo life $(cat /proc/uptime); echo last words; exit 3"], &json!({}));
    let direct = api(&admin(), None);
    let hear = Hear::start(|cx| vec![follow(&direct, cx, pod(&space, "crashes", Run::Current), Mode::Follow)]);
    hear.until("two restarts", 120, |h| (h.notes().iter().filter(|n| matches!(n, Note::Restarted { .. })).count() >= 2).then_some(()));
    hear.until("three lives", 60, |h| (h.lines().iter().filter(|l| l.starts_with("life ")).count() >= 3).then_some(()));
    let lives: Vec<String> = hear.lines().into_iter().filter(|l| l.starts_with("life ")).collect();
    assert_eq!(lives.iter().collect::<BTreeSet<_>>().len(), lives.len(), "each once: {lives:?}");
    // Between two lives the kubelet may keep none but the last: then it says so, and is asked again.
    let said = eventually("the life before", Duration::from_secs(90), || {
        let previous = Hear::start(|cx| vec![follow(&direct, cx, pod(&space, "crashes", Run::Previous), Mode::Once)]);
        previous.until("its end", 30, |h| h.all_ended().then_some(()));
        Some(previous.lines()).filter(|l| !l.is_empty())
    });
    assert_eq!((said.len(), said[1].as_str()), (2, "last words"), "{said:?}");
    let lives = hear.lines();
    assert!(lives.contains(&said[0]), "{said:?} of {lives:?}");
}

fn come_and_go() {
    let space = Space::new("gather");
    let apps = format!("/apis/apps/v1/namespaces/{}/deployments", space.name);
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"terminationGracePeriodSeconds": 0, "initContainers": [
        {"name": "init", "image": "busybox:1.35", "imagePullPolicy": "Never", "command": ["sh", "-c", "echo init of $(hostname)"]}], "containers": [
        {"name": "app", "image": "busybox:1.35", "imagePullPolicy": "Never", "command": ["sh", "-c", "echo hello from $(hostname); sleep 1000"]}]}});
    let deployment = |replicas: u32| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
               "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}})
    };
    space.send("POST", &apps, &deployment(1));
    let direct = api(&admin(), None);
    let web = LogTarget::Workload {
        cluster: "main".into(),
        namespace: space.name.as_str().into(),
        kind: WorkloadKind::Deployment,
        name: "web".into(),
        containers: Containers::All,
    };
    // Beside it one that may see pods and not read what they say.
    let token = account(&space, "blind");
    let rbac = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}", space.name);
    space.send("DELETE", &format!("{rbac}/rolebindings/blind"), &Value::Null);
    space.send(
        "POST",
        &format!("{rbac}/roles"),
        &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "blind"},
                "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]}),
    );
    space.send(
        "POST",
        &format!("{rbac}/rolebindings"),
        &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "blind"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "blind"},
                "subjects": [{"kind": "ServiceAccount", "name": "blind", "namespace": space.name}]}),
    );
    counter(&space, "other", 1, "1");
    running(&space, "other");
    let dir = tempfile::tempdir().unwrap();
    let blind = api(&with_user(dir.path(), &json!({ "token": token }), &space.name), None);
    let hear = Hear::start(|cx| vec![follow(&direct, cx, web, Mode::Follow), follow(&blind, cx, pod(&space, "other", Run::Current), Mode::Follow)]);
    hear.line("hello from web-", 90);
    hear.line("init of web-", 60);
    hear.until("the refusal", 60, |h| {
        h.notes().iter().any(|n| matches!(n, Note::Denied { text } if text.contains("pods/log") || text.contains("log"))).then_some(())
    });

    space.send("PUT", &format!("{apps}/web"), &deployment(3));
    hear.until("two more join", 90, |h| (h.lines().iter().filter(|l| l.starts_with("hello from")).count() == 3).then_some(()));
    space.send("PUT", &format!("{apps}/web"), &deployment(1));
    hear.until("two are marked as gone", 90, |h| {
        let ended = h
            .with(|b| b.streams().filter(|(_, s)| s.speaker.part() == "app" && s.speaker.place().starts_with("web-") && s.state == StreamState::Ended).count());
        (ended == 2).then_some(())
    });
    assert_eq!(hear.lines().iter().filter(|l| l.starts_with("hello from")).count(), 3, "what they said stays");
    assert!(hear.with(|b| b.streams().any(|(_, s)| s.speaker.part() == "app" && s.state == StreamState::Live)));
}
