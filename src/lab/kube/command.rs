//! What programs in containers do: the tools of the shop's images that playbooks call, and what a look around needs. The shell
//! around them is that of the machines ([`crate::lab::ssh::shell`]).

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::lab::Lab;
use crate::lab::ssh::shell::{Ran, Shell};
use crate::lab::world::World;
use crate::lab::world::kube::objects::key;

/// What a command gave.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) out: Vec<u8>,
    pub(super) err: Vec<u8>,
    pub(super) code: i32,
}

impl Output {
    fn said(text: impl Into<String>) -> Self {
        Self { out: text.into().into_bytes(), ..Self::default() }
    }

    fn failed(code: i32, text: impl Into<String>) -> Self {
        Self { err: text.into().into_bytes(), code, ..Self::default() }
    }
}

impl From<Ran> for Output {
    fn from(ran: Ran) -> Self {
        Self { out: ran.stdout, err: ran.stderr.into_bytes(), code: i32::try_from(ran.code).unwrap_or(255) }
    }
}

impl From<Output> for Ran {
    fn from(said: Output) -> Self {
        Self { stdout: said.out, stderr: String::from_utf8_lossy(&said.err).into_owned(), code: u32::try_from(said.code).unwrap_or(255), follow: None }
    }
}

/// A shell without a command reads its lines from stdin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Shell,
}

const SHELLS: &[&str] = &["sh", "bash", "ash", "/bin/sh", "/bin/bash", "/bin/ash"];

pub(super) fn kind(command: &[String]) -> Option<Kind> {
    let is_shell = command.first().is_some_and(|c| SHELLS.contains(&c.as_str()));
    (is_shell && !command.iter().any(|a| a.starts_with('-') && a.ends_with('c'))).then_some(Kind::Shell)
}

/// How much of its stdin a command reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appetite {
    Nothing,
    /// So many bytes in all, as far as is known by now.
    Bytes(usize),
    ToTheEnd,
}

/// `sh -c 'eval "$(dd bs=1 count=N)"'` reads its script first; a script that begins with `head -c M` reads so many bytes more.
pub(super) fn appetite(command: &[String], have: &[u8]) -> Appetite {
    let count = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<usize>().ok();
    let script = command.iter().position(|a| a.starts_with('-') && a.ends_with('c')).and_then(|at| command.get(at + 1));
    if let Some(script) = script.and_then(|s| s.split_once("dd bs=1 count=")).and_then(|(_, rest)| count(rest)) {
        let read = have.get(..script).map(String::from_utf8_lossy);
        let more = read.and_then(|text| text.lines().find_map(|l| count(l.strip_prefix("head -c ")?)));
        return Appetite::Bytes(script + more.unwrap_or(0));
    }
    let reads = |words: &str| ["cat", "tee ", "wc"].iter().any(|program| words.split(['|', ';', '&']).any(|c| c.trim().starts_with(program)));
    match script {
        Some(script) if reads(script) => Appetite::ToTheEnd,
        None if command.len() < 3 && command.first().is_some_and(|c| matches!(c.as_str(), "cat" | "tee" | "wc")) => Appetite::ToTheEnd,
        _ => Appetite::Nothing,
    }
}

/// Commands in one container.
pub(super) struct Session {
    lab: Arc<Lab>,
    namespace: String,
    pod: String,
}

impl Session {
    pub(super) fn new(lab: &Arc<Lab>, namespace: &str, pod: &str) -> Self {
        Self { lab: lab.clone(), namespace: namespace.into(), pod: pod.into() }
    }

    pub(super) fn prompt(&self) -> String {
        format!("root@{}:/# ", self.pod)
    }

    pub(super) async fn run(&mut self, command: &[String], input: &[u8]) -> Output {
        if let [name, seconds, ..] = command
            && name.ends_with("sleep")
        {
            let seconds = seconds.trim_end_matches('s').parse::<f64>().unwrap_or(0.0);
            tokio::time::sleep(Duration::from_secs_f64(seconds.clamp(0.0, 3600.0))).await;
            return Output::default();
        }
        self.lab.with(|world| {
            let mut disk = std::mem::take(&mut world.pod_disk);
            let ran = Shell::in_pod(world, &mut disk, &self.namespace, &self.pod).program(command, input);
            world.pod_disk = disk;
            ran.into()
        })
    }
}

fn image(world: &World, namespace: &str, pod: &str) -> String {
    world.kube.pods.get(&key(namespace, pod)).map(|p| p.containers[0].1.clone()).unwrap_or_default()
}

/// Has the container a program of its own of this name?
pub(in crate::lab) fn exists(world: &World, namespace: &str, pod: &str, name: &str) -> bool {
    let image = image(world, namespace, pod);
    match name {
        "hostname" | "whoami" | "id" | "pwd" | "date" | "uname" | "ps" => true,
        "elasticsearch-plugin" => image.contains("elasticsearch"),
        "rabbitmq-plugins" | "rabbitmqctl" | "rabbitmq-diagnostics" => image.contains("rabbitmq"),
        "redis-cli" => image.contains("redis"),
        _ => false,
    }
}

/// Runs one of those programs.
pub(in crate::lab) fn program(world: &mut World, namespace: &str, pod: &str, name: &str, args: &[&str]) -> Ran {
    let image = image(world, namespace, pod);
    let said = match name {
        "hostname" => Output::said(format!("{pod}\n")),
        "whoami" => Output::said("root\n"),
        "id" => Output::said("uid=0(root) gid=0(root) groups=0(root)\n"),
        "pwd" => Output::said("/\n"),
        "date" => Output::said(format!("{}\n", super::stamp(world.now))),
        "uname" => {
            Output::said(if args.contains(&"-a") { format!("Linux {pod} 5.4.278-1.el7.elrepo.x86_64 #1 SMP x86_64 GNU/Linux\n") } else { "Linux\n".to_owned() })
        }
        "ps" => Output::said(format!("PID   USER     TIME  COMMAND\n    1 root      1h12 {}\n", process(&image))),
        "elasticsearch-plugin" => elasticsearch_plugin(world, pod, args),
        "rabbitmq-plugins" => rabbitmq_plugins(world, pod, args),
        "redis-cli" => redis_cli(world, pod, args),
        _ => rabbitmqctl(world, pod, args),
    };
    said.into()
}

/// Where the data of a container of this image lies on a volume.
fn data_of(image: &str) -> Option<&'static str> {
    let known = [("rabbitmq", "/var/lib/rabbitmq"), ("redis", "/data"), ("elasticsearch", "/usr/share/elasticsearch/data"), ("nacos", "/home/nacos/data")];
    known.iter().find(|(name, _)| image.contains(name)).map(|(_, path)| *path)
}

/// A file of the container, as far as it has any.
pub(in crate::lab) fn file(world: &World, namespace: &str, pod: &str, path: &str) -> Option<String> {
    let image = image(world, namespace, pod);
    let plugin = path.strip_prefix("/usr/share/elasticsearch/plugins/").and_then(|rest| rest.strip_suffix("/plugin-descriptor.properties"));
    match path {
        "/etc/hostname" => Some(format!("{pod}\n")),
        "/etc/resolv.conf" => Some("nameserver 10.96.0.10\nsearch pro.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n".to_owned()),
        "/proc/loadavg" => {
            let load = world.load * 4.0;
            Some(format!("{load:.2} {load:.2} {load:.2} 2/410 1\n"))
        }
        "/proc/mounts" => {
            let mut out = "overlay / overlay rw,relatime 0 0\nproc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n".to_owned();
            if let Some(path) = data_of(&image) {
                let _ = writeln!(out, "/dev/vdb1 {path} xfs rw,relatime,attr2,inode64,noquota 0 0");
            }
            Some(out)
        }
        _ => {
            let node = world.elastic.nodes.iter().find(|n| n.name == pod)?;
            let plugin = plugin.filter(|p| node.plugins.iter().any(|(name, _)| name == p))?;
            Some(format!("name={plugin}\nversion={0}\nelasticsearch.version={0}\n", world.elastic.version))
        }
    }
}

pub(in crate::lab) fn is_folder(world: &World, namespace: &str, pod: &str, path: &str) -> bool {
    data_of(&image(world, namespace, pod)) == Some(path)
}

fn lines(all: impl Iterator<Item = String>) -> String {
    all.flat_map(|line| [line, "\n".to_owned()]).collect()
}

fn process(image: &str) -> &'static str {
    match () {
        () if image.contains("redis") => "redis-server *:6379 [cluster]",
        () if image.contains("rabbitmq") => "beam.smp -W w -MBas ageffcbf",
        () if image.contains("springcloud") || image.contains("elasticsearch") || image.contains("nacos") => "java -Xms512m -Xmx512m -jar /app.jar",
        () => "/pause",
    }
}

fn elasticsearch_plugin(world: &mut World, pod: &str, args: &[&str]) -> Output {
    let Some(node) = world.elastic.node(pod) else { return Output::failed(1, "this pod is no member of the cluster\n") };
    match args {
        ["list", ..] => Output::said(lines(node.plugins.iter().map(|(name, _)| name.clone()))),
        ["install", rest @ ..] => {
            let Some(what) = rest.iter().find(|a| !a.starts_with('-')) else { return Output::failed(64, "ERROR: plugin id is required\n") };
            let name = if what.contains("analysis-ik") { "analysis-ik" } else { what };
            let wanted = world.elastic.version.clone();
            if what.contains("://") && !what.contains(&wanted) {
                let text = format!(
                    "-> Installing {what}\n-> Downloading {what}\nException in thread \"main\" java.lang.IllegalArgumentException: Plugin [{name}] was built for another Elasticsearch version but version {wanted} is running\n"
                );
                return Output::failed(1, text);
            }
            let Some(node) = world.elastic.node(pod) else { return Output::default() };
            if node.plugins.iter().any(|(n, _)| n == name) {
                return Output::failed(
                    78,
                    format!(
                        "ERROR: plugin directory [/usr/share/elasticsearch/plugins/{name}] already exists; if you need to update the plugin, uninstall it first using command 'remove {name}'\n"
                    ),
                );
            }
            node.plugins.push((name.to_owned(), false));
            Output::said(format!(
                "-> Installing {what}\n-> Downloading {what}\n[=================================================] 100%\u{a0}\u{a0} \n-> Installed {name}\n"
            ))
        }
        ["remove", name, ..] => {
            let before = node.plugins.len();
            node.plugins.retain(|(n, _)| n != name);
            if node.plugins.len() == before {
                return Output::failed(78, format!("ERROR: plugin [{name}] not found; run 'elasticsearch-plugin list' to get list of installed plugins\n"));
            }
            Output::said(format!("-> removing [{name}]...\n"))
        }
        _ => Output::failed(64, "ERROR: Unknown command\n"),
    }
}

fn rabbitmq_plugins(world: &mut World, pod: &str, args: &[&str]) -> Output {
    let args: Vec<&str> = args.iter().copied().filter(|a| !a.starts_with('-')).collect();
    let Some(node) = world.rabbit.nodes.iter_mut().find(|n| n.pod == pod) else { return Output::failed(69, "Error: this pod is no node of the cluster\n") };
    match args.as_slice() {
        ["enable", names @ ..] => {
            let new: Vec<&str> = names.iter().copied().filter(|n| !node.plugins.iter().any(|p| p == n)).collect();
            node.plugins.extend(new.iter().map(|n| (*n).to_owned()));
            let told = if new.is_empty() {
                "Plugin configuration unchanged.\n".to_owned()
            } else {
                format!("The following plugins have been enabled:\n{}\nstarted {} plugins.\n", lines(new.iter().map(|n| format!("  {n}"))), new.len())
            };
            Output::said(format!("Enabling plugins on node {}:\n{}\n{told}", node.name, names.join("\n")))
        }
        ["disable", names @ ..] => {
            node.plugins.retain(|p| !names.contains(&p.as_str()));
            Output::said(format!("Disabling plugins on node {}:\n{}\n", node.name, names.join("\n")))
        }
        ["is_enabled", names @ ..] => {
            let missing: Vec<&str> = names.iter().copied().filter(|n| !node.plugins.iter().any(|p| p == n)).collect();
            if missing.is_empty() {
                Output::said(format!("Plugin(s) {} is enabled on node {}\n", names.join(", "), node.name))
            } else {
                Output::failed(1, format!("Plugin(s) {} is not enabled on node {}\n", missing.join(", "), node.name))
            }
        }
        ["list", ..] => Output::said(lines(node.plugins.iter().map(|p| format!("[E*] {p:<32} {}", world.rabbit.version)))),
        _ => Output::failed(64, "Usage: rabbitmq-plugins list|enable|disable|is_enabled\n"),
    }
}

fn rabbitmqctl(world: &mut World, pod: &str, args: &[&str]) -> Output {
    let args: Vec<&str> = args.iter().copied().filter(|a| *a != "-q" && *a != "--silent").collect();
    let rabbit = &mut world.rabbit;
    match args.as_slice() {
        ["status" | "ping" | "check_running" | "check_local_alarms" | "check_virtual_hosts", ..] => Output::said(format!(
            "Will ping rabbit@{pod}. This only checks if the OS process is running and registered with epmd. Timeout: 60000 ms.\nPing succeeded\n"
        )),
        ["list_vhosts", ..] => Output::said(format!("name\n{}\n", rabbit.vhosts.join("\n"))),
        ["list_users", ..] => {
            Output::said(rabbit.users.iter().fold("user\ttags\n".to_owned(), |out, u| out + &format!("{}\t[{}]\n", u.name, u.tags.join(", "))))
        }
        ["list_queues", ..] => {
            Output::said(rabbit.queues.iter().fold("name\tmessages\n".to_owned(), |out, q| out + &format!("{}\t{:.0}\n", q.name, q.ready + q.unacked)))
        }
        ["add_vhost", name] => {
            if !rabbit.vhosts.iter().any(|v| v == name) {
                rabbit.vhosts.push((*name).to_owned());
            }
            Output::said(format!("Adding vhost \"{name}\" ...\n"))
        }
        ["authenticate_user", user, password] => {
            let good = rabbit.users.iter().any(|u| u.name == *user && u.password == *password);
            if good {
                Output::said(format!("Authenticating user \"{user}\" ...\nSuccess\n"))
            } else {
                Output::failed(65, format!("Error: failed to authenticate user \"{user}\"\n"))
            }
        }
        _ => Output::failed(64, format!("Command '{}' not found.\n", args.first().copied().unwrap_or_default())),
    }
}

fn redis_cli(world: &mut World, pod: &str, args: &[&str]) -> Output {
    let rest: Vec<String> = args.iter().skip_while(|a| a.starts_with('-') || a.parse::<u16>().is_ok()).map(|a| a.to_lowercase()).collect();
    let words: Vec<&str> = rest.iter().map(String::as_str).collect();
    let is_ok = world.redis.is_ok();
    match words.as_slice() {
        ["ping"] => Output::said("PONG\n"),
        ["cluster", "info"] => Output::said(format!("cluster_state:{}\ncluster_slots_assigned:16384\n", if is_ok { "ok" } else { "fail" })),
        ["role"] => {
            let master = world.redis.node(pod).is_some_and(|n| n.master.is_none());
            Output::said(if master { "master\n" } else { "slave\n" })
        }
        _ => Output::failed(1, "ERR unknown command\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_is_read() {
        let words = |line: &[&str]| line.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let loader = words(&["sh", "-c", "eval \"$(dd bs=1 count=12 2>/dev/null)\""]);
        assert_eq!(appetite(&loader, b""), Appetite::Bytes(12));
        assert_eq!(appetite(&loader, b"head -c 5 | {"), Appetite::Bytes(17));
        assert_eq!(appetite(&words(&["cat"]), b""), Appetite::ToTheEnd);
        assert_eq!(appetite(&words(&["ls", "/"]), b""), Appetite::Nothing);
        assert_eq!(kind(&words(&["sh"])), Some(Kind::Shell));
        assert_eq!(kind(&words(&["sh", "-c", "ls"])), None);
    }
}
