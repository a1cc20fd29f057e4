//! `y` and `d` for what lives on a host: a guest's XML and state, a container's configuration.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::base::text;
use crate::link::shell::{ExitStatus, Output, Shell, quote};
use crate::model::effect::{Document, Inspection};
use crate::model::host::SYSTEM_LIBVIRT;
use crate::model::id::Name;
use crate::port::{Inspect, Inspected};

/// For one look.
const LIMIT: Duration = Duration::from_secs(20);

/// Finds the shell of a host by the host's name; the privileged one where there is one.
pub type Shells = Arc<dyn Fn(&Name) -> Option<Arc<dyn Shell>> + Send + Sync>;

pub struct HostInspect {
    shells: Shells,
    libvirt: String,
}

impl fmt::Debug for HostInspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostInspect").field("libvirt", &self.libvirt).finish_non_exhaustive()
    }
}

impl HostInspect {
    pub fn new(shells: Shells) -> Self {
        Self { shells, libvirt: SYSTEM_LIBVIRT.to_owned() }
    }

    /// Another libvirt than the system's, such as `test:///default`.
    #[must_use]
    pub fn libvirt(mut self, uri: &str) -> Self {
        uri.clone_into(&mut self.libvirt);
        self
    }
}

impl Inspect for HostInspect {
    fn inspect(&self, subject: Inspected, what: Inspection) -> Option<BoxFuture<'static, Result<Document, String>>> {
        match subject {
            Inspected::Vm { host, name } => {
                let (shell, libvirt) = ((self.shells)(&host), self.libvirt.clone());
                Some(Box::pin(async move { vm(&*known(shell, &host)?, &libvirt, &name, what).await }))
            }
            Inspected::Container { host, id, runtime } => {
                let shell = (self.shells)(&host);
                Some(Box::pin(async move { container(&*known(shell, &host)?, &runtime, &id, what).await }))
            }
            _ => None,
        }
    }
}

fn known(shell: Option<Arc<dyn Shell>>, host: &Name) -> Result<Arc<dyn Shell>, String> {
    shell.ok_or_else(|| format!("host {host} is not in the configuration any more"))
}

async fn run(shell: &dyn Shell, line: &str) -> Result<Output, String> {
    shell.run(line, b"", LIMIT).await.map_err(|e| e.to_string())
}

/// The program's own complaint, cleaned, where it did not succeed.
fn succeeded(program: &str, out: Output) -> Result<String, String> {
    if out.status == ExitStatus::Code(0) {
        return Ok(out.stdout);
    }
    let last = out.stderr.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("no reason given");
    Err(format!("{program}: {}", text::clean(last.trim())))
}

async fn vm(shell: &dyn Shell, libvirt: &str, name: &str, what: Inspection) -> Result<Document, String> {
    let virsh = format!("LC_ALL=C virsh -r -c {}", quote(libvirt));
    // virsh takes a domain called "7" for the id 7; the UUID means one only.
    let uuids = succeeded("virsh", run(shell, &format!("{virsh} list --all --uuid")).await?)?;
    let names = succeeded("virsh", run(shell, &format!("{virsh} list --all --name")).await?)?;
    let uuid = uuids.lines().zip(names.lines()).find(|(_, n)| *n == name).map(|(u, _)| u.trim().to_owned());
    let uuid = uuid.ok_or_else(|| format!("virsh: there is no guest {} any more", text::clean(name)))?;
    let u = quote(&uuid);
    let line = match what {
        Inspection::Yaml => format!("{virsh} dumpxml {u}"),
        Inspection::Describe => {
            let part = |title: &str, command: &str| format!("echo {}; {virsh} {command} {u}; ", quote(title));
            [
                part("State", "domstate --reason"),
                part("Info", "dominfo"),
                part("Disks", "domblklist --details"),
                part("Interfaces", "domiflist"),
                part("Snapshots", "snapshot-list"),
            ]
            .concat()
        }
    };
    let text = succeeded("virsh", run(shell, &line).await?)?;
    if what == Inspection::Yaml && !text.contains(&uuid) {
        return Err(format!("virsh: the guest {} went while it was looked up", text::clean(name)));
    }
    Ok(document(name, &text))
}

async fn container(shell: &dyn Shell, runtime: &str, id: &str, what: Inspection) -> Result<Document, String> {
    if !matches!(runtime, "docker" | "podman" | "crictl") {
        return Err(format!("no such container runtime: {}", text::clean(runtime)));
    }
    let inspect = if runtime == "crictl" { "inspect" } else { "inspect --type container" };
    let out = succeeded(runtime, run(shell, &format!("{runtime} {inspect} {}", quote(id))).await?)?;
    match what {
        Inspection::Yaml => Ok(document(id, &out)),
        Inspection::Describe => {
            let value: serde_json::Value = serde_json::from_str(&out).map_err(|e| format!("{runtime} inspect: {e}"))?;
            let one = value.get(0).unwrap_or(&value);
            let name = one.get("Name").and_then(|n| n.as_str()).map_or(id, |n| n.trim_start_matches('/'));
            Ok(Document { title: name.to_owned(), lines: summary(one) })
        }
    }
}

/// What is looked for first when a container is ill.
const TELLING: [(&str, &str); 22] = [
    ("Image", "/Config/Image"),
    ("Created", "/Created"),
    ("Status", "/State/Status"),
    ("Exit code", "/State/ExitCode"),
    ("OOM killed", "/State/OOMKilled"),
    ("Error", "/State/Error"),
    ("Started", "/State/StartedAt"),
    ("Finished", "/State/FinishedAt"),
    ("Restarts", "/RestartCount"),
    ("Restart policy", "/HostConfig/RestartPolicy/Name"),
    ("Health", "/State/Health/Status"),
    ("Health failures", "/State/Health/FailingStreak"),
    ("Entrypoint", "/Config/Entrypoint"),
    ("Command", "/Config/Cmd"),
    ("User", "/Config/User"),
    ("Network", "/HostConfig/NetworkMode"),
    ("Ports", "/NetworkSettings/Ports"),
    ("Mounts", "/Mounts"),
    ("Memory limit", "/HostConfig/Memory"),
    ("Labels", "/Config/Labels"),
    ("Log file", "/LogPath"),
    ("State", "/status/state"),
];

fn summary(one: &serde_json::Value) -> Vec<String> {
    use serde_json::Value;
    let mut lines = Vec::new();
    for (title, pointer) in TELLING {
        match one.pointer(pointer) {
            None | Some(Value::Null) => {}
            Some(Value::String(s)) if s.is_empty() => {}
            Some(Value::String(s)) => lines.push(format!("{title:<16} {s}")),
            Some(Value::Array(all)) if all.iter().all(Value::is_object) => {
                lines.extend(all.iter().enumerate().map(|(n, v)| format!("{:<16} {v}", if n == 0 { title } else { "" })));
            }
            Some(value) => lines.push(format!("{title:<16} {value}")),
        }
    }
    // The last words of a failing health check say more than its status.
    let log = one.pointer("/State/Health/Log").and_then(Value::as_array).and_then(|l| l.last()).and_then(|l| l.get("Output")).and_then(Value::as_str);
    lines.extend(log.map(|l| format!("{:<16} {}", "Health said", l.trim())));
    lines
}

fn document(title: &str, text: &str) -> Document {
    Document { title: title.to_owned(), lines: text.trim_end().lines().map(str::to_owned).collect() }
}
