//! How a pod is.

use crate::base::clock::Moment;
use crate::model::limits::Limits;
use crate::model::pod::Pod;
use crate::model::verdict::Judgement;

pub fn pod(_row: &Pod, _now: Moment, _limits: &Limits) -> Judgement {
    Judgement::default()
}
