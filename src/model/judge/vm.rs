//! How a vm is.

use crate::base::clock::Moment;
use crate::model::limits::Limits;
use crate::model::verdict::Judgement;
use crate::model::vm::Vm;

pub fn vm(_row: &Vm, _now: Moment, _limits: &Limits) -> Judgement {
    Judgement::default()
}
