//! Ends the run here, in the playbook's own words.

use super::{
    args,
    plain::{nothing, plain, spec},
};
use crate::model::catalog::{Field, FieldKind, Touches};
use crate::port::action::{ActionCx, Args, Outcome};

plain!(spec("fail", &[Field::optional("msg", FieldKind::Text)], Some("msg"), Touches::Nothing), nothing, run);

fn run(given: &Args, _: &ActionCx) -> Outcome {
    Outcome::failed(args::text(given, "msg").unwrap_or_else(|| "the playbook says to fail here".to_owned()))
}
