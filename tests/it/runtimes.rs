//! Containers of a real podman and of a real containerd behind `crictl`: their states, what `d` and `y` say, their logs.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use quarterdeck::action::host_inspect::HostInspect;
use quarterdeck::base::clock::{Clock, SystemClock};
use quarterdeck::link::shell::Shell;
use quarterdeck::model::container::{Container, ContainerState};
use quarterdeck::model::effect::Inspection;
use quarterdeck::model::limits::Limits;
use quarterdeck::model::log::Window;
use quarterdeck::model::verdict::Verdict;
use quarterdeck::port::{Inspect, Inspected};
use quarterdeck::source::host::HostSource;
use quarterdeck::source::log::host::{Mux, Speaks};

use crate::components::case;
use crate::logs::speak;
use crate::rig::block;
use crate::rig::hear::Hear;
use crate::rig::runtimes::{Cri, Podman};
use crate::rig::watch::Watch;

pub fn tests() -> Vec<Trial> {
    vec![case("runtimes: containers of a real podman", &["podman"], podman), case("runtimes: containers of a real containerd, by crictl", &["crictl"], crictl)]
}

fn watch(shell: Arc<dyn Shell>) -> Watch {
    Watch::start(HostSource::new("app-1".into(), "10.0.0.1".into(), Vec::new(), Duration::from_secs(1), shell).libvirt("test:///default"))
}

#[track_caller]
fn wait(watch: &Watch, name: &str, what: &str, probe: impl Fn(&Container) -> bool) -> Container {
    watch.until(what, Duration::from_secs(60), |h| h.containers.get(name).filter(|c| probe(c)).cloned())
}

fn verdict(c: &Container) -> Verdict {
    quarterdeck::model::fact::Row::judge(c, SystemClock::default().now(), &Limits::default()).verdict
}

/// What `d` and `y` show of it.
fn looked(shell: Arc<dyn Shell>, c: &Container, what: Inspection) -> String {
    let inspect = HostInspect::new(Arc::new(move |_| Some(shell.clone())));
    let subject = Inspected::Container { host: "app-1".into(), id: c.id.clone(), runtime: c.runtime.clone() };
    block(inspect.inspect(subject, what).expect("a container is known here")).expect("a document").lines.join("\n")
}

fn podman() {
    let podman = Podman::start();
    podman.script("--name steady", "echo from podman; sleep 1000");
    podman.script("--name failed --restart on-failure:2", "exit 7");
    podman.script("--name asleep", "sleep 1000");
    podman.run("pause asleep");
    podman.run("create --name fresh --network none docker.io/library/bb:1 1");

    let watch = watch(podman.shell());
    assert!(watch.complete().host.expect("host").runtimes.iter().any(|r| &**r == "podman"));
    let steady = wait(&watch, "steady", "it runs", |c| c.state == ContainerState::Running);
    assert_eq!((&*steady.image, &*steady.runtime, verdict(&steady)), ("docker.io/library/bb:1", "podman", Verdict::Ok));
    assert!(steady.started_at.is_some() && steady.exit_code.is_none());
    let failed = wait(&watch, "failed", "it failed", |c| c.state == ContainerState::Exited && c.restarts == 2);
    // Its policy gave up.
    assert_eq!((failed.exit_code, failed.restarts_by_itself, verdict(&failed)), (Some(7), true, Verdict::Crit));
    assert_eq!(verdict(&wait(&watch, "asleep", "it is paused", |c| c.state == ContainerState::Paused)), Verdict::Warn);
    assert_eq!(verdict(&wait(&watch, "fresh", "it is new", |c| c.state == ContainerState::Created)), Verdict::Off);

    let told = looked(podman.shell(), &steady, Inspection::Describe);
    assert!(told.contains("running") && told.contains("sleep 1000"), "{told}");
    assert!(looked(podman.shell(), &failed, Inspection::Yaml).contains(&format!("\"Id\": \"{}\"", failed.id)));

    let mux = Arc::new(Mux::new("app-1".into(), podman.shell()));
    let hear = Hear::start(|cx| vec![speak(&mux, cx, Window::default(), Speaks::Container("podman".into(), "steady".into()))]);
    hear.line("from podman", 40);
    podman.run("rm -f -t 0 steady");
    watch.until("its row goes", Duration::from_secs(30), |h| (!h.containers.contains_key("steady")).then_some(()));
}

fn crictl() {
    let cri = Cri::start();
    let pod = cri.pod("etcd-m1");
    cri.container(&pod, "etcd-m1", "etcd", 0, "echo first life; exit 3");
    let second = cri.container(&pod, "etcd-m1", "etcd", 1, "echo second life; sleep 1000");

    let watch = watch(cri.shell());
    assert!(watch.complete().host.expect("host").runtimes.iter().any(|r| &**r == "crictl"));
    let etcd = wait(&watch, "etcd-m1/etcd", "it runs", |c| c.state == ContainerState::Running);
    assert_eq!((&*etcd.id, &*etcd.image, &*etcd.runtime, etcd.restarts), (second.as_str(), "docker.io/library/bb:1", "crictl", 1));
    assert_eq!(verdict(&etcd), Verdict::Ok);
    assert_eq!(watch.heard().containers.len(), 1, "the life that ended is no second row");
    let told = looked(cri.shell(), &etcd, Inspection::Describe);
    assert!(told.contains("CONTAINER_RUNNING"), "{told}");
    assert!(looked(cri.shell(), &etcd, Inspection::Yaml).contains(&second));

    let mux = Arc::new(Mux::new("app-1".into(), cri.shell()));
    let hear = Hear::start(|cx| {
        let of = |name: &str| Speaks::Container("crictl".into(), name.into());
        vec![speak(&mux, cx, Window::default(), of("etcd-m1/etcd")), speak(&mux, cx, Window::default(), of("etcd-m1/nobody"))]
    });
    hear.line("second life", 40);
    hear.until("the missing one is told", 40, |h| {
        h.notes().iter().any(|n| matches!(n, quarterdeck::model::log::Note::Failed { text } if text.contains("no container nobody"))).then_some(())
    });
    cri.run(&format!("rm -f {second}"));
    // What is left of it is its life before.
    wait(&watch, "etcd-m1/etcd", "the one that ended", |c| c.state == ContainerState::Exited && *c.id != *second);
}
