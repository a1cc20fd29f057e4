//! The scheduler's sentence, taken apart: `0/12 nodes are available: 3 Insufficient cpu, 4 node(s) had taint {...}, ...`.

use crate::model::reason::Reason;

/// A reason for each part; empty where it is not the scheduler's sentence.
pub(super) fn reasons(message: &str) -> Vec<Reason> {
    let Some((nodes, rest)) = message.split_once(" nodes are available: ") else { return whole(message).into_iter().collect() };
    let all = nodes.rsplit_once('/').and_then(|(_, n)| n.parse::<u32>().ok()).unwrap_or(0);
    // Newer schedulers go on about preemption, which says the same again.
    let rest = rest.split(" preemption:").next().unwrap_or(rest).trim_end().trim_end_matches('.');
    parts(rest).into_iter().map(|part| one(part, all)).collect()
}

/// Commas also stand inside taints and inside `, that the pod didn't tolerate`: a part begins where a comma is followed by a number.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, _) in text.match_indices(", ") {
        let next = &text[at + 2..];
        let digits = next.len() - next.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits > 0 && next[digits..].starts_with(' ') {
            parts.push(&text[from..at]);
            from = at + 2;
        }
    }
    parts.push(&text[from..]);
    parts
}

fn whole(message: &str) -> Option<Reason> {
    message.contains("PersistentVolumeClaim").then(|| Reason::crit("pod.unschedulable.volume").with("nodes", 0).with("of", 0).with("text", message))
}

fn one(part: &str, all: u32) -> Reason {
    let (count, text) = match part.split_once(' ') {
        Some((n, rest)) if n.parse::<u32>().is_ok() => (n.parse().unwrap_or(0), rest),
        _ => (all, part),
    };
    let reason = |code: &'static str| Reason::crit(code).with("nodes", count).with("of", all);
    let text = text.trim_start_matches("node(s) ");
    if let Some(resource) = text.strip_prefix("Insufficient ") {
        return reason("pod.unschedulable.resource").with("resource", resource);
    }
    if text == "Too many pods" {
        return reason("pod.unschedulable.too-many");
    }
    if let Some((_, taint)) = text.split_once("taint") {
        let taint = taint.split(['{', '}']).nth(1).unwrap_or(taint).trim().trim_end_matches(':');
        return reason("pod.unschedulable.taint").with("taint", taint);
    }
    if text.contains("affinity") || text.contains("selector") || text.contains("topology") {
        return reason("pod.unschedulable.affinity").with("text", text);
    }
    if text.contains("unschedulable") {
        return reason("pod.unschedulable.cordoned");
    }
    if text.contains("PersistentVolumeClaim") || text.contains("volume") {
        return reason("pod.unschedulable.volume").with("text", text);
    }
    if text.contains("free ports") {
        return reason("pod.unschedulable.port");
    }
    reason("pod.unschedulable.other").with("text", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reason::Arg;

    fn codes(message: &str) -> Vec<(&'static str, Arg)> {
        reasons(message).into_iter().map(|r| (r.code, r.args[0].1.clone())).collect()
    }

    #[test]
    fn sentences_of_old_and_new_schedulers() {
        let old = "0/12 nodes are available: 3 Insufficient cpu, 4 node(s) had taint {node-role.kubernetes.io/master: }, that the pod didn't tolerate, 5 node(s) didn't match node selector.";
        assert_eq!(
            codes(old),
            [("pod.unschedulable.resource", Arg::Count(3)), ("pod.unschedulable.taint", Arg::Count(4)), ("pod.unschedulable.affinity", Arg::Count(5))]
        );
        let new = "0/3 nodes are available: 1 node(s) had untolerated taint {dedicated: db}, 2 Insufficient memory. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.";
        assert_eq!(codes(new), [("pod.unschedulable.taint", Arg::Count(1)), ("pod.unschedulable.resource", Arg::Count(2))]);
        assert_eq!(reasons(new)[0].args[2], ("taint", Arg::from("dedicated: db")));
        assert_eq!(codes("0/1 nodes are available: 1 node(s) were unschedulable."), [("pod.unschedulable.cordoned", Arg::Count(1))]);
        assert_eq!(codes("0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."), [("pod.unschedulable.volume", Arg::Count(2))]);
        assert_eq!(codes("persistentvolumeclaim \"x\" not found"), []);
        assert_eq!(codes("no nodes available to schedule pods"), []);
    }
}
