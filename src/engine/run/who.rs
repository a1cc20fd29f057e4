//! Who acts. Every act is written down with a name that leads to a person: plain `root` is none.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::digest::{SHA256, digest};

use crate::playbook::journal::Operator;

/// From the environment, by its best witness first. `keys` is the content of the file that `SSH_USER_AUTH` names.
///
/// # Errors
/// Nothing there names a person; the text says what to set.
pub fn operator(env: impl Fn(&str) -> Option<String>, keys: impl Fn(&str) -> Option<String>) -> Result<Operator, String> {
    let set = |name: &str| env(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
    let from = set("SSH_CLIENT").or_else(|| set("SSH_CONNECTION")).and_then(|line| line.split(' ').next().map(ToOwned::to_owned));
    let key = set("SSH_USER_AUTH").and_then(|path| keys(&path)).and_then(|text| fingerprint(&text));
    let login = set("USER").or_else(|| set("LOGNAME"));
    let (name, mut by) = if let Some(name) = set("QUARTERDECK_USER") {
        (name, vec!["QUARTERDECK_USER".to_owned()])
    } else if let Some(name) = set("SUDO_USER").filter(|n| n != "root") {
        (name, vec!["SUDO_USER".to_owned()])
    } else if let Some(name) = login.clone().filter(|n| n != "root") {
        (name, vec!["login".to_owned()])
    } else if let Some(key) = &key {
        (key.clone(), vec!["SSH key".to_owned()])
    } else if let Some(from) = &from {
        (format!("{} from {from}", login.as_deref().unwrap_or("root")), vec!["SSH_CLIENT".to_owned()])
    } else {
        return Err("nobody can tell who you are: set QUARTERDECK_USER to your name; what is done here is written down with it".to_owned());
    };
    by.extend(from.map(|f| format!("from {f}")));
    by.extend(key.filter(|k| *k != name).map(|k| format!("key {k}")));
    Ok(Operator { name, by: by.join(", ") })
}

/// Of the key that opened this session, as OpenSSH prints it. The file has lines such as `publickey ssh-ed25519 AAAA...`.
fn fingerprint(text: &str) -> Option<String> {
    let blob = text.lines().find_map(|l| l.strip_prefix("publickey ")?.split(' ').nth(1))?;
    let bytes = STANDARD.decode(blob).ok()?;
    Some(format!("SHA256:{}", STANDARD_NO_PAD.encode(digest(&SHA256, &bytes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_root_is_no_answer() {
        let who = |vars: &[(&str, &str)]| {
            operator(|n| vars.iter().find(|(k, _)| *k == n).map(|(_, v)| (*v).to_owned()), |_| Some("publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5\n".to_owned()))
                .map(|o| format!("{} ({})", o.name, o.by))
        };
        assert!(who(&[("USER", "root")]).is_err());
        assert!(who(&[]).is_err());
        assert_eq!(who(&[("USER", "root"), ("SUDO_USER", "li")]).unwrap(), "li (SUDO_USER)");
        assert_eq!(who(&[("USER", "li"), ("SSH_CLIENT", "10.0.0.9 5022 22")]).unwrap(), "li (login, from 10.0.0.9)");
        assert_eq!(who(&[("USER", "root"), ("SSH_CLIENT", "10.0.0.9 5022 22")]).unwrap(), "root from 10.0.0.9 (SSH_CLIENT, from 10.0.0.9)");
        let key = who(&[("USER", "root"), ("SSH_USER_AUTH", "/run/auth"), ("QUARTERDECK_USER", "wang")]).unwrap();
        assert!(key.starts_with("wang (QUARTERDECK_USER, key SHA256:"), "{key}");
    }
}
