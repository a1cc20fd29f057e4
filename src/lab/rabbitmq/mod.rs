//! RabbitMQ: the management API and AMQP 0-9-1.
//!
//! Taken from RabbitMQ 3.10.8 with Erlang 25.2.3: the shapes of overview, nodes, queues, virtual hosts, users and permissions, the
//! health checks, the statuses and words of errors. Shown with curl, lapin and the cockpit's own source.
//!
//! Known differences:
//! - What an AMQP client declares lives in its connection; nobody else sees it. Messages to the shop's queues are counted.
//! - No exchanges but the default one, no deliveries to consumers, no returned messages, no transactions, no TLS.
//! - `columns` and `sort` of listings are read over; statistics are of the moment.
//! - All nodes tell one view of the cluster; there are no partitions. Health checks pass or fail for three nodes.

pub mod amqp;
pub mod api;
mod server;
pub mod view;

pub use server::start;
