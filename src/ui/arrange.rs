//! The layout as it is remembered from one run to the next.

use super::layout::{Dock, Zoom};
use super::pane::PaneKind;
use super::{PROBLEMS, Ui};
use crate::config::arrangement::{Arranged, Arrangement};

impl Ui {
    /// What a person has changed about the layout so far.
    pub fn arrangement(&self) -> Arrangement {
        let panes = self.slots.iter().flatten().map(|p| (p.kind().name().to_owned(), p.arranged()));
        let focus = if self.focus == PROBLEMS { PaneKind::Problems } else { self.pane(self.slot).kind() };
        Arrangement {
            focus: focus.name().to_owned(),
            zoomed: self.zoom == Zoom::One,
            dock_open: self.dock == Dock::Open,
            shown: (0..self.slots.len()).map(|slot| self.pane(slot).kind().name().to_owned()).collect(),
            grown: self.grown.to_vec(),
            panes: panes.filter(|(_, arranged)| *arranged != Arranged::default()).collect(),
        }
    }

    /// Puts everything where it was. A pane or column that no longer exists is passed over.
    pub fn arrange(&mut self, before: &Arrangement) {
        for pane in self.slots.iter_mut().flatten() {
            if let Some(arranged) = before.panes.get(pane.kind().name()) {
                pane.arrange(arranged);
            }
        }
        let kind = |name: &str| PaneKind::ALL.into_iter().find(|k| k.name() == name);
        for kind in before.shown.iter().filter_map(|name| kind(name)) {
            self.show(kind);
        }
        if let Some(kind) = kind(&before.focus) {
            self.show(kind);
        } else {
            self.set_focus(0);
        }
        for (grown, was) in self.grown.iter_mut().zip(&before.grown) {
            *grown = (*was).clamp(-200, 200);
        }
        self.zoom = if before.zoomed { Zoom::One } else { Zoom::All };
        self.dock = if before.dock_open { Dock::Open } else { Dock::Closed };
    }
}
