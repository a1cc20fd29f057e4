//! Says something to whoever watches.

use serde_json::Value;

use super::plain::{nothing, plain, spec};
use crate::model::catalog::{Field, FieldKind, Touches};
use crate::port::action::{ActionCx, Args, Outcome, Stream};

plain!(spec("debug", &[Field::one_of("msg", FieldKind::Any), Field::one_of("var", FieldKind::Any)], Some("msg"), Touches::Nothing), nothing, run);

fn run(given: &Args, cx: &ActionCx) -> Outcome {
    let text = match given.get("msg").or_else(|| given.get("var")) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => serde_json::to_string_pretty(other).unwrap_or_default(),
        None => String::new(),
    };
    for line in text.lines() {
        cx.live.line(Stream::Out, line);
    }
    Outcome::ok(false).fact("msg", text.as_str()).said(text)
}
