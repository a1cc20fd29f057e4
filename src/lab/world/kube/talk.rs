//! What containers write to their logs. Nothing is kept: line `n` of a container is the same whenever it is asked for.

use std::time::Duration;

use super::Kube;
use super::objects::Key;
use super::pod::State;
use crate::base::clock::Moment;
use crate::lab::world::chance::{Chance, wander};
use crate::lab::world::whole;

/// Which process of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    Current,
    /// The one before the last restart.
    Previous,
}

/// A line and when it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub at: Moment,
    pub text: String,
}

/// The voice of one process: its first moment, its last (none: it runs), and what it says.
#[derive(Clone, Debug)]
pub struct Voice {
    pub from: Moment,
    pub until: Option<Moment>,
    last_words: Vec<String>,
    seed: u64,
    name: String,
    style: Style,
    /// Milliseconds from one line to the next.
    pace: u64,
}

#[derive(Clone, Copy, Debug)]
enum Style {
    Spring,
    Access,
    Redis,
    Elastic,
    Rabbit,
    Klog,
}

fn style(image: &str) -> (Style, u64) {
    let has = |what: &str| image.contains(what);
    if has("nginx") {
        (Style::Access, 180)
    } else if has("redis") {
        (Style::Redis, 20_000)
    } else if has("elasticsearch") || has("kibana") || has("logstash") {
        (Style::Elastic, 4000)
    } else if has("rabbitmq") {
        (Style::Rabbit, 9000)
    } else if has("springcloud") || has("nacos") || has("skywalking") {
        (Style::Spring, 420)
    } else {
        (Style::Klog, 2500)
    }
}

impl Kube {
    /// The log of a pod's container; an error in the words of a real server when there is none.
    pub fn voice(&self, key: &Key, container: &str, process: Process) -> Result<Voice, String> {
        let Some(pod) = self.pods.get(key) else { return Err(format!("pods \"{}\" not found", key.1)) };
        let Some((name, image)) = pod.containers.iter().find(|(name, _)| name == container) else {
            return Err(format!("container {container} is not valid for pod {}", key.1));
        };
        let last = pod.last.as_ref().filter(|_| *name == pod.containers[0].0);
        let ends_now = matches!(pod.state, State::BackOff | State::Completed | State::Failed(_));
        let (from, until) = match (process, last, pod.started) {
            (Process::Previous, Some(last), _) => (last.started, Some(last.finished)),
            (Process::Previous, None, _) => return Err(format!("previous terminated container \"{container}\" in pod \"{}\" not found", key.1)),
            (Process::Current, Some(last), _) if ends_now => (last.started, Some(last.finished)),
            (Process::Current, _, Some(started)) => (started, None),
            (Process::Current, _, None) => {
                return Err(format!("container \"{container}\" in pod \"{}\" is waiting to start: {}", key.1, waiting(&pod.state)));
            }
        };
        let (style, pace) = style(image);
        let crashed = until.is_some() && last.is_some_and(|l| l.code != 0);
        let last_words = if crashed { self.last_words(&pod.root, key).to_vec() } else { Vec::new() };
        let seed = pod.uid.bytes().fold(0, |h: u64, b| h.wrapping_mul(31).wrapping_add(u64::from(b))) ^ u64::from(pod.restarts);
        Ok(Voice { from, until, last_words, seed, name: pod.key.1.to_string(), style, pace })
    }
}

fn waiting(state: &State) -> &'static str {
    match state {
        State::NoImage(_) => "trying and failing to pull image",
        State::NoConfig(_) => "CreateContainerConfigError",
        _ => "ContainerCreating",
    }
}

impl Voice {
    fn at(&self, n: u64) -> Moment {
        let wobble = whole(wander(self.seed, "pace", n as f64, 1.0) * self.pace as f64 * 0.9);
        self.from.plus(Duration::from_millis(n.saturating_mul(self.pace) + wobble))
    }

    /// How many lines were written up to `now`.
    pub fn count(&self, now: Moment) -> u64 {
        let end = self.until.map_or(now, |u| u.min(now));
        let span = u64::try_from(end.since(self.from).as_millis()).unwrap_or(0);
        let own = span.checked_div(self.pace).map_or(0, |n| n + u64::from(self.at(n) <= end));
        own + if self.until.is_some_and(|u| u <= now) { self.last_words.len() as u64 } else { 0 }
    }

    /// Line `n`, counted from 0.
    pub fn line(&self, n: u64) -> Line {
        if let Some(end) = self.until {
            let own = self.count(end).saturating_sub(self.last_words.len() as u64);
            if n >= own
                && let Some(text) = usize::try_from(n - own).ok().and_then(|i| self.last_words.get(i))
            {
                return Line { at: end, text: text.clone() };
            }
        }
        let at = self.at(n);
        Line { at, text: self.say(n, at) }
    }

    /// The first line not before `moment`.
    pub fn first_since(&self, moment: Moment) -> u64 {
        let span = u64::try_from(moment.since(self.from).as_millis()).unwrap_or(0);
        let mut n = (span / self.pace).saturating_sub(1);
        while self.at(n) < moment && self.until.is_none_or(|u| self.at(n) < u) {
            n += 1;
        }
        n
    }

    fn say(&self, n: u64, at: Moment) -> String {
        let mut chance = Chance::of(self.seed ^ n, "line");
        let time = at.to_string();
        let clock = format!("{} {}", &time[..10], &time[11..23]);
        let trace = chance.hex(16);
        let id = 202_611_210_000_u64 + chance.below(99_999);
        let ms = 3 + chance.below(90) + if chance.below(40) == 0 { 900 } else { 0 };
        match self.style {
            Style::Spring => {
                let text = [
                    format!("GET /order/detail/{id} took {ms} ms, user {}", chance.below(80_000)),
                    format!("generateOrder: order {id} created, pay type {}", chance.below(3)),
                    format!("cart of member {} has {} items", chance.below(80_000), chance.below(12)),
                    format!("receive delay message orderId:{id}"),
                    "HikariPool-1 - Pool stats (total=10, active=2, idle=8, waiting=0)".to_owned(),
                    format!("JWT checked for member {}, expires in {} s", chance.below(80_000), chance.below(600_000)),
                ];
                let (level, text) = match chance.below(200) {
                    0 => ("ERROR", format!("c.m.common.exception.GlobalExceptionHandler : 库存不足，无法下单 (sku {})", chance.below(4000))),
                    1..=5 => ("WARN ", format!("o.s.c.openfeign.retry : call to mall-member took {} ms, slower than 500 ms", 500 + ms)),
                    _ => ("INFO ", format!("c.m.{} : {}", self.name.split('-').nth(1).unwrap_or("app"), text[usize::try_from(chance.below(6)).unwrap_or(0)])),
                };
                format!("{clock}  {level} [{trace}] 1 --- [nio-8080-exec-{}] {text}", 1 + chance.below(10))
            }
            Style::Access => {
                let status = match chance.below(100) {
                    0 => 502,
                    1..=3 => 404,
                    4..=6 => 304,
                    _ => 200,
                };
                let path = ["/api/home/content", "/api/product/detail", "/api/cart/list", "/api/order/list", "/api/search/simple", "/api/sso/login"];
                let path = path[usize::try_from(chance.below(6)).unwrap_or(0)];
                let (a, b) = (chance.below(256), chance.below(256));
                format!(
                    "10.9.{a}.{b} - - [{}] \"GET {path} HTTP/1.1\" {status} {} \"-\" \"okhttp/3.14.9\" {:.3} [pro-mall-gateway-8201]",
                    &time[..19],
                    300 + chance.below(9000),
                    ms as f64 / 1000.0
                )
            }
            Style::Redis => format!("1:M {clock} * {} changes in 60 seconds. Saving...", 10_000 + chance.below(9000)),
            Style::Elastic => {
                format!(
                    "{{\"type\": \"server\", \"timestamp\": \"{time}\", \"level\": \"INFO\", \"component\": \"o.e.m.j.JvmGcMonitorService\", \"cluster.name\": \"mall-search\", \"node.name\": \"{}\", \"message\": \"[gc][{n}] overhead, spent [{ms}ms] collecting in the last [1s]\"}}",
                    self.name
                )
            }
            Style::Rabbit => format!(
                "{clock}+00:00 [info] <0.{}.0> connection <0.{}.0> (10.244.{}.{}:{} -> 10.244.4.20:5672): user 'mall' authenticated and granted access to vhost '/mall'",
                chance.below(9000),
                chance.below(9000),
                4 + chance.below(9),
                50 + chance.below(90),
                30_000 + chance.below(9000)
            ),
            Style::Klog => format!(
                "I{}{} {} 1 controller.go:{}] Reconciled {} objects in {ms} ms",
                &time[5..7],
                &time[8..10],
                &time[11..23],
                90 + chance.below(300),
                chance.below(400)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_the_same_whenever_it_is_asked_for() {
        let from = Moment(1_795_000_000_000);
        let voice = Voice { from, until: None, last_words: Vec::new(), seed: 5, name: "mall-order-1".into(), style: Style::Spring, pace: 420 };
        let now = from.plus(Duration::from_mins(1));
        let count = voice.count(now);
        assert!((140..=144).contains(&count), "{count}");
        assert!((0..count).all(|n| voice.line(n).at <= now) && voice.line(count).at > now);
        assert!((1..count).all(|n| voice.line(n - 1).at <= voice.line(n).at), "in order");
        let since = from.plus(Duration::from_secs(30));
        let first = voice.first_since(since);
        assert!(voice.line(first).at >= since && voice.line(first - 1).at < since);
        let ended = Voice { until: Some(now), last_words: vec!["Caused by: java.net.ConnectException".into()], ..voice };
        assert_eq!(ended.line(ended.count(now) - 1).text, "Caused by: java.net.ConnectException");
    }
}
