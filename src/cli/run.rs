//! Starts what needs sources: the cockpit, `status`, `config check --live`.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use super::allowed::allowed;
use super::args::{Args, Command, ConfigCommand};
use super::{demo, dispatch, live, load, log, logs, status};
use crate::cockpit;
use crate::cockpit::extras::Extras;
use crate::config::lang::Lang;
use crate::config::show;
use crate::config::spec::Config;
use crate::headless;
use crate::model::catalog::Catalog;
use crate::model::source::SourceStatus;
use crate::model::verdict::Verdict;
use crate::source::middleware;

/// The command line is wrong (`EX_USAGE` of sysexits.h).
pub(super) const USAGE: u8 = 64;
/// A file or the terminal failed (`EX_IOERR`).
const IO: u8 = 74;

/// Everything `main` does.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(e) => {
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { USAGE } else { 0 });
        }
    };
    let catalog = Catalog { middleware: middleware::KINDS.to_vec(), settings: middleware::SETTINGS.to_vec(), actions: crate::action::specs() };
    let mut out = io::stdout();
    let end = match dispatch(&args, &catalog, &mut out) {
        Some(end) => end,
        None => with_sources(&args, &catalog),
    };
    match end {
        Ok(code) => ExitCode::from(code),
        // The reader of our pipe has seen enough.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(e) => {
            let _ = writeln!(io::stderr(), "quarterdeck: {e}");
            ExitCode::from(IO)
        }
    }
}

fn with_sources(args: &Args, catalog: &Catalog) -> io::Result<u8> {
    // Whoever installed one already has the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut runtime = match &args.command {
        // A pipe carries one thing at a time: between two threads most of its work would be to wake the other.
        Some(Command::Logs(_)) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.worker_threads(2).thread_name("quarterdeck").enable_all().build()?;
    let end = if let Some(Command::Demo(options)) = &args.command {
        // It has a configuration of its own and leaves nothing behind, no log either.
        runtime.block_on(demo::run(&args.global, options, catalog))
    } else {
        let config = load::load(&args.global, catalog);
        let _log = log::open();
        runtime.block_on(with_config(args, config, catalog))
    };
    runtime.shutdown_timeout(Duration::from_millis(200));
    end
}

async fn with_config(args: &Args, config: Config, catalog: &Catalog) -> io::Result<u8> {
    match &args.command {
        Some(Command::Config { command: ConfigCommand::Check { live: true } }) => check_live(&config).await,
        Some(Command::Playbook { command }) => super::playbook::main(config, catalog, command, args.global.write).await,
        Some(Command::Status { json, timeout }) => {
            picture(&config, if *json { status::Format::Json } else { status::Format::Text }, Duration::from_secs(*timeout)).await
        }
        Some(Command::Logs(options)) => {
            for d in &config.diagnostics {
                let _ = writeln!(io::stderr(), "{}", show::diagnostic(d));
            }
            logs::run(&config, &args.global, options).await
        }
        _ if !io::stdout().is_terminal() || !io::stdin().is_terminal() => {
            let _ = writeln!(io::stderr(), "quarterdeck: no terminal here, so this is one picture; `quarterdeck status --help` says more");
            picture(&config, status::Format::Text, status::LIMIT).await
        }
        _ => {
            restore_on_panic();
            Box::pin(cockpit::run(config, catalog, args.global.write, Extras::default())).await.map(|()| 0)
        }
    }
}

pub(super) async fn picture(config: &Config, format: status::Format, limit: Duration) -> io::Result<u8> {
    for d in &config.diagnostics {
        let _ = writeln!(io::stderr(), "{}", show::diagnostic(d));
    }
    let lang = Lang::load(Lang::choose(&config.ui.lang, &cockpit::locale()));
    status::run(config, format, limit, &|reason| lang.reason(reason), &mut io::stdout()).await
}

/// Dials every target once and tells what it allows.
async fn check_live(config: &Config) -> io::Result<u8> {
    let mut out = io::stdout();
    let wrong = super::config::check(config, &mut out)?;
    let store = headless::picture(config, status::LIMIT).await;
    let target = |s: &SourceStatus| live::Target { status: s.clone(), allowed: allowed(&store, s), denied: store.denied_to(s.id).cloned().collect() };
    let targets: Vec<_> = store.sources().map(target).collect();
    out.write_all(live::render_live(&targets).as_bytes())?;
    let fine = targets.iter().all(|t| t.status.state.is_live() && t.denied.is_empty());
    Ok(if fine { wrong } else { wrong.max(Verdict::Warn.exit_code()) })
}

/// A panic on the main thread ends the cockpit: the terminal first, then the report. Elsewhere it ends one source, which says so in its row.
pub(super) fn restore_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().name() == Some("main") {
            crate::ui::term::restore();
            report(info);
        } else {
            tracing::error!(panic = %info, "a task panicked");
        }
    }));
}
