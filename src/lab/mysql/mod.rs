//! MySQL's client protocol and the statements that the cockpit, its playbooks and a person at a prompt use.
//!
//! Taken from MySQL 9.7.4 (columns and texts of the replica status, errors, notes, the process list) and, for the words that
//! 8.4 took away, from the manual of 8.0, whose version the lab's servers give: both vocabularies of replication work, as they do
//! there. Shown with the clients of MariaDB 10.11 and MySQL 9.7.
//!
//! `token`, `expression`: the part of SQL that is understood. `data`, `content`, `change`: tables, and how writes reach followers.
//! `read`, `schema`, `status`, `variable`: what is shown. `replica`, `account`: what is configured. `query`: one statement.
//! `packet`, `login`, `reply`: the protocol. `server`: its edge.
//!
//! Known differences:
//! - No TLS. `caching_sha2_password` is always answered by its fast path. All columns are texts, also of prepared statements.
//! - One table a statement: no joins, groups or sub-queries. Types, constraints other than keys, and transactions are not kept.
//! - Followers repeat statements; the shop's own writes are numbers without rows. Errant transactions are counted, not named.
//! - A server without any transaction that starts to replicate is taken to hold its source's data of some minutes ago.
//! - Hosts of accounts are read and forgotten; rights are four grades (see `session::Right`).
//! - `SHOW SLAVE STATUS` says the replica's states in the new words.

pub mod account;
pub mod change;
pub mod content;
pub mod data;
pub mod expression;
pub mod gtid;
pub mod login;
pub mod packet;
pub mod query;
pub mod read;
pub mod replica;
pub mod reply;
pub mod schema;
pub mod server;
pub mod session;
pub mod status;
pub mod token;
pub mod variable;

pub use server::start;

#[cfg(test)]
mod tests;
