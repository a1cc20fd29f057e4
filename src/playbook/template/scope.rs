//! The names that a template sees. Values of the playbook may hold templates and are rendered when they are asked for; what
//! came from afar (`register`) is data and is never rendered.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;
use minijinja::Value as Jinja;
use minijinja::value::{Enumerator, Object};
use serde_json::{Map, Value};

use super::{Engine, from_json};
use crate::playbook::spec::Var;

/// How deep values may refer to each other.
const MOST_DEEP: u32 = 24;

/// Names of one step for one target. Cheap to make: layers are shared.
#[derive(Clone)]
pub struct Scope {
    names: Arc<Names>,
}

struct Names {
    engine: Engine,
    /// Later layers hide earlier ones.
    layers: Vec<Layer>,
    depth: AtomicU32,
    /// The first thing that went wrong in a value that a template asked for.
    trouble: Mutex<Option<String>>,
}

/// Names to values.
#[derive(Clone, Debug)]
pub enum Layer {
    /// Written in the playbook: rendered when asked for.
    Written(Arc<IndexMap<String, Var>>),
    /// Known: taken as it is.
    Known(Arc<Map<String, Value>>),
}

impl Layer {
    pub fn known(map: Map<String, Value>) -> Self {
        Self::Known(Arc::new(map))
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("layers", &self.names.layers.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}

impl Scope {
    pub fn new(engine: &Engine, layers: Vec<Layer>) -> Self {
        Self { names: Arc::new(Names { engine: engine.clone(), layers, depth: AtomicU32::new(0), trouble: Mutex::new(None) }) }
    }

    /// With more names in front.
    #[must_use]
    pub fn with(&self, layer: Layer) -> Self {
        let mut layers = self.names.layers.clone();
        layers.push(layer);
        Self::new(&self.names.engine, layers)
    }

    pub(super) fn root(&self) -> Jinja {
        Jinja::from_dyn_object(self.names.clone())
    }

    pub(super) fn forget(&self) {
        if self.names.depth.load(Ordering::Relaxed) == 0 {
            *self.names.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.names.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every name, whether its value can be rendered or not.
    pub fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for layer in &self.names.layers {
            match layer {
                Layer::Written(map) => names.extend(map.keys().cloned()),
                Layer::Known(map) => names.extend(map.keys().cloned()),
            }
        }
        names
    }

    /// The shortest beginning of `a.b.c` that has no value.
    pub(super) fn missing(&self, path: &str) -> Option<String> {
        let mut parts = path.split('.');
        let first = parts.next()?;
        let Some(mut value) = self.names.get_value_by_str(first) else { return Some(first.to_owned()) };
        let mut so_far = first.to_owned();
        for part in parts {
            so_far = format!("{so_far}.{part}");
            match value.get_attr(part) {
                Ok(next) if !next.is_undefined() => value = next,
                _ => return Some(so_far),
            }
        }
        None
    }
}

impl Object for Names {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        for layer in self.layers.iter().rev() {
            match layer {
                Layer::Known(map) => {
                    if let Some(value) = map.get(key) {
                        return Some(from_json(value));
                    }
                }
                Layer::Written(map) => {
                    if let Some(var) = map.get(key) {
                        return self.rendered(key, var);
                    }
                }
            }
        }
        None
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

impl Names {
    fn rendered(self: &Arc<Self>, key: &str, var: &Var) -> Option<Jinja> {
        let deep = self.depth.fetch_add(1, Ordering::Relaxed);
        let found = if deep >= MOST_DEEP {
            Err(format!("`{key}` needs itself"))
        } else {
            let scope = Scope { names: self.clone() };
            self.engine
                .json(&var.at, &var.value, &scope)
                .map_err(|t| if t.text.contains(" needs itself") { t.text } else { format!("`{key}` ({}): {}", t.at, t.text) })
        };
        self.depth.fetch_sub(1, Ordering::Relaxed);
        match found {
            Ok(value) => Some(from_json(&value)),
            Err(text) => {
                let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
                trouble.get_or_insert(text);
                None
            }
        }
    }
}
