//! Conditions that must hold, or the run goes no further here.

use serde_json::Value;

use super::{
    args,
    plain::{nothing, plain, spec},
};
use crate::model::catalog::{Field, FieldKind, Touches};
use crate::port::action::{ActionCx, Args, Outcome};

plain!(
    spec(
        "assert",
        &[Field::required("that", FieldKind::Conditions), Field::optional("fail_msg", FieldKind::Text), Field::optional("success_msg", FieldKind::Text),],
        Some("that"),
        Touches::Nothing
    ),
    nothing,
    run
);

/// `that` arrives evaluated: each condition with whether it holds.
fn run(given: &Args, _: &ActionCx) -> Outcome {
    let broken: Vec<String> = match given.get("that") {
        Some(Value::Object(all)) => all.iter().filter(|(_, holds)| **holds != Value::Bool(true)).map(|(condition, _)| condition.clone()).collect(),
        _ => return Outcome::failed("`that` names no condition"),
    };
    if broken.is_empty() {
        return Outcome::ok(false).said(args::text(given, "success_msg").unwrap_or_default());
    }
    let why = args::text(given, "fail_msg").unwrap_or_else(|| format!("this does not hold: {}", broken.join("; ")));
    Outcome::failed(why).fact("assertion", broken.join("; "))
}
