//! How a workload is.

use crate::base::clock::Moment;
use crate::model::limits::Limits;
use crate::model::verdict::Judgement;
use crate::model::workload::Workload;

pub fn workload(_row: &Workload, _now: Moment, _limits: &Limits) -> Judgement {
    Judgement::default()
}
