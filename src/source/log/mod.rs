//! Where log lines come from. Each kind of speaker has its file; what they share is here: cutting bytes into lines, carrying
//! a cut stream on, and the limits of a query.

pub mod host;
pub mod kube;
pub mod lines;
pub mod resume;
pub mod stamps;
pub mod window;
