//! Known host keys: hashed names, patterns, several files, `@revoked`, and authorities that vouch for hosts (`@cert-authority`).

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ring::hmac;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, Marker};
use russh::keys::{Certificate, HashAlg, PublicKey};

/// What the files say about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Yes,
    Unknown,
    /// Another key of this type stands there.
    Changed {
        file: PathBuf,
        line: usize,
    },
    Revoked {
        file: PathBuf,
        line: usize,
    },
}

/// The name under which a host stands in the files.
pub(super) fn entry_name(host: &str, port: u16) -> String {
    if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") }
}

/// The files that can be read, with their text.
pub(super) fn read(files: &[PathBuf]) -> Vec<(PathBuf, String)> {
    files.iter().filter_map(|f| Some((f.clone(), String::from_utf8_lossy(&std::fs::read(f).ok()?).into_owned()))).collect()
}

fn entries<'a>(files: &'a [(PathBuf, String)], name: &'a str) -> impl Iterator<Item = (&'a Path, usize, Entry)> {
    files.iter().flat_map(move |(file, text)| {
        text.lines().enumerate().filter_map(move |(n, line)| {
            let words: Vec<&str> = line.split_whitespace().collect();
            // Lines of other makes (comments, SSH 1 keys, types we lack) are nobody's.
            let entry: Entry = words.join(" ").parse().ok()?;
            matches(entry.host_patterns(), name).then_some((file.as_path(), n + 1, entry))
        })
    })
}

/// Judges `key`, shown by the host of that [`entry_name`].
pub(super) fn judge(files: &[(PathBuf, String)], name: &str, key: &PublicKey) -> Known {
    let mut found = Known::Unknown;
    for (file, line, entry) in entries(files, name) {
        let same = entry.public_key().key_data() == key.key_data();
        let here = || (file.to_owned(), line);
        match entry.marker() {
            Some(Marker::Revoked) if same => {
                let (file, line) = here();
                return Known::Revoked { file, line };
            }
            None if same => found = Known::Yes,
            None if found == Known::Unknown && entry.public_key().algorithm() == key.algorithm() => {
                let (file, line) = here();
                found = Known::Changed { file, line };
            }
            _ => {}
        }
    }
    found
}

/// The authorities whose certificates count for this host.
fn authorities<'a>(files: &'a [(PathBuf, String)], name: &'a str) -> impl Iterator<Item = PublicKey> + 'a {
    entries(files, name).filter(|(_, _, e)| e.marker() == Some(&Marker::CertAuthority)).map(|(_, _, e)| e.public_key().clone())
}

/// Is there anybody whose word for this host would count?
pub(super) fn has_authority(files: &[(PathBuf, String)], name: &str) -> bool {
    authorities(files, name).next().is_some()
}

/// Judges a certificate that the host `address` (without its port) shows. One that does not hold (another authority, another host,
/// out of its time) is as good as the key in it, as OpenSSH has it.
pub(super) fn judge_certificate(files: &[(PathBuf, String)], name: &str, address: &str, certificate: &Certificate) -> Known {
    let key = PublicKey::new(certificate.public_key().clone(), "");
    let signer = PublicKey::new(certificate.signature_key().clone(), "");
    let alone = judge(files, name, &key);
    for known in [alone.clone(), judge(files, name, &signer)] {
        if let Known::Revoked { .. } = known {
            return known;
        }
    }
    let trusted: Vec<_> = authorities(files, name).map(|a| a.fingerprint(HashAlg::Sha256)).collect();
    let address = address.to_ascii_lowercase();
    let names = certificate.valid_principals();
    let for_this_host = names.is_empty() || names.iter().any(|n| glob(n.to_ascii_lowercase().as_bytes(), address.as_bytes()));
    // It checks the signature, the time, and that no critical option stands in it that nobody here knows.
    let holds = certificate.cert_type() == CertType::Host && for_this_host && certificate.validate(&trusted).is_ok();
    if holds { Known::Yes } else { alone }
}

/// The names of the key types known for a host: they are asked for first, so that a host that has grown another key is no stranger.
pub(super) fn types(files: &[(PathBuf, String)], name: &str) -> Vec<russh::keys::Algorithm> {
    entries(files, name).filter(|(_, _, e)| e.marker().is_none()).map(|(_, _, e)| e.public_key().algorithm()).collect()
}

/// Adds a key that a person accepted.
pub(super) fn learn(file: &Path, name: &str, key: &PublicKey) -> Result<(), String> {
    let wrong = |e: &dyn std::fmt::Display| format!("cannot add the host key to {}: {e}", file.display());
    let text = key.to_openssh().map_err(|e| wrong(&e))?;
    if let Some(dir) = file.parent() {
        std::fs::create_dir_all(dir).map_err(|e| wrong(&e))?;
    }
    let open = std::fs::read(file).is_ok_and(|b| b.last().is_some_and(|c| *c != b'\n'));
    let mut out = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(file).map_err(|e| wrong(&e))?;
    let line = format!("{}{name} {text}\n", if open { "\n" } else { "" });
    out.write_all(line.as_bytes()).map_err(|e| wrong(&e))
}

fn matches(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::HashedName { salt, hash } => hmac::verify(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt), name.as_bytes(), hash).is_ok(),
        HostPatterns::Patterns(list) => {
            let hit = |p: &str| glob(p.to_ascii_lowercase().as_bytes(), name.to_ascii_lowercase().as_bytes());
            !list.iter().filter_map(|p| p.strip_prefix('!')).any(hit) && list.iter().filter(|p| !p.starts_with('!')).any(|p| hit(p))
        }
    }
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=text.len()).any(|n| glob(rest, &text[n..])),
        (Some((b'?', p)), Some((_, t))) => glob(p, t),
        (Some((a, p)), Some((b, t))) if a == b => glob(p, t),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK2pr+Bfus1hvPof4Wb/plZCzSbqadHH0u+/f4ODtKnE";

    fn key(text: &str) -> PublicKey {
        PublicKey::from_openssh(text).unwrap()
    }

    #[test]
    fn lines_of_all_makes() {
        let judged = |text: &str, name: &str, k: &str| judge(&[("/k".into(), text.to_owned())], name, &key(k));
        assert_eq!(judged(&format!("# x\n\ndb,10.0.0.7 {A} note\n"), "10.0.0.7", A), Known::Yes);
        assert_eq!(judged(&format!("bad line\ndb {A}\n"), "db", B), Known::Changed { file: "/k".into(), line: 2 });
        assert_eq!(judged(&format!("db {A}\ndb {B}\n"), "db", B), Known::Yes);
        assert_eq!(judged(&format!("[db]:2222 {A}\n"), "db", A), Known::Unknown);
        assert_eq!(judged(&format!("[db]:2222 {A}\n"), &entry_name("db", 2222), A), Known::Yes);
        assert_eq!(judged(&format!("*.x,!bad.x {A}\n"), "bad.x", A), Known::Unknown);
        assert_eq!(judged(&format!("*.x,!bad.x {A}\n"), "Good.x", A), Known::Yes);
        assert_eq!(judged(&format!("db {A}\n@revoked * {A}\n"), "db", A), Known::Revoked { file: "/k".into(), line: 2 });
        assert_eq!(judged(&format!("@cert-authority *\t{A}\n"), "db", A), Known::Unknown);
        // HMAC-SHA1 of "db" with a salt of 20 zero bytes, as `ssh-keygen -H` writes names.
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &[0; 20]), b"db");
        let hashed = HostPatterns::HashedName { salt: vec![0; 20], hash: tag.as_ref().try_into().unwrap() }.to_string();
        assert_eq!(judged(&format!("{hashed} {A}\n"), "db", A), Known::Yes);
        assert_eq!(judged(&format!("{hashed} {A}\n"), "db", B), Known::Changed { file: "/k".into(), line: 1 });
    }

    #[test]
    fn a_learned_key_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(".ssh/known_hosts");
        learn(&file, "[db]:2222", &key(A)).unwrap();
        learn(&file, "web", &key(B)).unwrap();
        let files = read(&[file]);
        assert_eq!((judge(&files, "[db]:2222", &key(A)), judge(&files, "web", &key(B))), (Known::Yes, Known::Yes));
    }
}
