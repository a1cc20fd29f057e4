//! How a node is.

use crate::base::clock::Moment;
use crate::model::limits::Limits;
use crate::model::node::Node;
use crate::model::verdict::Judgement;

pub fn node(_row: &Node, _now: Moment, _limits: &Limits) -> Judgement {
    Judgement::default()
}
