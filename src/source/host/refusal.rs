//! What a program's complaint means: a right that is missing, a server that is down, or a mishap that the next tick may mend.

use crate::base::text;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The account may not; what would allow it.
    Denied(String),
    /// The program is there, its server is not, and never was since we came: nobody uses it here.
    Idle,
    /// The server should be there and does not answer; its words.
    Silent(String),
}

/// `code` is the job's exit status: 124 is `timeout`'s.
pub(super) fn refusal(job: &str, code: u32, errors: &[String], seen_before: bool) -> Refusal {
    let words = errors.join(" ");
    let lower = words.to_lowercase();
    let says = |any: &[&str]| any.iter().any(|a| lower.contains(a));
    if says(&[
        "permission denied",
        "access denied",
        "not permitted",
        "authentication",
        "not authorized",
        "authorization",
        "requires root",
        "must be root",
        "system bus",
    ]) {
        return Refusal::Denied(need(job));
    }
    let absent =
        says(&["cannot connect to the docker daemon", "no such file", "connection refused", "failed to connect", "validate service connection", "no runtime"]);
    if absent && !seen_before {
        return Refusal::Idle;
    }
    if code == 124 {
        return Refusal::Silent(format!("{job} did not answer within 25 s"));
    }
    let last = errors.iter().rev().find(|l| !l.trim().is_empty()).map_or("", String::as_str);
    let words = text::cut_end(text::clean(last.trim()).as_ref(), 160, "…");
    Refusal::Silent(if words.is_empty() { format!("{job} ended with status {code}") } else { words })
}

fn need(job: &str) -> String {
    match job {
        "virsh" => "add the account to group libvirt, or become = \"sudo\"".to_owned(),
        "docker" => "add the account to group docker, or become = \"sudo\"".to_owned(),
        "dmesg" => "sysctl kernel.dmesg_restrict=0, or become = \"sudo\"".to_owned(),
        _ => "become = \"sudo\"".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_of_real_programs() {
        let of = |job: &str, code, text: &str, before| refusal(job, code, &[text.to_owned()], before);
        let docker =
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: dial unix: connect: permission denied";
        assert!(matches!(of("docker", 1, docker, false), Refusal::Denied(need) if need.contains("group docker")));
        let gone = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?";
        assert_eq!(of("docker", 1, gone, false), Refusal::Idle);
        assert!(matches!(of("docker", 1, gone, true), Refusal::Silent(_)));
        let polkit = "error: authentication unavailable: no polkit agent available to authenticate action 'org.libvirt.unix.manage'";
        assert!(matches!(of("virsh", 1, polkit, true), Refusal::Denied(_)));
        assert!(matches!(of("dmesg", 1, "dmesg: read kernel buffer failed: Operation not permitted", false), Refusal::Denied(_)));
        assert_eq!(of("virsh", 124, "", true), Refusal::Silent("virsh did not answer within 25 s".into()));
    }
}
