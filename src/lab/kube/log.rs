//! The logs of containers, also as they go on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::mpsc;

use super::answer::{Answer, Refusal, stream, text};
use super::ask::{Query, Target};
use crate::base::clock::Moment;
use crate::lab::Lab;
use crate::lab::world::kube::objects::{Key, key};
use crate::lab::world::kube::talk::{Process, Voice};

/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Lines handed on in one piece.
const PIECE: u64 = 500;
/// What is told when nobody asks for an end: a node keeps ten megabytes of a container's log.
const KEPT: u64 = 50_000;

pub(super) fn answer(lab: &Arc<Lab>, target: &Target, query: &Query) -> Result<Answer, Refusal> {
    let pod = key(target.space(), target.name.as_deref().unwrap_or_default());
    let process = if query.is("previous") { Process::Previous } else { Process::Current };
    let (voice, now) = lab.with(|w| {
        let found = w.kube.pods.get(&pod).ok_or_else(|| target.not_found())?;
        if found.is_lost {
            let node = found.node.as_deref().unwrap_or_default();
            let message = format!("Get https://{node}:10250/containerLogs/{}/{}/: dial tcp {node}:10250: i/o timeout", pod.0, pod.1);
            return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message));
        }
        let container = match query.get("container") {
            Some(name) => name.to_owned(),
            None if found.containers.len() > 1 => {
                let names: Vec<&str> = found.containers.iter().map(|(n, _)| n.as_str()).collect();
                return Err(Refusal::bad(format!("a container name must be specified for pod {}, choose one of: [{}]", pod.1, names.join(" "))));
            }
            None => found.containers[0].0.clone(),
        };
        let voice = w.kube.voice(&pod, &container, process).map_err(Refusal::bad)?;
        Ok((voice, w.now))
    })?;
    let count = voice.count(now);
    let mut from = count.saturating_sub(query.number("tailLines").unwrap_or(KEPT));
    let since = query.get("sinceTime").and_then(Moment::parse).or_else(|| query.number("sinceSeconds").map(|s| now.minus(Duration::from_secs(s))));
    if let Some(since) = since {
        from = from.max(voice.first_since(since).min(count));
    }
    let stamped = query.is("timestamps");
    if !query.is("follow") {
        let mut out = lines(&voice, from, count, stamped);
        if let Some(limit) = query.number("limitBytes").and_then(|n| usize::try_from(n).ok()) {
            out.truncate(limit);
        }
        return Ok(text(StatusCode::OK, out));
    }
    let (sender, pieces) = mpsc::channel(16);
    lab.spawn(follow(lab.clone(), pod, voice, from, stamped, sender));
    Ok(stream("text/plain", pieces))
}

fn lines(voice: &Voice, from: u64, to: u64, stamped: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for n in from..to {
        let line = voice.line(n);
        if stamped {
            // Nanoseconds, as the kubelet writes them.
            out.extend_from_slice(line.at.to_string().replace('Z', "000000Z ").as_bytes());
        }
        out.extend_from_slice(line.text.as_bytes());
        out.push(b'\n');
    }
    out
}

/// Goes on until the process ends, the pod is gone or nobody listens.
async fn follow(lab: Arc<Lab>, pod: Key, mut voice: Voice, mut next: u64, stamped: bool, out: mpsc::Sender<Bytes>) {
    loop {
        let (now, ended) = lab.with(|w| {
            let found = w.kube.pods.get(&pod);
            let is_same = found.is_some_and(|p| p.is_alive() && p.started == Some(voice.from) && !p.is_lost);
            // How it ended is known now: its last words are said.
            if !is_same && voice.until.is_none() {
                let again = found.and_then(|p| w.kube.voice(&pod, &p.containers[0].0, Process::Current).ok());
                match again.filter(|v| v.from == voice.from) {
                    Some(last) => voice = last,
                    None => voice.until = Some(w.now),
                }
            }
            (w.now, !is_same)
        });
        let count = voice.count(now);
        while next < count {
            let end = count.min(next + PIECE);
            if out.send(lines(&voice, next, end, stamped).into()).await.is_err() {
                return;
            }
            next = end;
        }
        if ended {
            return;
        }
        tokio::select! {
            () = out.closed() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}
