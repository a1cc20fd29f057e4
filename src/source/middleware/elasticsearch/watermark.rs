//! The disk watermarks and the other settings that shards are placed by.

use serde_json::Value;

/// `85%`, `0.85` (both: used), `500mb` (free).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mark {
    UsedPercent(f64),
    FreeBytes(u64),
}

impl Mark {
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if let Some(percent) = text.strip_suffix('%') {
            return percent.trim().parse().ok().map(Self::UsedPercent);
        }
        if let Ok(ratio) = text.parse::<f64>() {
            return Some(Self::UsedPercent(ratio * 100.0));
        }
        let (unit, shift) = [("kb", 10), ("mb", 20), ("gb", 30), ("tb", 40), ("pb", 50), ("b", 0)].into_iter().find(|(u, _)| text.ends_with(u))?;
        let number: f64 = text[..text.len() - unit.len()].trim().parse().ok()?;
        let bytes = number * 2_f64.powi(shift);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        (bytes.is_finite() && bytes >= 0.0).then_some(Self::FreeBytes(bytes as u64))
    }

    /// Is a disk over it?
    pub fn is_passed(self, total: u64, available: u64) -> bool {
        match self {
            Self::UsedPercent(most) => total > 0 && 100.0 - available as f64 / total as f64 * 100.0 >= most,
            Self::FreeBytes(least) => available <= least,
        }
    }

    pub fn text(self) -> String {
        match self {
            Self::UsedPercent(percent) => format!("{percent}%"),
            Self::FreeBytes(free) => format!("{} free", crate::base::text::bytes(free)),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    #[default]
    On,
    /// `cluster.routing.allocation.disk.threshold_enabled` is false.
    Off,
}

/// In force: what was set, else the defaults that the server tells, else those of its manual.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub low: Mark,
    pub high: Mark,
    pub flood: Mark,
    pub watch: Watch,
    /// `cluster.routing.allocation.enable`: anything but `all` keeps shards from being placed.
    pub allocation: String,
    pub shards_per_node: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            low: Mark::UsedPercent(85.0),
            high: Mark::UsedPercent(90.0),
            flood: Mark::UsedPercent(95.0),
            watch: Watch::On,
            allocation: "all".to_owned(),
            shards_per_node: 1000,
        }
    }
}

impl Settings {
    /// `_cluster/settings?include_defaults=true`: transient before persistent before defaults.
    pub fn read(answer: &Value) -> Self {
        let get = |name: &str| {
            ["transient", "persistent", "defaults"].iter().find_map(|scope| match find(answer.get(scope)?, name)? {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
        };
        let usual = Self::default();
        let mark = |name: &str, usual: Mark| get(&format!("cluster.routing.allocation.disk.watermark.{name}")).and_then(|t| Mark::parse(&t)).unwrap_or(usual);
        Self {
            low: mark("low", usual.low),
            high: mark("high", usual.high),
            flood: mark("flood_stage", usual.flood),
            watch: if get("cluster.routing.allocation.disk.threshold_enabled").as_deref() == Some("false") { Watch::Off } else { Watch::On },
            allocation: get("cluster.routing.allocation.enable").unwrap_or(usual.allocation),
            shards_per_node: get("cluster.max_shards_per_node").and_then(|t| t.parse().ok()).unwrap_or(usual.shards_per_node),
        }
    }
}

/// A dotted name in an answer that nests some of its parts and leaves others dotted.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    if let Some(found) = value.get(name) {
        return Some(found);
    }
    name.match_indices('.').find_map(|(at, _)| find(value.get(&name[..at])?, &name[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_in_every_spelling() {
        assert_eq!(Mark::parse("85%"), Some(Mark::UsedPercent(85.0)));
        assert_eq!(Mark::parse("0.9"), Some(Mark::UsedPercent(90.0)));
        assert_eq!(Mark::parse("500mb"), Some(Mark::FreeBytes(500 << 20)));
        assert_eq!(Mark::parse("1.5 GB"), Some(Mark::FreeBytes(3 << 29)));
        assert_eq!(Mark::parse("much"), None);
        assert!(Mark::UsedPercent(85.0).is_passed(100, 15) && !Mark::UsedPercent(85.0).is_passed(100, 16));
        assert!(Mark::FreeBytes(10).is_passed(100, 10) && !Mark::FreeBytes(10).is_passed(100, 11));
    }

    #[test]
    fn what_was_set_goes_before_the_defaults() {
        // As 7.17.28 printed it after `watermark.high` was set: beside the set value its defaults are gone.
        let answer = serde_json::json!({
            "transient": {"cluster": {"routing": {"allocation": {"disk": {"watermark": {"low": "1%", "flood_stage": "3%", "high": "2%"}}}}}},
            "defaults": {"cluster": {"routing": {"allocation": {"enable": "all",
                "disk": {"threshold_enabled": "true", "watermark": {"flood_stage": {"frozen": "95%", "frozen.max_headroom": "20GB"}}}}},
                "max_shards_per_node": "1000"}}
        });
        let read = Settings::read(&answer);
        assert_eq!((read.low, read.flood), (Mark::UsedPercent(1.0), Mark::UsedPercent(3.0)));
        // Persistent, with dots left in.
        let answer =
            serde_json::json!({"persistent": {"cluster.routing.allocation.enable": "primaries", "cluster": {"routing.allocation.disk.watermark.low": "10gb"}}});
        let read = Settings::read(&answer);
        assert_eq!((read.allocation.as_str(), read.low), ("primaries", Mark::FreeBytes(10 << 30)));
        assert_eq!(Settings::read(&serde_json::json!({})), Settings::default());
    }
}
