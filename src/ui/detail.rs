//! The selected thing in words: how it is and why, its facts, what it stands on, what happened to it.

use super::layout::{Dock, Zoom};
use super::pane::{Say, container, host, node, verdict_scope, vm};
use super::replication::{self, Strand};
use super::{DOCK, DockText, Ui};
use crate::base::clock::Moment;
use crate::base::text;
use crate::model::fact::Row;
use crate::model::host::MountProbe;
use crate::model::id::{SourceId, Target};
use crate::model::verdict::Verdict;
use crate::store::Store;
use crate::store::joins::Relatives;
use crate::store::table::Entry;

/// One line of the dock: a label in the margin, text, and how it looks.
#[derive(Clone, Debug, Default)]
pub struct Fact {
    pub label: String,
    pub text: String,
    pub scope: &'static str,
}

/// Collects lines.
struct Page<'a> {
    say: Say<'a>,
    zone: &'a jiff::tz::TimeZone,
    lines: Vec<Fact>,
}

impl Page<'_> {
    fn add(&mut self, key: &str, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.lines.push(Fact { label: self.say.lang.word(&format!("detail.{key}")).to_owned(), text, scope: "" });
        }
    }
    fn more(&mut self, text: impl Into<String>, scope: &'static str) {
        self.lines.push(Fact { label: String::new(), text: text.into(), scope });
    }
    fn moment(&mut self, key: &str, at: Option<Moment>) {
        if let Some(at) = at {
            let now = self.say.store.now();
            let words = if at > now {
                self.say.lang.fill("detail.in", &[("span", &text::span(at.since(now).as_secs()))])
            } else {
                self.say.lang.fill("detail.ago", &[("span", &text::age_step(now.since(at).as_secs()))])
            };
            self.add(key, words);
        }
    }

    fn standing<T: Row>(&mut self, e: &Entry<T>) {
        let say = self.say;
        let j = say.store.judge_entry(e);
        let since = text::age_step(say.store.now().since(e.since).as_secs());
        let word = say.lang.word(&format!("verdict.{}", j.verdict.word())).to_owned();
        let line = say.lang.fill("detail.standing", &[("verdict", &word), ("since", &since)]);
        self.lines.push(Fact { label: say.glyphs.verdict(j.verdict).to_owned(), text: line, scope: verdict_scope(j.verdict) });
        for r in &j.reasons {
            let scope = if r.verdict == Verdict::Ok { "" } else { verdict_scope(r.verdict) };
            self.more(say.lang.reason(r), scope);
        }
        self.source(e.source);
    }

    fn source(&mut self, id: SourceId) {
        let Some(s) = self.say.store.source(id) else { return };
        let mut words = format!("{}  {}", s.subject.name(), self.say.lang.word(&format!("source.state.{}", s.state.word())));
        if let (Some(at), false) = (s.answered_at, s.state.is_live()) {
            let span = text::age_step(self.say.store.now().since(at).as_secs());
            words.push_str("  ");
            words.push_str(&self.say.lang.fill("detail.ago", &[("span", &span)]));
        }
        self.add("source", words);
        if !s.error.is_empty() {
            self.more(s.error.clone(), "verdict.unknown");
        }
        if !s.remedy.is_empty() {
            self.more(s.remedy.clone(), "text.accent");
        }
    }

    fn host(&mut self, e: &Entry<crate::model::host::Host>) {
        let row = &e.row;
        self.standing(e);
        self.add("address", &*row.address);
        self.add("system", [row.identity.os.as_str(), row.identity.kernel.as_str()].join("  "));
        if let Some(v) = &row.vitals {
            let [a, b, c] = v.load;
            self.add("load", format!("{a:.2} {b:.2} {c:.2} / {}", row.identity.cores));
            if let Some(c) = v.cpu {
                self.add(
                    "cpu",
                    format!(
                        "us {:.0}%  sy {:.0}%  wa {:.0}%  st {:.0}%  id {:.0}%",
                        c.user_percent, c.system_percent, c.iowait_percent, c.steal_percent, c.idle_percent
                    ),
                );
            }
            if let Some(used) = host::memory_percent(v) {
                self.add(
                    "memory",
                    format!(
                        "{used:.0}%  {} / {}",
                        text::bytes(v.memory_total_bytes.saturating_sub(v.memory_available_bytes)),
                        text::bytes(v.memory_total_bytes)
                    ),
                );
            }
            if v.swap_total_bytes > 0 {
                let rate = v.swap_pages_per_second.map_or_else(String::new, |r| format!("  {r:.0}/s"));
                self.add("swap", format!("{} / {}{rate}", text::bytes(v.swap_used_bytes), text::bytes(v.swap_total_bytes)));
            }
            if let Some(p) = v.pressure {
                self.add(
                    "pressure",
                    format!("cpu {:.1}%  mem {:.1}%  io {:.1}%", p.cpu_some_avg60_percent, p.memory_full_avg10_percent, p.io_full_avg60_percent),
                );
            }
            for m in &v.mounts {
                let words = match m.probe {
                    MountProbe::Answered { total_bytes, used_bytes, used_percent, inodes_used_percent } => {
                        format!(
                            "{}  {used_percent:.0}%  {} / {}  i {inodes_used_percent:.0}%  {}",
                            m.path,
                            text::bytes(used_bytes),
                            text::bytes(total_bytes),
                            m.filesystem
                        )
                    }
                    MountProbe::Hung { for_seconds } => format!("{}  {} {}", m.path, self.say.lang.word("cell.hung"), text::span(for_seconds)),
                    MountProbe::Pending => continue,
                };
                self.add("mount", words);
            }
            for n in &v.nics {
                let rate = |r: Option<f64>| {
                    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                    r.map_or_else(|| "-".to_owned(), |v| format!("{}/s", text::bytes(v.max(0.0) as u64)))
                };
                self.add(
                    "network",
                    format!(
                        "{}  {} {}  {} {}",
                        n.name,
                        self.say.glyphs.down,
                        rate(n.received_bytes_per_second),
                        self.say.glyphs.up,
                        rate(n.sent_bytes_per_second)
                    ),
                );
            }
            self.add("uptime", text::span(v.uptime_seconds));
            if let Some(s) = v.clock_skew_seconds {
                self.add("clock", format!("{s:+.3}s"));
            }
            if let Some(units) = v.failed_units.as_ref().filter(|u| !u.is_empty()) {
                self.add("units", units.join(" "));
            }
            for k in v.kernel_errors.iter().rev().take(5) {
                self.add("kernel", k.text.as_str());
            }
        }
        if let Some(h) = &row.hypervisor {
            self.add("hypervisor", format!("{} {}  {} vCPU  {}", h.version, h.uri, h.vcpus, text::bytes(h.memory_max_bytes)));
        }
        for d in &row.denied {
            let name = self.say.lang.fill("pane.denied", &[("fact", &d.fact)]);
            self.more(format!("{name}  {}", d.need), "verdict.unknown");
        }
    }

    fn vm(&mut self, e: &Entry<crate::model::vm::Vm>) {
        let row = &e.row;
        self.standing(e);
        self.add("state", format!("{}  {}", self.say.lang.word(vm::state_key(row.state)), row.state_reason));
        self.add("host", &*row.host);
        self.add("vcpus", row.vcpus.to_string());
        self.add("cpu", row.cpu_percent.map_or_else(String::new, |c| format!("{c:.0}%")));
        self.add("memory", text::bytes(row.memory_max_bytes));
        for d in &row.disks {
            self.add("disk", format!("{}  {}  {} / {}", d.target, d.path, text::bytes(d.allocation_bytes), text::bytes(d.capacity_bytes)));
        }
        self.add("address", row.addresses.join(" "));
        self.add("mac", row.macs.join(" "));
        self.add("uuid", row.uuid.to_string());
    }

    fn node(&mut self, e: &Entry<crate::model::node::Node>) {
        let row = &e.row;
        self.standing(e);
        self.add("state", node::status(row, &self.say));
        self.add("cluster", &*row.cluster);
        let (cpu, memory) = node::requested(e, &self.say);
        self.add("requested", format!("cpu {cpu:.0}%  mem {memory:.0}%"));
        self.add("address", row.addresses.join(" "));
        self.add("version", format!("{}  {}", row.kubelet_version, row.runtime));
        self.add("system", format!("{}  {}", row.os_image, row.kernel));
        self.add("taints", row.taints.join(" "));
        self.moment("lease", row.lease_renewed_at);
        for c in &row.conditions {
            self.add("condition", format!("{}  {:?}  {}  {}", c.name, c.status, c.reason, c.message));
        }
    }

    fn pod(&mut self, e: &Entry<crate::model::pod::Pod>) {
        let row = &e.row;
        self.standing(e);
        self.add("state", format!("{}  {}/{}", row.status, row.ready, row.containers));
        self.add("namespace", &*row.namespace);
        self.add("node", row.node.as_deref().unwrap_or_default());
        self.add("owner", row.owner.as_ref().map_or_else(String::new, |o| format!("{}/{}", o.kind, o.name)));
        self.add("restarts", row.restarts.to_string());
        if let Some(t) = &row.trouble {
            let exit = t.exit_code.map_or_else(String::new, |c| format!("exit {c}"));
            let words: Vec<&str> = [t.container.as_str(), t.last_reason.as_str(), exit.as_str(), &*t.message].into_iter().filter(|w| !w.is_empty()).collect();
            self.add("trouble", words.join("  "));
            self.moment("finished", t.last_finished_at);
        }
        self.add("requests", format!("cpu {}m  mem {}", row.cpu_request_millicores, text::bytes(row.memory_request_bytes)));
        self.add("address", row.ip.map_or_else(String::new, |ip| ip.to_string()));
        self.moment("created", Some(row.created_at));
    }

    fn fill(&mut self, target: &Target) -> Option<()> {
        let store = self.say.store;
        match target {
            Target::Host(k) => match store.hosts.get(k) {
                Some(e) => self.host(e),
                None => self.source(store.source_of(target)?.id),
            },
            Target::Vm(k) => self.vm(store.vms.get(k)?),
            Target::Node(k) => self.node(store.nodes.get(k)?),
            Target::Pod(k) => self.pod(store.pods.get(k)?),
            Target::Container(k) => {
                let e = store.containers.get(k)?;
                self.standing(e);
                self.add("state", self.say.lang.word(container::state_key(&e.row)));
                self.add("image", &*e.row.image);
                self.add("host", format!("{}  {}", e.row.host, e.row.runtime));
                self.add("restarts", e.row.restarts.to_string());
                self.add("ports", e.row.ports.join(" "));
                self.moment("started", e.row.started_at);
                self.moment("finished", e.row.finished_at);
            }
            Target::Cluster(k) => match store.clusters.get(k) {
                Some(e) => {
                    self.standing(e);
                    self.add("version", &*e.row.version);
                    self.add("address", &*e.row.server);
                    self.add("latency", e.row.latency_ms.map_or_else(String::new, |ms| format!("{ms} ms")));
                    self.add("failing", e.row.failing_checks.join(" "));
                    self.moment("certificate", e.row.certificate_expires_at);
                    for l in &e.row.leases {
                        self.add("lease", format!("{}  {}", l.name, l.holder));
                    }
                }
                None => self.source(store.source_of(target)?.id),
            },
            Target::Workload(k) => {
                let e = store.workloads.get(k)?;
                let w = &e.row;
                self.standing(e);
                self.add("state", format!("{}  {}/{}", w.kind.word(), w.ready, w.desired));
                self.add("namespace", &*w.namespace);
                self.add("trouble", [&*w.stuck, &*w.message].join("  ").trim());
                self.moment("created", w.created_at);
            }
            Target::Event(k) => {
                let e = store.events.get(k)?;
                self.add("about", format!("{}/{}", e.row.about_kind, e.row.about_name));
                self.add("namespace", &*e.row.namespace);
                self.add("reason", format!("{}  x{}", e.row.reason, e.row.count));
                self.add("message", &*e.row.message);
                self.moment("last", Some(e.row.last_seen_at));
            }
            Target::Group(k) => {
                let Some(e) = store.groups.get(k) else {
                    self.source(store.source_of(target)?.id);
                    return Some(());
                };
                let width = 160;
                for strand in replication::of_group(&self.say, self.zone, e, replication::Detail::Whole, width) {
                    self.more(strand.text(), "");
                }
            }
        }
        Some(())
    }

    fn kin(&mut self, kin: &Relatives) {
        let count = kin.iter().count();
        for t in kin.iter().filter(|t| !matches!(t, Target::Pod(_)) || count <= 8).take(8) {
            let guess = if kin.is_guess(t) { format!("  ({})", self.say.lang.word("detail.guess")) } else { String::new() };
            let kind = super::pane::PaneKind::of(t).map_or("", |k| k.name());
            let floor = self.say.lang.word(&format!("pane.{kind}")).to_owned();
            self.add("kin", format!("{floor}  {}{guess}", super::name::name_of(self.say.store, t)));
        }
    }

    fn events(&mut self, target: &Target) {
        let store = self.say.store;
        if !matches!(target, Target::Pod(_) | Target::Node(_) | Target::Workload(_)) {
            return;
        }
        let mut found: Vec<_> =
            store.events.iter().map(|(_, e)| &e.row).filter(|e| <super::pane::event::Events as super::pane::Floor>::under(e, target)).collect();
        found.sort_by_key(|e| std::cmp::Reverse(e.last_seen_at));
        for e in found.into_iter().take(12) {
            let age = text::age_step(store.now().since(e.last_seen_at).as_secs());
            self.add("event", format!("{age}  {}  {}", e.reason, e.message));
        }
    }
}

impl Ui {
    /// The detail of what is selected.
    pub(super) fn detail(&self, store: &Store) -> Vec<Fact> {
        let Some(target) = self.selected_for_dock() else {
            let note = if self.focus == super::PROBLEMS { None } else { self.pane(self.slot).note() };
            let (name, text) = note.unwrap_or_default();
            let lines = [(name, "text.strong"), (text, "")].into_iter().filter(|(words, _)| !words.is_empty());
            return lines.map(|(words, scope)| Fact { text: words.to_owned(), scope, ..Fact::default() }).collect();
        };
        let mut page = Page { say: self.say(store), zone: &self.zone, lines: Vec::new() };
        if page.fill(&target).is_none() {
            page.more(self.lang.word("detail.gone"), "text.dim");
        }
        page.events(&target);
        page.kin(&self.kin_of(store, &target));
        page.lines
    }

    /// Does the dock stand in the place of the panes?
    pub(super) fn fills_screen(&self) -> bool {
        self.dock == Dock::Open && self.focus == DOCK && self.zoom == Zoom::One
    }

    /// A group's replication, when that is what the dock shows; then it stands for [`dock_lines`](Self::dock_lines) line by line.
    pub(super) fn strands(&self, store: &Store) -> Option<Vec<Strand>> {
        let target = self.selected_for_dock().filter(|_| matches!(self.dock_text, DockText::Detail))?;
        let Target::Group(key) = &target else { return None };
        let entry = store.groups.get(key)?;
        let width = usize::from(self.plan.dock.width.saturating_sub(3));
        let detail = if self.fills_screen() { replication::Detail::Whole } else { replication::Detail::Short };
        let say = self.say(store);
        let mut lines = replication::of_group(&say, &self.zone, entry, detail, width);
        let mut page = Page { say, zone: &self.zone, lines: Vec::new() };
        page.kin(&self.kin_of(store, &target));
        lines.extend(page.lines.into_iter().map(|fact| Strand(vec![(format!("{}  ", fact.label), "text.dim"), (fact.text, fact.scope)])));
        Some(lines)
    }

    pub(super) fn selected_for_dock(&self) -> Option<Target> {
        if self.focus == super::PROBLEMS { self.problems.selected() } else { self.pane(self.slot).selected() }
    }

    /// What the dock shows, as lines that fit it, and in how many columns. Sentences about one row are broken to fit; the lines
    /// of a document are not, as a broken manifest is hard to read.
    pub(super) fn dock_lines(&self, store: &Store) -> (Vec<Fact>, usize) {
        if let Some(strands) = self.strands(store) {
            return (strands.into_iter().map(|s| Fact { text: s.text(), ..Fact::default() }).collect(), 1);
        }
        match &self.dock_text {
            DockText::Detail | DockText::Log => {
                let facts = self.detail(store);
                let (width, rows) = (usize::from(self.plan.dock.width.saturating_sub(3)), usize::from(self.plan.dock.height.saturating_sub(1)));
                let columns = if width >= 120 && facts.len() > rows { 2 } else { 1 };
                let labels = facts.iter().map(|f| text::width(&f.label)).max().unwrap_or(0).min(16);
                let room = ((width + 3) / columns).saturating_sub(3 + labels + 2).max(16);
                let mut out = Vec::with_capacity(facts.len());
                for fact in facts {
                    let clean = text::clean(&fact.text);
                    let mut label = fact.label;
                    out.extend(text::wrap(&clean, room).into_iter().map(|part| Fact {
                        label: std::mem::take(&mut label),
                        text: part.to_owned(),
                        scope: fact.scope,
                    }));
                }
                (out, columns)
            }
            DockText::Waiting(..) => (vec![Fact { text: self.lang.word("dock.waiting").to_owned(), scope: "text.dim", ..Fact::default() }], 1),
            DockText::Run => (self.run_lines(), 1),
            DockText::Document(d) => (d.lines.iter().map(|l| Fact { text: l.clone(), ..Fact::default() }).collect(), 1),
        }
    }
}
