//! `init --probe`: which guests the hosts run, asked through `virsh` over OpenSSH. Only suggestions come of it.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::found::{Found, Guests};
use crate::base::text::clean;

/// Runs a program and gives what it printed, or why it could not. Handed in, so that tests need no network.
pub(super) type Run = dyn Fn(&[String]) -> Result<String, String> + Sync;

/// How many hosts are asked at once.
const AT_ONCE: usize = 8;
/// `ConnectTimeout` ends a host that does not answer; this one a host that answers and then hangs.
const LONGEST: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(50);
/// Of the output of one host; a name is at most a few hundred bytes.
const MOST_BYTES: u64 = 1 << 20;

const VIRSH: &[&str] = &["virsh", "-r", "-c", "qemu:///system", "list", "--all", "--name"];

/// What is asked of a host; `None` is this machine. Without a terminal nobody could answer a question, so none may be asked.
pub(super) fn command(host: Option<&Found>) -> Vec<String> {
    let virsh = VIRSH.iter().map(|w| (*w).to_owned());
    let Some(host) = host else { return virsh.collect() };
    let mut words: Vec<String> = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"].map(str::to_owned).to_vec();
    let mut option = |flag: &str, value: Option<String>| words.extend(value.into_iter().flat_map(|v| [flag.to_owned(), v]));
    option("-p", host.port.map(|p| p.to_string()));
    option("-l", host.user.clone());
    option("-i", host.identity.clone());
    option("-J", (!host.jump.is_empty()).then(|| host.jump.join(",")));
    words.push("--".to_owned());
    words.push(if host.address.is_empty() { host.name.clone() } else { host.address.clone() });
    // The far shell reads one line; no word of it needs quotes.
    words.push(VIRSH.join(" "));
    words.into_iter().collect()
}

/// Asks this machine and every host. The answers stand in the order of the hosts; the others say why there is none.
pub(super) fn ask(hosts: &[&Found], run: &Run) -> (Vec<Guests>, Vec<String>) {
    let targets: Vec<Option<&Found>> = std::iter::once(None).chain(hosts.iter().map(|h| Some(*h))).collect();
    let next = AtomicUsize::new(0);
    let mut answers: Vec<(usize, Result<String, String>)> = thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(target) = targets.get(at) else { return done };
                done.push((at, run(&command(*target))));
            }
        };
        let workers: Vec<_> = (0..AT_ONCE.min(targets.len())).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|w| w.join().ok()).flatten().collect()
    });
    answers.sort_by_key(|(at, _)| *at);
    let (mut guests, mut failed) = (Vec::new(), Vec::new());
    for (at, answer) in answers {
        let host = targets.get(at).copied().flatten().map(|h| h.name.clone());
        match answer {
            Ok(text) => {
                let names: Vec<String> = text.lines().map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned).collect();
                if !names.is_empty() {
                    guests.push(Guests { host, names });
                }
            }
            // A machine without libvirt is nothing to tell.
            Err(why) if why.contains("not found") || why.contains("No such file") => {}
            Err(why) => failed.push(format!("{}: {}", host.as_deref().unwrap_or("this machine"), clean(why.trim()))),
        }
    }
    (guests, failed)
}

/// The real one.
pub(super) fn run(words: &[String]) -> Result<String, String> {
    let Some((program, rest)) = words.split_first() else { return Err("nothing to run".to_owned()) };
    let mut child = Command::new(program)
        .args(rest)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| if e.kind() == std::io::ErrorKind::NotFound { format!("{program}: not found") } else { format!("{program}: {e}") })?;
    let (out, err) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let ended = wait(&mut child);
    let (out, err) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
    match ended {
        Some(true) => Ok(out),
        Some(false) => Err(err.trim().lines().last().unwrap_or("it failed without a word").to_owned()),
        None => Err(format!("no answer within {} s", LONGEST.as_secs())),
    }
}

fn drain<R: Read + Send + 'static>(pipe: Option<R>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.take(MOST_BYTES).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Did it end well? `None`: it did not end and was killed.
fn wait(child: &mut Child) -> Option<bool> {
    for _ in 0..LONGEST.as_millis() / LOOK.as_millis() {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) => thread::sleep(LOOK),
            Err(_) => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_asked_as_they_are_reached() {
        let host = Found {
            name: "kvm-1".to_owned(),
            address: "10.0.0.1".to_owned(),
            user: Some("li".to_owned()),
            port: Some(2222),
            identity: Some("~/k".to_owned()),
            jump: vec!["gate".to_owned(), "inner".to_owned()],
            ..Found::default()
        };
        let words = "ssh -o BatchMode=yes -o ConnectTimeout=5 -p 2222 -l li -i ~/k -J gate,inner -- 10.0.0.1 virsh -r -c qemu:///system list --all --name";
        assert_eq!(command(Some(&host)).join(" "), words);
        let plain = Found { name: "-oProxyCommand=x".to_owned(), ..Found::default() };
        let words = command(Some(&plain));
        assert_eq!(words[words.len() - 3..], ["--", "-oProxyCommand=x", "virsh -r -c qemu:///system list --all --name"]);
        assert_eq!(command(None), VIRSH);
    }

    #[test]
    fn answers_come_in_order_and_failures_are_told_but_for_a_missing_virsh() {
        let hosts: Vec<Found> = (1..=20).map(|n| Found { name: format!("kvm-{n}"), ..Found::default() }).collect();
        let run = |words: &[String]| match words.iter().find(|w| w.starts_with("kvm-")).map(String::as_str) {
            None => Err("virsh: not found".to_owned()),
            Some("kvm-3") => Err("Permission denied \u{1b}[2J(publickey).".to_owned()),
            Some("kvm-4") => Err("sh: virsh: command not found".to_owned()),
            Some("kvm-5") => Ok("\n".to_owned()),
            Some(host) => Ok(format!(" {host}-a\n{host}-b\n\n")),
        };
        let (guests, failed) = ask(&hosts.iter().collect::<Vec<_>>(), &run);
        assert_eq!(guests.len(), 17);
        assert_eq!(guests[0], Guests { host: Some("kvm-1".to_owned()), names: vec!["kvm-1-a".to_owned(), "kvm-1-b".to_owned()] });
        assert_eq!(guests[16].host.as_deref(), Some("kvm-20"));
        assert_eq!(failed, ["kvm-3: Permission denied ^[[2J(publickey)."]);
    }

    #[test]
    fn a_real_program_is_run_and_its_failure_told() {
        let words = |line: &str| ["sh", "-c", line].map(str::to_owned).to_vec();
        assert_eq!(run(&words("echo a; echo b")).unwrap(), "a\nb\n");
        assert_eq!(run(&words("echo one >&2; echo two >&2; exit 3")).unwrap_err(), "two");
        assert!(run(&["/nowhere/virsh".to_owned()]).unwrap_err().contains("not found"));
    }
}
