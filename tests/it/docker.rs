//! Containers on a host, as a real dockerd shows them.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use quarterdeck::action::host_inspect::HostInspect;
use quarterdeck::base::clock::{Clock, SystemClock};
use quarterdeck::link::shell::Shell;
use quarterdeck::model::container::{Container, ContainerHealth, ContainerState};
use quarterdeck::model::effect::Inspection;
use quarterdeck::model::fact::Row;
use quarterdeck::model::limits::Limits;
use quarterdeck::model::verdict::Verdict;
use quarterdeck::port::{Inspect, Inspected};
use quarterdeck::source::host::HostSource;

use crate::components::{case, said};
use crate::rig::block;
use crate::rig::docker::Docker;
use crate::rig::watch::Watch;

pub fn tests() -> Vec<Trial> {
    vec![case("docker::containers_in_every_state", &["docker"], states)]
}

fn source(shell: Arc<dyn Shell>) -> HostSource {
    HostSource::new("app-1".into(), "10.0.0.1".into(), Vec::new(), Duration::from_secs(1), shell).libvirt("test:///default")
}

fn verdict(c: &Container) -> (Verdict, Option<&'static str>) {
    let j = c.judge(SystemClock::default().now(), &Limits::default());
    (j.verdict, j.reasons.first().map(|r| r.code))
}

fn states() {
    let docker = Docker::start();
    said("docker", &format!("server {}", docker.run("version --format '{{.Server.Version}}'")));
    docker.run("run -d --name steady --network none bb:1 /bin/sleep 1000");
    docker.run("run -d --name loops --restart always --network none bb:1 /bin/sh -c 'exit 3'");
    docker.run("run -d --name failed --network none bb:1 /bin/sh -c 'exit 7'");
    docker.run("create --name fresh --network none bb:1 /bin/true");
    docker.run("run -d --name sick --network none --health-cmd 'echo out of order; exit 1' --health-interval 1s --health-retries 1 bb:1 /bin/sleep 1000");
    docker.run("run -d --name done --network none bb:1 /bin/true");
    docker.run("run -d --name asleep --network none bb:1 /bin/sleep 1000");
    docker.run("pause asleep");

    // Its own memory limit kills it, not the machine's.
    docker.run("run -d --name hungry --restart on-failure:1 --memory 16m --network none bb:1 /bin/sh -c 'x=a; while :; do x=$x$x; done'");

    let watch = Watch::start(source(docker.shell()));
    let first = watch.complete();
    assert_eq!(first.containers.len(), 8, "{:#?}", first.containers);
    assert!(first.host.expect("host").runtimes.iter().any(|r| &**r == "docker"));
    let wait = |name: &str, what: &str, probe: &dyn Fn(&Container) -> bool| {
        watch.until(what, Duration::from_secs(30), |h| h.containers.get(name).filter(|c| probe(c)).cloned())
    };
    let steady = wait("steady", "it runs", &|c| c.state == ContainerState::Running);
    assert_eq!((&*steady.image, &*steady.runtime, verdict(&steady)), ("bb:1", "docker", (Verdict::Ok, None)));
    assert!(steady.started_at.is_some() && steady.finished_at.is_none() && steady.exit_code.is_none());
    let loops = wait("loops", "it restarts", &|c| c.state == ContainerState::Restarting && c.restarts >= 1);
    assert_eq!((loops.exit_code, loops.restarts_by_itself, verdict(&loops)), (Some(3), true, (Verdict::Crit, Some("container.restarting"))));
    let failed = wait("failed", "it failed", &|c| c.state == ContainerState::Exited);
    assert_eq!((failed.exit_code, verdict(&failed)), (Some(7), (Verdict::Warn, Some("container.failed"))));
    let sick = wait("sick", "its health check fails", &|c| c.health == Some(ContainerHealth::Unhealthy));
    assert_eq!(verdict(&sick), (Verdict::Crit, Some("container.unhealthy")));
    let fresh = wait("fresh", "it is new", &|c| c.state == ContainerState::Created);
    let done = wait("done", "it is done", &|c| c.state == ContainerState::Exited);
    let asleep = wait("asleep", "it is paused", &|c| c.state == ContainerState::Paused);
    assert_eq!([verdict(&fresh).0, verdict(&done).0, verdict(&asleep).0], [Verdict::Off, Verdict::Off, Verdict::Warn]);

    let hungry = wait("hungry", "it is killed for its memory", &|c| c.oom_killed);
    assert!(verdict(&hungry).0 == Verdict::Crit && verdict(&hungry).1.is_some_and(|code| code.ends_with("oom")), "{:?}", verdict(&hungry));

    documents(&docker, &sick);

    docker.run("rm -f done");
    watch.until("its row goes", Duration::from_secs(10), |h| (!h.containers.contains_key("done")).then_some(()));
    // A dockerd that does not answer holds up nothing else, and its containers are not called gone.
    docker.signal("STOP");
    let before = watch.heard().frames;
    watch.until("samples go on", Duration::from_secs(15), |h| (h.frames >= before + 4).then_some(()));
    assert_eq!(watch.heard().containers.len(), 7);
    docker.signal("CONT");
    docker.run("rm -f steady");
    watch.until("it heals by itself", Duration::from_secs(20), |h| (!h.containers.contains_key("steady")).then_some(()));
    watch.stop();

    let refused = Watch::start(source(docker.nobody())).complete();
    assert!(refused.containers.is_empty());
    let no_right = refused.denied.iter().find(|d| &*d.fact == "docker").unwrap_or_else(|| panic!("{refused:#?}"));
    assert!(no_right.need.contains("group docker"), "{no_right:?}");
}

fn documents(docker: &Docker, sick: &Container) {
    let shell = docker.shell();
    let inspect = HostInspect::new(Arc::new(move |_| Some(shell.clone())));
    let look = |id: &str, runtime: &str, what| {
        let subject = Inspected::Container { host: "app-1".into(), id: id.into(), runtime: runtime.into() };
        block(inspect.inspect(subject, what).expect("a container is known here"))
    };
    let told = look(&sick.id, "docker", Inspection::Describe).expect("description");
    assert_eq!(told.title, "sick");
    let text = told.lines.join("\n");
    for part in ["bb:1", "running", "unhealthy", "out of order"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let whole = look(&sick.id, "docker", Inspection::Yaml).expect("inspect").lines.join("\n");
    assert!(whole.contains(&format!("\"Id\": \"{}\"", sick.id)));
    assert!(look("$(touch /tmp/x)", "docker", Inspection::Yaml).expect_err("no such container").starts_with("docker: "));
    assert!(look(&sick.id, "rm -rf /", Inspection::Yaml).is_err());
}
