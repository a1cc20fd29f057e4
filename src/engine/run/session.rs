//! A run from the cockpit: its questions, its plan, the yes, and the run itself, all before one screen.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::file::JournalFile;
use super::perform::Ground;
use super::screen::{self, ScreenFront};
use super::ways::Ways;
use super::wish::Wish;
use super::{Report, Runner, Stop, acts, folder, shelf, stage, values};
use crate::base::clock::Clock;
use crate::base::redact::Redactor;
use crate::base::suggest;
use crate::config::spec::Config;
use crate::model::catalog::Catalog;
use crate::model::id::Name;
use crate::model::run::{BookLine, Chosen, Met, Need, RunAskKind, RunPicture, RunReply, Stage};
use crate::playbook::due::{Mode, Pace};
use crate::playbook::inventory::Inventory;
use crate::playbook::journal::{Choice, Closing, Event, FORMAT, Opened, Operator, Target};
use crate::playbook::mistake::Severity;
use crate::playbook::run::{Run, Setup};
use crate::playbook::spec::Playbook;
use crate::playbook::template::Engine as Templates;
use crate::playbook::template::scope::{Layer, Scope};
use crate::port::action::{Files, Origin};

/// What sessions of one cockpit share.
#[derive(Clone)]
pub struct Booth {
    pub config: Arc<Config>,
    pub catalog: Arc<Catalog>,
    pub ways: Arc<Ways>,
    pub redact: Redactor,
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Booth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Booth")
    }
}

/// A run that goes on beside the screen.
#[derive(Debug)]
pub struct Session {
    pub front: Arc<ScreenFront>,
    pub pictures: watch::Receiver<Arc<RunPicture>>,
    pub stop: Stop,
    pub task: JoinHandle<Option<String>>,
}

impl Booth {
    /// Every playbook that can be found, and whether what it needs is there.
    pub fn books(&self) -> Vec<BookLine> {
        shelf::names(&self.config)
            .into_iter()
            .map(|name| match shelf::open(&self.config, &self.catalog, &name) {
                Ok(found) => {
                    let book = &found.parsed.playbook;
                    BookLine {
                        title: book.name.clone(),
                        when_to_use: book.when_to_use.clone(),
                        proven: book.proven.to_string(),
                        needs: book.requires.iter().map(|n| self.need(n)).collect(),
                        broken: found.parsed.mistakes.iter().find(|m| m.severity == Severity::Error).map(ToString::to_string),
                        name,
                    }
                }
                Err(why) => BookLine { name, broken: Some(why), ..BookLine::default() },
            })
            .collect()
    }

    fn need(&self, what: &str) -> Need {
        let kind = what.split(['>', '<', '=', ' ']).next().unwrap_or_default();
        let met = |yes: bool| if yes { Met::Yes } else { Met::No };
        let met = match kind {
            "ssh" => met(!self.config.hosts.is_empty()),
            "kubernetes" | "k8s" => met(!self.config.clusters.is_empty()),
            other if self.config.middleware.iter().any(|m| &*m.kind == other) => Met::Yes,
            _ => Met::Unknown,
        };
        Need { what: what.to_owned(), met }
    }

    /// Starts a session for a playbook or for a run of before. What it is and asks shows in its pictures; the task gives the command that goes on with it.
    pub fn start(&self, what: Chosen, options: &str, operator: Result<Operator, String>) -> Session {
        let (by, refused) = match operator {
            Ok(by) => (by, None),
            Err(why) => (Operator::default(), Some(why)),
        };
        let (front, pictures) = ScreenFront::new(by.clone(), self.redact.clone());
        let stop = Stop::default();
        let (booth, options, screen_front, ending) = (self.clone(), options.to_owned(), front.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let told = match (refused, what) {
                (Some(why), _) => Err(why),
                (None, Chosen::Book(name)) => Box::pin(booth.work(&name, &options, by, &screen_front, &ending)).await,
                (None, Chosen::Past(id)) => Box::pin(booth.again(&id, &options, by, &screen_front, &ending)).await,
            };
            match told {
                Ok(resume) => resume,
                Err(why) => {
                    screen_front.change(|p| {
                        p.stage = Stage::Refused;
                        p.closing = why.lines().map(ToOwned::to_owned).collect();
                    });
                    None
                }
            }
        });
        Session { front, pictures, stop, task }
    }

    /// The answers to what the playbook asks and `vars` does not say, of the questions in `only` where it is given; `None` when a person
    /// gave up.
    pub(super) async fn answers(
        &self,
        book: &Playbook,
        inventory: &Inventory,
        front: &ScreenFront,
        mut vars: Map<String, Value>,
        only: Option<&[String]>,
    ) -> Result<Option<Map<String, Value>>, String> {
        for prompt in &book.prompts {
            if let Some(given) = vars.get(&prompt.name).cloned() {
                let value = values::accept(book, inventory, &vars, &prompt.name, given)?;
                self.keep(&prompt.name, prompt.private, value, &mut vars);
            }
        }
        let mut wrong = Vec::new();
        while let Some(question) = values::next(book, inventory, &vars, only)? {
            let mut lines = std::mem::take(&mut wrong);
            lines.push(match question.default.as_ref().filter(|_| !question.private) {
                Some(default) => format!("{} [{}]", question.question, values::text(default)),
                None => question.question.clone(),
            });
            lines.extend(question.explain.lines().map(ToOwned::to_owned));
            if !question.allowed.is_empty() {
                lines.push(question.allowed.join(", "));
            }
            let kind = if question.private { RunAskKind::Secret } else { RunAskKind::Text };
            let Some(line) = front.line_of(kind, lines).await else { return Ok(None) };
            let value = match (line.expose_secret(), question.default) {
                ("", Some(default)) => default,
                (typed, _) => Value::from(typed),
            };
            match values::accept(book, inventory, &vars, &question.name, value) {
                Ok(value) => self.keep(&question.name, question.private, value, &mut vars),
                Err(why) => wrong.push(why),
            }
        }
        Ok(Some(vars))
    }

    fn keep(&self, name: &str, private: bool, value: Value, vars: &mut Map<String, Value>) {
        if let (true, Some(secret)) = (private, value.as_str()) {
            self.redact.learn(secret);
        }
        vars.insert(name.to_owned(), value);
    }

    /// Where runs are written down.
    pub(super) fn state(&self) -> Result<PathBuf, String> {
        self.config.state.clone().ok_or_else(|| "there is no folder for the journal: set HOME or XDG_STATE_HOME".to_owned())
    }

    /// A playbook without mistakes, and the files beside it.
    pub(super) fn playbook(&self, name: &str) -> Result<(Arc<Playbook>, Arc<dyn Files>), String> {
        let found = shelf::open(&self.config, &self.catalog, name)?;
        match found.parsed.mistakes.iter().find(|m| m.severity == Severity::Error) {
            Some(mistake) => Err(mistake.to_string()),
            None => Ok((Arc::new(found.parsed.playbook), found.files)),
        }
    }

    fn targets(book: &Playbook, inventory: &Inventory, vars: &Map<String, Value>, limit: Option<&str>) -> Result<Vec<Name>, String> {
        let templates = Templates::default();
        let own = Map::from_iter([("groups".to_owned(), serde_json::json!(inventory.groups()))]);
        let scope = Scope::new(&templates, vec![Layer::known(own), Layer::Written(Arc::new(book.vars.clone())), Layer::known(vars.clone())]);
        let pattern = templates.string(&book.hosts.at, &book.hosts.value, &scope).map_err(|e| e.to_string())?;
        let mut hosts = inventory.select(&pattern)?;
        if let Some(limit) = limit {
            let only = inventory.select(limit).map_err(|e| format!("--limit: {e}"))?;
            hosts.retain(|h| only.contains(h));
        }
        Ok(hosts)
    }

    pub(super) fn ground(&self, front: &Arc<ScreenFront>, files: &Arc<dyn Files>, mode: Mode, id: &str) -> Ground {
        Ground {
            reach: self.ways.clone(),
            files: files.clone(),
            front: front.clone(),
            clock: self.clock.clone(),
            redact: self.redact.clone(),
            origin: Origin::Online,
            mode,
            id: id.to_owned(),
            cancel: tokio_util::sync::CancellationToken::new(),
        }
    }

    /// The targets by who they are. One that cannot be reached has no identity yet; its steps will say so.
    pub(super) async fn identified(&self, inventory: &Inventory, hosts: &[Name]) -> Vec<Target> {
        let each = hosts.iter().map(|name| async {
            let identity = self.ways.identity(name).await.unwrap_or_default();
            Target { name: name.clone(), address: inventory.host(name).map(|h| h.address.clone()).unwrap_or_default(), identity }
        });
        futures::future::join_all(each).await
    }

    /// The first record of the run.
    fn opened(book: &Playbook, targets: Vec<Target>, vars: &Map<String, Value>, choice: &Choice, by: &Operator) -> Event {
        let secrets: Vec<String> = book.prompts.iter().filter(|p| p.private && vars.contains_key(&p.name)).map(|p| p.name.clone()).collect();
        let mut open_vars = vars.clone();
        open_vars.retain(|name, _| !secrets.contains(name));
        Event::Opened(Box::new(Opened {
            format: FORMAT,
            playbook: book.name.clone(),
            file: book.file.to_string(),
            sha256: book.sha256.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            by: by.clone(),
            pid: std::process::id(),
            hosts: targets,
            vars: open_vars,
            secrets,
            choice: choice.clone(),
        }))
    }

    async fn work(&self, name: &str, options: &str, by: Operator, front: &Arc<ScreenFront>, stop: &Stop) -> Result<Option<String>, String> {
        let wish = Wish::read(options)?;
        let (book, files) = self.playbook(name)?;
        if let Some(start) = wish.choice.start_at.as_ref().filter(|start| !book.program.iter().any(|e| e.task.name == **start)) {
            let names = book.program.iter().map(|e| e.task.name.as_str());
            return Err(format!("--start-at-task: no step is named `{start}`; {}", suggest::help(start, names, "the playbook has")));
        }
        let inventory = Arc::new(stage::inventory(&self.config));
        front.change(|p| p.title.clone_from(&book.name));
        let Some(vars) = self.answers(&book, &inventory, front, wish.vars, None).await? else {
            front.change(|p| p.stage = Stage::Stopped);
            return Ok(None);
        };
        let hosts = Self::targets(&book, &inventory, &vars, wish.limit.as_deref())?;
        if hosts.is_empty() {
            return Err(format!("{}: no target", book.file));
        }
        let setup = |mode, pace| Setup {
            book: book.clone(),
            catalog: self.catalog.clone(),
            inventory: inventory.clone(),
            hosts: hosts.clone(),
            vars: vars.clone(),
            choice: wish.choice.clone(),
            mode,
            pace,
        };
        front.change(|p| p.stage = Stage::Planning);
        let looker = Runner::new(Run::new(setup(Mode::Plan, Pace::Step)), None, self.ground(front, &files, Mode::Plan, "plan"), by.clone(), stop.clone());
        let planned = looker.drive().await.map_err(|(_, e)| e.to_string())?;
        front.change(|p| {
            p.stage = Stage::Planned;
            p.steps = screen::steps(&planned.run.rows());
        });
        if let Some(environment) = stage::locked(&self.config, &hosts) {
            return Err(format!("{environment}: read_only = \"locked\""));
        }
        if stop.gently.is_cancelled() || !matches!(front.put(RunAskKind::Begin, Vec::new()).await, RunReply::Key('y')) {
            front.change(|p| p.stage = Stage::Stopped);
            return Ok(None);
        }
        let state = self.state()?;
        let runs = state.join("runs");
        let id = folder::new_id(&runs, name, self.clock.now());
        let journal = JournalFile::create(&runs, &id, self.redact.clone()).map_err(|e| e.to_string())?;
        acts::note(&state, self.clock.now(), &by, "run", &format!("{} {id}", book.name));
        let opened = Self::opened(&book, self.identified(&inventory, &hosts).await, &vars, &wish.choice, &by);
        front.change(|p| p.stage = Stage::Running);
        let mut runner =
            Runner::new(Run::new(setup(Mode::Apply, Pace::Step)), Some(journal), self.ground(front, &files, Mode::Apply, &id), by.clone(), stop.clone());
        runner.put(opened).await.map_err(|e| e.to_string())?;
        Ok(self.finish(runner, &id, &by, front).await)
    }

    /// Carries a run to its end; gives the command that goes on with it where there is something left.
    pub(super) async fn finish(&self, runner: Runner, id: &str, by: &Operator, front: &ScreenFront) -> Option<String> {
        let resume = format!("quarterdeck --write playbook resume {id}");
        match runner.drive().await {
            Ok(Report { run, why }) => {
                if let Ok(state) = self.state() {
                    acts::note(&state, self.clock.now(), by, "run-end", &format!("{id} {}", screen::stage(why).word()));
                }
                let resumable = matches!(why, Closing::Failed | Closing::Stopped);
                let mut closing: Vec<String> = run
                    .recap()
                    .iter()
                    .map(|(host, c)| {
                        format!("{host} : ok={} changed={} unreachable={} failed={} skipped={}", c.ok, c.changed, c.unreachable, c.failed, c.skipped)
                    })
                    .collect();
                closing.extend(run.outputs().into_iter().filter(|_| !resumable).map(|(name, value)| format!("{name}: {value}")));
                closing.extend(resumable.then(|| resume.clone()));
                let steps = screen::steps(&run.rows());
                front.change(|p| {
                    p.stage = screen::stage(why);
                    p.steps = steps;
                    p.closing = closing;
                });
                resumable.then_some(resume)
            }
            Err((_, broken)) => {
                let text = broken.to_string();
                front.change(|p| {
                    p.stage = Stage::Failed;
                    p.closing = vec![text, resume.clone()];
                });
                Some(resume)
            }
        }
    }
}
