//! The configuration of a machine that has none, and where a configuration is looked for.

use std::path::PathBuf;

use super::host::EVERY;
use super::spec::{ClusterSpec, Config, Escalation, HostSpec, KubeconfigRef, Reach};

impl Config {
    /// This machine as a host, and the current context of the kubeconfig if there is one.
    pub fn default_for_machine(hostname: &str, kubeconfig: Option<&str>) -> Self {
        let host = HostSpec { name: hostname.into(), reach: Reach::Local, groups: Vec::new(), escalation: Escalation::None, every: EVERY };
        let cluster = kubeconfig.map(|name| ClusterSpec {
            name: name.into(),
            kubeconfig: KubeconfigRef::Default,
            context: None,
            via: None,
            compression: false,
            namespaces: Vec::new(),
        });
        Self { hosts: vec![host], clusters: cluster.into_iter().collect(), ..Self::default() }
    }
}

/// Where the configuration is: the flag, `QUARTERDECK_CONFIG`, then `$XDG_CONFIG_HOME/quarterdeck/config.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Somebody named it: it must be there.
    Named(PathBuf),
    /// Used if it is there.
    Usual(PathBuf),
}

impl Place {
    pub fn find(flag: Option<PathBuf>, env: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let set = |name: &str| env(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        if let Some(path) = flag.or_else(|| set("QUARTERDECK_CONFIG")) {
            return Some(Self::Named(path));
        }
        // The base directory rules say that a relative value is to be ignored.
        let base = set("XDG_CONFIG_HOME").filter(|p| p.is_absolute()).or_else(|| set("HOME").map(|h| h.join(".config")))?;
        Some(Self::Usual(base.join("quarterdeck/config.toml")))
    }

    pub fn path(&self) -> &PathBuf {
        match self {
            Self::Named(path) | Self::Usual(path) => path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_beats_the_environment_beats_the_usual_place() {
        let env = |name: &str| match name {
            "QUARTERDECK_CONFIG" => Some("/e.toml".to_owned()),
            "HOME" => Some("/home/li".to_owned()),
            _ => None,
        };
        assert_eq!(Place::find(Some("/f.toml".into()), env), Some(Place::Named("/f.toml".into())));
        assert_eq!(Place::find(None, env), Some(Place::Named("/e.toml".into())));
        let home = |name: &str| (name == "HOME").then(|| "/home/li".to_owned());
        assert_eq!(Place::find(None, home), Some(Place::Usual("/home/li/.config/quarterdeck/config.toml".into())));
    }
}
