//! `playbook schema`: for editors that complete and check.

use std::io::{self, Write};

use crate::model::catalog::Catalog;
use crate::playbook::schema::schema;

pub(super) fn write(catalog: &Catalog, out: &mut dyn Write) -> io::Result<u8> {
    writeln!(out, "{}", serde_json::to_string_pretty(&schema(catalog)).map_err(io::Error::other)?)?;
    Ok(0)
}
