//! `quarterdeck logs QUERY`: what the cockpit's log pane shows, in a pipe. Chunks go straight to the output, without the store.

mod pipe;
mod query;
mod write;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};

use super::args::Global;
use crate::base::clock::{Clock, Moment, SystemClock};
use crate::config::spec::Config;
use crate::engine::log::Wanted;
use crate::headless;
use crate::model::log::{Encoding, LogQuery, Mode, Run, Window};
use pipe::Pipe;

pub const HELP: &str = "What speaks (QUERY), several are merged in the order of time:
  NAMESPACE/POD[/CONTAINER]             a pod; also pod/NAMESPACE/POD[/CONTAINER]
  deploy/NAMESPACE/NAME[/CONTAINER]     all pods of it, also those to come; also sts, ds, job, cronjob
  selector:[NAMESPACE/]app=web,tier=x   all pods with these labels
  k8s:CLUSTER/NAMESPACE/KIND/NAME       where there are several clusters
  host:NAME                             a host: its journal, and the files that the configuration names
  host:NAME:/path/to/file               a file; rotation and truncation are followed
  unit:HOST/UNIT                        the journal of a systemd unit
  docker:HOST/NAME                      a container on a host; also podman:, crictl:
  kernel:HOST                           the kernel's messages
  middleware:KIND/NAME                  the logs that the configuration names for it
Without NAMESPACE/ the one of -n is taken, else `default`.

Examples:
  quarterdeck logs pro/mall-order-5b49d784c-gbr8m --tail 100
  quarterdeck logs deploy/pro/mall-order --follow --output pretty
  quarterdeck logs pro/mall-order-5b49d784c-gbr8m unit:k8s-w-1/kubelet kernel:k8s-w-1 --since 10m
  quarterdeck logs host:web-1:/var/log/nginx/error.log --follow
  quarterdeck logs pro/mall-order-5b49d784c-gbr8m --previous

Exit codes:
  0 everything was told (or the reader of the pipe had enough)
  1 something was refused, could not be read, or is missing in between; it is said on stderr
  64 the query is wrong, 74 the output cannot be written";

#[derive(Clone, Debug, ClapArgs)]
pub struct Options {
    /// What speaks; see below
    #[arg(required = true, value_name = "QUERY")]
    pub query: Vec<String>,
    /// Only what is newer: 30s, 10m, 2h, 1d, or a time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only what is older
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only the last N lines of each
    #[arg(long, value_name = "N")]
    pub tail: Option<u64>,
    /// Go on with what is yet to come
    #[arg(long, short = 'f')]
    pub follow: bool,
    /// Only this container of each pod
    #[arg(long, short = 'c', value_name = "NAME")]
    pub container: Option<String>,
    /// The life of a container before its last restart
    #[arg(long, short = 'p')]
    pub previous: bool,
    /// The lines as they are, one JSON object a line, or with time and origin before each
    #[arg(long, short = 'o', value_enum, default_value_t = Output::Raw)]
    pub output: Output,
    /// How the bytes are letters: utf-8 or gb18030; what the configuration says when not given
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Raw,
    Json,
    Pretty,
}

/// Why nothing was begun.
#[derive(Debug)]
pub struct Wrong(pub String);

/// `10m` before `now`, or a time.
fn moment(text: &str, now: Moment) -> Result<Moment, Wrong> {
    if let Some(at) = Moment::parse(text) {
        return Ok(at);
    }
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let seconds = match &text[split..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => 0,
    };
    match text[..split].parse::<u64>() {
        Ok(count) if seconds > 0 => Ok(now.minus(Duration::from_secs(count.saturating_mul(seconds)))),
        _ => Err(Wrong(format!("`{text}` is no time; write 30s, 10m, 2h, 1d or 2026-11-21T02:14:07Z"))),
    }
}

/// The whole question.
fn asked(config: &Config, global: &Global, options: &Options, now: Moment) -> Result<LogQuery, Wrong> {
    let run = if options.previous { Run::Previous } else { Run::Current };
    let place = query::Place { config, namespace: global.namespace.first().map_or("default", String::as_str), container: options.container.as_deref(), run };
    let targets = options.query.iter().map(|q| query::target(&place, q)).collect::<Result<_, _>>()?;
    let at = |text: &Option<String>| text.as_deref().map(|t| moment(t, now)).transpose();
    let encoding = match &options.encoding {
        None => None,
        Some(word) => Some(Encoding::from_word(word).ok_or_else(|| Wrong(format!("encoding `{word}` is not known; there are utf-8 and gb18030")))?),
    };
    Ok(LogQuery {
        targets,
        window: Window { since: at(&options.since)?, until: at(&options.until)?, tail: options.tail },
        mode: if options.follow { Mode::Follow } else { Mode::Once },
        encoding,
    })
}

/// Writes what was asked for to stdout; gives the exit code.
pub async fn run(config: &Config, global: &Global, options: &Options) -> io::Result<u8> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let query = match asked(config, global, options, clock.now()) {
        Ok(query) => query,
        Err(Wrong(text)) => {
            let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("quarterdeck: {text}; `quarterdeck logs --help` says more\n"));
            return Ok(super::run::USAGE);
        }
    };
    // A stream that is followed is carried on by its stamps where it is cut.
    let plain = options.output == Output::Raw && config.clusters.len() <= 1 && query.mode == Mode::Once;
    let stamps = if plain { Wanted::Bytes } else { Wanted::Stamps };
    let (pipe, written) = Pipe::open(options.output, query.mode, clock);
    tokio::select! {
        () = headless::say(config, &query, stamps, pipe.clone(), pipe.gone()) => {}
        () = pipe.keep_going() => {}
    }
    pipe.close().await;
    written.await.unwrap_or(Ok(()))?;
    Ok(u8::from(pipe.is_short()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spans_or_moments() {
        let now = Moment(100_000_000);
        assert_eq!(moment("10m", now).unwrap(), Moment(99_400_000));
        assert_eq!(moment("1970-01-01T00:00:05Z", now).unwrap(), Moment(5000));
        for wrong in ["", "10", "m", "10x", "yesterday"] {
            assert!(moment(wrong, now).is_err(), "{wrong}");
        }
    }
}
