//! `etcd-snapshot` on a host with a real etcd that wants client certificates.

use super::{shipped, words};
use crate::components::said;
use crate::playbook::Desk;
use crate::playbook_real::{newest, run};
use crate::rig::sshd::Lab;

/// An authority, a server's and a client's certificate, where kubeadm puts them.
const SETUP: &str = r#"mkdir -p /etc/kubernetes/pki/etcd /srv/etcd
mount -t tmpfs tmpfs /srv/etcd
rm -rf /var/backups/etcd
cd /etc/kubernetes/pki/etcd
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=etcd-ca 2>/dev/null
for n in server healthcheck-client; do
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $n.key -out $n.csr -subj /CN=$n 2>/dev/null
  printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n' >ext
  openssl x509 -req -in $n.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out $n.crt -days 30 -extfile ext 2>/dev/null
done
cd /
"#;

const START: &str = "cd /etc/kubernetes/pki/etcd; setsid etcd --name one --data-dir /srv/etcd/data --listen-client-urls https://127.0.0.1:2379 \
     --advertise-client-urls https://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 --cert-file server.crt --key-file server.key \
     --trusted-ca-file ca.crt --client-cert-auth </dev/null >/srv/etcd/log 2>&1 & \
     for i in $(seq 120); do curl -sf --cacert ca.crt --cert healthcheck-client.crt --key healthcheck-client.key https://127.0.0.1:2379/health && exit 0; sleep 0.5; done; cat /srv/etcd/log; exit 1";

pub fn taken() {
    let lab = Lab::new();
    let host = lab.host("m1").setup(SETUP).start();
    host.run(START);
    said("etcd", host.run("etcd --version").lines().next().expect("a version"));
    // More than one part of the stream: 3 MB.
    host.run(
        "cd /etc/kubernetes/pki/etcd; v=$(head -c 300000 /dev/zero | tr '\\0' x | base64 -w0); for i in 1 2 3 4 5 6 7 8; do \
         printf '{\"key\": \"%s\", \"value\": \"%s\"}' $(printf needle-$i | base64) $v | curl -sf --cacert ca.crt --cert healthcheck-client.crt --key healthcheck-client.key -d @- https://127.0.0.1:2379/v3/kv/put; done",
    );
    let desk = Desk::new(&lab, &[&host]);
    let copies = desk.home.path().join("copies");
    let (book, copy) = (shipped("etcd-snapshot"), format!("copy_to={}", copies.display()));
    let values = ["members=m1", "keep=2", &copy];
    let list = || host.run("ls -A /var/backups; ls -A /var/backups/etcd 2>/dev/null || true");
    let here = || std::fs::read_dir(&copies).map(|d| d.flatten().count()).unwrap_or(0);
    let before = list();
    let ran = run(&desk, &words(&book, &values)).expect(0);
    let one = newest(&desk);
    let file = host.run("ls /var/backups/etcd/*.db").trim().to_owned();
    assert_eq!(host.run(&format!("grep -c needle-8 -a {file}; stat -c %a {file} /var/backups/etcd")), "1\n600\n700\n", "{}", ran.out);
    assert_eq!(here(), 1, "and here");
    assert_eq!(run(&desk, &words(&book, &values)).expect(0).count("m1", "changed"), 0);
    // One that was damaged on its disk is none, and old ones go.
    host.run(&format!("printf X | dd of={file} bs=1 seek=70000 conv=notrunc 2>/dev/null; cd /var/backups/etcd; for y in 2019 2020 2021; do cp {file} etcd-${{y}}0101T000000Z.db; done; touch -d 2021-01-01 *20*0101T*; sleep 1.1"));
    let ran = run(&desk, &words(&book, &values)).expect(0);
    assert!(ran.count("m1", "changed") >= 3, "{}", ran.out);
    assert_eq!(host.run("ls /var/backups/etcd | wc -l").trim(), "2");
    assert_eq!(here(), 2);
    for run in [newest(&desk), one] {
        desk.run(&["--write", "playbook", "undo", &run, "--yes"]).expect(0);
    }
    assert_eq!((list(), here()), (before, 0), "taken back");
    // Another authority's certificate is refused by etcd, and said so.
    host.run("cd /etc/kubernetes/pki/etcd; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout healthcheck-client.key -out healthcheck-client.crt -days 30 -subj /CN=other 2>/dev/null");
    let refused = run(&desk, &words(&book, &values)).expect(2);
    assert!(refused.err.contains("certificate of its own authority"), "{}", refused.err);
}
