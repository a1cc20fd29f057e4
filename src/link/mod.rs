//! F4: ways to reach things.

pub mod shell;
