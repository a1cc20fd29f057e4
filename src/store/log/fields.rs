//! What a line says in parts: its level, and the fields of JSON, logfmt and klog lines.
//!
//! Lines are taken apart when they are looked at or filtered, never when they arrive.

mod json;
mod level;
mod path;
mod record;

pub use json::Value;
pub use level::{Level, continues, level};
pub use path::Path;
pub use record::{Format, Record};
