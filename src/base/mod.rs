//! F0: what every floor may use and what knows nothing of the product: the clock, the one text policy, interning, back-off, redaction.

pub mod backoff;
pub mod clock;
pub mod intern;
pub mod redact;
pub mod suggest;
pub mod text;
