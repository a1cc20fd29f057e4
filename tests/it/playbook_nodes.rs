//! The playbooks that build a cluster, on hosts with their own file trees and networks.

use libtest_mimic::Trial;

use crate::components::case;
use crate::playbook::{Desk, Ran};
use crate::rig::mirror::{PASSWORD, Registry, Store, Tokens, USER, certificate};
use crate::rig::sshd::Lab;
use crate::rig::stub::stub_on;

pub fn tests() -> Vec<Trial> {
    vec![case("playbook: registry-mirror, every way that a mirror can be of no use", &["sshd", "netns", "registry", "curl"], registry_mirror)]
}

fn run(desk: &Desk, words: &[&str]) -> Ran {
    desk.run(&[&["--write", "playbook", "run"], words, &["--yes"]].concat())
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
