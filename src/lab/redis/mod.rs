//! A Redis cluster by RESP 2.
//!
//! Taken from Redis 7.0.15: `INFO`, `CLUSTER`, `ROLE`, `HELLO`, the words of errors. Shown with redis-cli 7.0.15.
//!
//! Known differences:
//! - Nodes announce the addresses that the world knows, which only its hosts reach: `redis-cli -c` is moved to where it cannot go.
//! - Keys are texts that clients set; the shop's own are a number. No RESP 3, no scripts, no publishing, no transactions.
//! - What the nodes think of each other is one opinion: no node is cut off alone.
//! - There are no sentinels: the shop has a cluster.

pub mod command;
pub mod resp;
mod server;
pub mod text;

pub use server::start;
