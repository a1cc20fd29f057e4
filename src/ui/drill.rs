//! Going in and coming back.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::pane::{PaneKind, Scope};
use super::{DOCK, Dock, DockText, PROBLEMS, Place, Ui};
use crate::model::id::Target;
use crate::store::Store;

impl Ui {
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
        self.slots[slot][self.shown[slot]].refresh(&say, false);
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
                let kin: BTreeSet<Target> = store.relatives(&target).iter().filter(|t| matches!(t, Target::Node(_))).cloned().collect();
                if kin.is_empty() {
                    return self.open_detail();
                }
                self.show(PaneKind::Nodes);
                self.scope(2, Scope::Kin(Arc::new(kin)), store);
            }
            Target::Node(_) | Target::Cluster(_) => {
                self.show(PaneKind::Pods);
                self.scope(3, Scope::Under(target), store);
            }
            Target::Workload(key) => {
                let Some(e) = store.workloads.get(key) else { return };
                let owned = |owner: &crate::model::pod::Owner| {
                    owner.name == e.row.name || (&*owner.kind == "ReplicaSet" && owner.name.rsplit_once('-').is_some_and(|(stem, _)| *stem == *e.row.name))
                };
                let pods = store.pods.iter().map(|(_, p)| &p.row).filter(|p| p.cluster == e.row.cluster && p.namespace == e.row.namespace);
                let kin = pods.filter(|p| p.owner.as_ref().is_some_and(owned)).map(crate::model::fact::Row::target).collect();
                self.show(PaneKind::Pods);
                self.scope(3, Scope::Kin(Arc::new(kin)), store);
            }
            Target::Event(key) => {
                let about = store.events.get(key).and_then(|e| e.row.about_uid.map(|uid| crate::model::id::ObjectKey { cluster: e.row.cluster.clone(), uid }));
                match about.filter(|k| store.pods.get(k).is_some()) {
                    Some(pod) => self.jump(&Target::Pod(pod), store),
                    None => self.open_detail(),
                }
                return;
            }
            Target::Pod(_) | Target::Container(_) | Target::Group(_) => return self.open_detail(),
        }
        self.trail.push(place);
    }

    pub(super) fn open_detail(&mut self) {
        (self.dock, self.dock_text, self.scroll) = (Dock::Open, DockText::Detail, 0);
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
        pane.refresh(&say, false);
        if !pane.select(target, store) {
            pane.set_filter("", &lang, glyphs);
            pane.set_scope(Scope::All, &lang, glyphs);
            pane.refresh(&say, false);
            pane.select(target, store);
        }
    }

    /// Esc: closes what is open, then goes back along the trail, then takes the filter away.
    pub(super) fn back(&mut self, store: &Store) {
        if !matches!(self.dock_text, DockText::Detail) || self.focus == DOCK {
            (self.dock_text, self.scroll) = (DockText::Detail, 0);
            self.search.clear();
            self.focus = self.slot;
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
        let mut kin: BTreeSet<Target> = store.relatives(&target).iter().cloned().collect();
        kin.insert(target);
        let kin = Arc::new(kin);
        self.narrowed = true;
        for slot in 0..5 {
            self.scope(slot, Scope::Kin(kin.clone()), store);
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
