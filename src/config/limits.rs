//! `[limits]`: the shape is that of the defaults themselves, so a new threshold needs no line here.

use toml::de::{DeTable, DeValue};

use super::reader::Reader;
use crate::base::suggest;
use crate::model::limits::Limits;

pub(super) fn read(r: &mut Reader<'_>, table: &DeTable<'_>) -> Limits {
    let Ok(mut merged) = toml::Table::try_from(Limits::default()) else { return Limits::default() };
    let defaults = merged.clone();
    merge(r, table, &mut merged, "limits");
    ordered(r, table, &mut merged, &defaults, "limits");
    merged.try_into().unwrap_or_default()
}

fn merge(r: &mut Reader<'_>, from: &DeTable<'_>, into: &mut toml::Table, path: &str) {
    for (key, value) in from {
        let name = key.get_ref().as_ref();
        let Some(slot) = into.get_mut(name) else {
            let help = suggest::help(name, into.keys().map(String::as_str), "its keys are");
            r.error(&key.span(), format!("[{path}] has no key `{name}`"), help);
            continue;
        };
        match (slot, value.get_ref()) {
            (toml::Value::Table(slot), DeValue::Table(table)) => merge(r, table, slot, &format!("{path}.{name}")),
            (toml::Value::Table(slot), _) => {
                let keys: Vec<String> = slot.keys().map(|k| format!("{k} = ...")).collect();
                r.wrong_type(name, value, &format!("{{ {} }}", keys.join(", ")));
            }
            (slot @ toml::Value::Integer(_), DeValue::Integer(i)) => match i.to_string().parse::<i64>() {
                Ok(n) if n >= 0 => *slot = toml::Value::Integer(n),
                _ => r.wrong_type(name, value, "a whole number from 0"),
            },
            (slot @ toml::Value::Float(_), DeValue::Integer(_) | DeValue::Float(_)) => {
                let text = match value.get_ref() {
                    DeValue::Integer(i) => i.to_string(),
                    DeValue::Float(x) => x.to_string(),
                    _ => String::new(),
                };
                match text.parse::<f64>() {
                    Ok(x) if x.is_finite() && x >= 0.0 => *slot = toml::Value::Float(x),
                    _ => r.wrong_type(name, value, "a number from 0"),
                }
            }
            (toml::Value::Integer(_), _) => r.wrong_type(name, value, "a whole number from 0"),
            _ => r.wrong_type(name, value, "a number from 0"),
        }
    }
}

/// A measure that is worse when higher must warn no later than it is critical, and the other way round for one that is worse
/// when lower; which it is, the defaults say. One that breaks this keeps its defaults.
fn ordered(r: &mut Reader<'_>, from: &DeTable<'_>, merged: &mut toml::Table, defaults: &toml::Table, path: &str) {
    for (key, value) in from {
        let name = key.get_ref().as_ref();
        let (Some(table), Some(toml::Value::Table(slot)), Some(toml::Value::Table(usual))) =
            (value.get_ref().as_table(), merged.get_mut(name), defaults.get(name))
        else {
            continue;
        };
        let (Some((warn, crit)), Some((usual_warn, usual_crit))) = (steps(slot), steps(usual)) else {
            ordered(r, table, slot, usual, &format!("{path}.{name}"));
            continue;
        };
        let rises = usual_warn <= usual_crit;
        if warn <= crit && rises || warn >= crit && !rises {
            continue;
        }
        let side = if rises { "above" } else { "below" };
        let worse = if rises { "higher" } else { "lower" };
        let example = format!("{name} = {{ warn = {usual_warn}, crit = {usual_crit} }} is the default");
        let message = format!("`{name}` warns at {warn}, {side} its crit of {crit}; this measure is worse when {worse}");
        r.error(&value.span(), message, example);
        slot.clone_from(usual);
    }
}

fn steps(table: &toml::Table) -> Option<(f64, f64)> {
    let number = |key: &str| match table.get(key)? {
        toml::Value::Float(x) => Some(*x),
        toml::Value::Integer(i) => i32::try_from(*i).ok().map(f64::from),
        _ => None,
    };
    number("warn").zip(number("crit"))
}
