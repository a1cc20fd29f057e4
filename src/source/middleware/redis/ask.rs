//! The questions of one poll, to a data member and to a sentinel.

use redis::{Cmd, Value, cmd};

use super::acl::{self, KEY_PREFIX};
use super::info::Info;
use super::link::{Link, Refusal};
use super::nodes::{ClusterView, key_within};
use super::seen::{Data, Read, Sentinel, Trend, Writes};
use super::sentinel::{self, Quorum, Tilt};
use crate::base::clock::{Moment, Stopwatch};
use crate::model::fact::Denied;
use crate::port::Meter;
use crate::source::middleware::member::Trouble;

/// One conversation: what is refused is noted, what breaks ends it.
pub struct Talk<'a> {
    pub link: &'a mut Link,
    pub address: &'a str,
    pub user: &'a str,
    pub meter: &'a Meter,
    pub denied: Vec<Denied>,
}

impl Talk<'_> {
    /// `words` as they are typed; the ACL line for a refused one is made of its first words in capitals.
    async fn ask(&mut self, words: &[&str]) -> Result<Result<Value, Refusal>, Trouble> {
        let answer = self.link.ask(&command(words), self.address, self.meter).await?;
        if let Err(refusal) = &answer
            && refusal.code == "NOPERM"
        {
            let name: Vec<&str> = words.iter().take(2).take_while(|w| w.bytes().all(|b| b.is_ascii_uppercase())).copied().collect();
            self.denied.push(acl::denied(self.user, &name.join(" "), &refusal.text));
        }
        Ok(answer)
    }

    async fn text(&mut self, words: &[&str]) -> Result<Option<String>, Trouble> {
        Ok(self.ask(words).await?.ok().and_then(|value| match value {
            Value::BulkString(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
            _ => None,
        }))
    }

    /// Everything a data member is asked.
    pub async fn data(mut self, now: Moment, before: Option<(&Data, Moment)>) -> Result<Data, Trouble> {
        let watch = Stopwatch::start();
        let ping = self.ask(&["PING"]).await?;
        let round_trip = watch.elapsed();
        let info = self.text(&["INFO"]).await?.map(|text| Info::parse(&text));
        let link_word = self.ask(&["ROLE"]).await?.ok().map(|value| link_word(&value)).unwrap_or_default();
        let mut cluster = None;
        if info.as_ref().is_some_and(|i| i.mode == "cluster") {
            let state = self.text(&["CLUSTER", "INFO"]).await?;
            let nodes = self.text(&["CLUSTER", "NODES"]).await?;
            cluster = state.zip(nodes).map(|(state, nodes)| ClusterView::parse(&state, &nodes));
        }
        let key = match &cluster {
            Some(view) => view.myself().filter(|me| me.is_master()).and_then(|me| key_within(KEY_PREFIX, &me.slots)),
            None if info.as_ref().is_some_and(|i| i.mode == "cluster") => None,
            None => Some(format!("{KEY_PREFIX}0")),
        };
        let ours = ping.as_ref().err().map(|refusal| refusal.code.clone());
        let (mut writes, mut read) = (Writes::default(), Read::default());
        match ping {
            Err(refusal) if refusal.code == "MISCONF" => writes = Writes::Refused(refusal.text),
            Err(refusal) if refusal.code != "NOPERM" => read = Read::Refused(refusal.text),
            _ => {}
        }
        if let (Read::NotTried, Some(key)) = (&read, key) {
            read = self.read(&key).await?;
        }
        let trend = Trend::of(now, info.as_ref(), cluster.as_ref(), ours.as_deref(), before);
        Ok(Data { info, cluster, link_word, round_trip, writes, read, door: self.link.door, denied: self.denied, trend })
    }

    async fn read(&mut self, key: &str) -> Result<Read, Trouble> {
        Ok(match self.ask(&["EXISTS", key]).await? {
            Ok(_) => Read::Served,
            Err(refusal) if refusal.code == "NOPERM" => Read::NotTried,
            Err(refusal) => Read::Refused(refusal.text),
        })
    }

    /// Everything a sentinel is asked; of `master`, or of the only one that it watches where the settings name none.
    pub async fn sentinel(mut self, master: &str) -> Result<Sentinel, Trouble> {
        let watch = Stopwatch::start();
        let _ = self.ask(&["PING"]).await?;
        let round_trip = watch.elapsed();
        let text = self.text(&["INFO"]).await?.unwrap_or_default();
        let info = Info::parse(&text);
        let masters = self.ask(&["SENTINEL", "MASTERS"]).await?.map(|value| sentinel::masters(&value)).unwrap_or_default();
        let mut said = Sentinel { round_trip, ..Sentinel::default() };
        let view = &mut said.view;
        view.tilt = if text.lines().any(|l| l.trim_end() == "sentinel_tilt:1") { Tilt::On } else { Tilt::Off };
        view.names = masters.iter().map(|m| m.name.clone()).collect();
        view.master = masters.iter().find(|m| m.name == master || (master.is_empty() && masters.len() == 1)).cloned();
        if let Some(watched) = view.master.clone() {
            view.quorum = match self.ask(&["SENTINEL", "CKQUORUM", &watched.name]).await? {
                Ok(_) => Quorum::Reached,
                Err(refusal) if refusal.code == "NOPERM" => Quorum::Unasked,
                Err(refusal) => Quorum::Missed(refusal.text),
            };
            // REPLICAS is 5.0 and later.
            let word = if info.version.split('.').next().and_then(|v| v.parse::<u32>().ok()).is_some_and(|v| v < 5) { "SLAVES" } else { "REPLICAS" };
            view.replicas = self.ask(&["SENTINEL", word, &watched.name]).await?.map(|value| sentinel::peers(&value)).unwrap_or_default();
            view.sentinels = self.ask(&["SENTINEL", "SENTINELS", &watched.name]).await?.map(|value| sentinel::peers(&value)).unwrap_or_default();
        }
        (view.run_id, view.version) = (info.run_id, info.version);
        said.denied = self.denied;
        Ok(said)
    }
}

fn command(words: &[&str]) -> Cmd {
    let (first, rest) = words.split_first().unwrap_or((&"PING", &[]));
    let mut command = cmd(first);
    for word in rest {
        command.arg(*word);
    }
    command
}

/// `slave`, host, port, link, offset; a master's answer has none.
fn link_word(role: &Value) -> String {
    match role {
        Value::Array(items) => match items.get(3) {
            Some(Value::BulkString(word)) => String::from_utf8_lossy(word).into_owned(),
            Some(Value::SimpleString(word)) => word.clone(),
            _ => String::new(),
        },
        _ => String::new(),
    }
}
