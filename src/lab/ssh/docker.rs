//! `docker` for the containers that run on a machine itself.

use std::fmt::Write as _;

use crate::lab::world::machine::{Docker, Machine};

/// Is the program there? On nodes of Kubernetes it is, with nothing but the kubelet's own containers, which the lab leaves out.
pub fn is_installed(m: &Machine) -> bool {
    !m.containers.is_empty() || m.mounts.iter().any(|x| x.path == "/var/lib/docker")
}

fn state(c: &Docker) -> String {
    let finished = c.finished_at.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |at| at.to_string());
    let status = if c.is_running { "running" } else { "exited" };
    format!(
        r#"{{"Status":"{status}","Running":{r},"Paused":false,"Restarting":false,"OOMKilled":{oom},"Dead":false,"Pid":{pid},"ExitCode":{code},"Error":"","StartedAt":"{started}","FinishedAt":"{finished}"}}"#,
        r = c.is_running,
        oom = c.exit_code == 137 && !c.is_running,
        pid = if c.is_running { 4711 } else { 0 },
        code = if c.is_running { 0 } else { c.exit_code },
        started = c.started_at,
    )
}

/// The line of the sampler's format.
pub fn inspected(c: &Docker) -> String {
    format!(
        r#"{{"Id":"{}","Name":"/{}","RestartCount":{},"State":{},"Image":"{}","Policy":"always","Ports":{{}}}}"#,
        c.id,
        c.name,
        c.restarts,
        state(c),
        c.image
    )
}

/// `docker inspect`, whole.
fn whole(c: &Docker) -> String {
    format!(
        r#"{{"Id":"{id}","Created":"{at}","Name":"/{name}","RestartCount":{restarts},"State":{state},"Image":"sha256:{id}","Config":{{"Image":"{image}","Hostname":"{short}"}},"HostConfig":{{"RestartPolicy":{{"Name":"always","MaximumRetryCount":0}}}},"NetworkSettings":{{"Ports":{{}}}}}}"#,
        id = c.id,
        at = c.started_at,
        name = c.name,
        restarts = c.restarts,
        state = state(c),
        image = c.image,
        short = &c.id[..12.min(c.id.len())],
    )
}

/// Output, complaint, status.
pub fn run(m: &Machine, now: crate::base::clock::Moment, arguments: &[String]) -> (String, String, u32) {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let has = |flag: char| words.iter().skip(1).any(|w| w.starts_with('-') && !w.starts_with("--") && w.contains(flag));
    let ok = |text: String| (text, String::new(), 0);
    match words.first().copied() {
        Some("ps") => {
            let shown = m.containers.iter().filter(|c| c.is_running || has('a') || words.contains(&"--all"));
            if has('q') || words.contains(&"--quiet") {
                return ok(shown.fold(String::new(), |mut out, c| {
                    let _ = writeln!(out, "{}", if words.contains(&"--no-trunc") { &c.id } else { &c.id[..12] });
                    out
                }));
            }
            let head = "CONTAINER ID   IMAGE                              COMMAND                  CREATED       STATUS        PORTS     NAMES\n".to_owned();
            ok(shown.fold(head, |mut out, c| {
                let age = crate::base::text::span(now.since(c.started_at).as_secs());
                let status = if c.is_running { format!("Up {age}") } else { format!("Exited ({})", c.exit_code) };
                let _ = writeln!(out, "{:<14} {:<34} \"/entrypoint.sh\"         {age:<13} {status:<13}           {}", &c.id[..12], c.image, c.name);
                out
            }))
        }
        Some("inspect") => {
            let targets: Vec<&str> = plain(&words[1..]);
            let format = words.iter().position(|w| *w == "--format" || *w == "-f").and_then(|at| words.get(at + 1));
            let mut out = Vec::new();
            let mut missing = String::new();
            for target in targets.iter().filter(|t| Some(*t) != format && **t != "container") {
                match m.containers.iter().find(|c| c.name == *target || c.id.starts_with(*target)) {
                    Some(c) => out.push(if format.is_some() { inspected(c) } else { whole(c) }),
                    None => {
                        let _ = writeln!(missing, "Error: No such object: {target}");
                    }
                }
            }
            let code = u32::from(!missing.is_empty());
            let text = if format.is_some() { out.iter().map(|l| l.clone() + "\n").collect() } else { format!("[{}]\n", out.join(",")) };
            (text, missing, code)
        }
        Some("logs") => {
            let target = plain(&words[1..]).last().copied().unwrap_or_default();
            match m.containers.iter().find(|c| c.name == target || c.id.starts_with(target)) {
                Some(c) => ok(format!("{} [INFO] [/core/main.go:121]: {} is ready\n", c.started_at, c.name)),
                None => (String::new(), format!("Error response from daemon: No such container: {target}\n"), 1),
            }
        }
        Some("info") => ok(format!(
            " Containers: {}\n Server Version: 20.10.24\n Storage Driver: overlay2\n Cgroup Driver: systemd\n Kernel Version: {}\n",
            m.containers.len(),
            m.kernel
        )),
        Some("version" | "--version" | "-v") => ok("Docker version 20.10.24, build 297e128\n".to_owned()),
        other => (String::new(), format!("docker: '{}' is not a docker command.\nSee 'docker --help'\n", other.unwrap_or_default()), 1),
    }
}

/// The words that are no options; the value of an option that takes one is left out.
fn plain<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let mut out = Vec::new();
    let mut skip = false;
    for word in words {
        if std::mem::take(&mut skip) {
            continue;
        }
        if word.starts_with('-') {
            skip =
                matches!(*word, "--tail" | "-n" | "--since" | "--until" | "--format" | "-f" if *word != "-f" || words.contains(&"--type")) || *word == "--type";
        } else {
            out.push(*word);
        }
    }
    out
}
