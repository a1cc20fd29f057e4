//! Going in and coming back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::pane::{PaneKind, Scope};
use super::{DOCK, Dock, DockText, PROBLEMS, Place, Ui, Zoom};
use crate::base::clock::Moment;
use crate::model::id::Target;
use crate::store::Store;
use crate::store::joins::Relatives;

/// Itself and everything that it stands on or that stands on it.
fn kin_set(store: &Store, target: &Target) -> BTreeSet<Target> {
    store.relatives(target).iter().chain([target]).cloned().collect()
}

/// The relatives of one target as of one state of the store.
#[derive(Debug)]
pub(super) struct Kin {
    target: Target,
    stamp: [u64; 7],
    at: Moment,
    pub(super) found: Arc<Relatives>,
}

/// Relatives are searched among all rows: while rows change all the time, that is done this often.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl Ui {
    /// The relatives of what is selected; searched again only when something changed, and not at every change.
    pub(super) fn kin(&mut self, store: &Store) -> Arc<Relatives> {
        let Some(target) = self.selected() else { return Arc::default() };
        let (stamp, now) = (store.stamp(), store.now());
        let fresh = |k: &&Kin| k.target == target && (k.stamp == stamp || now.since(k.at) < LOOK_AGAIN);
        if let Some(known) = self.kin.as_ref().filter(fresh) {
            return known.found.clone();
        }
        let found = Arc::new(store.relatives(&target));
        self.kin = Some(Kin { target, stamp, at: now, found: found.clone() });
        found
    }

    /// As [`Ui::kin`] found them for this frame.
    pub(super) fn kin_of(&self, store: &Store, target: &Target) -> Arc<Relatives> {
        self.kin.as_ref().filter(|k| k.target == *target).map_or_else(|| Arc::new(store.relatives(target)), |k| k.found.clone())
    }

    /// Panes that are narrowed to relatives take in those that have come since.
    pub(super) fn follow_kin(&mut self, store: &Store) {
        let (stamp, now) = (store.stamp(), store.now());
        let (seen, at) = self.followed;
        if seen == stamp || now.since(at) < LOOK_AGAIN {
            return;
        }
        self.followed = (stamp, now);
        let (lang, glyphs) = (self.lang.clone(), self.glyphs);
        // All panes are mostly narrowed to one and the same thing.
        let mut last: Option<(Target, Arc<BTreeSet<Target>>)> = None;
        for slot in 0..5 {
            let Scope::Kin(target, old) = self.pane(slot).scope().clone() else { continue };
            let new = match &last {
                Some((t, kin)) if *t == target => kin.clone(),
                _ => Arc::new(kin_set(store, &target)),
            };
            if new != old {
                self.pane_mut(slot).set_scope(Scope::Kin(target.clone(), new.clone()), &lang, glyphs);
            }
            last = Some((target, new));
        }
    }

    fn place(&self, store: &Store) -> Place {
        Place {
            focus: self.focus,
            shown: self.shown,
            scopes: (0..5).map(|s| self.pane(s).scope().clone()).collect(),
            selected: (0..5).map(|s| self.pane(s).selected()).collect(),
            name: self.selected().map(|t| super::name::name_of(store, &t)).unwrap_or_default(),
        }
    }

    fn scope(&mut self, slot: usize, scope: Scope, store: &Store) {
        let (lang, glyphs) = (self.lang.clone(), self.glyphs);
        self.pane_mut(slot).set_scope(scope, &lang, glyphs);
        let say = super::pane::Say { store, lang: &lang, glyphs };
        self.slots[slot][self.shown[slot]].settle(&say);
        self.slots[slot][self.shown[slot]].step(super::pane::Motion::Top, store);
    }

    /// Enter: a host opens its VMs, or its containers where it has none; a VM its node; a node its pods; the others their detail.
    pub(super) fn enter(&mut self, store: &Store) {
        let Some(target) = self.selected() else { return };
        if self.focus == PROBLEMS {
            self.jump(&target, store);
            return;
        }
        let place = self.place(store);
        match &target {
            Target::Host(name) => {
                let vms = store.vms.iter().any(|(_, e)| e.row.host == *name);
                let containers = store.containers.iter().any(|(_, e)| e.row.host == *name);
                if !vms && !containers {
                    return self.open_detail();
                }
                self.show(if vms { PaneKind::Vms } else { PaneKind::Containers });
                self.scope(1, Scope::Under(target), store);
            }
            Target::Vm(_) => {
                let kin = kin_set(store, &target);
                if !kin.iter().any(|t| matches!(t, Target::Node(_))) {
                    return self.open_detail();
                }
                self.show(PaneKind::Nodes);
                self.scope(2, Scope::Kin(target, Arc::new(kin)), store);
            }
            Target::Node(_) | Target::Cluster(_) => {
                self.show(PaneKind::Pods);
                self.scope(3, Scope::Under(target), store);
            }
            Target::Workload(_) => {
                let kin = kin_set(store, &target);
                self.show(PaneKind::Pods);
                self.scope(3, Scope::Kin(target, Arc::new(kin)), store);
            }
            Target::Event(key) => {
                let about = store.events.get(key).and_then(|e| e.row.about_uid.map(|uid| crate::model::id::ObjectKey { cluster: e.row.cluster.clone(), uid }));
                match about.filter(|k| store.pods.get(k).is_some()) {
                    Some(pod) => self.jump(&Target::Pod(pod), store),
                    None => self.open_detail(),
                }
                return;
            }
            // The first time beside the panes, the second time in their place.
            Target::Group(_) if self.dock == Dock::Open && matches!(self.dock_text, DockText::Detail) => {
                (self.focus, self.zoom) = (DOCK, Zoom::One);
                return;
            }
            Target::Pod(_) | Target::Container(_) | Target::Group(_) => return self.open_detail(),
        }
        self.trail.push(place);
    }

    pub(super) fn open_detail(&mut self) {
        (self.dock, self.dock_text, self.scroll) = (Dock::Open, DockText::Detail, 0);
        (self.shift, self.hit) = (0, None);
    }

    /// Shows a thing in its pane, with whatever narrows that pane taken away when it hides it.
    pub(super) fn jump(&mut self, target: &Target, store: &Store) {
        let Some(kind) = PaneKind::of(target) else { return };
        self.trail.push(self.place(store));
        self.show(kind);
        let slot = kind.slot();
        let (lang, glyphs) = (self.lang.clone(), self.glyphs);
        let say = super::pane::Say { store, lang: &lang, glyphs };
        let pane = self.pane_mut(slot);
        pane.settle(&say);
        if !pane.select(target, store) {
            pane.set_filter("", &lang, glyphs);
            pane.set_scope(Scope::All, &lang, glyphs);
            pane.settle(&say);
            pane.select(target, store);
        }
    }

    /// Esc: closes what is open, then goes back along the trail, then takes the filter away.
    pub(super) fn back(&mut self, store: &Store) {
        if matches!(self.dock_text, DockText::Waiting(..) | DockText::Document(_)) || self.focus == DOCK {
            // What was read before the document comes back.
            (self.dock_text, self.scroll) = (if self.log.is_some() { DockText::Log } else { DockText::Detail }, 0);
            (self.shift, self.hit) = (0, None);
            self.search.clear();
            self.focus = self.slot;
            // As it was before the dock took the screen.
            if matches!(self.selected(), Some(Target::Group(_))) {
                self.zoom = Zoom::All;
            }
        } else if let Some(place) = self.trail.pop() {
            self.shown = place.shown;
            for slot in 0..5 {
                self.scope(slot, place.scopes[slot].clone(), store);
                if let Some(target) = &place.selected[slot] {
                    self.pane_mut(slot).select(target, store);
                }
            }
            self.set_focus(place.focus);
        } else if self.narrowed {
            self.relatives(store);
        } else if !self.pane(self.slot).filter().is_empty() {
            self.filter_panes("", false);
        } else if self.dock == Dock::Open {
            self.dock = Dock::Closed;
        }
    }

    /// Narrows every pane to the relatives of the selected row, and back.
    pub(super) fn relatives(&mut self, store: &Store) {
        if self.narrowed {
            self.narrowed = false;
            for slot in 0..5 {
                let kept = self.pane(slot).selected();
                self.scope(slot, Scope::All, store);
                if let Some(target) = kept {
                    self.pane_mut(slot).select(&target, store);
                }
            }
            return;
        }
        let Some(target) = self.selected() else { return };
        let kin = Arc::new(kin_set(store, &target));
        self.narrowed = true;
        for slot in 0..5 {
            self.scope(slot, Scope::Kin(target.clone(), kin.clone()), store);
        }
    }

    pub(super) fn filter_panes(&mut self, text: &str, all: bool) {
        let (lang, glyphs) = (self.lang.clone(), self.glyphs);
        let slot = self.slot;
        for pane in self.slots.iter_mut().enumerate().filter(|(s, _)| all || *s == slot).flat_map(|(_, p)| p) {
            pane.set_filter(text, &lang, glyphs);
        }
    }
}
