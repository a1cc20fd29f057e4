//! `quarterdeck man [COMMAND]`.

use std::io::{self, Write};

use super::args::Args;
use crate::base::suggest;

/// The command line is wrong (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;

/// The first page, or that of a command: `config check` and `config-check` are the same.
pub fn write(page: &[String], out: &mut dyn Write, say: &mut dyn Write) -> io::Result<u8> {
    let mut definition = Args::definition().disable_help_subcommand(true);
    definition.build();
    let wanted = page.join("-");
    let mut pages = Vec::new();
    collect(&definition, "", &mut pages);
    if let Some((_, command)) = pages.iter().find(|(name, _)| *name == wanted) {
        clap_mangen::Man::new((*command).clone()).render(out)?;
        return Ok(0);
    }
    let names = pages.iter().map(|(name, _)| name.as_str()).filter(|n| !n.is_empty());
    writeln!(say, "there is no page `{wanted}`; {}", suggest::help(&wanted, names, "the pages are"))?;
    Ok(USAGE)
}

fn collect<'c>(command: &'c clap::Command, name: &str, pages: &mut Vec<(String, &'c clap::Command)>) {
    pages.push((name.to_owned(), command));
    for below in command.get_subcommands() {
        let name = if name.is_empty() { below.get_name().to_owned() } else { format!("{name}-{}", below.get_name()) };
        collect(below, &name, pages);
    }
}
