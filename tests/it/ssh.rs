//! SSH against real sshds, each a host of its own.

use std::process::Command;

use libtest_mimic::Trial;

use crate::components::{case, said};
use crate::rig::sshd::{Lab, Net, Sudo, User};

pub fn tests() -> Vec<Trial> {
    vec![case("ssh::rig_hosts_are_what_they_claim", &["sshd", "netns"], rig)]
}

/// OpenSSH's own client sees hosts of the rig as hosts of their own; everything else here stands on that.
fn rig() {
    let lab = Lab::new();
    let mut bastion = lab.host("bastion").net(Net::Both).user(User::new("ops").password("pw-1").sudo(Sudo::Free)).start();
    let inner = lab.host("inner").net(Net::Inner).start();
    let ssh = |line: &str| {
        let out = Command::new("ssh")
            .args(["-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=3", "-o"])
            .arg(format!("UserKnownHostsFile={}", lab.known_hosts().display()))
            .arg("-i")
            .arg(lab.key())
            .arg(format!("ops@{}", bastion.address()))
            .arg(line)
            .output()
            .expect("ssh");
        format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
    };
    assert_eq!(ssh("hostname; sudo -n id -u; ps -e | grep -c init.sh; id -un"), "bastion\n0\n0\nops\n");
    assert!(ssh(&format!("exec 3<>/dev/tcp/{}/22; head -c 7 <&3", inner.address())).starts_with("SSH-2.0"), "the bastion reaches the inner host");
    bastion.freeze();
    assert!(ssh("true").contains("timed out"), "a frozen host answers nothing");
    bastion.thaw();
    assert_eq!(ssh("true"), "");
    assert_eq!(bastion.attempts("Accepted publickey"), 3);
    bastion.kill();
    bastion.change_key();
    assert!(bastion.run("hostname").starts_with("bastion"));
    let changed = Command::new("ssh")
        .args(["-F", "none", "-o", "BatchMode=yes", "-o"])
        .arg(format!("UserKnownHostsFile={}", lab.known_hosts().display()))
        .arg(format!("ops@{}", bastion.address()))
        .arg("true")
        .output()
        .expect("ssh");
    assert!(String::from_utf8_lossy(&changed.stderr).contains("REMOTE HOST IDENTIFICATION HAS CHANGED"));
    said("sshd", bastion.run("sshd -V 2>&1 | head -1 || true").trim());
}
