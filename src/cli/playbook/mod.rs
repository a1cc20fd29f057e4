//! `quarterdeck playbook`: a file a sub-command.

pub mod args;
mod desk;
mod export;
mod fetch;
mod front;
mod lint;
mod list;
mod run;
mod runs;
mod schema;
mod show;
mod signals;
mod tty;
mod values;

use std::io;

use crate::config::spec::{Config, Severity};
use crate::engine::run::folder;
use crate::model::catalog::Catalog;

use args::PlaybookCommand;
use desk::Desk;
use run::{Again, refused};

/// Carries a sub-command out; gives its exit code.
pub async fn main(config: Config, catalog: &Catalog, command: &PlaybookCommand, write: bool) -> io::Result<u8> {
    for d in config.diagnostics.iter().filter(|d| d.severity == Severity::Error) {
        let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("{}\n", crate::config::show::diagnostic(d)));
    }
    let mut out = io::stdout();
    // These need no target, and so no connection.
    match command {
        PlaybookCommand::List { json } => return list::write(&config, catalog, *json, &mut out),
        PlaybookCommand::Show { playbook } => return show::write(&config, catalog, playbook, &mut out).unwrap_or_else(|why| Ok(refused(&why))),
        PlaybookCommand::Lint { playbooks } => return lint::write(&config, catalog, playbooks, &mut out),
        PlaybookCommand::Schema => return schema::write(catalog, &mut out),
        _ => {}
    }
    let desk = Desk::open(config, catalog);
    let end = match command {
        PlaybookCommand::Run(args) => Box::pin(run::run(desk, args, write)).await,
        PlaybookCommand::Resume(args) => Box::pin(run::again(desk, args, write, Again::Resume)).await,
        PlaybookCommand::Undo(args) => Box::pin(run::again(desk, args, write, Again::Undo)).await,
        PlaybookCommand::Runs { run: None, json } => match desk.runs() {
            Ok(folder) => return runs::list(&folder, *json, &mut out),
            Err(why) => Err(why),
        },
        PlaybookCommand::Runs { run: Some(meant), json } => match desk.runs().and_then(|f| folder::find(&f, meant).map(|id| (f, id))) {
            Ok((folder, id)) => return runs::one(&folder, &id, *json, &mut out),
            Err(why) => Err(why),
        },
        PlaybookCommand::Export { run, script } => match desk.runs().and_then(|f| folder::find(&f, run).map(|id| (f, id))) {
            Ok((folder, id)) => return export::write(&folder, &id, *script, &mut out),
            Err(why) => Err(why),
        },
        PlaybookCommand::Fetch { playbook, output, vars } => fetch::run(desk, playbook, output, vars).await,
        PlaybookCommand::List { .. } | PlaybookCommand::Show { .. } | PlaybookCommand::Lint { .. } | PlaybookCommand::Schema => Ok(0),
    };
    Ok(end.unwrap_or_else(|why| refused(&why)))
}
