//! The tasks of another file. The reader of the playbook has put them in this place already; what is left is the name.

use super::plain::{nothing, plain, spec};
use crate::model::catalog::{Field, FieldKind, Touches};
use crate::port::action::{ActionCx, Args, Outcome};

plain!(spec("include_tasks", &[Field::required("file", FieldKind::File)], Some("file"), Touches::Nothing), nothing, run);

/// The reader of the playbook has put the tasks of the file in its place; what is left is a name.
fn run(_: &Args, _: &ActionCx) -> Outcome {
    Outcome::ok(false)
}
