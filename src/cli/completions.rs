//! `quarterdeck completions SHELL`.

use std::io::{self, Write};

use super::args::Args;

pub fn write(shell: clap_complete::Shell, out: &mut dyn Write) -> io::Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::definition(), "quarterdeck", &mut script);
    out.write_all(&script)?;
    Ok(0)
}
