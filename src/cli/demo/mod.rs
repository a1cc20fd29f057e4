//! `quarterdeck demo`: a whole live cluster in this process, and the ordinary cockpit looking at it through its ordinary clients.

mod folder;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::folder::Folder;
use super::args::{Demo, Global};
use super::{load, run, status};
use crate::base::clock::{Clock, SystemClock};
use crate::cockpit;
use crate::cockpit::extras::Extras;
use crate::config::spec::Config;
use crate::lab::stage::{self, Stage};
use crate::lab::world::Size;
use crate::lab::world::scenario::Scenario;
use crate::lab::{Lab, Options};
use crate::model::catalog::Catalog;
use crate::model::command::Verb;
use crate::model::fact::Notice;

/// What a first look around shows, in this order.
const TOUR: &[&str] = &["panes", "drill", "logs", "replica", "playbook", "more"];

/// The demo's cluster while it runs, and the folder with everything that is needed to reach it.
struct Running {
    lab: Arc<Lab>,
    folder: Folder,
    access: String,
}

/// Starts the cluster, does what was asked for, and leaves nothing behind.
pub async fn run(global: &Global, options: &Demo, catalog: &Catalog) -> io::Result<u8> {
    let scenario = match Scenario::named(&options.scenario) {
        Ok(scenario) => scenario,
        Err(unknown) => {
            let _ = writeln!(io::stderr(), "quarterdeck: {unknown}");
            return Ok(run::USAGE);
        }
    };
    folder::sweep();
    let running = start(options, scenario).await?;
    let end = look(global, options, catalog, &running).await;
    running.lab.end().await;
    drop(running.folder);
    end
}

async fn start(options: &Demo, scenario: Scenario) -> io::Result<Running> {
    let folder = Folder::new()?;
    let size = Size { nodes: options.nodes, pods: options.pods };
    let ago = Duration::from_secs(options.ago);
    let lab = Lab::start(Options { seed: options.seed, speed: options.speed, size, scenario, ago }, Arc::new(SystemClock::default()) as Arc<dyn Clock>)?;
    let mut stage = Stage::new(folder.path());
    stage::serve(&lab, &mut stage).await?;
    let config = stage.file("config.toml", stage.configuration().as_bytes())?;
    let mut access = format!("QUARTERDECK_CONFIG='{}'\n", config.display());
    access.push_str(stage.accesses());
    Ok(Running { lab, folder, access })
}

async fn look(global: &Global, options: &Demo, catalog: &Catalog, running: &Running) -> io::Result<u8> {
    let config = config(global, catalog, running.folder.path().join("config.toml"), running.folder.path().join("state"));
    if options.print_access {
        let mut out = io::stdout();
        out.write_all(running.access.as_bytes())?;
        out.flush()?;
        let _ = writeln!(io::stderr(), "quarterdeck: the cluster runs until this ends; `eval` these lines in another shell, or give them to other tools");
        return stay().await.map(|()| 0);
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let _ = writeln!(io::stderr(), "quarterdeck: no terminal here, so this is one picture of the demo's cluster");
        return run::picture(&config, status::Format::Text, status::LIMIT).await;
    }
    run::restore_on_panic();
    Box::pin(cockpit::run(config, catalog, global.write, extras(&running.lab))).await.map(|()| 0)
}

/// The demo's own configuration, with the flags laid over it. What the cockpit writes goes to the demo's folder as well.
fn config(global: &Global, catalog: &Catalog, path: PathBuf, state: PathBuf) -> Config {
    let global = Global { config: Some(path), ..global.clone() };
    let mut config = load::load(&global, catalog);
    config.state = Some(state);
    config
}

/// `:scenario NAME`, and the tour.
fn extras(lab: &Arc<Lab>) -> Extras {
    let lab = lab.clone();
    let call = move |_: &str, name: &str| match Scenario::named(name) {
        Ok(scenario) => {
            let text = format!("{}: {}", scenario.name, scenario.title);
            lab.with(|w| w.play(scenario));
            Notice { good: true, text }
        }
        Err(unknown) => Notice { good: false, text: unknown.to_string() },
    };
    Extras {
        verbs: vec![Verb { name: "scenario".to_owned(), choices: Scenario::names().map(str::to_owned).collect() }],
        call: Arc::new(call),
        tour: TOUR.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// Until a signal, or until whoever reads us has gone.
async fn stay() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
