//! What `config check --live` prints: of each target, whether it answers, what it allows and which right is missing.

use std::fmt::Write as _;

use crate::base::text::clean;
use crate::model::fact::Denied;
use crate::model::source::{SourceStatus, Subject};

/// One block a target: its state and the way out, then each fact that is refused with the grant it needs.
pub fn render_live(targets: &[(Subject, SourceStatus, Vec<Denied>)]) -> String {
    let mut out = String::new();
    for (subject, status, denied) in targets {
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
        for d in denied {
            let _ = writeln!(out, "  no right: {}; needs {}", clean(&d.fact), clean(&d.need));
        }
        if status.state.is_live() && denied.is_empty() {
            out.push_str("  everything is allowed\n");
        }
    }
    out
}
