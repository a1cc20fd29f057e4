//! How a container on a host is. One that someone stopped is off; one that ended against its restart policy is a problem.

use std::time::Duration;

use crate::base::clock::Moment;
use crate::model::container::{Container, ContainerHealth, ContainerState};
use crate::model::limits::Limits;
use crate::model::reason::Reason;
use crate::model::verdict::{Judgement, Verdict};

/// An end without a restart policy is news for this long, then it is debris.
const NEWS: Duration = Duration::from_hours(1);
/// A container that restarted often and runs for less than this is still restarting.
const STEADY: Duration = Duration::from_mins(10);
const MANY_RESTARTS: u32 = 3;
/// `docker stop`: the signal was obeyed (143), needed force (137), or came from a terminal (130).
const STOPPED: [i32; 4] = [0, 130, 137, 143];

pub fn container(row: &Container, now: Moment, _limits: &Limits) -> Judgement {
    let mut j = Judgement::default();
    let code = row.exit_code.unwrap_or(0);
    match row.state {
        ContainerState::Running => running(row, now, &mut j),
        ContainerState::Restarting if row.oom_killed => j.add(Reason::crit("container.restarting.oom").with("restarts", row.restarts)),
        ContainerState::Restarting => j.add(Reason::crit("container.restarting").with("code", code).with("restarts", row.restarts)),
        ContainerState::Exited => return exited(row, code, now),
        ContainerState::Dead => j.add(Reason::crit("container.dead")),
        ContainerState::Paused => j.add(Reason::warn("container.paused")),
        ContainerState::Created => return Judgement::off(Reason::new(Verdict::Off, "container.created")),
        ContainerState::Unknown => j.add(Reason::unknown("container.unknown")),
    }
    j
}

fn running(row: &Container, now: Moment, j: &mut Judgement) {
    match row.health {
        Some(ContainerHealth::Unhealthy) => j.add(Reason::crit("container.unhealthy")),
        Some(ContainerHealth::Starting) => j.add(Reason::note("container.starting")),
        Some(ContainerHealth::Healthy) | None => {}
    }
    let Some(started) = row.started_at else { return };
    let steady = started.plus(STEADY);
    if now >= steady {
        return;
    }
    if row.oom_killed {
        j.add(Reason::crit("container.oom"));
    } else if row.restarts >= MANY_RESTARTS {
        j.add(Reason::warn("container.restarts").with("restarts", row.restarts));
    } else {
        return;
    }
    j.due = Some(steady);
}

fn exited(row: &Container, code: i32, now: Moment) -> Judgement {
    let mut j = Judgement::default();
    let over = row.finished_at.map(|f| f.plus(NEWS));
    let fresh = over.is_some_and(|over| now < over);
    if row.oom_killed && (row.restarts_by_itself || fresh) {
        j.add(Reason::crit("container.oom"));
    } else if row.exit_code.is_some() && !STOPPED.contains(&code) && row.restarts_by_itself {
        j.add(Reason::crit("container.failed").with("code", code));
    } else if row.exit_code.is_some() && !STOPPED.contains(&code) && fresh {
        j.add(Reason::warn("container.failed").with("code", code));
    } else {
        return Judgement::off(Reason::new(Verdict::Off, "container.exited").with("code", code));
    }
    if !row.restarts_by_itself {
        j.due = over;
    }
    j
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::Name;

    fn row(state: ContainerState) -> Container {
        Container {
            host: Name::from("h"),
            id: Name::from("a"),
            name: Name::from("mysql"),
            image: Name::from("mysql:5.7"),
            runtime: Name::from("docker"),
            state,
            health: None,
            exit_code: None,
            oom_killed: false,
            restarts: 0,
            restarts_by_itself: false,
            started_at: Some(Moment::from_seconds(1000)),
            finished_at: Some(Moment::from_seconds(2000)),
            ports: Vec::new(),
        }
    }

    fn at(row: &Container, seconds: i64) -> (Verdict, Option<&'static str>) {
        let j = container(row, Moment::from_seconds(seconds), &Limits::default());
        (j.verdict, j.reasons.first().map(|r| r.code))
    }

    #[test]
    fn an_end_that_someone_wanted_is_off() {
        let ended = |code, policy| Container { exit_code: Some(code), restarts_by_itself: policy, ..row(ContainerState::Exited) };
        assert_eq!(at(&ended(0, false), 2100).0, Verdict::Off);
        assert_eq!(at(&ended(143, true), 2100).0, Verdict::Off);
        assert_eq!(at(&ended(1, true), 900_000), (Verdict::Crit, Some("container.failed")));
        assert_eq!((at(&ended(1, false), 2100).0, at(&ended(1, false), 9000).0), (Verdict::Warn, Verdict::Off));
        let oom = Container { oom_killed: true, ..ended(137, false) };
        assert_eq!(at(&oom, 2100), (Verdict::Crit, Some("container.oom")));
        assert_eq!(container(&oom, Moment::from_seconds(2100), &Limits::default()).due, Some(Moment::from_seconds(5600)));
    }

    #[test]
    fn running_is_not_yet_well() {
        assert_eq!(at(&row(ContainerState::Running), 1100), (Verdict::Ok, None));
        let sick = Container { health: Some(ContainerHealth::Unhealthy), ..row(ContainerState::Running) };
        assert_eq!(at(&sick, 1100), (Verdict::Crit, Some("container.unhealthy")));
        let shaky = Container { restarts: 5, ..row(ContainerState::Running) };
        assert_eq!((at(&shaky, 1100).0, at(&shaky, 1700).0), (Verdict::Warn, Verdict::Ok));
        assert_eq!(at(&row(ContainerState::Restarting), 1100).0, Verdict::Crit);
    }
}
