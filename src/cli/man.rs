//! `quarterdeck man`.

use std::io::{self, Write};

use super::args::Args;

pub fn write(out: &mut dyn Write) -> io::Result<u8> {
    clap_mangen::Man::new(Args::definition()).render(out)?;
    Ok(0)
}
