//! What is said about several observers, the same way for every kind.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::member::{State, TroubleKind};
use crate::base::text::clean;
use crate::model::reason::Reason;

/// The first few of them in one line.
pub fn who<S: AsRef<str>>(names: &[S]) -> String {
    const FEW: usize = 6;
    let mut text = names.iter().take(FEW).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if names.len() > FEW {
        let _ = write!(text, " +{}", names.len() - FEW);
    }
    text
}

/// What each of them says: `9: a, b; 8: c`.
pub fn sides(said: &[(String, &str)]) -> String {
    let values: BTreeSet<&String> = said.iter().map(|(value, _)| value).collect();
    let side = |value: &String| format!("{value}: {}", who(&said.iter().filter(|(v, _)| v == value).map(|(_, a)| *a).collect::<Vec<_>>()));
    values.into_iter().map(side).collect::<Vec<_>>().join("; ")
}

/// Why a member says nothing, as its row says it. That is unknown; whether it is worse, others have to tell.
pub fn silence(state: &State) -> Option<Reason> {
    let State::Silent { trouble, .. } = state else { return None };
    let code = match trouble.kind {
        TroubleKind::Unreachable => "middleware.member.unreachable",
        TroubleKind::Mute => "middleware.member.mute",
        TroubleKind::Refused => "middleware.member.refused",
        TroubleKind::Busy => "middleware.member.busy",
        TroubleKind::Tls => "middleware.member.tls",
        TroubleKind::Broken => "middleware.member.broken",
    };
    Some(Reason::unknown(code).with("text", clean(&trouble.text).as_ref()).with("remedy", trouble.remedy.as_str()))
}
