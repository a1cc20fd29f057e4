//! A person before a run: reads the questions, types the answers, and stops at the one where something is to go wrong.

use std::time::{Duration, Instant};

use super::PATIENCE;
use crate::playbook::Desk;
use crate::rig::terminal::{Terminal, command};

/// What the run waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// After the plan, before anything was changed.
    Begin,
    /// A step that acts, and what must be typed for it.
    Step { name: String, hosts: Vec<String>, answer: String },
    /// A step failed, or nobody knows how it ended.
    Trouble(String),
}

pub struct Talk {
    terminal: Terminal,
    /// How much of what came was read.
    read: usize,
    asked: Option<Asked>,
    ended: Option<i32>,
}

/// A cable that is pulled is noticed after three keep-alives, and the step's own look waits for as long once more.
const LONG: Duration = Duration::from_secs(360);

impl Talk {
    pub fn start(desk: &Desk, words: &[&str]) -> Self {
        let words = [&["--write", "playbook"], words].concat();
        let mut command = command(desk.home.path(), &words);
        for (name, value) in desk.extra() {
            command.env(name, value);
        }
        Self { terminal: Terminal::start(command, 220, 50), read: 0, asked: None, ended: None }
    }

    /// The next question; `None` when the run is over.
    pub fn next(&mut self) -> Option<Asked> {
        let start = Instant::now();
        loop {
            let ended = self.terminal.ended();
            let raw = self.terminal.raw();
            let new = String::from_utf8_lossy(&raw[self.read..]).replace('\r', "");
            if let Some(asked) = question(&new) {
                self.read = raw.len();
                self.asked = Some(asked.clone());
                return Some(asked);
            }
            if let Some(code) = ended {
                self.ended = Some(code);
                return None;
            }
            assert!(start.elapsed() < LONG, "no question and no end:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn say(&mut self, words: &str) {
        self.read = self.terminal.raw().len();
        self.terminal.send(&format!("{words}\r"));
    }

    pub fn yes(&mut self, asked: &Asked) {
        match asked {
            Asked::Begin => self.say("y"),
            Asked::Step { answer, .. } => self.say(&answer.clone()),
            Asked::Trouble(what) => panic!("{what}"),
        }
    }

    /// Yes to the question that stands there.
    pub fn again(&mut self) {
        let asked = self.asked.clone().expect("a question");
        self.yes(&asked);
    }

    /// Stops at the first trouble; goes on where there is none. The run is over then.
    pub fn give_up(&mut self) {
        while self.next().is_some() {
            // Where the fault did not show at this step, the run stops before the next one.
            self.say("q");
        }
    }

    pub fn kill(&mut self) {
        // After the last step there may be nothing left to kill.
        if self.terminal.ended().is_none() {
            self.terminal.signal("KILL");
        }
        let start = Instant::now();
        while self.terminal.ended().is_none() {
            assert!(start.elapsed() < PATIENCE, "it outlives its kill");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.terminal.raw()).replace('\r', "")
    }

    pub fn end(mut self) -> (i32, String) {
        while self.next().is_some() {
            self.say("q");
        }
        (self.ended.expect("it ended"), self.said())
    }
}

fn question(new: &str) -> Option<Asked> {
    let last = new.rsplit('\n').next()?;
    let trouble = "q stop: ";
    if last.ends_with("Begin? y/N: ") {
        return Some(Asked::Begin);
    }
    let step = || {
        let line = new.lines().rev().find(|l| l.starts_with("STEP ["))?;
        let (name, rest) = line.strip_prefix("STEP [")?.rsplit_once(']')?;
        let hosts = rest.rsplit_once(" on ")?.1.split(", ").map(str::to_owned).collect();
        Some((name.to_owned(), hosts))
    };
    if last.ends_with("n/q stop: ") {
        let (name, hosts) = step()?;
        return Some(Asked::Step { name, hosts, answer: "y".to_owned() });
    }
    if let Some(phrase) = last.strip_prefix("type `").and_then(|l| l.split_once("` to do it").map(|(p, _)| p)).filter(|_| last.ends_with("q to stop: ")) {
        let (name, hosts) = step()?;
        return Some(Asked::Step { name, hosts, answer: phrase.to_owned() });
    }
    last.ends_with(trouble).then(|| Asked::Trouble(new.to_owned()))
}
