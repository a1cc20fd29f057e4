//! Logs in the dock: everything that the open log says, followed or held still, searched, filtered, taken apart.
//!
//! Lines are the store's; here is only where someone stands among them. A frame costs what is in sight.

mod draw;
mod find;
mod keys;
mod names;
mod note;
mod row;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod walk;

pub(super) use time::zone_name;

use std::collections::BTreeSet;

use crate::model::log::{LogId, LogQuery};
use crate::store::log::fields::Path;
use crate::ui::layout::Dock;
use find::{Filter, Search};
use names::Names;

/// Where someone stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// At the end, wherever that is.
    Follow,
    /// At a line, which stays where it is while others come.
    Hold,
}

/// What becomes of a line that is wider than the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Cut,
    Wrap,
}

/// How much of a line's time is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Clock,
    Date,
    Off,
}

/// How lines of fields (JSON, logfmt, klog) are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Raw,
    Columns,
    Pretty,
}

/// The top of what is in sight: a line, and which of its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Top {
    pub line: u64,
    pub row: usize,
}

/// One open log as one person reads it.
#[derive(Debug)]
pub struct LogPane {
    pub(super) id: LogId,
    pub(super) title: String,
    pub(super) query: LogQuery,
    stand: Stand,
    top: Top,
    cursor: u64,
    /// The number that the next line had when it was held still.
    seen: u64,
    flow: Flow,
    times: Times,
    form: Form,
    /// Chosen with `:fields`; empty: level, message, and the rest.
    columns: Vec<Path>,
    widths: Vec<usize>,
    /// Lines that are shown in full whatever the form.
    opened: BTreeSet<u64>,
    marks: BTreeSet<u64>,
    /// The other end of a selection.
    anchor: Option<u64>,
    filter: Option<Filter>,
    search: Option<Search>,
    /// Cells that are out of sight on the left.
    shift: usize,
    names: Names,
    /// Of the book, when the numbers of lines here were looked up.
    epoch: u64,
    /// Of the last drawing: rows, cells for the text, and the line of each row.
    rows: usize,
    room: usize,
    drawn: Vec<u64>,
    /// Is the last row drawn the last one of its line?
    drawn_to_its_end: bool,
    /// How the dock was before the log was opened.
    pub(super) dock_before: Dock,
}

impl LogPane {
    pub(super) fn new(id: LogId, title: String, query: LogQuery) -> Self {
        Self {
            id,
            title,
            query,
            stand: Stand::Follow,
            top: Top::default(),
            cursor: 0,
            seen: 0,
            flow: Flow::Cut,
            times: Times::Clock,
            form: Form::Raw,
            columns: Vec::new(),
            widths: Vec::new(),
            opened: BTreeSet::new(),
            marks: BTreeSet::new(),
            anchor: None,
            filter: None,
            search: None,
            shift: 0,
            names: Names::default(),
            epoch: 0,
            rows: 1,
            room: 80,
            drawn: Vec::new(),
            drawn_to_its_end: true,
            dock_before: Dock::Closed,
        }
    }

    /// The way of reading is kept when another log is opened.
    pub(super) fn like(mut self, other: &Self) -> Self {
        (self.flow, self.times, self.form) = (other.flow, other.times, other.form);
        self.columns.clone_from(&other.columns);
        self
    }
}
