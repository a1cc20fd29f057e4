//! F2: file, environment and flags become one [`Config`](spec::Config). No I/O here but what is handed in; every mistake has a place and a way out.

pub mod arrangement;
mod cluster;
mod host;
mod jump;
pub mod keymap;
pub mod keys;
pub mod lang;
mod limits;
mod logs;
pub mod machine;
mod middleware;
pub mod parse;
pub mod pattern;
mod presets;
pub mod probe;
mod reader;
mod refs;
pub mod schema;
mod secret;
pub mod show;
pub mod spec;
#[cfg(test)]
mod tests;
pub mod theme;
