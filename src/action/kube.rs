//! What the Kubernetes actions share: which client, which resource, what a refusal says.

use std::collections::HashMap;
use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::{Client, Error};
use serde::Deserialize;
use serde_json::Value;

use super::download::Download;
use super::more_args::MoreArgs;
use super::retag::Retag;
use super::{args, elements, way};
use crate::base::text::clean;
use crate::port::action::{ActionCx, ActionError, Args, Hindrance};

/// For one request.
pub(super) const REQUEST: Duration = Duration::from_secs(30);

/// An error with its causes, each said once.
pub(super) fn words(error: &Error) -> String {
    if let Error::Api(status) = error {
        return clean(&format!("{} ({} {})", status.message, status.code, status.reason)).into_owned();
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = next.source();
    }
    clean(&text).into_owned()
}

pub(super) fn code(error: &Error) -> Option<u16> {
    match error {
        Error::Api(status) => Some(status.code),
        _ => None,
    }
}

pub(super) async fn client(given: &Args, cx: &ActionCx) -> Result<Client, ActionError> {
    cx.reach.kube(args::text(given, "cluster").as_deref()).await
}

/// One request with its time limit. The outer error is that the API was not reached.
pub(super) async fn ask<T>(request: impl Future<Output = Result<T, Error>>) -> Result<Result<T, Error>, ActionError> {
    match tokio::time::timeout(REQUEST, request).await {
        Ok(Ok(value)) => Ok(Ok(value)),
        Ok(Err(error @ Error::Api(_))) => Ok(Err(error)),
        Ok(Err(error)) => Err(ActionError::unreachable(words(&error))),
        Err(_) => Err(ActionError::unreachable(format!("the API server gave no answer within {} s", REQUEST.as_secs()))),
    }
}

/// What a kind is called in the API's paths, asked once a kind.
pub(super) struct Kinds {
    client: Client,
    known: HashMap<GroupVersionKind, (ApiResource, Scope)>,
    pub namespace: String,
}

impl Kinds {
    pub(super) fn new(client: Client, given: &Args) -> Self {
        let namespace = way::namespace(given, &client);
        Self { client, known: HashMap::new(), namespace }
    }

    pub(super) async fn of(&mut self, gvk: &GroupVersionKind) -> Result<(ApiResource, Scope), ActionError> {
        if let Some(known) = self.known.get(gvk) {
            return Ok(known.clone());
        }
        let found = tokio::time::timeout(REQUEST, pinned_kind(&self.client, gvk))
            .await
            .map_err(|_| ActionError::unreachable(format!("the API server gave no answer within {} s", REQUEST.as_secs())))?;
        match found {
            Ok((resource, capabilities)) => {
                self.known.insert(gvk.clone(), (resource.clone(), capabilities.scope.clone()));
                Ok((resource, capabilities.scope))
            }
            Err(Error::Api(_) | Error::Discovery(_)) => Err(ActionError::new(
                Hindrance::Arguments,
                format!("this cluster knows no {} of {}", gvk.kind, gvk.api_version()),
                "the version may have been removed (kubectl api-resources shows what there is), or its CustomResourceDefinition comes with an earlier step",
            )),
            Err(error) => Err(ActionError::unreachable(words(&error))),
        }
    }

    /// The API of an object, in its own namespace, else in the step's.
    pub(super) async fn api(&mut self, object: &DynamicObject) -> Result<(Api<DynamicObject>, Option<String>), ActionError> {
        let types = object.types.clone().unwrap_or_default();
        let gvk = GroupVersionKind::try_from(&types).map_err(|e| ActionError::arguments(format!("apiVersion `{}`: {e}", types.api_version)))?;
        let (resource, scope) = self.of(&gvk).await?;
        Ok(match scope {
            Scope::Cluster => (Api::all_with(self.client.clone(), &resource), None),
            Scope::Namespaced => {
                let namespace = object.metadata.namespace.clone().unwrap_or_else(|| self.namespace.clone());
                (Api::namespaced_with(self.client.clone(), &namespace, &resource), Some(namespace))
            }
        })
    }
}

/// The objects of a manifest, from whichever field names one.
pub(super) async fn manifest(given: &Args, cx: &ActionCx) -> Result<Vec<DynamicObject>, ActionError> {
    let values = match (given.get("definition"), args::text(given, "src"), args::text(given, "content")) {
        (Some(Value::Array(all)), ..) => all.clone(),
        (Some(Value::String(text)), ..) => parse(text, "definition")?,
        (Some(one), ..) if !one.is_null() => vec![one.clone()],
        (_, _, Some(text)) => parse(&text, args::text(given, "src").as_deref().unwrap_or("content"))?,
        (_, Some(path), None) => parse(&utf8(cx.files.read(&path).map_err(ActionError::arguments)?, &path)?, &path)?,
        _ => match Download::of(given)? {
            Some(download) => parse(&utf8(download.bytes(cx).await?, &download.url)?, &download.url)?,
            None => return Err(ActionError::arguments("there is no manifest: give `definition`, `src` or `url`")),
        },
    };
    let mut objects = Vec::new();
    for value in values {
        // A List is the objects in it.
        match value.get("items").and_then(Value::as_array).filter(|_| value.get("kind").and_then(Value::as_str).is_some_and(|k| k.ends_with("List"))) {
            Some(items) => objects.extend(items.iter().cloned()),
            None => objects.push(value),
        }
    }
    let (retag, more) = (Retag::of(given)?, MoreArgs::of(given)?);
    objects
        .into_iter()
        .map(|mut value| {
            if let Some(retag) = &retag {
                retag.change(&mut value);
            }
            more.change(&mut value);
            let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
            if ["Service", "Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob"].contains(&kind) {
                with_protocols(&mut value);
            }
            let name = value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let object: DynamicObject =
                serde_json::from_value(value).map_err(|e| ActionError::arguments(format!("the manifest is no Kubernetes object: {e}")))?;
            if object.types.is_none() || name.is_empty() {
                return Err(ActionError::arguments("an object of the manifest has no apiVersion, kind or metadata.name"));
            }
            Ok(object)
        })
        .collect()
}

/// Says `protocol: TCP` of every port that says nothing. It is the API's own default, but the protocol is a part of a port's key, and
/// servers before 1.21 refuse to apply a port whose key is not whole (kubernetes/kubernetes#92332).
fn with_protocols(value: &mut Value) {
    elements::each(value, &["ports"], &mut |port| {
        if let Some(port) = port.as_object_mut().filter(|p| p.contains_key("port") || p.contains_key("containerPort")) {
            port.entry("protocol").or_insert_with(|| "TCP".into());
        }
    });
}

fn utf8(bytes: Vec<u8>, place: &str) -> Result<String, ActionError> {
    String::from_utf8(bytes).map_err(|_| ActionError::arguments(format!("{place} is not UTF-8")))
}

fn parse(text: &str, place: &str) -> Result<Vec<Value>, ActionError> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Document(Value);
    let all: Vec<Document> = serde_saphyr::from_multiple(text).map_err(|e| ActionError::arguments(format!("{place} is not YAML: {e}")))?;
    Ok(all.into_iter().map(|d| d.0).filter(|v| !v.is_null()).collect())
}

/// `Deployment pro/web`, as a person would say it.
pub(super) fn title(object: &DynamicObject, namespace: Option<&str>) -> String {
    let kind = object.types.as_ref().map(|t| t.kind.as_str()).unwrap_or_default();
    let name = object.metadata.name.as_deref().unwrap_or_default();
    match namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// An object without what the server keeps for itself, so that two of them can be compared.
pub(super) fn bare(object: &DynamicObject) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        for own in ["managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"] {
            metadata.remove(own);
        }
    }
    if let Some(all) = value.as_object_mut() {
        all.remove("status");
    }
    value
}

/// A Secret's values are not for the eyes of whoever reads a diff.
pub(super) fn veiled(mut value: Value) -> Value {
    if value.get("kind").and_then(Value::as_str) == Some("Secret") {
        for part in ["data", "stringData"] {
            if let Some(map) = value.get_mut(part).and_then(Value::as_object_mut) {
                for secret in map.values_mut() {
                    let sum = super::deploy::sha256(secret.to_string().as_bytes());
                    *secret = Value::from(format!("*** ({})", &sum[..8]));
                }
            }
        }
    }
    value
}

/// As YAML, lines to compare.
pub(super) fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(value).unwrap_or_else(|_| serde_json::to_string_pretty(value).unwrap_or_default())
}
