//! What was found, as a configuration that passes `config check`.

use std::fmt::Write as _;

use super::found::{Context, Found, Guests};
use super::run::{range, run};

/// Everything that `init` gathered.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Hosts by where they came from.
    pub(super) hosts: Vec<(String, Vec<Found>)>,
    pub(super) contexts: Vec<Context>,
    pub(super) guests: Vec<Guests>,
}

impl Known {
    /// Every host once: the first place that knows a name wins.
    pub(super) fn each(&self) -> Vec<&Found> {
        let mut out: Vec<&Found> = Vec::new();
        for host in self.hosts.iter().flat_map(|(_, list)| list) {
            if !out.iter().any(|h| h.name == host.name) {
                out.push(host);
            }
        }
        out
    }
}

/// Suggestions stand behind `#` without a blank: taking the `#` away puts them in force.
pub(super) fn write(known: &Known) -> String {
    let mut out = String::from("# Written by `quarterdeck init`. Every key is explained in config.example.toml; `quarterdeck config check` tells mistakes.\n");
    let each = known.each();
    for (from, list) in &known.hosts {
        let new: Vec<&Found> = list.iter().filter(|h| each.iter().any(|e| std::ptr::eq(*e, *h))).collect();
        if !new.is_empty() {
            let _ = writeln!(out, "\n# from {}", one_line(from));
        }
        let mut at = 0;
        while at < new.len() {
            let length = run(&new[at..]);
            out.push_str(if at > 0 { "\n" } else { "" });
            host(&mut out, &new[at..at + length], "");
            at += length;
        }
    }
    contexts(&mut out, &known.contexts);
    let mut taken: Vec<String> = each.iter().map(|h| h.name.clone()).collect();
    for guests in &known.guests {
        suggest(&mut out, guests, &mut taken);
    }
    out
}

fn contexts(out: &mut String, contexts: &[Context]) {
    let mut names: Vec<String> = Vec::new();
    for context in contexts {
        let mut name = context.name.clone();
        let mut count = 2;
        while names.contains(&name) {
            name = format!("{}-{count}", context.name);
            count += 1;
        }
        let (file, text) = (one_line(&context.file), quote(&context.file));
        let _ = writeln!(out, "\n# from {file}\n[[cluster]]\nname = {}\nkubeconfig = {text}\ncontext = {}", quote(&name), quote(&context.name));
        names.push(name);
    }
}

/// The guests of one machine that are no hosts of the file yet.
fn suggest(out: &mut String, guests: &Guests, taken: &mut Vec<String>) {
    // A name with brackets would be read as a pattern, and one of two names could not be used.
    let usable = |n: &&String| !n.contains(['[', ']']) && !taken.contains(n);
    let new: Vec<Found> =
        guests.names.iter().filter(usable).map(|n| Found { name: n.clone(), jump: guests.host.clone().into_iter().collect(), ..Found::default() }).collect();
    if new.is_empty() {
        return;
    }
    let from = guests.host.as_deref().map_or_else(|| "this machine".to_owned(), one_line);
    let _ = writeln!(out, "\n# Guests of {from}. Take the # away from those that can be logged in to; add an address where the name is none.");
    let list: Vec<&Found> = new.iter().collect();
    let mut at = 0;
    while at < list.len() {
        let length = run(&list[at..]);
        out.push_str(if at > 0 { "\n" } else { "" });
        host(out, &list[at..at + length], "#");
        at += length;
    }
    taken.extend(new.into_iter().map(|h| h.name));
}

fn host(out: &mut String, run: &[&Found], mark: &str) {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return };
    let pattern = |a: &str, b: &str| if run.len() > 1 { range((a, b)) } else { a.to_owned() };
    let mut line = |text: String| {
        let _ = writeln!(out, "{mark}{text}");
    };
    first.notes.iter().for_each(|note| line(format!("# {}", one_line(note))));
    line("[[host]]".to_owned());
    line(format!("name = {}", quote(&pattern(&first.name, &last.name))));
    if !first.address.is_empty() {
        line(format!("address = {}", quote(&pattern(&first.address, &last.address))));
    }
    for (key, value) in [("user", &first.user), ("identity", &first.identity)] {
        if let Some(value) = value {
            line(format!("{key} = {}", quote(value)));
        }
    }
    match first.jump.as_slice() {
        [] => {}
        [hop] => line(format!("jump = {}", quote(hop))),
        hops => line(format!("jump = [{}]", list(hops))),
    }
    first.port.iter().for_each(|port| line(format!("port = {port}")));
    if first.sudo {
        line("become = \"sudo\"".to_owned());
    }
    if !first.groups.is_empty() {
        line(format!("groups = [{}]", list(&first.groups)));
    }
}

fn list(texts: &[String]) -> String {
    texts.iter().map(|t| quote(t)).collect::<Vec<_>>().join(", ")
}

fn quote(text: &str) -> String {
    toml::Value::String(one_line(text)).to_string()
}

fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
