//! What a request is about: its path taken apart, its parameters, its selectors.

use http::Uri;
use serde_json::Value;

use super::answer::Refusal;
use crate::lab::world::kube::kind::{KINDS, KindId};

/// A resource, all of them or one, or something below one.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) kind: KindId,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) sub: Option<String>,
}

/// The parameters of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn of(uri: &Uri) -> Self {
        let pairs = uri.query().unwrap_or_default().split('&').filter(|p| !p.is_empty());
        Self(pairs.map(|p| p.split_once('=').unwrap_or((p, ""))).map(|(n, v)| (decoded(n), decoded(v))).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    pub(super) fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect()
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.get(name).is_some_and(|v| v == "true" || v == "1")
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    pub(super) fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn is_dry_run(&self) -> bool {
        self.get("dryRun") == Some("All")
    }
}

pub(super) fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'%' if i + 2 < bytes.len() => {
                let byte = std::str::from_utf8(&bytes[i + 1..i + 3]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
                match byte {
                    Some(byte) => {
                        out.push(byte);
                        i += 2;
                    }
                    None => out.push(b'%'),
                }
            }
            b'+' => out.push(b' '),
            byte => out.push(byte),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Target {
    /// `/api/v1/...` and `/apis/GROUP/VERSION/...`
    pub(super) fn of(path: &str) -> Result<Self, Refusal> {
        let missing = || Refusal::new(http::StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource");
        let parts: Vec<String> = path.split('/').filter(|p| !p.is_empty()).map(decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(missing()),
        };
        let some = |text: &&str| Some((*text).to_owned());
        let (namespace, plural, name, sub) = match rest {
            // A namespace itself, unless a resource stands in it.
            ["namespaces"] => (None, "namespaces", None, None),
            ["namespaces", name] => (None, "namespaces", some(name), None),
            ["namespaces", name, sub @ ("status" | "finalize")] => (None, "namespaces", some(name), some(sub)),
            ["namespaces", space, plural] => (some(space), *plural, None, None),
            ["namespaces", space, plural, name] => (some(space), *plural, some(name), None),
            ["namespaces", space, plural, name, sub, ..] => (some(space), *plural, some(name), some(sub)),
            [plural] => (None, *plural, None, None),
            [plural, name] => (None, *plural, some(name), None),
            [plural, name, sub, ..] => (None, *plural, some(name), some(sub)),
            [] => return Err(missing()),
        };
        if !KINDS.iter().any(|k| k.group == group && k.version == version) {
            return Err(Refusal::page());
        }
        let kind = KindId::find(group, version, plural).ok_or_else(missing)?;
        Ok(Self { kind, namespace, name, sub })
    }

    pub(super) fn space(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    pub(super) fn not_found(&self) -> Refusal {
        let kind = self.kind.of();
        Refusal::not_found(kind.group, kind.plural, self.name.as_deref().unwrap_or_default())
    }
}

/// `labelSelector` and `fieldSelector`.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    labels: Vec<Term>,
    fields: Vec<Term>,
}

#[derive(Clone, Debug)]
struct Term {
    name: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    There,
    NotThere,
}

impl Selector {
    pub(super) fn of(query: &Query) -> Self {
        let terms = |name: &str| split(query.get(name).unwrap_or_default()).iter().filter_map(|t| term(t)).collect();
        Self { labels: terms("labelSelector"), fields: terms("fieldSelector") }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(super) fn selects(&self, value: &Value) -> bool {
        let label = |name: &str| value["metadata"]["labels"][name].as_str().map(str::to_owned);
        let field = |name: &str| {
            let mut at = value;
            for part in name.split('.') {
                at = &at[part];
            }
            Some(match at {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
        };
        self.labels.iter().all(|t| t.holds(label(&t.name))) && self.fields.iter().all(|t| t.holds(field(&t.name)))
    }
}

impl Term {
    fn holds(&self, value: Option<String>) -> bool {
        match &self.test {
            Test::In(all) => value.is_some_and(|v| all.contains(&v)),
            Test::NotIn(all) => value.is_none_or(|v| !all.contains(&v)),
            Test::There => value.is_some(),
            Test::NotThere => value.is_none(),
        }
    }
}

/// At commas that do not stand in parentheses.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in text.chars() {
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            _ => {
                depth += i32::from(c == '(') - i32::from(c == ')');
                if let Some(last) = parts.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    parts.into_iter().map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect()
}

fn term(text: &str) -> Option<Term> {
    let make = |name: &str, test: Test| Some(Term { name: name.trim().to_owned(), test });
    let list = |text: &str| text.trim().trim_matches(['(', ')']).split(',').map(|v| v.trim().to_owned()).collect();
    if let Some((name, values)) = text.split_once(" notin ") {
        return make(name, Test::NotIn(list(values)));
    }
    if let Some((name, values)) = text.split_once(" in ") {
        return make(name, Test::In(list(values)));
    }
    if let Some((name, value)) = text.split_once("!=") {
        return make(name, Test::NotIn(vec![value.trim().to_owned()]));
    }
    if let Some((name, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return make(name, Test::In(vec![value.trim().to_owned()]));
    }
    match text.strip_prefix('!') {
        Some(name) => make(name, Test::NotThere),
        None => make(text, Test::There),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lab::world::kube::kind;

    #[test]
    fn paths() {
        let target = |path: &str| Target::of(path).map(|t| (t.kind, t.namespace, t.name, t.sub));
        let some = |t: &str| Some(t.to_owned());
        assert_eq!(target("/api/v1/pods").unwrap(), (kind::PODS, None, None, None));
        assert_eq!(target("/api/v1/namespaces/pro/pods/a/log").unwrap(), (kind::PODS, some("pro"), some("a"), some("log")));
        assert_eq!(target("/api/v1/namespaces/pro").unwrap(), (kind::NAMESPACES, None, some("pro"), None));
        assert_eq!(target("/apis/apps/v1/namespaces/pro/deployments/a%2Db").unwrap(), (kind::DEPLOYMENTS, some("pro"), some("a-b"), None));
        assert!(target("/apis/batch/v1/cronjobs").is_err());
    }

    #[test]
    fn selectors() {
        let pod = json!({ "metadata": { "name": "a", "labels": { "app": "x", "tier": "y" } }, "spec": { "nodeName": "n1" } });
        let selects = |query: &str| Selector::of(&Query::of(&format!("/?{query}").parse().unwrap())).selects(&pod);
        assert!(selects("labelSelector=app%3Dx%2Ctier+in+(y%2Cz)&fieldSelector=spec.nodeName%3Dn1"));
        assert!(!selects("labelSelector=app!%3Dx") && !selects("labelSelector=!app") && selects("labelSelector=tier"));
        assert!(!selects("fieldSelector=metadata.name%3Db") && selects("fieldSelector=spec.nodeName!%3D"));
    }
}
