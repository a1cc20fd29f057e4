//! The contexts of a kubeconfig.

use serde::Deserialize;

use super::found::Context;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    contexts: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
}

pub(super) fn contexts(file: &str, text: &str) -> Result<Vec<Context>, String> {
    let parsed: File = serde_saphyr::from_str(text).map_err(|e| format!("{file} is no kubeconfig: {e}"))?;
    Ok(parsed.contexts.into_iter().map(|c| Context { name: c.name, file: file.to_owned() }).collect())
}
