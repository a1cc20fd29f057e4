//! Middleware: every kind asks each of its members, compares what they say, and gives one picture of the group.
//!
//! - `spec`: an entry of the configuration, resolved; `reach`: how members are dialled.
//! - `line`: a byte stream to a member, with or without TLS; `http`: a kept HTTP connection over it.
//! - `member`: what the general part knows of a member, and [`Probe`], the one trait that a kind implements.
//! - `roster`: who is asked and why, and how those who left are let go.
//! - `observers`: what several of them say, in one line.
//! - `post`: one member between ticks. `poll`: asks all members at once, one question in flight for each, and sends the picture.
//!
//! A new kind is a folder or file here with a `pub fn source(Spec) -> Result<Box<dyn Source>, SourceError>`, and one word in the list below.

pub mod http;
pub mod line;
pub mod member;
pub mod observers;
pub mod poll;
#[cfg(test)]
mod poll_tests;
mod post;
pub mod reach;
pub mod roster;
pub mod spec;
#[cfg(test)]
mod witness;

use crate::model::source::SourceState;
use crate::port::{Source, SourceError};

pub use spec::Spec;

/// What an entry may say under `settings`, by kind.
pub const SETTINGS: &[(&str, &[&str])] = &[("mysql", &["heartbeat", "semi_sync"]), ("redis", &[]), ("elasticsearch", &["plugins"]), ("nacos", &["namespaces"])];

macro_rules! kinds {
    ($($kind:ident)*) => {
        $(pub mod $kind;)*

        /// The kinds that exist, for the catalog.
        pub const KINDS: &[&str] = &[$(stringify!($kind)),*];

        /// The source of one `[[middleware]]` entry.
        ///
        /// # Errors
        /// A kind that does not exist, or settings that this kind cannot work with; the text says which.
        pub fn source(spec: Spec) -> Result<Box<dyn Source>, SourceError> {
            match spec.kind.as_ref() {
                $(stringify!($kind) => $kind::source(spec),)*
                other => Err(SourceError::new(
                    SourceState::Broken,
                    format!("There is no middleware kind `{other}`."),
                    format!("Write one of: {}.", KINDS.join(", ")),
                )),
            }
        }
    };
}

kinds! { mysql redis rabbitmq elasticsearch nacos }
