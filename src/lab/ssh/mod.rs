//! SSH to every host and guest of the world, by key or by password.
//!
//! `sampler` answers the cockpit's own sampler with frames in its format, which `source/host` reads. `shell`, `line`, `command`,
//! `filter` run one-liners; `proc`, `virsh`, `docker`, `log` are what the machines say; `exec` is one channel, `server` the edge.
//! Forwarding (`direct-tcpip`) leads to every address of the world that has a server ([`Lab::route`](super::Lab::route)).
//!
//! Taken from libvirt 9.0.0 with QEMU 7.2 (`source/host/fixtures`), Docker 20.10.24 and a Linux 6.18 whose files the sampler reads.
//! Shown with OpenSSH 9.2p1 and the cockpit's own client.
//!
//! Known differences:
//! - The shell knows lists, pipes, quotes, redirections, variables and `$(...)`; `if`, `for`, `while`; no `case`,
//!   no functions, and `set -e` is read over. Programs are the few that a look at a machine and the playbooks need; what is
//!   unknown ends with 127. Time stands still while a script runs: what it waits for does not come.
//! - A script by stdin is run when its end has come. A command waits for input only where its line shows that it reads some.
//! - No SFTP, no agent or remote forwarding, no certificates. Everybody is `root`; `sudo` lets everybody through.
//! - Logs are made when they are read; they reach six hours back. Files that people write live until the demo ends.
//! - A forwarded connection to a server that is down is opened and then closed, where sshd would refuse to open it.

pub mod command;
pub mod docker;
mod exec;
pub mod filter;
mod kubectl;
pub mod line;
pub mod log;
pub mod proc;
pub mod sampler;
mod server;
pub mod shell;
pub mod virsh;

pub use server::{JUMP, start};
