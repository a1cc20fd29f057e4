//! F0: what every floor may use and what knows nothing of the product: the clock, the one text policy, interning, back-off, redaction,
//! log lines as bytes.

pub mod backoff;
pub mod chunk;
pub mod clock;
pub mod intern;
pub mod redact;
pub mod ring;
pub mod sgr;
pub mod stamp;
pub mod suggest;
pub mod text;
