//! The health logic: pure functions from a row, the moment and the limits to a verdict with reasons. One file a floor.

mod cluster;
mod container;
mod host;
mod node;
mod pod;
mod unschedulable;
mod vm;
mod workload;

pub use cluster::cluster;
pub use container::container;
pub use host::host;
pub use node::node;
pub use pod::pod;
pub use vm::vm;
pub use workload::workload;
