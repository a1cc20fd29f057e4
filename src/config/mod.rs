//! F2: file, environment and flags become one [`Config`]. No I/O here but what [`load`](file) is handed; every mistake has a place and a way out.

pub mod spec;
