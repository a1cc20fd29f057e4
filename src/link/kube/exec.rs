//! Credential plugins (`exec` in a kubeconfig). They never get the cockpit's terminal: no stdin, stderr is kept for the
//! error, and a plugin that wants to talk is run by hand through [`Login`].

use std::fmt;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::{AuthInfo, ExecConfig};
use secrecy::SecretString;
use serde::Deserialize;
use tokio::process::Command;

use crate::base::clock::Moment;
use crate::base::text::clean;
use crate::model::source::SourceState;
use crate::port::SourceError;

/// A plugin that has not answered by then is ended.
const LIMIT: Duration = Duration::from_secs(30);

/// The plugin's command for a person to run in a terminal of its own. Its environment comes on top of ours.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub program: String,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values of the environment may be secret.
        f.debug_struct("Login").field("program", &self.program).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Credential {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<String>,
}

/// The command line and environment of the plugin.
pub(super) fn login(exec: &ExecConfig, interactive: bool) -> Option<Login> {
    let program = exec.command.clone()?;
    let mut env: Vec<(String, String)> = exec.env.iter().flatten().filter_map(|pair| Some((pair.get("name")?.clone(), pair.get("value")?.clone()))).collect();
    let mut spec = serde_json::json!({ "interactive": interactive });
    if let Some(cluster) = exec.cluster.as_ref().filter(|_| exec.provide_cluster_info).and_then(|c| serde_json::to_value(c).ok()) {
        spec["cluster"] = cluster;
    }
    let info = serde_json::json!({ "apiVersion": exec.api_version, "kind": "ExecCredential", "spec": spec });
    env.push(("KUBERNETES_EXEC_INFO".to_owned(), info.to_string()));
    Some(Login { program, args: exec.args.clone().unwrap_or_default(), env })
}

/// Runs the plugin and puts what it gave in its place. Returns when that runs out.
pub(super) async fn resolve(user: &mut AuthInfo) -> Result<Option<Moment>, SourceError> {
    let Some(exec) = user.exec.take() else { return Ok(None) };
    let lost = |text: String| SourceError::new(SourceState::AuthLost, clean(&text), "press the login key to run it in the terminal");
    let Some(command) = login(&exec, false) else {
        return Err(lost("the kubeconfig's credential plugin has no command".to_owned()));
    };
    let name = command.program.clone();
    let run = Command::new(&command.program)
        .args(&command.args)
        .envs(command.env)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .output();
    let hint = exec.install_hint.as_deref().unwrap_or_default();
    let output = tokio::time::timeout(LIMIT, run)
        .await
        .map_err(|_| lost(format!("the credential plugin `{name}` gave no answer within {} s", LIMIT.as_secs())))?
        .map_err(|e| lost(format!("the credential plugin `{name}` cannot be started: {e}. {hint}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("it said nothing");
        return Err(lost(format!("the credential plugin `{name}` ended with {}: {said}", output.status)));
    }
    // Plugins may answer in YAML; JSON is a part of it. The answer is a secret: the error must not quote it.
    let text = String::from_utf8_lossy(&output.stdout);
    let status = serde_saphyr::from_str::<Credential>(&text)
        .ok()
        .and_then(|c| c.status)
        .ok_or_else(|| lost(format!("the credential plugin `{name}` answered without a credential")))?;
    let expires = status.expiration_timestamp.as_deref().and_then(Moment::parse);
    user.token = status.token.map(SecretString::from);
    if let (Some(certificate), Some(key)) = (status.client_certificate_data, status.client_key_data) {
        // Kubeconfigs carry PEM in base64; plugins give it bare.
        user.client_certificate_data = Some(STANDARD.encode(certificate));
        user.client_key_data = Some(SecretString::from(STANDARD.encode(key)));
    }
    Ok(expires)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(script: &str) -> AuthInfo {
        let exec = ExecConfig { command: Some("sh".into()), args: Some(vec!["-c".into(), script.into()]), ..ExecConfig::default() };
        AuthInfo { exec: Some(exec), ..AuthInfo::default() }
    }

    #[tokio::test]
    async fn a_plugin_gives_a_token_and_never_sees_a_terminal() {
        let mut good = user(
            r#"[ -t 0 ] && exit 9; read -r x && exit 8; echo "$KUBERNETES_EXEC_INFO" | grep -q '"interactive":false' || exit 7
            echo '{"kind":"ExecCredential","status":{"token":"secret-1","expirationTimestamp":"2030-01-01T00:00:00Z"}}'"#,
        );
        assert_eq!(resolve(&mut good).await.unwrap(), Moment::parse("2030-01-01T00:00:00Z"));
        assert!(good.token.is_some() && good.exec.is_none());
        let error = resolve(&mut user("echo 'please log in' >&2; exit 3")).await.unwrap_err();
        assert_eq!(error.state, SourceState::AuthLost);
        assert!(error.text.contains("please log in") && error.remedy.contains("login key"), "{error:?}");
        let error = resolve(&mut user("echo 'not: it'")).await.unwrap_err();
        assert!(error.text.contains("without a credential"));
    }
}
