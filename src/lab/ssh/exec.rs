//! A command of one channel: its input, its output, its end.

use std::sync::Arc;
use std::time::Duration;

use russh::server::Msg;
use russh::{Channel, ChannelMsg};
use tokio::time::sleep;

use super::log;
use super::sampler::{self, Sampler};
use super::server::Ground;
use super::shell::{Ran, Shell};

/// Input that one command is given at most.
const MOST_INPUT: usize = 8 << 20;
/// How often a followed log is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// Does it read its input? A client's terminal has no end to wait for.
fn reads_input(line: &str) -> bool {
    ["dd bs=1", "cat >", "tee ", "sh -s", "cat -", "sudo -S", "cat > "].iter().any(|sign| line.contains(sign)) || matches!(line.trim(), "sh" | "bash" | "cat")
}

/// Bytes of input cut into lines.
#[derive(Default)]
struct Input {
    bytes: Vec<u8>,
    ended: bool,
}

impl Input {
    /// The next line without its end; `None` at the end of the input, or where it is more than any is.
    async fn line(&mut self, channel: &mut Channel<Msg>) -> Option<String> {
        loop {
            if let Some(end) = self.bytes.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.ended || self.bytes.len() > MOST_INPUT {
                return None;
            }
            self.more(channel).await;
        }
    }

    async fn more(&mut self, channel: &mut Channel<Msg>) {
        match channel.wait().await {
            Some(ChannelMsg::Data { data }) => self.bytes.extend_from_slice(&data),
            Some(ChannelMsg::Eof | ChannelMsg::Close) | None => self.ended = true,
            Some(_) => {}
        }
    }

    async fn all(&mut self, channel: &mut Channel<Msg>) -> Vec<u8> {
        while !self.ended && self.bytes.len() <= MOST_INPUT {
            self.more(channel).await;
        }
        std::mem::take(&mut self.bytes)
    }
}

/// Runs one command line on `machine` and closes the channel.
pub(super) async fn command(ground: Arc<Ground>, machine: String, mut channel: Channel<Msg>, line: String) {
    let mut input = Input::default();
    let mut script = None;
    if line.contains("sh -s") {
        let first = input.line(&mut channel).await.unwrap_or_default();
        if sampler::begins(&first) {
            let code = sample(&ground, &machine, &mut channel, &mut input, &first).await;
            return end(&channel, code).await;
        }
        let rest = input.all(&mut channel).await;
        script = Some(format!("{first}\n{}", String::from_utf8_lossy(&rest)));
    }
    let stdin = if script.is_none() && reads_input(&line) { input.all(&mut channel).await } else { Vec::new() };
    let ran = ground.with(|world, disk| Shell::new(world, disk, &machine).run(script.as_deref().unwrap_or(&line), &stdin));
    let code = say(&ground, &mut channel, ran).await;
    end(&channel, code).await;
}

async fn end(channel: &Channel<Msg>, code: Option<u32>) {
    if let Some(code) = code {
        let _ = channel.exit_status(code).await;
    }
    let _ = channel.eof().await;
    let _ = channel.close().await;
}

/// Writes what a command said. `None`: the client left.
async fn say(ground: &Ground, channel: &mut Channel<Msg>, ran: Ran) -> Option<u32> {
    channel.data(ran.stdout.as_slice()).await.ok()?;
    if !ran.stderr.is_empty() {
        channel.extended_data(1, ran.stderr.as_bytes()).await.ok()?;
    }
    let Some(mut follow) = ran.follow else { return Some(ran.code) };
    loop {
        tokio::select! {
            message = channel.wait() => match message {
                Some(ChannelMsg::Close) | None => return None,
                Some(_) => {}
            },
            () = sleep(LOOK_AGAIN) => {
                let (text, until) = ground.lab.with(|world| log::lines(world, &follow, log::MOST_LINES));
                follow.from = until;
                if !text.is_empty() {
                    channel.data(text.as_bytes()).await.ok()?;
                }
            }
        }
    }
}

/// The cockpit's sampler: a frame for each line.
async fn sample(ground: &Ground, machine: &str, channel: &mut Channel<Msg>, input: &mut Input, first: &str) -> Option<u32> {
    let mut sampler = Sampler::new(machine, first);
    while let Some(line) = input.line(channel).await {
        match ground.lab.with(|world| sampler.line(world, &line)) {
            Ok(Some(frame)) => channel.data(frame.as_bytes()).await.ok()?,
            Ok(None) => {}
            Err(complaint) => {
                channel.extended_data(1, complaint.as_bytes()).await.ok()?;
                return Some(2);
            }
        }
    }
    Some(0)
}

/// A shell for a person: a prompt, a line, an answer.
pub(super) async fn prompt(ground: Arc<Ground>, machine: String, mut channel: Channel<Msg>) {
    let sign = format!("[root@{machine} ~]# ");
    let mut line = String::new();
    if channel.data(sign.as_bytes()).await.is_err() {
        return;
    }
    while let Some(message) = channel.wait().await {
        let ChannelMsg::Data { data } = message else {
            if matches!(message, ChannelMsg::Eof | ChannelMsg::Close) {
                break;
            }
            continue;
        };
        for c in String::from_utf8_lossy(&data).chars() {
            let echo = match c {
                '\r' | '\n' => {
                    let text = std::mem::take(&mut line);
                    if matches!(text.trim(), "exit" | "logout") {
                        return end(&channel, Some(0)).await;
                    }
                    let ran = ground.with(|world, disk| Shell::new(world, disk, &machine).run(&text, b""));
                    let said = String::from_utf8_lossy(&ran.stdout).replace('\n', "\r\n") + &ran.stderr.replace('\n', "\r\n");
                    format!("\r\n{said}{sign}")
                }
                '\u{4}' if line.is_empty() => return end(&channel, Some(0)).await,
                '\u{3}' => {
                    line.clear();
                    format!("^C\r\n{sign}")
                }
                '\u{7f}' | '\u{8}' => {
                    if line.pop().is_some() {
                        "\u{8} \u{8}".to_owned()
                    } else {
                        String::new()
                    }
                }
                c if !c.is_control() && line.len() < 4096 => {
                    line.push(c);
                    c.to_string()
                }
                _ => String::new(),
            };
            if !echo.is_empty() && channel.data(echo.as_bytes()).await.is_err() {
                return;
            }
        }
    }
    end(&channel, Some(0)).await;
}
