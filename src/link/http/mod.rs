//! A small HTTP/1.1 client over any byte stream: one kept connection to one server, so that it fits a tunnel as well as a socket.
//! It follows no redirects: they would leave the tunnel.
//!
//! - `url`: where the server is. `exchange`: a request, its answer, a login, and what can go wrong. `client`: the connection.

mod client;
mod exchange;
#[cfg(test)]
mod tests;
mod url;

pub use client::{Client, Connector, Limits, direct};
pub use exchange::{Failure, Login, Request, Response};
pub use url::{Scheme, Server};
