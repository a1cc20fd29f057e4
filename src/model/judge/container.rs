//! How a container is.

use crate::base::clock::Moment;
use crate::model::container::Container;
use crate::model::limits::Limits;
use crate::model::verdict::Judgement;

pub fn container(_row: &Container, _now: Moment, _limits: &Limits) -> Judgement {
    Judgement::default()
}
