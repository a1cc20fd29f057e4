//! The images of a manifest, moved to another registry and given another tag before the manifest goes to the cluster, so that
//! nobody edits files for it.

use serde_json::Value;

use super::{args, elements};
use crate::port::action::{ActionError, Args};

/// What is to become of images: `retag: {registry: PREFIX, tag: TAG, keep: [IMAGE]}`, each where it is needed.
#[derive(Clone, Debug, Default)]
pub(super) struct Retag {
    /// Stands before the last part of an image's name: `registry.example:5000/mall`.
    registry: Option<String>,
    tag: Option<String>,
    /// Images, without tag, that stay as they are.
    keep: Vec<String>,
}

impl Retag {
    /// `None` where nothing is to be changed.
    pub(super) fn of(given: &Args) -> Result<Option<Self>, ActionError> {
        let fields = match given.get("retag") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(fields)) => fields,
            Some(other) => return Err(ActionError::arguments(format!("`retag` is {other}; it takes registry, tag and keep"))),
        };
        if let Some(unknown) = fields.keys().find(|k| !["registry", "tag", "keep"].contains(&k.as_str())) {
            return Err(ActionError::arguments(format!("`retag` knows no `{unknown}`; it takes registry, tag and keep")));
        }
        let text = |name: &str| args::text(fields, name).map(|t| t.trim().trim_end_matches('/').to_owned()).filter(|t| !t.is_empty());
        let retag = Self { registry: text("registry"), tag: text("tag"), keep: args::list(fields, "keep") };
        Ok((retag.registry.is_some() || retag.tag.is_some()).then_some(retag))
    }

    /// Every container's image in an object, however deep its pods stand.
    pub(super) fn change(&self, value: &mut Value) {
        elements::each(value, &["containers", "initContainers"], &mut |container| {
            if let Some(Value::String(image)) = container.get_mut("image") {
                *image = self.image(image);
            }
        });
    }

    fn image(&self, image: &str) -> String {
        let (rest, digest) = image.split_once('@').map_or((image, None), |(rest, digest)| (rest, Some(digest)));
        // A colon before the last slash belongs to the registry's port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if self.keep.iter().any(|k| k == name || k == image) {
            return image.to_owned();
        }
        let last = name.rsplit('/').next().unwrap_or(name);
        let mut new = self.registry.as_ref().map_or_else(|| name.to_owned(), |registry| format!("{registry}/{last}"));
        match (digest, self.tag.as_deref().or(tag)) {
            // A digest names the very image: another tag would contradict it.
            (Some(digest), _) => new.extend(["@", digest]),
            (None, Some(tag)) => new.extend([":", tag]),
            (None, None) => {}
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retag(fields: &Value) -> Retag {
        let given = Args::from_iter([("retag".to_owned(), fields.clone())]);
        Retag::of(&given).expect("sound").expect("something to change")
    }

    #[test]
    fn images_move_with_their_last_name() {
        let both = retag(&serde_json::json!({"registry": "reg.example:5000/mall/", "tag": "1.2", "keep": ["busybox"]}));
        for (old, new) in [
            ("mall-admin:1.0", "reg.example:5000/mall/mall-admin:1.2"),
            ("172.16.106.237:5000/mall/mall-admin", "reg.example:5000/mall/mall-admin:1.2"),
            ("busybox:1.35", "busybox:1.35"),
            ("a/b@sha256:00", "reg.example:5000/mall/b@sha256:00"),
        ] {
            assert_eq!(both.image(old), new);
        }
        assert_eq!(retag(&serde_json::json!({"tag": "2"})).image("reg:5000/x"), "reg:5000/x:2");
        assert_eq!(retag(&serde_json::json!({"registry": "r"})).image("x:1"), "r/x:1");
    }

    #[test]
    fn containers_of_every_kind_are_found_and_nothing_else_is_touched() {
        let mut job = serde_json::json!({"kind": "CronJob", "spec": {"image": "x:1", "jobTemplate": {"spec": {"template": {"spec": {
            "initContainers": [{"image": "a:1"}], "containers": [{"image": "b:1"}, {"name": "none"}]}}}}}});
        retag(&serde_json::json!({"registry": "r"})).change(&mut job);
        assert_eq!(job.pointer("/spec/image").and_then(Value::as_str), Some("x:1"));
        let pod = job.pointer("/spec/jobTemplate/spec/template/spec").expect("a pod");
        assert_eq!((pod["initContainers"][0]["image"].as_str(), pod["containers"][0]["image"].as_str()), (Some("r/a:1"), Some("r/b:1")));
        assert!(Retag::of(&Args::from_iter([("retag".to_owned(), serde_json::json!({"registry": ""}))])).expect("sound").is_none());
        assert!(Retag::of(&Args::from_iter([("retag".to_owned(), serde_json::json!({"regstry": "x"}))])).is_err());
    }
}
