//! `playbook export`: a run for people, as a record or as the shell script that it amounts to. Made of the journal alone, so that
//! no secret is in it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value};

use super::values::text;
use crate::base::text::clean;
use crate::engine::run::file::JournalFile;
use crate::link::shell::quote;
use crate::playbook::journal::{Event, Record};
use crate::playbook::outcome::tail;
use crate::playbook::step::{Key, Phase};

pub(super) fn write(runs: &Path, id: &str, script: bool, out: &mut dyn Write) -> io::Result<u8> {
    let journal = JournalFile::read(runs, id).map_err(io::Error::other)?;
    if script {
        shell(id, &journal.records, out)?;
    } else {
        markdown(id, &journal.records, out)?;
    }
    Ok(0)
}

fn markdown(id: &str, records: &[Record], out: &mut dyn Write) -> io::Result<()> {
    let mut names: BTreeMap<Key, String> = BTreeMap::new();
    for record in records {
        let at = record.at;
        if let Event::Began { key, name, .. } = &record.event {
            names.insert(key.clone(), name.clone());
        }
        match &record.event {
            Event::Opened(o) => {
                writeln!(out, "# {}\n", clean(&o.playbook))?;
                writeln!(
                    out,
                    "- run: {id}\n- playbook: `{}` (sha256 {})\n- begun: {at}\n- by: {} ({})\n- quarterdeck {}",
                    clean(&o.file),
                    o.sha256,
                    clean(&o.by.name),
                    clean(&o.by.by),
                    o.version
                )?;
                for host in &o.hosts {
                    writeln!(out, "- target: {} {} {}", host.name, clean(&host.address), clean(&host.identity))?;
                }
                for (name, value) in &o.vars {
                    writeln!(out, "- `{name}` = `{}`", clean(&text(value)))?;
                }
                for name in &o.secrets {
                    writeln!(out, "- `{name}` = (secret, not recorded)")?;
                }
                writeln!(out)?;
            }
            Event::Began { key, phase: Phase::Act, name, action, args, attempt, .. } => {
                writeln!(
                    out,
                    "## {} on {}{}\n\n{at}\n\n```text\n{}\n```\n",
                    clean(name),
                    key.host,
                    if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() },
                    call(action, args)
                )?;
            }
            Event::Ended { phase, outcome, judged, .. } if phase.acts() => {
                let judged = serde_json::to_string(judged)?;
                writeln!(
                    out,
                    "{} after {} ms{} {}\n",
                    judged.trim_matches('"'),
                    outcome.took_ms,
                    outcome.rc.map(|rc| format!(", status {rc}")).unwrap_or_default(),
                    clean(&outcome.message)
                )?;
                let said: Vec<String> = [&outcome.stdout, &outcome.stderr].iter().flat_map(|s| tail(s, 2000).lines()).map(|l| clean(l).into_owned()).collect();
                if !said.is_empty() {
                    writeln!(out, "```text\n{}\n```\n", said.join("\n").replace("```", "'''"))?;
                }
            }
            Event::Settled { key, end, why, .. } => {
                let name = names.get(key).map_or_else(|| format!("step {key}"), Clone::clone);
                writeln!(out, "**{}** {} on {} {}\n", super::front::word(*end), clean(&name), key.host, clean(why))?;
            }
            Event::Decided { decision, by, .. } => writeln!(out, "> {at} {} decided: `{}`\n", clean(&by.name), clean(&serde_json::to_string(decision)?))?,
            Event::Resumed { by, .. } => writeln!(out, "> {at} resumed by {}\n", clean(&by.name))?,
            Event::Undoing { by, .. } => writeln!(out, "> {at} taken back by {}\n", clean(&by.name))?,
            Event::Closed { why, note } => writeln!(out, "Closed {at}: {} {}\n", serde_json::to_string(why)?.trim_matches('"'), clean(note))?,
            _ => {}
        }
    }
    Ok(())
}

fn call(action: &str, args: &Map<String, Value>) -> String {
    let mut lines = vec![action.to_owned()];
    for (name, value) in args {
        let value = text(value);
        let mut shown = value.lines();
        lines.push(format!("  {name}: {}", clean(shown.next().unwrap_or_default())));
        lines.extend(shown.map(|l| format!("    {}", clean(l))));
    }
    lines.join("\n").replace("```", "'''")
}

/// What one act would be at a prompt.
fn command(action: &str, args: &Map<String, Value>) -> Option<String> {
    let of = |name: &str| args.get(name).map(text);
    match action {
        "shell" => of("cmd"),
        "command" => match args.get("argv") {
            Some(Value::Array(words)) => Some(words.iter().map(|w| quote(&text(w))).collect::<Vec<_>>().join(" ")),
            _ => of("cmd"),
        },
        "service" => {
            let verb = match of("state")?.as_str() {
                "started" => "start",
                "stopped" => "stop",
                "reloaded" => "reload",
                _ => "restart",
            };
            Some(format!("systemctl {verb} {}", quote(&of("name")?)))
        }
        "container_exec" => Some(format!("docker exec -i {} sh -c {}", quote(&of("container")?), quote(&of("cmd")?))),
        "kubectl_exec" => Some(format!(
            "kubectl{} exec -i {} -- sh -c {}",
            of("namespace").map(|n| format!(" -n {}", quote(&n))).unwrap_or_default(),
            quote(&of("pod").or_else(|| of("selector"))?),
            quote(&of("cmd")?)
        )),
        "k8s_apply" => Some(format!("kubectl apply --server-side --field-manager=quarterdeck -f {}", quote(&of("src").or_else(|| of("url"))?))),
        "sql" => Some(format!(
            "mysql -h {} -P {} -u {} -p -e {}",
            quote(&of("host").unwrap_or_else(|| "127.0.0.1".to_owned())),
            of("port").unwrap_or_else(|| "3306".to_owned()),
            quote(&of("user").unwrap_or_default()),
            quote(&of("query")?)
        )),
        "redis" => Some(format!(
            "redis-cli -h {} -p {} {}",
            quote(&of("host").unwrap_or_else(|| "127.0.0.1".to_owned())),
            of("port").unwrap_or_else(|| "6379".to_owned()),
            of("command")?
        )),
        "uri" => Some(format!("curl -fsS -X {} {}", of("method").unwrap_or_else(|| "GET".to_owned()), quote(&of("url")?))),
        _ => None,
    }
}

/// Only what changed something, in the order in which it was done, host by host where it was done.
fn shell(id: &str, records: &[Record], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "#!/bin/sh\n# What run {id} amounts to. Secrets are not in it: where *** stands, put them in.\nset -eu\n")?;
    let mut begun: BTreeMap<Key, (String, String, Map<String, Value>)> = BTreeMap::new();
    for record in records {
        match &record.event {
            Event::Began { key, phase: Phase::Act, name, target, action, args, .. } => {
                begun.insert(key.clone(), (format!("{name} on {target}"), action.clone(), args.clone()));
            }
            Event::Ended { key, phase: Phase::Act, outcome, .. } if outcome.changed => {
                let Some((name, action, args)) = begun.remove(key) else { continue };
                writeln!(out, "# {}", clean(&name))?;
                match command(&action, &args) {
                    Some(line) => writeln!(out, "{line}\n")?,
                    None => writeln!(out, "{}\n", call(&action, &args).lines().map(|l| format!("#   {l}")).collect::<Vec<_>>().join("\n"))?,
                }
            }
            _ => {}
        }
    }
    Ok(())
}
