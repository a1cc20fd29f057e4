//! What every sub-command that touches a run needs: the playbook, its targets and values, the ways to them, and who asks.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::tty::Tty;
use super::values::{Answers, extra};
use crate::base::clock::SystemClock;
use crate::base::redact::Redactor;
use crate::config::spec::Config;
use crate::engine::Engine;
use crate::engine::asker;
use crate::engine::run::ways::Ways;
use crate::engine::run::{shelf, stage, who};
use crate::model::ask::{Answer, AskKind};
use crate::model::catalog::Catalog;
use crate::model::fact::Fact;
use crate::model::id::Name;
use crate::playbook::inventory::Inventory;
use crate::playbook::journal::{Operator, Target};
use crate::playbook::mistake::Severity;
use crate::playbook::spec::Playbook;
use crate::playbook::template::Engine as Templates;
use crate::playbook::template::scope::{Layer, Scope};
use crate::port::action::{Files, Origin};

/// How long a target may take to say who it is.
const GREETING: Duration = Duration::from_secs(15);

/// A refusal to begin: it goes to stderr, with exit code 1.
pub(super) type Refused = String;

pub(super) struct Desk {
    pub config: Config,
    pub catalog: Arc<Catalog>,
    pub inventory: Arc<Inventory>,
    pub redact: Redactor,
    pub tty: Option<Arc<Mutex<Tty>>>,
    pub ways: Arc<Ways>,
    /// Keeps the questions of logins answered.
    _engine: Arc<Engine>,
}

impl Desk {
    pub(super) fn open(config: Config, catalog: &Catalog) -> Self {
        let redact = Redactor::default();
        let tty = Tty::open().map(|t| Arc::new(Mutex::new(t)));
        let answers = if tty.is_some() { asker::Answers::ByPerson } else { asker::Answers::Never };
        let (engine, mut batches) = Engine::new(Arc::new(SystemClock::default()), redact.clone(), answers);
        let engine = Arc::new(engine);
        let (asks, to) = (tty.clone(), engine.clone());
        tokio::spawn(async move {
            while let Some(batch) = batches.recv().await {
                for fact in batch.facts {
                    let Fact::Ask(ask) = fact else { continue };
                    let (tty, to) = (asks.clone(), to.clone());
                    let answered = tokio::task::spawn_blocking(move || {
                        let answer = tty.as_ref().and_then(|t| answer(&mut t.lock().unwrap_or_else(PoisonError::into_inner), ask.kind, &ask.prompt));
                        to.answer(ask.id, answer.unwrap_or(Answer::No));
                    });
                    let _ = answered.await;
                }
            }
        });
        let ways = stage::ways(&engine, &config);
        Self { inventory: Arc::new(stage::inventory(&config)), catalog: Arc::new(catalog.clone()), config, redact, tty, ways, _engine: engine }
    }

    pub(super) fn runs(&self) -> Result<PathBuf, Refused> {
        let state = self.config.state.clone().ok_or("there is no folder for the journal: set HOME or XDG_STATE_HOME")?;
        Ok(state.join("runs"))
    }

    pub(super) fn operator() -> Result<Operator, Refused> {
        who::operator(|name| std::env::var(name).ok(), |path| std::fs::read_to_string(path).ok())
    }

    /// Reads a playbook; its mistakes go to stderr.
    pub(super) fn playbook(&self, name: &str) -> Result<(Arc<Playbook>, Arc<dyn Files>), Refused> {
        let found = shelf::open(&self.config, &self.catalog, name)?;
        let mut to = io::stderr().lock();
        for mistake in found.parsed.mistakes.iter().filter(|m| m.severity == Severity::Error) {
            let _ = io::Write::write_fmt(&mut to, format_args!("{mistake}\n"));
        }
        if !found.parsed.is_sound() {
            return Err(format!("{name} has mistakes; `quarterdeck playbook lint` tells all of them"));
        }
        Ok((Arc::new(found.parsed.playbook), found.files))
    }

    /// `-e` and the answers to the playbook's questions.
    pub(super) fn values(
        &self,
        book: &Playbook,
        given: &[String],
        mut vars: Map<String, Value>,
        only: Option<&[String]>,
    ) -> Result<Map<String, Value>, Refused> {
        vars.extend(extra(given)?);
        let mut tty = self.tty.as_ref().map(|t| t.lock().unwrap_or_else(PoisonError::into_inner));
        let mut answers = Answers { inventory: &self.inventory, redact: &self.redact, tty: tty.as_deref_mut() };
        answers.complete(book, &mut vars, only)?;
        Ok(vars)
    }

    /// The targets of the playbook's pattern that `limit` leaves.
    pub(super) fn targets(&self, book: &Playbook, vars: &Map<String, Value>, limit: Option<&str>) -> Result<Vec<Name>, Refused> {
        let templates = Templates::default();
        let mut own = Map::new();
        own.insert("groups".to_owned(), serde_json::json!(self.inventory.groups()));
        let scope = Scope::new(&templates, vec![Layer::known(own), Layer::Written(Arc::new(book.vars.clone())), Layer::known(vars.clone())]);
        let pattern = templates.string(&book.hosts.at, &book.hosts.value, &scope).map_err(|e| e.to_string())?;
        let mut hosts = self.inventory.select(&pattern).map_err(|e| format!("{}: hosts: {e}", book.file))?;
        if let Some(limit) = limit {
            let only = self.inventory.select(limit).map_err(|e| format!("--limit: {e}"))?;
            hosts.retain(|h| only.contains(h));
        }
        if hosts.is_empty() {
            return Err(format!("no target is left of `{pattern}`{}", limit.map(|l| format!(" with --limit {l}")).unwrap_or_default()));
        }
        Ok(hosts)
    }

    /// The targets by who they are. One that cannot be reached has no identity yet; its steps will say so.
    pub(super) async fn identified(&self, hosts: &[Name]) -> Vec<Target> {
        let each = hosts.iter().map(|name| async {
            let identity = tokio::time::timeout(GREETING, self.ways.identity(name)).await;
            let address = self.inventory.host(name).map(|h| h.address.clone()).unwrap_or_default();
            Target { name: name.clone(), address, identity: identity.ok().and_then(Result::ok).unwrap_or_default() }
        });
        futures::future::join_all(each).await
    }
}

/// `-e source=`.
pub(super) fn origin(vars: &Map<String, Value>) -> Result<Origin, Refused> {
    match vars.get("source").and_then(Value::as_str) {
        None | Some("online") => Ok(Origin::Online),
        Some("mirror") => Ok(Origin::Mirror),
        Some(folder) if std::path::Path::new(folder).is_dir() => Ok(Origin::Folder(folder.into())),
        // A playbook may have a variable of that name for something else.
        Some(folder) if folder.contains('/') => Err(format!("-e source={folder}: there is no such folder; `quarterdeck playbook fetch` fills one")),
        Some(_) => Ok(Origin::Online),
    }
}

fn answer(tty: &mut Tty, kind: AskKind, prompt: &str) -> Option<Answer> {
    match kind {
        AskKind::HostKey => {
            tty.say(prompt);
            let typed = tty.line("yes or no: ").ok()?;
            Some(if typed.trim() == "yes" { Answer::Yes } else { Answer::No })
        }
        AskKind::Prompt { echo: true } => tty.line(&format!("{prompt}: ")).ok().map(|t| Answer::Secret(SecretString::from(t))),
        _ => tty.secret(&format!("{prompt}: ")).ok().map(Answer::Secret),
    }
}
