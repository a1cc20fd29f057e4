//! F2: file, environment and flags become one [`Config`](spec::Config). No I/O here but what is handed in; every mistake has a place and a way out.

pub mod keymap;
pub mod keys;
mod presets;
pub mod spec;
pub mod suggest;
