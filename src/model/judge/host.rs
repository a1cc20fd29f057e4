//! How a host is.

use crate::base::clock::Moment;
use crate::model::host::Host;
use crate::model::limits::Limits;
use crate::model::verdict::Judgement;

pub fn host(_row: &Host, _now: Moment, _limits: &Limits) -> Judgement {
    Judgement::default()
}
