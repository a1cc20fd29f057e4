//! The playbooks that build a cluster, on hosts with their own file trees and networks.

use libtest_mimic::Trial;

use crate::components::case;
use crate::playbook::{Desk, Ran};
use crate::playbook_real::{newest, run};
use crate::rig::mirror::{PASSWORD, Registry, Store, Tokens, USER, certificate};
use crate::rig::sshd::{Host, Lab};
use crate::rig::stub::stub_on;

pub fn tests() -> Vec<Trial> {
    vec![
        case("playbook: registry-mirror, every way that a mirror can be of no use", &["sshd", "netns", "registry", "curl"], registry_mirror),
        case(
            "playbook: container-runtime with containerd and with docker, twice, and taken back",
            &["sshd", "netns", "registry", "containerd", "docker"],
            container_runtime,
        ),
    ]
}

/// A clock that is more than a year behind, for whoever asks `date`: machines of one kernel share the real one.
const BEHIND: &str = r#"printf '#!/bin/sh\n[ "$*" = "-u +%%s" ] && exec echo $(($(/bin/date +%%s) - 40000000))\nexec /bin/date "$@"\n' >/usr/local/bin/date; chmod 755 /usr/local/bin/date"#;

fn registry_mirror() {
    let lab = Lab::new();
    let gateway = lab.gateway();
    let hosts = [lab.host("k8s-1").start(), lab.host("k8s-2").setup(BEHIND).start()];
    let store = Store::new();
    let open = Registry::open(&gateway, &store);
    open.push("library/busybox", "1.36");
    let torn = store.copy();
    torn.lose_layers();
    let torn = Registry::open(&gateway, &torn);
    let (pem, key) = certificate(&gateway, 2020);
    let tls = Registry::tls(&gateway, &store, &pem, &key);
    let (later, later_key) = certificate(&gateway, 2050);
    let later_tls = Registry::tls(&gateway, &store, &later, &later_key);
    let (other, other_key) = certificate("mirror.invalid", 2020);
    let other_tls = Registry::tls(&gateway, &store, &other, &other_key);
    let closed_to = Registry::with_password(&gateway, &store);
    let tokens = Tokens::start(&gateway, "library/busybox");
    let tokened = Registry::with_tokens(&gateway, &store, &tokens);
    let page = stub_on(&gateway, |_| (200, "<html>Welcome to nginx!</html>".to_owned()));
    let busy = stub_on(&gateway, |_| (429, r#"{"errors": [{"code": "TOOMANYREQUESTS", "message": "pull rate limit"}]}"#.to_owned()));
    for host in &hosts {
        for (name, text) in [("lab.crt", &pem), ("later.crt", &later), ("other.crt", &other)] {
            host.run(&format!("cat >/etc/{name} <<'PEM'\n{text}\nPEM"));
        }
    }
    let mut desk = Desk::new(&lab, &[&hosts[0], &hosts[1]]);
    let ask = |desk: &Desk, mirrors: &[String], more: &[&str]| {
        let mirrors = format!("mirrors={}", mirrors.join(","));
        run(desk, &[&["registry-mirror", "-e", "nodes=all", "-e", mirrors.as_str()], more].concat())
    };
    let http = |r: &Registry| format!("http://{}", r.address());
    let https = |r: &Registry| format!("https://{}", r.address());
    #[track_caller]
    fn verdict(ran: &Ran, host: &str, mirror: &str, words: &str) {
        let line = ran.out.lines().find(|l| l.contains("ok ") && l.contains(&format!(" {host}  {mirror}  ")));
        assert!(line.is_some_and(|l| l.contains(words)), "{host} {mirror}: {words}\n{}\n{}", ran.out, ran.err);
    }

    // One that works among all that do not, each for its own reason.
    let none = format!("http://{gateway}:9");
    let all = [
        none.clone(),
        http(&torn),
        https(&tls),
        https(&open),
        http(&closed_to),
        http(&tokened),
        format!("http://{page}"),
        format!("http://{busy}"),
        http(&tls),
    ];
    let ran = ask(&desk, &[&all[..], &[http(&open), "http://no-such-host.invalid".to_owned()]].concat(), &[]).expect(0);
    for host in ["k8s-1", "k8s-2"] {
        verdict(&ran, host, &http(&open), "login: none, sha256:");
        verdict(&ran, host, &http(&tokened), "login: token, sha256:");
        verdict(&ran, host, &none, "lets nobody connect");
        verdict(&ran, host, &http(&torn), "has the manifest and not what it names");
        verdict(&ran, host, &https(&tls), "a CA that this host does not know");
        verdict(&ran, host, &https(&open), "the other of http and https");
        verdict(&ran, host, &http(&tls), "the other of http and https");
        verdict(&ran, host, &http(&closed_to), "wants a login");
        verdict(&ran, host, &format!("http://{page}"), "no registry");
        verdict(&ran, host, &format!("http://{busy}"), "enough requests for now (Docker Hub counts by address): log in, or use another (pull rate limit)");
        verdict(&ran, host, "http://no-such-host.invalid", "a name that this host cannot resolve");
    }
    assert!(ran.out.contains("is not encrypted"), "{}", ran.out);
    assert!(ran.out.contains("WARNING: k8s-2: by the mirrors' clocks its own is off by 4") && !ran.out.contains("WARNING: k8s-1: by the"), "{}", ran.out);
    assert_eq!((ran.count("k8s-1", "changed"), ran.count("k8s-2", "changed")), (0, 0));
    assert!(ran.out.contains("[host.\"http://") && ran.out.contains("server = \"https://registry-1.docker.io\""), "the lines to write:\n{}", ran.out);

    // With the CA and the password, those do.
    desk.set("QUARTERDECK_VAR_mirror_password", PASSWORD);
    let user = format!("mirror_user={USER}");
    let ran = ask(&desk, &[https(&tls), http(&closed_to)], &["-e", "ca=/etc/lab.crt", "-e", &user]).expect(0);
    verdict(&ran, "k8s-2", &https(&tls), "login: none");
    verdict(&ran, "k8s-1", &http(&closed_to), "login: password");
    assert!(ran.out.contains("ca = \"/etc/lab.crt\""), "{}", ran.out);
    assert!(!desk.journal().contains(PASSWORD) && !ran.out.contains(PASSWORD));
    // For docker it is another file.
    let ran = ask(&desk, &[http(&open)], &["-e", "runtime=docker"]).expect(0);
    assert!(ran.out.contains(&format!("{{\"registry-mirrors\": [\"{0}\"], \"insecure-registries\": [\"{1}\"]}}", http(&open), open.address())), "{}", ran.out);

    // A certificate that begins later: the host whose clock is behind learns that, the other that the certificate is at fault.
    let refused = ask(&desk, &[https(&later_tls)], &["-e", "ca=/etc/later.crt"]).expect(2);
    verdict(&refused, "k8s-1", &https(&later_tls), "the host's clock is right");
    verdict(&refused, "k8s-2", &https(&later_tls), "the clock is wrong: set it");
    assert!(refused.err.contains("No mirror gives library/busybox:1.36 to every host"), "{}", refused.err);
    let refused = ask(&desk, &[https(&other_tls), http(&open)], &["-e", "ca=/etc/other.crt", "-e", "image=busybox:1.37"]).expect(2);
    verdict(&refused, "k8s-1", &https(&other_tls), "for another name");
    verdict(&refused, "k8s-1", &http(&open), "does not have this image with this tag (manifest unknown)");
    // What lies behind a wrong password, and a mirror that one host alone cannot reach.
    desk.set("QUARTERDECK_VAR_mirror_password", "wrong-1");
    let refused = ask(&desk, &[http(&closed_to)], &["-e", &user]).expect(2);
    assert!(refused.err.contains("the login was refused"), "{}", refused.err);
    hosts[1].run(&format!(
        "iptables -I OUTPUT -p tcp -d {gateway} --dport {} -j REJECT --reject-with tcp-reset",
        open.address().rsplit(':').next().expect("a port")
    ));
    let second = Registry::open(&gateway, &store);
    let ran = ask(&desk, &[http(&open), http(&second)], &[]).expect(0);
    verdict(&ran, "k8s-1", &http(&open), "login: none");
    verdict(&ran, "k8s-2", &http(&open), "lets nobody connect");
    assert!(ran.out.contains(&format!("fastest: {}", http(&second))), "the one that all reach:\n{}", ran.out);
    let refused = run(&desk, &["registry-mirror", "-e", "nodes=all", "-e", "mirrors=mirror.example.com"]).expect(2);
    assert!(refused.err.contains("https:// is not guessed"), "{}", refused.err);
}

/// A containerd with an init script: these hosts have no systemd. What it keeps cannot lie on an overlay.
pub const CONTAINERD: &str = r#"
mkdir -p /var/lib/containerd && mount -t tmpfs tmpfs /var/lib/containerd
rm -f /lib/systemd/system/containerd.service /etc/cni/net.d/*
cat >/etc/init.d/containerd <<'INIT'
#!/bin/sh
### BEGIN INIT INFO
# Provides: containerd
# Required-Start: $remote_fs
# Required-Stop: $remote_fs
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
p=/run/containerd.pid
start() {
  start-stop-daemon --start --quiet --oknodo --background --make-pidfile --pidfile $p --output /var/log/containerd.log --exec /usr/bin/containerd
  n=0; until ctr version >/dev/null 2>&1; do n=$((n+1)); [ $n -lt 600 ] || exit 1; sleep 0.1; done
}
# Nobody waits for it here: what has ended keeps its number.
stop() { [ ! -e $p ] || { kill $(cat $p); while readlink /proc/$(cat $p)/exe >/dev/null; do sleep 0.1; done; rm -f $p; }; }
case $1 in start) start ;; stop) stop ;; restart) stop; start ;; status) start-stop-daemon --status --pidfile $p ;; esac
INIT
chmod 755 /etc/init.d/containerd
"#;

/// Debian's own init script, without the limits that only a whole machine may set.
const DOCKER: &str = r#"
mkdir -p /var/lib/docker && mount -t tmpfs tmpfs /var/lib/docker
sed -i 's/ulimit .*/:/; s,--retry 10,--retry TERM/3 || true,' /etc/init.d/docker
printf 'DOCKER_OPTS="--iptables=false --bridge=none"\n' >/etc/default/docker
mkdir -p /etc/docker && printf '{"labels": ["site=kept"], "max-concurrent-downloads": 2}' >/etc/docker/daemon.json
"#;

fn container_runtime() {
    let lab = Lab::new();
    // One as docker's package leaves it, one as Debian's does and without crictl.
    let off = "printf '# kept\ndisabled_plugins = [\"cri\"]\n' >/etc/containerd/config.toml; update-rc.d containerd remove; rm -rf /etc/crictl.yaml\n";
    let plain = "rm -f /usr/local/bin/crictl /usr/bin/crictl; update-rc.d containerd remove\n";
    let hosts = [lab.host("k8s-1").setup(CONTAINERD).setup(off).start(), lab.host("k8s-2").setup(CONTAINERD).setup(plain).start()];
    let old = lab.host("old-1").setup(DOCKER).start();
    let store = Store::new();
    let mirror = Registry::open(&lab.gateway(), &store);
    mirror.push("pause", "3.10");
    mirror.push("google_containers/pause", "3.2");
    let desk = Desk::new(&lab, &[&hosts[0], &hosts[1], &old]);
    let state = |host: &Host| {
        host.run(
            "cat /etc/containerd/config.toml; ls -A /etc/containerd /etc/crictl.yaml 2>&1; cat /etc/docker/daemon.json 2>&1; pgrep -x containerd; pgrep -x dockerd; ls /etc/rc3.d | grep containerd; true",
        )
    };
    let before = [state(&hosts[0]), state(&hosts[1]), state(&old)];

    // A mirror that is not there: the runtime's own words, what they mean, and all of it taken back.
    let words = |mirrors: &str| ["container-runtime".to_owned(), "-e".to_owned(), "nodes=k8s-*".to_owned(), "-e".to_owned(), format!("mirrors={mirrors}")];
    let all = |mirrors: &str| {
        let words = words(mirrors);
        run(&desk, &words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let refused = all(&format!("registry.k8s.io=http://{}:9", lab.gateway())).expect(2);
    assert!(refused.err.contains("Run the playbook registry-mirror"), "{}\n{}", refused.out, refused.err);
    desk.run(&["--write", "playbook", "undo", &newest(&desk), "--yes"]).expect(0);
    assert_eq!([state(&hosts[0]), state(&hosts[1])], before[..2], "taken back");

    let mirrors = format!("registry.k8s.io=http://{0},docker.io=http://{0}", mirror.address());
    let ran = all(&mirrors).expect(0);
    let written = newest(&desk);
    for host in &hosts {
        assert!(ran.count(host.name(), "changed") >= 7, "{}", ran.out);
        let dump = host.run("containerd config dump");
        for line in
            ["SystemdCgroup = true", "sandbox_image = \"registry.k8s.io/pause:3.10\"", "config_path = \"/etc/containerd/certs.d\"", "disabled_plugins = []"]
        {
            assert!(dump.contains(line), "{}: {line}\n{dump}", host.name());
        }
        assert_eq!(host.run("ctr -n k8s.io images ls -q | grep -c ^registry.k8s.io/pause:3.10").trim(), "1");
    }
    assert!(hosts[0].run("cat /etc/containerd/config.toml").contains("# kept"), "the rest of the file stays");
    assert!(mirror.asked().contains("/v2/pause/manifests/3.10?ns=registry.k8s.io"), "through the mirror:\n{}", mirror.asked());
    let again = all(&mirrors).expect(0);
    assert_eq!((again.count("k8s-1", "changed"), again.count("k8s-2", "changed")), (0, 0), "{}", again.out);
    desk.run(&["--write", "playbook", "undo", &written, "--yes"]).expect(0);
    assert_eq!([state(&hosts[0]), state(&hosts[1])], before[..2], "taken back");
    // Mirrors in the old form and the new one exclude each other: said before anything is written.
    hosts[0].run("printf 'version = 2\\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\\n  endpoint = [\"http://x\"]\\n' >/etc/containerd/config.toml");
    let text = hosts[0].run("cat /etc/containerd/config.toml");
    let refused = all(&mirrors).expect(2);
    assert!(refused.err.contains("exclude each other") && hosts[0].run("cat /etc/containerd/config.toml") == text, "{}", refused.err);

    // docker, for a Kubernetes that still speaks to it; nobody's settings are lost.
    let docker = format!("mirrors=docker.io=http://{}", mirror.address());
    let words =
        ["container-runtime", "-e", "nodes=old-1", "-e", "runtime=docker", "-e", "cgroup=cgroupfs", "-e", "image_repository=google_containers", "-e", &docker];
    let refused = run(&desk, &words).expect(2);
    assert!(refused.err.contains("no longer speaks to docker"), "{}", refused.err);
    let words = [&words[..], &["-e", "kubernetes=1.20.2"]].concat();
    let ran = run(&desk, &words).expect(0);
    let written = newest(&desk);
    assert!(ran.count("old-1", "changed") >= 3, "{}", ran.out);
    let said = old.run(
        "docker info -f '{{.CgroupDriver}} {{.Labels}} {{range .RegistryConfig.Mirrors}}{{.}}{{end}}'; docker images -q google_containers/pause:3.2 | wc -l",
    );
    assert_eq!(said, format!("cgroupfs [site=kept] http://{}/\n1\n", mirror.address()));
    assert!(old.run("cat /etc/docker/daemon.json").contains("\"max-concurrent-downloads\": 2"));
    assert_eq!(run(&desk, &words).expect(0).count("old-1", "changed"), 0);
    desk.run(&["--write", "playbook", "undo", &written, "--yes"]).expect(0);
    assert_eq!(state(&old), before[2], "taken back");
}
