//! The YAML form: groups with `hosts`, `children` and `vars`, nested; also the same as JSON, which is YAML.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::{Inventory, Vars};

/// A mapping in the order of the file.
struct Ordered<T>(Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut out = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    out.push(entry);
                }
                Ok(Ordered(out))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// `hosts: {web: }` and `children: {db: }`: nothing stands for an empty mapping.
#[derive(Default)]
struct Group {
    hosts: Ordered<Option<Ordered<Value>>>,
    children: Ordered<Option<Group>>,
    vars: Ordered<Value>,
}

impl<'de> Deserialize<'de> for Group {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = Group;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a group with hosts, children or vars")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Group, A::Error> {
                let mut group = Group::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "hosts" => group.hosts = map.next_value::<Option<_>>()?.unwrap_or_default(),
                        "children" => group.children = map.next_value::<Option<_>>()?.unwrap_or_default(),
                        "vars" => group.vars = map.next_value::<Option<_>>()?.unwrap_or_default(),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(group)
            }
        }
        deserializer.deserialize_map(Parts)
    }
}

pub(super) fn read(text: &str) -> Result<Inventory, String> {
    let groups: Ordered<Option<Group>> = serde_saphyr::from_str(text).map_err(|e| {
        let told = e.to_string();
        format!("this is no inventory in YAML: {}", told.lines().next().unwrap_or_default())
    })?;
    let mut inventory = Inventory::default();
    for (name, group) in groups.0 {
        take(&mut inventory, &name, group.unwrap_or_default())?;
    }
    Ok(inventory)
}

/// How deep the format itself may nest is bounded by the YAML reader.
fn take(inventory: &mut Inventory, name: &str, group: Group) -> Result<(), String> {
    inventory.vars.entry(name.to_owned()).or_default().extend(vars(group.vars));
    for (host, own) in group.hosts.0 {
        inventory.add(name, &host, &vars(own.unwrap_or_default())).map_err(|why| format!("group {name}: {why}"))?;
    }
    for (child, below) in group.children.0 {
        let children = inventory.children.entry(name.to_owned()).or_default();
        if !children.contains(&child) {
            children.push(child.clone());
        }
        take(inventory, &child, below.unwrap_or_default())?;
    }
    Ok(())
}

/// Only what is one word or number can be a variable that matters here.
fn vars(values: Ordered<Value>) -> Vars {
    let one = |value| match value {
        Value::String(text) => Some(text),
        Value::Bool(b) => Some(b.to_string()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    };
    values.0.into_iter().filter_map(|(key, value)| Some((key, one(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::hosts;

    #[test]
    fn a_vault_value_an_anchor_and_an_empty_group_do_not_stop_it() {
        let text = "all:\n  hosts:\n    a: &base\n      ansible_user: li\n      secret: !vault |\n        $ANSIBLE_VAULT;1.1\n        6162\n    b:\n      <<: *base\n      ansible_port: 2222\n  children:\n    empty:\n    db:\n      hosts:\n        b:\n      vars: {ansible_become: yes, list: [1, 2]}\n";
        let found = hosts("inventory.yml", text).unwrap();
        assert_eq!((found[0].name.as_str(), found[0].user.as_deref()), ("a", Some("li")));
        assert_eq!((found[1].user.as_deref(), found[1].port, found[1].sudo), (Some("li"), Some(2222), true));
        assert_eq!(found[1].groups, ["db"]);
    }

    #[test]
    fn what_is_no_inventory_is_said() {
        let told = hosts("x.yaml", "- hosts: all\n").unwrap_err();
        assert!(told.contains("no inventory in YAML"), "{told}");
        assert!(hosts("x", "[web]\na\n").is_ok());
    }
}
