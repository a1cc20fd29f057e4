//! The INI form: `[group]`, `[group:children]`, `[group:vars]`.

use super::super::words::{unquoted, words};
use super::{Inventory, Vars};

enum Part {
    Hosts,
    Children,
    Vars,
}

pub(super) fn read(text: &str) -> Result<Inventory, String> {
    let mut inventory = Inventory::default();
    let (mut group, mut part) = ("ungrouped".to_owned(), Part::Hosts);
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[').and_then(|l| l.split_once(']')).filter(|(_, rest)| rest.is_empty() || rest.trim_start().starts_with('#')) {
            let (name, kind) = header.0.split_once(':').unwrap_or((header.0, "hosts"));
            part = match kind {
                "hosts" => Part::Hosts,
                "children" => Part::Children,
                "vars" => Part::Vars,
                other => return Err(format!("line {}: there is no section `{other}`, only hosts, children and vars", at + 1)),
            };
            name.clone_into(&mut group);
            continue;
        }
        let words = words(line);
        let Some(first) = words.first() else { continue };
        match part {
            Part::Children => inventory.children.entry(group.clone()).or_default().push(first.clone()),
            Part::Vars => {
                if let Some((key, value)) = line.split_once('=') {
                    inventory.vars.entry(group.clone()).or_default().insert(key.trim().to_owned(), unquoted(value.trim()).to_owned());
                }
            }
            Part::Hosts => {
                let vars: Vars = words[1..].iter().filter_map(|w| w.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
                inventory.add(&group, first, &vars).map_err(|why| format!("line {}: {why}", at + 1))?;
            }
        }
    }
    Ok(inventory)
}
