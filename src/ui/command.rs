//! The line behind `:`.

use super::Ui;
use super::overlay::Overlay;
use super::pane::PaneKind;
use crate::config::theme::Themes;
use crate::model::command::{Command, Verb};
use crate::model::effect::Effect;
use crate::model::fact::Notice;
use crate::store::Store;

/// Everything that can stand first on the line.
fn names(verbs: &[Verb]) -> Vec<String> {
    let mut out: Vec<String> = PaneKind::ALL.iter().map(|p| p.name().to_owned()).collect();
    out.extend(Command::ALL.iter().map(|c| c.name().to_owned()).filter(|c| !out.contains(c)).collect::<Vec<_>>());
    out.extend(["write", "at", "fields"].map(str::to_owned));
    out.extend(verbs.iter().map(|v| v.name.clone()));
    out.sort();
    out
}

/// What may follow, for the hint behind the line.
pub fn candidates(typed: &str, themes: &Themes, verbs: &[Verb]) -> Vec<String> {
    match typed.split_once(' ') {
        Some(("theme", part)) => themes.names().filter(|n| n.starts_with(part.trim())).map(|n| format!("theme {n}")).collect(),
        Some((name, part)) => {
            let choices = verbs.iter().filter(|v| v.name == name).flat_map(|v| &v.choices);
            choices.filter(|c| c.starts_with(part.trim())).map(|c| format!("{name} {c}")).collect()
        }
        None => names(verbs).into_iter().filter(|n| n.starts_with(typed)).collect(),
    }
}

/// The line completed as far as it is certain; `None` where nothing fits.
pub fn complete(typed: &str, themes: &Themes, verbs: &[Verb]) -> Option<String> {
    let found = candidates(typed, themes, verbs);
    let first = found.first()?;
    if found.len() == 1 {
        return Some(first.clone());
    }
    let common = first.char_indices().map(|(i, c)| i + c.len_utf8()).take_while(|end| found.iter().all(|f| f.starts_with(&first[..*end]))).last()?;
    if common > typed.len() { Some(first[..common].to_owned()) } else { Some(first.clone()) }
}

impl Ui {
    pub(super) fn command(&mut self, store: &Store, text: &str) -> Vec<Effect> {
        let (name, argument) = text.split_once(' ').unwrap_or((text, ""));
        let name = match name {
            "q" => "quit",
            "po" | "pod" => "pods",
            "no" | "node" => "nodes",
            "ev" => "events",
            other => other,
        };
        if let Some(kind) = PaneKind::ALL.into_iter().find(|p| p.name() == name) {
            self.show(kind);
            if !argument.is_empty() {
                self.filter_panes(argument, false);
            }
            return Vec::new();
        }
        if self.verbs.iter().any(|v| v.name == name) {
            return vec![Effect::Call { verb: name.to_owned(), argument: argument.trim().to_owned() }];
        }
        match (name, Command::from_name(name)) {
            ("theme", _) if !argument.is_empty() => self.set_theme(argument.trim()),
            ("at", _) if self.has_log() => self.log_at(store, argument.trim()),
            ("fields", _) if self.has_log() => self.log_fields(argument),
            ("at" | "fields", _) => {
                let text = self.lang.word("log.none-open").to_owned();
                self.notice(Notice { good: false, text });
            }
            ("write", _) => return self.arm(argument),
            (_, Some(Command::CommandLine)) => {}
            (_, Some(command)) => return self.run(store, command),
            (_, None) => {
                let near = names(&self.verbs).into_iter().map(|n| (strsim::jaro_winkler(&n, name), n)).max_by(|a, b| a.0.total_cmp(&b.0));
                let near = near.map_or_else(String::new, |(_, n)| n);
                let text = self.lang.fill("message.no-command", &[("name", name), ("near", &near)]);
                self.notice(Notice { good: false, text });
            }
        }
        if name == "theme" && argument.is_empty() {
            self.overlay = None::<Overlay>;
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completion_goes_as_far_as_it_is_certain() {
        let themes = Themes::default();
        assert_eq!(complete("sou", &themes, &[]).as_deref(), Some("sources"));
        assert_eq!(complete("theme pa", &themes, &[]).as_deref(), Some("theme paper"));
        assert_eq!(complete("pa", &themes, &[]).as_deref(), Some("page-down"));
        assert_eq!(complete("nothing-such", &themes, &[]), None);
        let verbs = [Verb { name: "scenario".into(), choices: vec!["calm".into(), "node-lost".into()] }];
        assert_eq!(complete("sce", &themes, &verbs).as_deref(), Some("scenario"));
        assert_eq!(complete("scenario no", &themes, &verbs).as_deref(), Some("scenario node-lost"));
    }
}
