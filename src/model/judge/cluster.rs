//! How a cluster is.

use crate::base::clock::Moment;
use crate::model::cluster::Cluster;
use crate::model::limits::Limits;
use crate::model::verdict::Judgement;

pub fn cluster(_row: &Cluster, _now: Moment, _limits: &Limits) -> Judgement {
    Judgement::default()
}
