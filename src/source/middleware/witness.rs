//! For the tests of every kind: a rule holds against the word of the others and with any one of them frozen.

use super::member::{State, Trouble, TroubleKind, View};
use crate::base::clock::Moment;
use crate::model::group::Group;
use crate::model::verdict::Verdict;

/// A line of a table: the rule, its verdict, and what breaks it.
pub(crate) type Row<Change> = (&'static str, Verdict, Change);

pub(crate) fn says(group: &Group, code: &str, verdict: Verdict) -> bool {
    group.reasons.iter().chain(group.members.iter().flat_map(|m| &m.reasons)).any(|r| r.code == code && r.verdict == verdict)
}

pub(crate) fn worst(group: &Group) -> Verdict {
    group.reasons.iter().chain(group.members.iter().flat_map(|m| &m.reasons)).map(|r| r.verdict).max().unwrap_or(Verdict::Ok)
}

/// It takes connections, and answers no more; what it said last is known.
pub(crate) fn freeze<Seen>(view: &mut View<Seen>) {
    view.state = State::Silent { since: Moment::from_seconds(1000), trouble: Trouble::new(TroubleKind::Mute, "no answer", "") };
}

/// The rule is seen, also with any one frozen of those who are not in `needs`: without one of these it cannot be known. And
/// whoever is frozen, nothing is ok.
#[track_caller]
pub(crate) fn holds<Seen: Clone>(judge: impl Fn(&[View<Seen>]) -> Group, code: &str, verdict: Verdict, needs: &[usize], views: &[View<Seen>]) {
    let group = judge(views);
    assert!(says(&group, code, verdict), "{code} {verdict:?}: {group:#?}");
    for at in 0..views.len() {
        let mut views = views.to_vec();
        freeze(&mut views[at]);
        let group = judge(&views);
        assert!(needs.contains(&at) || says(&group, code, verdict), "{code} with {} frozen: {group:#?}", views[at].address);
        assert_ne!(worst(&group), Verdict::Ok, "{code} with {} frozen", views[at].address);
    }
}
