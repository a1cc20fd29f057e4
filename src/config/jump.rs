//! Jump chains: a bastion does not go through itself, and no chain leads back to where it began.

use super::reader::{Reader, Span};

/// One hop as the file gives it.
pub(super) struct Jump {
    pub(super) from: String,
    pub(super) hop: String,
    pub(super) span: Span,
}

/// The part of a chain that lies before this host, where the chain was given for many hosts at once: the bastion is one of them.
pub(super) fn before(chain: &[String], name: &str, address: &str) -> Vec<String> {
    let own = |hop: &String| hop == name || machine(hop) == name || machine(hop) == machine(address);
    chain.iter().take_while(|hop| !own(hop)).cloned().collect()
}

/// `li@203.0.113.7:2222` is the machine `203.0.113.7`.
fn machine(hop: &str) -> &str {
    let host = hop.rsplit_once('@').map_or(hop, |(_, host)| host);
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Tells every host whose chain leads back to it. Gives each with the count of errors that were there before its own.
pub(super) fn circles(r: &mut Reader<'_>, jumps: &[Jump]) -> Vec<(String, usize)> {
    let mut out: Vec<(String, usize)> = Vec::new();
    for jump in jumps {
        if out.iter().any(|(name, _)| *name == jump.from) {
            continue;
        }
        let (mut seen, mut next) = (Vec::new(), vec![jump.hop.as_str()]);
        while let Some(name) = next.pop() {
            if !seen.contains(&name) {
                seen.push(name);
                next.extend(jumps.iter().filter(|j| j.from == name).map(|j| j.hop.as_str()));
            }
        }
        if seen.contains(&jump.from.as_str()) {
            out.push((jump.from.clone(), r.errors()));
            r.error(
                &jump.span,
                format!("the way to `{}` leads through itself", jump.from),
                "take the host out of its own chain; jump = [] goes there directly",
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_chain_ends_before_its_own_members() {
        let chain = ["gate".to_owned(), "li@10.0.0.2:2222".to_owned()];
        assert_eq!(before(&chain, "web", "10.0.0.9"), chain);
        assert_eq!(before(&chain, "inner", "10.0.0.2"), ["gate"]);
        assert!(before(&chain, "gate", "203.0.113.7").is_empty());
        assert_eq!((machine("li@gate"), machine("[fd00::1]:22"), machine("fd00::1")), ("gate", "[fd00::1]:22", "fd00::1"));
    }
}
