//! MySQL 5.7 to 9.x and MariaDB.

use crate::model::source::SourceState;
use crate::port::{Source, SourceError};
use crate::source::middleware::Spec;

/// # Errors
/// Settings that this kind cannot work with.
pub fn source(_spec: Spec) -> Result<Box<dyn Source>, SourceError> {
    Err(SourceError::new(SourceState::Broken, "MySQL is not asked yet.", ""))
}
