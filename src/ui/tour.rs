//! Hints for a first look around: one at a time on the line of keys, until each has been read.

use super::Ui;
use crate::model::command::Command;

/// What is left of a tour.
#[derive(Debug, Default)]
pub(super) struct Tour {
    hints: Vec<String>,
    at: usize,
}

impl Tour {
    pub(super) fn new(hints: Vec<String>) -> Self {
        Self { hints, at: 0 }
    }

    /// The hint on the screen has been read.
    pub(super) fn next(&mut self) {
        self.at = (self.at + 1).min(self.hints.len());
    }
}

impl Ui {
    /// The hint of now in words, with its number and the key for the next one.
    pub(super) fn tour_line(&self) -> Option<String> {
        let name = self.tour.hints.get(self.tour.at)?;
        let key = self.keys.keys_for(Command::NextHint).into_iter().next().unwrap_or_default();
        let (at, all) = ((self.tour.at + 1).to_string(), self.tour.hints.len().to_string());
        let word = format!("tour.{name}");
        let words = self.lang.word(&word);
        Some(self.lang.fill("message.tour", &[("at", &at), ("all", &all), ("words", words), ("key", &key)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Setup;

    #[test]
    fn hints_come_one_at_a_time_and_end() {
        let mut ui = Ui::new(Setup { tour: vec!["panes".into(), "drill".into()], ..Setup::default() });
        let first = ui.tour_line().unwrap();
        assert!(first.contains("1/2") && first.contains('H'), "{first}");
        ui.tour.next();
        assert!(ui.tour_line().unwrap().contains("2/2"));
        ui.tour.next();
        ui.tour.next();
        assert_eq!(ui.tour_line(), None);
    }
}
