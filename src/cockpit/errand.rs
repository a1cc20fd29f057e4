//! Programs that need the terminal for themselves: a pager, a login. They get it whole and give it back.

use std::io::Write as _;
use std::process::Stdio;

use tokio::process::Command;

use crate::model::effect::LargeText;

/// Shows `text` in `$PAGER`, `less` when that is not set.
pub(super) async fn page(text: &str) -> Result<(), String> {
    let text = text.to_owned();
    page_large(LargeText::new(move |out| out.write_all(text.as_bytes()).map(|()| 0))).await
}

/// The same for a text that writes itself.
pub(super) async fn page_large(text: LargeText) -> Result<(), String> {
    let pager = std::env::var("PAGER").ok().filter(|p| !p.trim().is_empty()).unwrap_or_else(|| "less -R".to_owned());
    let mut child = std::process::Command::new("sh")
        .arg("-c")
        .arg(&pager)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot start the pager {pager:?}: {e}; set PAGER to one that is installed"))?;
    let input = child.stdin.take();
    let status = tokio::task::spawn_blocking(move || {
        if let Some(stdin) = input {
            let mut out = std::io::BufWriter::with_capacity(1 << 16, stdin);
            // A pager that is left early closes its end; that is no error.
            let _ = text.write_to(&mut out).and_then(|_| out.flush());
        }
        child.wait()
    });
    let status = status.await.map_err(std::io::Error::other).and_then(|s| s).map_err(|e| format!("the pager {pager:?} was lost: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("the pager {pager:?} ended with {status}; set PAGER to another one")) }
}

/// Runs a command with the terminal as it is, as a credential plugin wants it.
pub(super) async fn run(program: &str, args: &[String], env: &[(String, String)]) -> Result<(), String> {
    println_plain(&format!("$ {program} {}", args.join(" ")));
    let status = Command::new(program)
        .args(args)
        .envs(env.iter().map(|(k, v)| (k.as_str(), v.as_str())))
        .stdout(Stdio::null())
        .status()
        .await
        .map_err(|e| format!("cannot start {program}: {e}; check that it is installed and on PATH"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} ended with {status}; run it by hand to see why")) }
}

/// Tells something on the ordinary screen.
pub(super) fn say(line: &str) {
    println_plain(line);
}

fn println_plain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", crate::base::text::clean(line));
}
