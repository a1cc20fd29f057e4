//! `app-rollout` on a real cluster.

use std::time::Duration;

use super::{shipped, words};
use crate::kube::{Space, admin};
use crate::playbook::Desk;
use crate::playbook_real::{first, newest, run};
use crate::rig::docker::Docker;
use crate::rig::eventually;
use crate::rig::mirror::{Registry, Store};

const MINUTES: Duration = Duration::from_secs(120);

const SETTINGS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {release: \"@\"}\n";

/// A workload that listens on one port, and two Services: one that knows it and one that does not.
const WEB: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: web
          image: 172.16.106.237:5000/mall/busybox:0.9
          imagePullPolicy: Never
          env: [{name: RELEASE, value: "@"}]
          command: [sh, -c, 'mkdir -p /www; echo hello >/www/index.html; exec httpd -f -p 8080 -h /www']
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: deaf}
spec: {selector: {app: web}, ports: [{port: 8180, targetPort: 8087}]}
"#;

pub fn there_and_back() {
    let space = Space::new("rollout");
    let kubectl = |words: &str| {
        let line = format!("kubectl --kubeconfig {} -n {} {words}", admin().display(), space.name);
        let out = std::process::Command::new("sh").args(["-c", &line]).output().expect("kubectl");
        assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let state = || kubectl("get deployments,replicasets,services,configmaps,pods -o name").replace("configmap/kube-root-ca.crt\n", "");
    let image = || kubectl("get deployment web -o jsonpath='{.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].env[0].value}'");
    let desk = Desk::of(&format!("[[cluster]]\nname = \"lab\"\nkubeconfig = \"{}\"\n", admin().display()));
    let release = |number: &str| {
        desk.write("settings.yaml", &SETTINGS.replace('@', number));
        desk.write("web.yaml", &WEB.replace('@', number))
    };
    let web = release("1").display().to_string();
    let before = state();
    let book = shipped("app-rollout");
    let manifests = format!("manifests={},{web}", desk.home.path().join("settings.yaml").display());
    let (kubeconfig, namespace) = (format!("kubeconfig={}", admin().display()), format!("namespace={}", space.name));
    let kept = format!("kept={}", desk.home.path().join("kept").display());
    let values = |tag: &'static str, end: &'static str| {
        let all = [manifests.as_str(), &namespace, &kubeconfig, &kept, "registry=docker.io/library", tag, end];
        all.map(ToOwned::to_owned)
    };
    let roll = |tag: &'static str, end: &'static str, more: &'static str| {
        let values = values(tag, end);
        let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
        values.push(more);
        run(&desk, &words(&book, &values))
    };
    // What YAML takes for a text.
    let sound = std::fs::read_to_string(&web).expect("a file");
    desk.write("web.yaml", &sound.replace("targetPort: 8080}", "targetPort: 8080, nodePort: 30001}   // 入口"));
    let refused = roll("tag=1.35", "on_failure=stop", "patience=60s").expect(2);
    assert!(refused.err.contains("web.yaml:22") && refused.err.contains("// is no comment"), "{}", refused.err);
    assert_eq!(state(), before);
    desk.write("web.yaml", &sound);
    let ran = roll("tag=1.35", "on_failure=stop", "patience=120s").expect(0);
    let built = newest(&desk);
    assert_eq!(image(), "docker.io/library/busybox:1.35 1", "{}", ran.out);
    assert!(ran.out.contains("nothing listens: deaf -> web-") && !ran.out.contains("listens: web ->"), "{}", ran.out);
    assert!(ran.out.contains("1 of 1 workloads have no readinessProbe"), "{}", ran.out);
    let again = roll("tag=1.35", "on_failure=stop", "patience=120s").expect(0);
    assert_eq!(again.count("localhost", "changed"), 0, "{}", again.out);
    // A release whose image nobody has: the one before it is back, its settings too.
    release("2");
    let failed = roll("tag=none", "on_failure=undo", "patience=15s").expect(2);
    assert!(failed.err.contains("ErrImageNeverPull") && failed.err.contains("docker push it first"), "{}\n{}", failed.out, failed.err);
    assert_eq!(image(), "docker.io/library/busybox:1.35 1", "{}", failed.err);
    assert_eq!(kubectl("get configmap web -o jsonpath='{.data.release}'"), "1");
    kubectl("rollout status deployment/web --timeout=60s");
    // The next release goes on from there, and is taken back to the one before it.
    let third = roll("tag=1.35", "on_failure=stop", "patience=120s").expect(0);
    assert_eq!(image(), "docker.io/library/busybox:1.35 2", "{}", third.out);
    desk.run(&["--write", "playbook", "undo", &newest(&desk), "--yes"]).expect(0);
    assert_eq!(image(), "docker.io/library/busybox:1.35 1");
    assert_ne!(built, first(&desk), "the first was refused");
    desk.run(&["--write", "playbook", "undo", &built, "--yes"]).expect(0);
    eventually("as before", MINUTES, || (state() == before).then_some(()));
}

/// What was built on a host with docker gets into the registry first, under the name that the manifests are moved to.
pub fn pushed() {
    let space = Space::new("push");
    let (docker, store) = (Docker::start(), Store::new());
    let registry = Registry::open("127.0.0.1", &store);
    docker.run("tag bb:1 build/mall-admin:1.0");
    let mut desk = Desk::of(&format!("[[host]]\nname = \"here\"\nlocal = true\n[[cluster]]\nname = \"lab\"\nkubeconfig = \"{}\"\n", admin().display()));
    desk.set("DOCKER_HOST", &docker.host());
    desk.set("PATH", &format!("/usr/bin:{}", std::env::var("PATH").unwrap_or_default()));
    let web = desk.write("web.yaml", WEB);
    let values = |built: &str| {
        serde_json::json!({
            "manifests": [web], "namespace": space.name, "kubeconfig": admin(), "registry": format!("{}/mall", registry.address()), "tag": "1.1",
            "built_on": "here", "built": [built], "looking": ["--insecure"],
        })
        .to_string()
    };
    let run = |built: &str| run(&desk, &["app-rollout", "--tags", "push", "-e", &values(built)]);
    let refused = run("mall-portal:1.0").expect(2);
    assert!(refused.err.contains("That host has no image of this name"), "{}", refused.err);
    let ran = run("build/mall-admin:1.0").expect(0);
    assert_eq!(ran.count("localhost", "changed"), 1, "{}", ran.out);
    let tags = crate::rig::sshd::sh(&format!("curl -s http://{}/v2/mall/mall-admin/tags/list", registry.address()));
    assert!(tags.contains("\"1.1\""), "{tags}");
    assert_eq!(run("build/mall-admin:1.0").expect(0).count("localhost", "changed"), 0, "it is there");
    // The same name for something else is not there yet.
    docker.run("run --name other bb:1 true");
    docker.run("commit other build/mall-admin:1.0");
    assert_eq!(run("build/mall-admin:1.0").expect(0).count("localhost", "changed"), 1, "another image under the same name");
}
