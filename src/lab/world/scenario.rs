//! Scenarios: chains of causes in time order, written as small TOML files, each with what the cockpit must say and must not.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::fault::Act;

/// One scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    #[serde(default)]
    pub name: String,
    /// One line for lists.
    pub title: String,
    /// What happens, and where an expert would look first.
    #[serde(default)]
    pub story: String,
    #[serde(default, rename = "step")]
    pub steps: Vec<Step>,
    #[serde(default, rename = "expect")]
    pub expects: Vec<Expect>,
    #[serde(default, rename = "never")]
    pub nevers: Vec<Never>,
}

/// Something happens.
#[derive(Clone, Debug, Deserialize)]
pub struct Step {
    pub at: Span,
    #[serde(flatten)]
    pub act: Act,
}

/// From `at` on the status has `code` for `target`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub at: Span,
    /// The floor and the name as `status --json` has them: `host kvm-2`, `pod pro/mall-order-*`.
    pub target: String,
    pub code: String,
}

/// At no time the status has `code` for `target`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Never {
    pub target: String,
    pub code: String,
}

/// A time written as `90s`, `5m` or `1h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        let wrong = || serde::de::Error::custom(format!("`{text}` is no time; write 90s, 5m or 1h"));
        let (number, unit) = text.split_at(text.len().saturating_sub(1));
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(wrong()),
        };
        Ok(Self(Duration::from_secs(number * seconds)))
    }
}

/// Why there is no such scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown(String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const FILES: &[(&str, &str)] = &[
    ("calm", include_str!("../scenarios/calm.toml")),
    ("disk-full", include_str!("../scenarios/disk-full.toml")),
    ("replica-broken", include_str!("../scenarios/replica-broken.toml")),
    ("node-lost", include_str!("../scenarios/node-lost.toml")),
    ("nfs-hung", include_str!("../scenarios/nfs-hung.toml")),
    ("etcd-slow", include_str!("../scenarios/etcd-slow.toml")),
    ("image-registry-down", include_str!("../scenarios/image-registry-down.toml")),
    ("rabbitmq-no-consumer", include_str!("../scenarios/rabbitmq-no-consumer.toml")),
    ("es-flood-stage", include_str!("../scenarios/es-flood-stage.toml")),
    ("redis-failover", include_str!("../scenarios/redis-failover.toml")),
    ("clock-skew", include_str!("../scenarios/clock-skew.toml")),
    ("cert-expired", include_str!("../scenarios/cert-expired.toml")),
    ("noisy-neighbour", include_str!("../scenarios/noisy-neighbour.toml")),
];

impl Scenario {
    /// The names of all scenarios, the calm one first.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|(name, _)| *name)
    }

    /// # Errors
    /// There is none of this name; the text lists those that there are.
    pub fn named(name: &str) -> Result<Self, Unknown> {
        let Some((name, text)) = FILES.iter().find(|(n, _)| *n == name) else {
            let all: Vec<&str> = Self::names().collect();
            return Err(Unknown(format!("there is no scenario `{name}`; choose one of {}", all.join(", "))));
        };
        let mut scenario: Self = toml::from_str(text).map_err(|e| Unknown(format!("scenario {name}: {e}")))?;
        (*name).clone_into(&mut scenario.name);
        scenario.steps.sort_by_key(|step| step.at);
        Ok(scenario)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_are_read() {
        for name in Scenario::names() {
            let scenario = Scenario::named(name).unwrap_or_else(|e| panic!("{e}"));
            assert!(!scenario.title.is_empty() && !scenario.nevers.is_empty(), "{name}");
            assert!(name == "calm" || (scenario.steps.len() + scenario.expects.len() > 2 && !scenario.story.is_empty()), "{name}");
        }
        assert!(Scenario::named("nothing").is_err_and(|e| e.to_string().contains("calm")));
    }
}
