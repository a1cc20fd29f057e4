//! The words of a query.

use super::Wrong;
use crate::base::suggest;
use crate::config::spec::Config;
use crate::model::id::{GroupKey, Name};
use crate::model::log::{Containers, LogTarget, Run};
use crate::model::workload::WorkloadKind;

/// What a word means depends on it.
pub(super) struct Place<'a> {
    pub(super) config: &'a Config,
    pub(super) namespace: &'a str,
    pub(super) container: Option<&'a str>,
    pub(super) run: Run,
}

impl Place<'_> {
    fn containers(&self, named: Option<&str>) -> Containers {
        named.or(self.container).map_or(Containers::All, |name| Containers::Named(name.into()))
    }

    fn only_cluster(&self) -> Result<Name, Wrong> {
        match self.config.clusters.as_slice() {
            [one] => Ok(one.name.clone()),
            [] => Err(Wrong("there is no cluster to ask: give --config, or a kubeconfig that kubectl would find".to_owned())),
            many => {
                let names: Vec<&str> = many.iter().map(|c| &*c.name).collect();
                Err(Wrong(format!("there are several clusters ({}): write k8s:CLUSTER/NAMESPACE/KIND/NAME, or give --context", names.join(", "))))
            }
        }
    }

    fn host(&self, name: &str) -> Result<Name, Wrong> {
        self.config.hosts.iter().map(|h| &h.name).find(|h| &***h == name).cloned().ok_or_else(|| {
            let near = suggest::help(name, self.config.hosts.iter().map(|h| &*h.name), "there are");
            Wrong(format!("there is no host `{name}` in the configuration: {near}"))
        })
    }

    fn cluster(&self, name: &str) -> Result<Name, Wrong> {
        self.config.clusters.iter().map(|c| &c.name).find(|c| &***c == name).cloned().ok_or_else(|| {
            let near = suggest::help(name, self.config.clusters.iter().map(|c| &*c.name), "there are");
            Wrong(format!("there is no cluster `{name}` in the configuration: {near}"))
        })
    }
}

fn kind(word: &str) -> Option<WorkloadKind> {
    WorkloadKind::from_word(word)
}

fn is_pod(word: &str) -> bool {
    matches!(word, "pod" | "pods" | "po")
}

/// One word of the query.
pub(super) fn target(place: &Place<'_>, word: &str) -> Result<LogTarget, Wrong> {
    let target = match word.split_once(':') {
        Some(("k8s", rest)) => in_cluster(place, rest)?,
        Some(("selector", rest)) => select(place, rest)?,
        Some(("host", rest)) => match rest.split_once(':') {
            Some((host, path)) if path.starts_with('/') => LogTarget::File { host: place.host(host)?, path: path.to_owned() },
            Some((_, path)) => return Err(Wrong(format!("`{path}` is no whole path: it begins with /"))),
            None => LogTarget::Host { host: place.host(rest)? },
        },
        Some(("unit", rest)) => {
            let (host, unit) = two(word, rest, "unit:HOST/UNIT")?;
            LogTarget::Unit { host: place.host(host)?, unit: unit.into() }
        }
        Some((runtime @ ("docker" | "podman" | "crictl"), rest)) => {
            let (host, name) = two(word, rest, "docker:HOST/NAME")?;
            LogTarget::Container { host: place.host(host)?, name: name.into(), runtime: runtime.into() }
        }
        Some(("kernel", host)) => LogTarget::Kernel { host: place.host(host)? },
        Some(("middleware", rest)) => {
            let (kind, name) = two(word, rest, "middleware:KIND/NAME")?;
            LogTarget::Middleware(GroupKey { kind: kind.into(), name: name.into() })
        }
        Some((other, _)) => {
            return Err(Wrong(format!("`{other}:` is nothing that speaks; there are k8s:, selector:, host:, unit:, docker:, kernel:, middleware:")));
        }
        None => of_kube(place, word)?,
    };
    if place.run == Run::Previous && !matches!(target, LogTarget::Pod { .. }) {
        return Err(Wrong(format!("--previous is for pods; `{word}` is none")));
    }
    Ok(target)
}

fn two<'a>(word: &str, rest: &'a str, form: &str) -> Result<(&'a str, &'a str), Wrong> {
    rest.split_once('/').filter(|(a, b)| !a.is_empty() && !b.is_empty()).ok_or_else(|| Wrong(format!("`{word}` is not whole; write {form}")))
}

/// `[KIND/][NAMESPACE/]NAME[/CONTAINER]`
fn of_kube(place: &Place<'_>, word: &str) -> Result<LogTarget, Wrong> {
    let cluster = place.only_cluster()?;
    let mut words: Vec<&str> = word.split('/').collect();
    if words.iter().any(|w| w.is_empty()) {
        return Err(Wrong(format!("`{word}` is not whole; write NAMESPACE/POD or deploy/NAMESPACE/NAME")));
    }
    let first = words[0];
    let named_kind = words.len() > 1 && (is_pod(first) || kind(first).is_some());
    let workload = kind(first).filter(|_| named_kind);
    if named_kind {
        words.remove(0);
    }
    let (namespace, name, container) = match words.as_slice() {
        [name] => (place.namespace, *name, None),
        [namespace, name] => (*namespace, *name, None),
        [namespace, name, container] => (*namespace, *name, Some(*container)),
        _ => return Err(Wrong(format!("`{word}` has too many parts; write NAMESPACE/POD/CONTAINER"))),
    };
    Ok(object(place, cluster, namespace, workload, name, container))
}

fn object(place: &Place<'_>, cluster: Name, namespace: &str, workload: Option<WorkloadKind>, name: &str, container: Option<&str>) -> LogTarget {
    let (namespace, name, containers) = (namespace.into(), name.into(), place.containers(container));
    match workload {
        Some(kind) => LogTarget::Workload { cluster, namespace, kind, name, containers },
        None => LogTarget::Pod { cluster, namespace, name, uid: None, containers, run: place.run },
    }
}

/// `CLUSTER/NAMESPACE/KIND/NAME[/CONTAINER]` or `CLUSTER/NAMESPACE?selector=...`, as `via` writes it.
fn in_cluster(place: &Place<'_>, rest: &str) -> Result<LogTarget, Wrong> {
    if let Some((before, selector)) = rest.split_once("?selector=") {
        let (cluster, namespace) = two(rest, before, "k8s:CLUSTER/NAMESPACE?selector=LABELS")?;
        let namespace = Some(namespace.into());
        return Ok(LogTarget::Selector { cluster: place.cluster(cluster)?, namespace, selector: selector.to_owned(), containers: place.containers(None) });
    }
    let words: Vec<&str> = rest.split('/').collect();
    let (cluster, namespace, word, name, container) = match words.as_slice() {
        [cluster, namespace, kind, name] => (cluster, namespace, kind, name, None),
        [cluster, namespace, kind, name, container] => (cluster, namespace, kind, name, Some(*container)),
        _ => return Err(Wrong(format!("`k8s:{rest}` is not whole; write k8s:CLUSTER/NAMESPACE/KIND/NAME"))),
    };
    let workload = kind(word);
    if workload.is_none() && !is_pod(word) {
        return Err(Wrong(format!("`{word}` is no kind that has logs; there are pod, deploy, sts, ds, job, cronjob")));
    }
    Ok(object(place, place.cluster(cluster)?, namespace, workload, name, container))
}

/// `[NAMESPACE/]LABELS`. A label's own prefix is a domain and has a dot; a namespace has none.
fn select(place: &Place<'_>, rest: &str) -> Result<LogTarget, Wrong> {
    let (namespace, selector) = match rest.split_once('/') {
        Some((namespace, selector)) if !namespace.contains(['.', '=', ',', '!', ' ']) => (Some(namespace.into()), selector),
        _ if place.namespace != "default" => (Some(place.namespace.into()), rest),
        _ => (None, rest),
    };
    if selector.is_empty() {
        return Err(Wrong("a selector needs labels: selector:pro/app=web".to_owned()));
    }
    Ok(LogTarget::Selector { cluster: place.only_cluster()?, namespace, selector: selector.to_owned(), containers: place.containers(None) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(word: &str) -> Result<LogTarget, String> {
        let config = Config::default_for_machine("here", Some("main"));
        target(&Place { config: &config, namespace: "default", container: None, run: Run::Current }, word).map_err(|Wrong(text)| text)
    }

    fn pod(namespace: &str, name: &str, containers: Containers) -> LogTarget {
        LogTarget::Pod { cluster: "main".into(), namespace: namespace.into(), name: name.into(), uid: None, containers, run: Run::Current }
    }

    #[test]
    fn every_form_is_understood() {
        assert_eq!(parse("web-1").unwrap(), pod("default", "web-1", Containers::All));
        assert_eq!(parse("pro/web-1").unwrap(), pod("pro", "web-1", Containers::All));
        assert_eq!(parse("pod/pro/web-1/app").unwrap(), pod("pro", "web-1", Containers::Named("app".into())));
        let deploy = LogTarget::Workload {
            cluster: "main".into(),
            namespace: "pro".into(),
            kind: WorkloadKind::Deployment,
            name: "web".into(),
            containers: Containers::All,
        };
        assert_eq!(parse("deploy/pro/web").unwrap(), deploy);
        assert_eq!(parse("k8s:main/pro/deployment/web").unwrap(), deploy);
        let select = |namespace: Option<&str>, selector: &str| LogTarget::Selector {
            cluster: "main".into(),
            namespace: namespace.map(Into::into),
            selector: selector.to_owned(),
            containers: Containers::All,
        };
        assert_eq!(parse("selector:pro/app=web").unwrap(), select(Some("pro"), "app=web"));
        assert_eq!(parse("selector:app.kubernetes.io/name=web").unwrap(), select(None, "app.kubernetes.io/name=web"));
        assert_eq!(parse("k8s:main/pro?selector=app=web").unwrap(), select(Some("pro"), "app=web"));
        assert_eq!(parse("host:here:/var/log/a:b.log").unwrap(), LogTarget::File { host: "here".into(), path: "/var/log/a:b.log".to_owned() });
        assert_eq!(parse("host:here").unwrap(), LogTarget::Host { host: "here".into() });
        assert_eq!(parse("unit:here/sshd.service").unwrap(), LogTarget::Unit { host: "here".into(), unit: "sshd.service".into() });
        assert_eq!(parse("docker:here/db").unwrap(), LogTarget::Container { host: "here".into(), name: "db".into(), runtime: "docker".into() });
        assert_eq!(parse("kernel:here").unwrap(), LogTarget::Kernel { host: "here".into() });
    }

    #[test]
    fn what_is_wrong_is_told_with_a_way_out() {
        for (word, part) in [
            ("a/b/c/d", "NAMESPACE/POD/CONTAINER"),
            ("/x", "not whole"),
            ("host:hree", "here"),
            ("host:here:rel/path", "begins with /"),
            ("unit:here", "unit:HOST/UNIT"),
            ("k8s:main/pro/svc/web", "no kind that has logs"),
            ("k8s:mian/pro/pod/web", "main"),
            ("journal:here", "unit:"),
            ("selector:pro/", "selector:pro/app=web"),
        ] {
            let told = parse(word).unwrap_err();
            assert!(told.contains(part), "{word}: {told}");
        }
    }
}
