//! What programs in containers do: enough of a shell to look around, and the tools that playbooks call.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::lab::Lab;
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

/// Does it read its stdin to the end?
pub(super) fn reads(command: &[String]) -> bool {
    command.first().is_some_and(|c| matches!(c.as_str(), "cat" | "tee" | "wc")) && command.len() < 2
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
        let script = command.iter().position(|a| a.starts_with('-') && a.ends_with('c')).and_then(|i| command.get(i + 1));
        match script.filter(|_| command.first().is_some_and(|c| SHELLS.contains(&c.as_str()))) {
            Some(script) => self.script(script, input).await,
            None => self.one(command, input).await,
        }
    }

    /// `a; b && c || d`, each with words and quotes; pipes and redirections are not known.
    async fn script(&mut self, script: &str, input: &[u8]) -> Output {
        let mut all = Output::default();
        let mut run_next = true;
        for (words, then) in parse(script) {
            if run_next && !words.is_empty() {
                let one = self.one(&words, input).await;
                all.out.extend(one.out);
                all.err.extend(one.err);
                all.code = one.code;
            }
            run_next = match then {
                Then::Always => true,
                Then::IfWell => all.code == 0,
                Then::IfNot => all.code != 0,
            };
        }
        all
    }

    async fn one(&mut self, command: &[String], input: &[u8]) -> Output {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let Some((name, args)) = words.split_first() else { return Output::default() };
        let name = name.rsplit('/').next().unwrap_or(name);
        if name == "sleep" {
            let seconds = args.first().and_then(|s| s.trim_end_matches('s').parse::<f64>().ok()).unwrap_or(0.0);
            tokio::time::sleep(Duration::from_secs_f64(seconds.clamp(0.0, 3600.0))).await;
            return Output::default();
        }
        if name == "cat" && args.is_empty() {
            return Output { out: input.to_vec(), ..Output::default() };
        }
        self.lab.with(|w| plain(w, &self.namespace, &self.pod, name, args))
    }
}

#[derive(Clone, Copy)]
enum Then {
    Always,
    IfWell,
    IfNot,
}

fn parse(script: &str) -> Vec<(Vec<String>, Then)> {
    let mut all = Vec::new();
    let (mut words, mut word, mut quote, mut in_word) = (Vec::new(), String::new(), None, false);
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => (quote, in_word) = (Some(c), true),
            (None, '\\') => word.extend(chars.next()),
            (None, ' ' | '\t') => {
                if in_word {
                    words.push(std::mem::take(&mut word));
                }
                in_word = false;
            }
            (None, ';' | '\n' | '&' | '|') => {
                if in_word {
                    words.push(std::mem::take(&mut word));
                }
                in_word = false;
                let twice = matches!(c, '&' | '|') && chars.next_if_eq(&c).is_some();
                let then = match (c, twice) {
                    ('&', true) => Then::IfWell,
                    ('|', true) => Then::IfNot,
                    _ => Then::Always,
                };
                all.push((std::mem::take(&mut words), then));
            }
            (None, c) => {
                word.push(c);
                in_word = true;
            }
        }
    }
    if in_word {
        words.push(word);
    }
    all.push((words, Then::Always));
    all
}

fn plain(world: &mut World, namespace: &str, pod: &str, name: &str, args: &[&str]) -> Output {
    let found = world.kube.pods.get(&key(namespace, pod));
    let image = found.map(|p| p.containers[0].1.clone()).unwrap_or_default();
    match name {
        "true" | ":" | "mkdir" | "touch" | "chmod" => Output::default(),
        "echo" => Output::said(format!("{}\n", args.join(" "))),
        "hostname" => Output::said(format!("{pod}\n")),
        "whoami" => Output::said("root\n"),
        "id" => Output::said("uid=0(root) gid=0(root) groups=0(root)\n"),
        "pwd" => Output::said("/\n"),
        "date" => Output::said(format!("{}\n", super::stamp(world.now))),
        "uname" => {
            Output::said(if args.contains(&"-a") { format!("Linux {pod} 5.4.278-1.el7.elrepo.x86_64 #1 SMP x86_64 GNU/Linux\n") } else { "Linux\n".to_owned() })
        }
        "ls" => Output::said("bin\ndev\netc\nhome\nlib\nproc\nroot\nsys\ntmp\nusr\nvar\n"),
        "env" | "printenv" => Output::said(format!(
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nHOSTNAME={pod}\nKUBERNETES_SERVICE_HOST=10.96.0.1\nKUBERNETES_SERVICE_PORT=443\nHOME=/root\n"
        )),
        "ps" => Output::said(format!("PID   USER     TIME  COMMAND\n    1 root      1h12 {}\n", process(&image))),
        "cat" => cat(world, pod, args),
        "false" | "test" | "[" => Output { code: 1, ..Output::default() },
        "elasticsearch-plugin" if image.contains("elasticsearch") => elasticsearch_plugin(world, pod, args),
        "rabbitmq-plugins" if image.contains("rabbitmq") => rabbitmq_plugins(world, pod, args),
        "rabbitmqctl" | "rabbitmq-diagnostics" if image.contains("rabbitmq") => rabbitmqctl(world, pod, args),
        "redis-cli" if image.contains("redis") => redis_cli(world, pod, args),
        _ => Output::failed(127, format!("sh: {name}: not found\n")),
    }
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

fn cat(world: &World, pod: &str, args: &[&str]) -> Output {
    let mut out = String::new();
    for path in args {
        match *path {
            "/etc/hostname" => out.extend([pod, "\n"]),
            "/etc/resolv.conf" => out.push_str("nameserver 10.96.0.10\nsearch pro.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"),
            "/proc/loadavg" => {
                let load = world.load * 4.0;
                let _ = writeln!(out, "{load:.2} {load:.2} {load:.2} 2/410 1");
            }
            other => return Output { out: out.into_bytes(), err: format!("cat: {other}: No such file or directory\n").into_bytes(), code: 1 },
        }
    }
    Output::said(out)
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
    fn scripts_are_taken_apart() {
        let words: Vec<Vec<String>> = parse("echo 'a b' \"c;d\" && true; false || echo x").into_iter().map(|(w, _)| w).collect();
        assert_eq!(words, [vec!["echo", "a b", "c;d"], vec!["true"], vec!["false"], vec!["echo", "x"]]);
        assert_eq!(kind(&["sh".into()]), Some(Kind::Shell));
        assert_eq!(kind(&["sh".into(), "-c".into(), "ls".into()]), None);
    }
}
