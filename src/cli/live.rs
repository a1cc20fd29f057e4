//! What `config check --live` prints: of each target, whether it answers, what it allows and which right is missing.

use std::fmt::Write as _;

use crate::base::text::clean;
use crate::model::fact::Denied;
use crate::model::source::{SourceStatus, Subject};

/// One target, dialled.
#[derive(Debug)]
pub struct Target {
    pub status: SourceStatus,
    /// What was seen to work, a line each.
    pub allowed: Vec<String>,
    pub denied: Vec<Denied>,
}

/// One block a target: its state and the way out, then each fact that works, then each that is refused with the grant it needs.
pub fn render_live(targets: &[Target]) -> String {
    let mut out = String::new();
    for Target { status, allowed, denied } in targets {
        let subject = &status.subject;
        let kind = match subject {
            Subject::Host(_) => "host",
            Subject::Cluster(_) => "cluster",
            Subject::Middleware { kind, .. } => kind,
        };
        let _ = write!(out, "{kind} {}: {}", clean(subject.name()), status.state.word());
        if !status.error.is_empty() {
            let _ = write!(out, ": {}", clean(&status.error));
        }
        out.push('\n');
        if !status.remedy.is_empty() {
            let _ = writeln!(out, "  help: {}", clean(&status.remedy));
        }
        for fact in allowed {
            let _ = writeln!(out, "  allowed: {}", clean(fact));
        }
        for d in denied {
            let _ = writeln!(out, "  no right: {}; needs {}", clean(&d.fact), clean(&d.need));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::clock::Moment;
    use crate::model::id::SourceId;
    use crate::model::source::SourceState;

    #[test]
    fn every_target_says_what_it_allows_and_what_is_missing() {
        let target = |subject: Subject, state: SourceState, error: &str, remedy: &str, allowed: &[&str], denied: &[(&str, &str)]| {
            let mut status = SourceStatus::new(SourceId(1), subject, Duration::from_secs(5), Moment::default());
            (status.state, status.error, status.remedy) = (state, error.to_owned(), remedy.to_owned());
            let denied = denied.iter().map(|(fact, need)| Denied { fact: (*fact).into(), need: (*need).into() }).collect();
            Target { status, allowed: allowed.iter().map(|a| (*a).to_owned()).collect(), denied }
        };
        let text = render_live(&[
            target(Subject::Host("kvm-1".into()), SourceState::Live, "", "", &["load", "virsh at qemu:///system: 3 guests"], &[]),
            target(Subject::Host("web".into()), SourceState::Live, "", "", &["load"], &[("docker", "usermod -aG docker li"), ("dmesg", "sudo")]),
            target(Subject::Cluster("main".into()), SourceState::AuthLost, "401 Unauthorized", "renew the token", &[], &[]),
            target(Subject::Middleware { kind: "mysql".into(), name: "a\u{1b}[2J".into() }, SourceState::Unreachable, "refused\nat once", "", &[], &[]),
        ]);
        let expected = "host kvm-1: live\n  allowed: load\n  allowed: virsh at qemu:///system: 3 guests\n\
                        host web: live\n  allowed: load\n  no right: docker; needs usermod -aG docker li\n  no right: dmesg; needs sudo\n\
                        cluster main: auth-lost: 401 Unauthorized\n  help: renew the token\n\
                        mysql a^[[2J: unreachable: refused at once\n";
        assert_eq!(text, expected);
    }
}
