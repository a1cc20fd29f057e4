//! F2: playbooks without any I/O. A file becomes a [`spec::Playbook`], a playbook and its targets become a run, and a run
//! says what is due; whoever carries it out writes every transition into the journal first and tells the run afterwards.

pub mod due;
pub mod inventory;
pub mod journal;
pub mod keys;
#[cfg(test)]
mod kit;
pub mod library;
pub mod lint;
pub mod mistake;
pub mod outcome;
pub mod parse;
pub mod run;
pub mod schema;
pub mod spec;
pub mod step;
pub mod template;
pub mod yaml;
