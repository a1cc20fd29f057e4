//! Quantities as they stand in resource requests.

/// Thousandths of a core.
pub(super) fn milli(text: &str) -> u64 {
    match text.strip_suffix('m') {
        Some(n) => n.parse().unwrap_or(0),
        None => super::super::whole(text.parse::<f64>().unwrap_or(0.0) * 1000.0),
    }
}

pub(super) fn bytes(text: &str) -> u64 {
    let units = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40)];
    for (unit, shift) in units {
        if let Some(n) = text.strip_suffix(unit) {
            return n.parse::<u64>().unwrap_or(0) << shift;
        }
    }
    text.parse().unwrap_or(0)
}
