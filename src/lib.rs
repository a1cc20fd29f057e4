//! Quarterdeck: a terminal cockpit for self-built clusters.
//!
//! Floors from the ground up; a module uses lower floors only, and `tests/floors.rs` holds them to it:
//!
//! | floor | modules |
//! |---|---|
//! | F0 | `base` |
//! | F1 | `model` |
//! | F2 | `store`, `config`, `playbook` |
//! | F3 | `port` |
//! | F4 | `link` |
//! | F5 | `source`, `action` |
//! | F6 | `engine`, `ui` (which uses F0 to F3 only) |
//! | F7 | `cockpit`, `headless` |
//! | F8 | `cli` |
//! | beside | `lab`: uses `base` only, used by `cli` and tests only |

pub mod action;
pub mod base;
pub mod cli;
pub mod cockpit;
pub mod config;
pub mod engine;
pub mod headless;
pub mod lab;
pub mod link;
pub mod model;
pub mod playbook;
pub mod port;
pub mod source;
pub mod store;
pub mod ui;
