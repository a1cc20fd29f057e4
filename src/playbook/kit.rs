//! Parts for the tests of playbooks: a catalog of small actions, and a world that they act on.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::due::{Due, Job, Mode, Pace};
use super::inventory::{Entry, Inventory};
use super::journal::{Choice, Closing, Decision, Event, Opened, Operator, Record};
use super::outcome::{Outcome, Status};
use super::parse::{Parsed, parse};
use super::run::{Run, Setup};
use super::step::Phase;
use crate::base::clock::Moment;
use crate::base::intern::Name;
use crate::model::catalog::{ActionSpec, Catalog, Field, FieldKind, Others, Place, Touches};

const fn spec(name: &'static str, fields: &'static [Field], short: Option<&'static str>, touches: Touches) -> ActionSpec {
    ActionSpec { name, fields, short, others: Others::Refused, touches, place: Place::Here }
}

pub(super) fn catalog() -> Catalog {
    const SHELL: &[Field] = &[Field::required("cmd", FieldKind::ShellLine), Field::optional("stdin", FieldKind::Secret)];
    const SQL: &[Field] =
        &[Field::required("query", FieldKind::Sql), Field::optional("password", FieldKind::Secret), Field::optional("database", FieldKind::Text)];
    const COPY: &[Field] = &[
        Field::one_of("content", FieldKind::Secret),
        Field::one_of("url", FieldKind::Text),
        Field::required("dest", FieldKind::Text),
        Field::optional("sha256", FieldKind::Text),
        Field::optional("force", FieldKind::Switch),
    ];
    const TEMPLATE: &[Field] = &[Field::required("src", FieldKind::TemplateFile), Field::required("dest", FieldKind::Text)];
    const PUT: &[Field] = &[Field::required("key", FieldKind::Text), Field::optional("value", FieldKind::Any)];
    const KEY: &[Field] = &[Field::required("key", FieldKind::Text)];
    const DEBUG: &[Field] = &[Field::required("msg", FieldKind::Any)];
    const ASSERT: &[Field] = &[Field::required("that", FieldKind::Conditions)];
    let far = |name, fields, short, touches| ActionSpec { place: Place::Host, ..spec(name, fields, short, touches) };
    let actions = vec![
        // In the world of these tests: sets a key, takes it away, looks whether it is set.
        far("put", PUT, Some("key"), Touches::Unknown),
        far("ensure", KEY, Some("key"), Touches::Target),
        far("drop", KEY, Some("key"), Touches::Unknown),
        far("has", KEY, Some("key"), Touches::Nothing),
        far("shell", SHELL, Some("cmd"), Touches::Unknown),
        far("sql", SQL, Some("query"), Touches::Unknown),
        far("copy", COPY, None, Touches::Target),
        far("template", TEMPLATE, None, Touches::Target),
        spec("debug", DEBUG, Some("msg"), Touches::Nothing),
        spec("assert", ASSERT, None, Touches::Nothing),
        ActionSpec { others: Others::Taken, ..spec("set_fact", &[], None, Touches::Nothing) },
    ];
    Catalog { actions, ..Catalog::default() }
}

pub(super) fn read(text: &str) -> Parsed {
    let texts = |path: &str| match path {
        "my.cnf" => Ok("id = {{ id }}\n".to_owned()),
        "more.yaml" => Ok("- name: From a file\n  debug: hello\n".to_owned()),
        _ => Err("there is no such file".to_owned()),
    };
    parse("p.yaml", text, &catalog(), &texts)
}

pub(super) fn setup(text: &str, hosts: &[&str], mode: Mode) -> Setup {
    let parsed = read(text);
    assert!(parsed.is_sound(), "{:#?}", parsed.mistakes);
    let entries = hosts.iter().map(|name| Entry { name: (*name).into(), address: format!("10.0.0.{}", name.len()), ..Entry::default() }).collect();
    Setup {
        book: Arc::new(parsed.playbook),
        catalog: Arc::new(catalog()),
        inventory: Arc::new(Inventory { hosts: entries }),
        hosts: hosts.iter().map(|h| Name::from(*h)).collect(),
        vars: Map::new(),
        choice: Choice::default(),
        mode,
        pace: Pace::Through,
    }
}

/// Keys that are set, by host; and what was done, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct World {
    pub(super) keys: BTreeMap<(Name, String), Value>,
    pub(super) acts: Vec<String>,
    /// Jobs that fail: `host/action/key`.
    pub(super) failing: Vec<String>,
}

impl World {
    pub(super) fn perform(&mut self, job: &Job) -> Outcome {
        let step = &job.step;
        let text = |name: &str| step.args.get(name).map(|v| v.as_str().map_or_else(|| v.to_string(), ToOwned::to_owned)).unwrap_or_default();
        let (key, host) = (text("key"), step.target.clone());
        let name = format!("{host}/{}/{key}", step.action);
        if step.phase.acts() {
            self.acts.push(name.clone());
        }
        if self.failing.contains(&name) {
            return Outcome { stderr: "it broke".to_owned(), rc: Some(1), ..Outcome::failed("") };
        }
        let at = (host, key);
        match (step.action.as_str(), step.phase) {
            ("ensure", Phase::Look) => Outcome { changed: !self.keys.contains_key(&at), ..Outcome::ok() },
            ("put" | "ensure", _) => {
                let new = step.args.get("value").cloned().unwrap_or(Value::Bool(true));
                let changed = self.keys.insert(at, new.clone()) != Some(new);
                Outcome { changed, ..Outcome::ok() }
            }
            ("drop", _) => Outcome { changed: self.keys.remove(&at).is_some(), ..Outcome::ok() },
            ("has", _) => match self.keys.get(&at) {
                Some(value) => Outcome { data: Map::from_iter([("value".to_owned(), value.clone())]), rc: Some(0), ..Outcome::ok() },
                None => Outcome { rc: Some(1), status: Status::Failed, ..Outcome::ok() },
            },
            ("assert", _) if !step.args.get("that").and_then(Value::as_object).is_some_and(|m| m.values().all(|v| *v == Value::Bool(true))) => {
                Outcome::failed("it does not hold")
            }
            _ => Outcome { stdout: text("msg"), ..Outcome::ok() },
        }
    }
}

pub(super) fn opened() -> Event {
    Event::Opened(Box::new(Opened { format: 1, ..Opened::default() }))
}

/// Drives a run to its end, with every question answered by `answer`; gives the journal as it would be on the disk.
pub(super) struct Driver<'w> {
    pub(super) world: &'w mut World,
    pub(super) records: Vec<Record>,
    /// The process dies before this record is written.
    pub(super) dies_at: usize,
}

impl Driver<'_> {
    fn write(&mut self, run: &mut Run, event: &Event) -> bool {
        if self.records.len() >= self.dies_at {
            return false;
        }
        let keep = event.key().map_or(super::outcome::Keep::Data, |k| run.keep(k));
        let record = Record { seq: self.records.len() as u64, at: Moment(0), event: event.for_journal(keep) };
        let line = super::journal::line(&record).expect("json");
        self.records.push(serde_json::from_str(&line).expect("what was written can be read"));
        run.apply(event).expect("a legal event");
        true
    }

    /// `None`: it died.
    pub(super) fn drive(&mut self, run: &mut Run, answer: &dyn Fn(&super::due::Question) -> Decision) -> Option<Closing> {
        for _ in 0..10_000 {
            let due = run.due();
            assert!(!due.is_empty(), "stuck: {:?}", run.rows());
            for due in due {
                match due {
                    Due::Note(event) => self.write(run, &event).then_some(())?,
                    Due::Do(job) => {
                        self.write(run, &job.began()).then_some(())?;
                        let outcome = self.world.perform(&job);
                        let event = run.heard(&job, outcome);
                        self.write(run, &event).then_some(())?;
                    }
                    Due::Ask(question) => {
                        let event = Event::Decided { question: question.asked.clone(), decision: answer(&question), by: Operator::default() };
                        self.write(run, &event).then_some(())?;
                    }
                    Due::Over(why) => {
                        self.write(run, &Event::Closed { why, note: String::new() }).then_some(())?;
                        return Some(why);
                    }
                }
            }
        }
        panic!("no end: {:?}", run.rows());
    }
}

/// A whole run of a text in a world.
pub(super) fn run(text: &str, hosts: &[&str], world: &mut World) -> (Run, Option<Closing>) {
    let mut run = Run::new(setup(text, hosts, Mode::Apply));
    let mut driver = Driver { world, records: Vec::new(), dies_at: usize::MAX };
    assert!(driver.write(&mut run, &opened()));
    let why = driver.drive(&mut run, &|question| question.alone.clone());
    (run, why)
}

pub(super) fn plan(text: &str, hosts: &[&str], world: &mut World) -> Run {
    let mut run = Run::new(setup(text, hosts, Mode::Plan));
    Driver { world, records: Vec::new(), dies_at: usize::MAX }.drive(&mut run, &|question| question.alone.clone());
    run
}

/// `host: task=end ...` of every step.
pub(super) fn ends(run: &Run) -> Vec<String> {
    run.rows().iter().map(|r| format!("{}:{}={}", r.key.host, r.name, json!(r.end).as_str().unwrap_or("-"))).collect()
}
