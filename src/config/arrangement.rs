//! How a person has arranged the screen: kept in the state folder from one run to the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What of the layout is remembered. What cannot be read any more is left out; a wrong file never keeps the cockpit from starting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Arrangement {
    /// The pane that had the focus (`pods`).
    pub focus: String,
    /// One pane fills the screen.
    pub zoomed: bool,
    pub dock_open: bool,
    /// The panes in sight.
    pub shown: Vec<String>,
    /// Columns by which each of the five panes was made wider.
    pub grown: Vec<i16>,
    /// By the pane's name.
    pub panes: BTreeMap<String, Arranged>,
}

/// One pane's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Arranged {
    /// The column that rows are sorted by; empty for the pane's own order.
    pub sort: String,
    pub reversed: bool,
    pub hidden: Vec<String>,
}

impl Arrangement {
    /// Whatever of `text` makes sense.
    pub fn read(text: &str) -> Self {
        toml::from_str(text).unwrap_or_default()
    }

    pub fn write(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_rubbish_is_nothing() {
        let pods = Arranged { sort: "restarts".into(), reversed: true, hidden: vec!["age".into()] };
        let a =
            Arrangement { focus: "pods".into(), zoomed: true, shown: vec!["events".into()], panes: [("pods".to_owned(), pods)].into(), ..Default::default() };
        assert_eq!(Arrangement::read(&a.write()), a);
        assert_eq!(Arrangement::read("zoomed = 3\n[["), Arrangement::default());
        assert!(Arrangement::read("dock-open = true\nsomething-newer = 1").dock_open);
    }
}
