//! kubeadm's playbooks and what comes onto its cluster, on hosts with real kubelets.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;

use crate::components::case;
use crate::playbook::Desk;
use crate::playbook_nodes::CONTAINERD;
use crate::playbook_real::{newest, run};
use crate::rig::mirror::{Registry, Store};
use crate::rig::sshd::{Host, Lab};

pub fn tests() -> Vec<Trial> {
    vec![case(
        "playbook: kubeadm-init, kubeadm-join, cni and nfs-storageclass, three masters and a worker, twice, and taken back",
        &["kubeadm", "sshd", "netns", "registry", "containerd", "kubectl"],
        kubeadm,
    )]
}

/// A kubelet with an init script, and what kubeadm asks `systemctl` about it. No file of this machine's own cluster is seen.
const KUBELET: &str = r#"
mkdir -p /var/lib/kubelet /var/lib/etcd && mount -t tmpfs tmpfs /var/lib/kubelet && mount -t tmpfs tmpfs /var/lib/etcd
rm -rf /etc/kubernetes /root/.kube /usr/bin/systemctl
for p in kubeadm kubelet; do ln -sf BINARIES/$p /usr/local/bin/$p; done
cat >/usr/local/bin/systemctl <<'CTL'
#!/bin/sh
case "$*" in
  *is-enabled*kubelet*|*enable*kubelet*) exit 0 ;;
  *is-active*kubelet*) exec service kubelet status ;;
  *restart*kubelet*) exec service kubelet restart ;;
  *stop*kubelet*) exec service kubelet stop ;;
  *start*kubelet*) exec service kubelet start ;;
esac
CTL
cat >/etc/init.d/kubelet <<'INIT'
#!/bin/sh
p=/run/kubelet.pid
[ ! -e /var/lib/kubelet/kubeadm-flags.env ] || . /var/lib/kubelet/kubeadm-flags.env
start() {
  [ -e /var/lib/kubelet/config.yaml ] || exit 0
  start-stop-daemon --start --quiet --oknodo --background --make-pidfile --pidfile $p --output /var/log/kubelet.log --startas /usr/local/bin/kubelet -- \
    --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS
}
stop() { [ ! -e $p ] || { kill $(cat $p); while readlink /proc/$(cat $p)/exe >/dev/null; do sleep 0.1; done; rm -f $p; }; }
case $1 in start) start ;; stop) stop ;; restart) stop; start ;; status) readlink /proc/$(cat $p)/exe >/dev/null ;; esac
INIT
chmod 755 /usr/local/bin/systemctl /etc/init.d/kubelet
# The root of these machines may not give a process a better standing with the OOM killer.
printf 'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n  restrict_oom_score_adj = true\n' >/etc/containerd/config.toml
"#;

/// Docker Hub and its kin as a closed network has them: a registry with what Kubernetes v1.20.2 pulls. What needs no program of its
/// own to be shown here (kube-proxy, CoreDNS) is a busybox that sleeps.
fn images(mirror: &Registry, binaries: &Path) {
    for name in ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
        mirror.push_with(name, "v1.20.2", &[&binaries.join(name)]);
    }
    mirror.push_with("etcd", "3.4.13-0", &[Path::new("/usr/bin/etcd")]);
    for (name, tag) in [("kube-proxy", "v1.20.2"), ("coredns", "1.7.0"), ("pause", "3.2"), ("library/busybox", "1.36")] {
        mirror.push(name, tag);
    }
}

/// What kubeadm is told to overlook on these machines, and a kubelet that bears swap.
const OVERLOOKED: &str = r#"{"ignore": ["SystemVerification", "Mem", "NumCPU", "Swap", "FileExisting-conntrack"], "kubelet": {"failSwapOn": false, "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%"}}}"#;

/// Packages of an NFS server and client by name alone, in a folder of the host: a stand-in for the tools, an address that answers.
/// There is no NFS in the kernel under these hosts.
const NFS: &str = r#"
mkdir -p /srv /repo/server/DEBIAN /repo/server/usr/sbin /repo/server/etc/init.d /repo/client/DEBIAN /repo/client/sbin && mount -t tmpfs tmpfs /srv
rm -f /sbin/mount.nfs
printf 'Package: nfs-kernel-server\nVersion: 9:1.0\nArchitecture: all\nMaintainer: tests <tests@localhost>\nDescription: a stand-in\n' >/repo/server/DEBIAN/control
printf 'Package: nfs-common\nVersion: 9:1.0\nArchitecture: all\nMaintainer: tests <tests@localhost>\nDescription: a stand-in\n' >/repo/client/DEBIAN/control
printf '#!/bin/sh\ncase $1 in -ra) cat /etc/exports.d/*.exports 2>/dev/null | grep -v "^#" >/run/exports ;; -s) cat /run/exports ;; esac; true\n' >/repo/server/usr/sbin/exportfs
cat >/repo/server/etc/init.d/nfs-kernel-server <<'INIT'
#!/bin/sh
### BEGIN INIT INFO
# Provides: nfs-kernel-server
# Required-Start: $remote_fs
# Required-Stop: $remote_fs
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
p=/run/nfs.pid
up() { [ -e $p ] && readlink /proc/$(cat $p)/exe >/dev/null; }
case $1 in
  start) up || { setsid busybox nc -ll -p 2049 -e /bin/true </dev/null >/dev/null 2>&1 & echo $! >$p; } ;;
  stop) ! up || kill $(cat $p); rm -f $p ;;
  status) up ;;
esac
INIT
printf '#!/bin/sh\nexit 1\n' >/repo/client/sbin/mount.nfs
chmod 755 /repo/server/usr/sbin/exportfs /repo/server/etc/init.d/nfs-kernel-server /repo/client/sbin/mount.nfs
for n in server client; do
  dpkg-deb -b /repo/$n /repo/$n.deb >/dev/null
  { cat /repo/$n/DEBIAN/control; printf 'Filename: ./%s.deb\nSize: %s\nSHA256: %s\n\n' $n $(stat -c %s /repo/$n.deb) $(sha256sum /repo/$n.deb | cut -d' ' -f1); } >>/repo/Packages
done
rm -rf /etc/apt/sources.list.d /etc/apt/sources.list /var/lib/apt/lists
mkdir -p /etc/apt/sources.list.d /var/lib/apt/lists/partial
echo 'deb [trusted=yes] file:/repo ./' >/etc/apt/sources.list.d/lab.list
"#;

/// A stand-in for the provisioner: what it would be told, in the makers' form, in front of a program that sleeps.
const PROVISIONER: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: nfs-client-provisioner, namespace: default}
spec:
  selector: {matchLabels: {app: nfs-client-provisioner}}
  template:
    metadata: {labels: {app: nfs-client-provisioner}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: nfs-client-provisioner
          image: busybox:1.36
          command: [sleep, "100000"]
          env:
            - name: PROVISIONER_NAME
              value: k8s-sigs.io/nfs-subdir-external-provisioner
            - name: NFS_SERVER
              value: 10.3.243.101
            - name: NFS_PATH
              value: /ifs/kubernetes
---
apiVersion: v1
kind: ConfigMap
metadata: {name: nfs-client-root, namespace: default}
data:
  volume: |
    nfs:
      server: 10.3.243.101
      path: /ifs/kubernetes
"#;

/// The server is the worker itself, and the test makes the volume that the provisioner would: a folder of the export.
fn nfs(desk: &Desk, hosts: &[Host], kubectl: &(dyn Fn(&str) -> String + Sync)) {
    let server = &hosts[3];
    let manifest = format!("manifest={}", desk.write("provisioner.yaml", PROVISIONER).display());
    let address = format!("server_address={}", server.address());
    let net = server.address().rsplit_once('.').expect("an address").0;
    let clients = format!("clients={net}.0/24");
    let words =
        ["nfs-storageclass", "-e", "nodes=all", "-e", "first=m1", "-e", "server=w1", "-e", &address, "-e", &clients, "-e", &manifest, "-e", "as_default=true"];
    let words = &words[..];
    let state =
        |host: &Host| host.run("ls /sbin/mount.nfs /usr/sbin/exportfs /etc/kubernetes/nfs* 2>&1; cat /etc/exports.d/* 2>&1; pgrep busybox; ls -A /srv; true");
    let before: Vec<String> = hosts.iter().map(state).collect();
    let old = desk.write("old.yaml", &PROVISIONER.replace("busybox:1.36", "quay.io/external_storage/nfs-client-provisioner:latest"));
    let volume = r#"{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "probe"}, "spec": {"capacity": {"storage": "1Mi"}, "accessModes": ["ReadWriteMany"], "storageClassName": "nfs-client",
         "persistentVolumeReclaimPolicy": "Delete", "claimRef": {"namespace": "quarterdeck-nfs", "name": "probe"}, "local": {"path": "/srv/nfs/kubernetes/probe"},
         "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["w1"]}]}]}}}}"#;
    // Made anew whenever it was released.
    let provide = |words: &[&str]| {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let script = format!(
                        "export KUBECONFIG=/etc/kubernetes/admin.conf; p=$(kubectl get pv probe -o 'jsonpath={{.status.phase}}' 2>/dev/null); case $p in Released|Failed) kubectl delete pv probe --wait=true ;; '') cat <<'PV' | kubectl apply -f - ;; esac; true\n{volume}\nPV"
                    );
                    hosts[0].run(&script);
                    server.run("[ ! -d /srv/nfs/kubernetes ] || mkdir -p /srv/nfs/kubernetes/probe");
                    std::thread::sleep(Duration::from_millis(500));
                }
            });
            let ran = run(desk, words);
            done.store(true, Ordering::SeqCst);
            ran
        })
    };
    kubectl(
        "apply -f - <<'Y'\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: old, annotations: {storageclass.kubernetes.io/is-default-class: \"true\"}}\nprovisioner: example.com/old\nY",
    );
    let ran = provide(words).expect(0);
    let made = newest(desk);
    assert!(ran.out.contains("seen: /srv/nfs/kubernetes/probe/probe"), "{}", ran.out);
    assert!(ran.out.contains("WARNING: w1 is one machine"), "{}", ran.out);
    assert_eq!(server.run("exportfs -s"), format!("/srv/nfs/kubernetes {net}.0/24(rw,sync,no_subtree_check,no_root_squash)\n"));
    let classes = kubectl("get storageclass");
    assert!(classes.contains("nfs-client (default)") && !classes.contains("old (default)"), "{classes}");
    let told = kubectl("get deployment nfs-client-provisioner -o yaml; kubectl --kubeconfig /etc/kubernetes/admin.conf get cm nfs-client-root -o yaml");
    assert!(told.contains(&format!("value: {}", server.address())) && !told.contains("10.3.243.101"), "the makers' example is gone:\n{told}");
    let again = provide(words).expect(0);
    assert_eq!(["m1", "m2", "m3", "w1"].map(|h| again.count(h, "changed")), [0; 4], "{}", again.out);
    let old = format!("manifest={}", old.display());
    let words: Vec<&str> = words.iter().map(|w| if *w == manifest { old.as_str() } else { *w }).collect();
    let refused = run(desk, &words).expect(2);
    assert!(refused.err.contains("selfLink was empty"), "{}\n{}", refused.out, refused.err);
    desk.run(&["--write", "playbook", "undo", &newest(desk), "--yes"]).expect(0);
    server.run("rm -rf /srv/nfs/kubernetes/probe");
    kubectl("delete pv probe --ignore-not-found");
    desk.run(&["--write", "playbook", "undo", &made, "--yes"]).expect(0);
    server.run("rmdir -p /srv/nfs 2>/dev/null || true");
    assert_eq!(hosts.iter().map(state).collect::<Vec<_>>(), before, "taken back");
    assert!(kubectl("get storageclass,deployment").contains("old (default)"));
    assert_eq!(kubectl("get storageclass,deployment -o name").trim(), "storageclass.storage.k8s.io/old");
}

/// A stand-in for flannel: the same objects, whose pods write a bridge's configuration on their node and routes to the others.
fn network(nodes: &[(String, String, String)]) -> String {
    let map: Vec<String> = nodes.iter().map(|(name, address, pods)| format!("{name}={pods}@{address}")).collect();
    format!(
        r#"apiVersion: v1
kind: Namespace
metadata: {{name: kube-flannel}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: kube-flannel-cfg, namespace: kube-flannel}}
data:
  net-conf.json: |
    {{
      "Network": "10.99.0.0/16",
      "Backend": {{"Type": "host-gw"}}
    }}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: kube-flannel-ds, namespace: kube-flannel}}
spec:
  selector: {{matchLabels: {{app: flannel}}}}
  template:
    metadata: {{labels: {{app: flannel}}}}
    spec:
      hostNetwork: true
      tolerations: [{{operator: Exists}}]
      terminationGracePeriodSeconds: 0
      volumes: [{{name: cni, hostPath: {{path: /etc/cni/net.d}}}}]
      containers:
        - name: kube-flannel
          image: busybox:1.36
          securityContext: {{privileged: true}}
          volumeMounts: [{{name: cni, mountPath: /host}}]
          env:
            - {{name: NODE, valueFrom: {{fieldRef: {{fieldPath: spec.nodeName}}}}}}
            - {{name: MAP, value: "{map}"}}
          command:
            - sh
            - -ec
            - |
              for e in $MAP; do
                name=${{e%%=*}}; rest=${{e#*=}}; pods=${{rest%@*}}; address=${{rest#*@}}
                if [ "$name" = "$NODE" ]; then
                  printf '{{"cniVersion":"0.4.0","name":"cbr0","plugins":[{{"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":false,"ipam":{{"type":"host-local","ranges":[[{{"subnet":"%s"}}]],"routes":[{{"dst":"0.0.0.0/0"}}]}}}}]}}' "$pods" >/host/10-flannel.conflist
                else ip route replace "$pods" via "$address"; fi
              done
              exec sleep 100000
"#,
        map = map.join(" ")
    )
}

fn pod_network(desk: &Desk, hosts: &[Host], kubectl: &(dyn Fn(&str) -> String + Sync)) {
    let told = kubectl(
        "get nodes -o 'jsonpath={range .items[*]}{.metadata.name} {.status.addresses[?(@.type==\"InternalIP\")].address} {.spec.podCIDR}{\"\\n\"}{end}'",
    );
    let nodes: Vec<(String, String, String)> = told
        .lines()
        .map(|line| {
            let mut words = line.split_whitespace().map(ToOwned::to_owned);
            let mut next = || words.next().unwrap_or_default();
            (next(), next(), next())
        })
        .collect();
    let manifest = desk.write("flannel.yaml", &network(&nodes)).display().to_string();
    let manifest = format!("manifest={manifest}");
    let words = ["cni", "-e", "nodes=all", "-e", "first=m1", "-e", &manifest, "-e", "probe_dns=no"];
    let left = |host: &Host| host.run("ls -A /etc/cni/net.d 2>&1; ip -br link show cni0 2>&1 | cut -d' ' -f1; ls /etc/kubernetes | grep network; true");
    let before: Vec<String> = hosts.iter().map(left).collect();
    hosts[3].run("mkdir -p /etc/cni/net.d && echo '{}' >/etc/cni/net.d/87-podman-bridge.conflist");
    let refused = run(desk, &words).expect(2);
    assert!(refused.err.contains("w1 has 87-podman-bridge.conflist"), "{}", refused.err);
    assert!(refused.out.contains("m1, m2, m3 stopped there too"), "nobody goes on alone:\n{}", refused.out);
    assert_eq!(left(&hosts[0]), before[0]);
    // The folder itself stays: containerd watches it.
    hosts[3].run("rm /etc/cni/net.d/87-podman-bridge.conflist");
    let ran = run(desk, &words).expect(0);
    let laid = newest(desk);
    for (from, to) in [("m1", "w1"), ("w1", "m1"), ("m2", "m3"), ("m3", "w1")] {
        assert!(ran.out.contains(&format!("on-{from} reaches on-{to} (10.244.")), "{from} {to}\n{}", ran.out);
    }
    assert!(kubectl("get nodes --no-headers").lines().all(|l| l.contains(" Ready ")), "every node is Ready");
    assert!(kubectl("-n kube-flannel get cm kube-flannel-cfg -o yaml").contains("\"Network\": \"10.244.0.0/16\""), "the cluster's own network");
    assert_eq!(kubectl("get namespace quarterdeck-probe --ignore-not-found -o name"), "");
    let again = run(desk, &words).expect(0);
    assert_eq!(["m1", "m2", "m3", "w1"].map(|h| again.count(h, "changed")), [0; 4], "{}", again.out);
    let refused = run(desk, &[&words[..], &["-e", "network=calico"]].concat()).expect(2);
    assert!(refused.err.contains("One network only"), "{}", refused.err);
    nfs(desk, hosts, kubectl);
    let told = desk.run(&["--write", "playbook", "undo", &laid, "--yes"]).expect(0);
    for (host, before) in hosts.iter().zip(&before) {
        assert_eq!(&left(host), before, "{} after the undo of {laid}:\n{}", host.name(), told.out);
    }
}

fn kubeadm() {
    let binaries = PathBuf::from(std::env::var("QUARTERDECK_TEST_KUBEADM").expect("checked by components.toml"));
    let lab = Lab::new();
    let store = Store::new();
    let mirror = Registry::open(&lab.gateway(), &store);
    images(&mirror, &binaries);
    let setup = [NFS, CONTAINERD, &KUBELET.replace("BINARIES", &binaries.display().to_string())].concat();
    let hosts: Vec<Host> = ["m1", "m2", "m3", "w1"].iter().map(|name| lab.host(name).cgroups().setup(&setup).start()).collect();
    let desk = Desk::new(&lab, &hosts.iter().collect::<Vec<_>>());
    let mirrors = format!("mirrors=registry.k8s.io=http://{0},docker.io=http://{0}", mirror.address());
    let runtime = ["container-runtime", "-e", "nodes=all", "-e", &mirrors, "-e", "kubernetes=1.20.2", "-e", "cgroup=cgroupfs", "-e", "cni_bin=/usr/lib/cni"];
    run(&desk, &runtime).expect(0);
    let state = |host: &Host| host.run("ls -A /etc/kubernetes /root/.kube/config /var/lib/etcd 2>&1; pgrep -l 'kubelet|kube-|etcd' | awk '{print $2}'; true");
    let before: Vec<String> = hosts.iter().map(state).collect();

    // A pod network over the hosts' own is refused before anything is written.
    let init = ["kubeadm-init", "-e", "first=m1", "-e", "cgroup=cgroupfs", "-e", OVERLOOKED];
    let net = lab.gateway().rsplit_once('.').expect("an address").0.to_owned();
    let refused = run(&desk, &[&init[..], &["-e", &format!("pod_cidr={net}.0/16")]].concat()).expect(2);
    assert!(refused.err.contains("Overlapping: "), "{}", refused.err);
    assert_eq!(state(&hosts[0]), before[0]);

    let ran = run(&desk, &init).expect(0);
    let begun = newest(&desk);
    assert!(ran.out.contains("Can the endpoint move") && ran.count("m1", "changed") >= 4, "{}", ran.out);
    let kubectl = |words: &str| hosts[0].run(&format!("kubectl --kubeconfig /etc/kubernetes/admin.conf {words}"));
    assert!(kubectl("get --raw /version").contains("v1.20.2"));
    assert_eq!(run(&desk, &init).expect(0).count("m1", "changed"), 0);
    // The token that kubeadm makes is in no word of ours.
    let tokens = hosts[0].run("kubeadm token list -o 'jsonpath={.token}{\"\\n\"}'");
    let secret_of = |token: &str| token.split('.').nth(1).unwrap_or("none").to_owned();
    for token in tokens.split_whitespace() {
        assert!(!ran.out.contains(&secret_of(token)) && !ran.err.contains(&secret_of(token)), "a token is shown");
    }

    let ignore = r#"{"ignore": ["SystemVerification", "Mem", "NumCPU", "Swap", "FileExisting-conntrack"]}"#;
    let masters = ["kubeadm-join", "-e", "nodes=m2,m3", "-e", "first=m1", "-e", "role=control-plane", "-e", ignore];
    let worker = ["kubeadm-join", "-e", "nodes=w1", "-e", "first=m1", "-e", ignore];
    let ran = run(&desk, &masters).expect(0);
    let joined = newest(&desk);
    assert!(ran.out.contains("of m1 alone"), "an endpoint that is one master's own is warned about:\n{}", ran.out);
    let token = regex::Regex::new(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b").expect("a pattern");
    for text in [&ran.out, &ran.err, &desk.journal()] {
        assert!(!token.is_match(text), "a token is shown: {:?}", token.find(text).map(|m| m.start()));
    }
    run(&desk, &worker).expect(0);
    let served = newest(&desk);
    let nodes = kubectl("get nodes -o name");
    assert_eq!(nodes.split_whitespace().collect::<Vec<_>>(), ["node/m1", "node/m2", "node/m3", "node/w1"]);
    let members = "ETCDCTL_API=3 curl -s --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/etcd/peer.crt --key /etc/kubernetes/pki/etcd/peer.key \
                   -d '{}' https://127.0.0.1:2379/v3/cluster/member/list | grep -o '\"name\":\"[^\"]*\"' | sort | tr '\\n' ' '";
    assert_eq!(hosts[0].run(members), "\"name\":\"m1\" \"name\":\"m2\" \"name\":\"m3\" ", "three members of etcd");
    for words in [&masters[..], &worker[..]] {
        let again = run(&desk, words).expect(0);
        assert_eq!(
            ["m1", "m2", "m3", "w1"].map(|h| if again.out.contains(&format!("{h} : ok")) { again.count(h, "changed") } else { 0 }),
            [0; 4],
            "{}",
            again.out
        );
    }
    pod_network(&desk, &hosts, &kubectl);

    // Nothing is left that somebody could join with.
    assert_eq!(
        hosts[0].run(
            "kubeadm token list -o 'jsonpath={.description}{\"\\n\"}' | grep -c quarterdeck || true; ls /etc/kubernetes | grep -c certificate-key || true"
        ),
        "0\n0\n"
    );
    assert_eq!(kubectl("-n kube-system get secret kubeadm-certs --ignore-not-found -o name"), "");

    // What belongs to the cluster keeps its first master from being taken back; in the other order all of it goes.
    let undo = |run: &str| desk.run(&["--write", "playbook", "undo", run, "--yes"]);
    let first = undo(&begun);
    assert_ne!(first.code, 0, "{}", first.out);
    assert!(first.err.contains("still belong to the cluster") || first.out.contains("still belong to the cluster"), "{}\n{}", first.out, first.err);
    undo(&served).expect(0);
    undo(&joined).expect(0);
    assert_eq!(kubectl("get nodes -o name").trim(), "node/m1");
    assert_eq!(hosts[0].run(members), "\"name\":\"m1\" ", "etcd has no member that is gone");
    undo(&begun).expect(0);
    for (host, before) in hosts.iter().zip(&before) {
        assert_eq!(&state(host), before, "{} is as it was", host.name());
    }
}
