//! What whoever starts the cockpit adds to it: commands for the `:` line, and hints for a first look around.

use std::fmt;
use std::sync::Arc;

use crate::model::command::Verb;
use crate::model::fact::Notice;

/// Carries out an added command: its name and what was typed behind it.
pub type Call = Arc<dyn Fn(&str, &str) -> Notice + Send + Sync>;

/// Nothing is added by default.
#[derive(Clone)]
pub struct Extras {
    pub verbs: Vec<Verb>,
    pub call: Call,
    /// Names of words in `[tour]` of the language files.
    pub tour: Vec<String>,
}

impl Default for Extras {
    fn default() -> Self {
        let nothing = |verb: &str, _: &str| Notice { good: false, text: format!("nobody carries out {verb}") };
        Self { verbs: Vec::new(), call: Arc::new(nothing), tour: Vec::new() }
    }
}

impl fmt::Debug for Extras {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extras").field("verbs", &self.verbs).field("tour", &self.tour).finish_non_exhaustive()
    }
}
