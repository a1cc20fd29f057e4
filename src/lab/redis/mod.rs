//! Redis by RESP 2: a cluster, and a pair of master and replica with its sentinels.
//!
//! Taken from Redis 7.0.15: `INFO`, `CLUSTER`, `SENTINEL`, `ROLE`, `HELLO`, the words of errors. Shown with redis-cli 7.0.15.
//!
//! Known differences:
//! - Nodes announce the addresses that the world knows, which only its hosts reach: `redis-cli -c` is moved to where it cannot go.
//! - Keys are texts that clients set; the shop's own are a number. No RESP 3, no scripts, no publishing, no transactions.
//! - What the nodes think of each other is one opinion: no node is cut off alone.
//! - The sentinels tell one view; they publish no events, take no `SET` or `MONITOR`, and are never in tilt.

pub mod command;
pub mod resp;
pub mod sentinel;
mod server;
pub mod text;

pub use server::start;
