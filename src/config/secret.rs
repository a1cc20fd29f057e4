//! References to secrets: checked here as far as can be without reading one, resolved late by `link`.

use super::probe::{FileState, resolve};
use super::reader::{Fields, Reader};
use super::schema;
use super::spec::SecretRef;

/// The secret under `key`, if there is one.
pub(super) fn read(r: &mut Reader<'_>, f: &Fields<'_>, key: &str) -> Option<SecretRef> {
    let value = f.table.get(key)?;
    if let Some(plain) = value.get_ref().as_str() {
        r.warning(
            &value.span(),
            format!("`{key}` stands in the file as plain text"),
            format!("{key} = {{ env = \"NAME\" }}, {{ file = \"~/.secret\" }}, {{ command = [\"pass\", \"name\"] }} or {{ ask = \"group\" }} keep it out"),
        );
        return Some(SecretRef::Plain(plain.to_owned().into()));
    }
    if value.get_ref().as_table().is_none() {
        // The value itself might be the secret, so it is not repeated here.
        r.error(&value.span(), format!("`{key}` is neither a text nor a reference to a secret"), format!("{key} = {{ env = \"NAME\" }}"));
        return None;
    }
    let s = r.fields(key, value, "a secret", schema::SECRET)?;
    if s.table.len() != 1 {
        r.error(&s.span, format!("`{key}` needs exactly one of env, file, command and ask"), format!("{key} = {{ env = \"NAME\" }}"));
        return None;
    }
    if let Some((name, span)) = r.string(&s, "env") {
        if r.probe.env(&name).is_none() {
            r.error(&span, format!("the environment variable `{name}` is not set"), format!("export {name}=... before the start, or use {{ file = \"...\" }}"));
            return None;
        }
        return Some(SecretRef::Env(name));
    }
    if let Some((text, span)) = r.string(&s, "file") {
        let path = file(r, &text);
        return check(r, &path, &span, "the secret file").then_some(SecretRef::File(path));
    }
    if let Some(words) = r.strings(&s, "command") {
        if words.is_empty() {
            r.error(&s.span, "`command` is empty", "command = [\"pass\", \"name\"]");
            return None;
        }
        return Some(SecretRef::Command(words.into_iter().map(|(w, _)| w).collect()));
    }
    r.string(&s, "ask").map(|(group, _)| SecretRef::Ask(group.into()))
}

/// A path of the configuration made absolute.
pub(super) fn file(r: &Reader<'_>, text: &str) -> std::path::PathBuf {
    resolve(r.probe, r.file.parent().unwrap_or(std::path::Path::new("")), text)
}

/// Is the file there, readable, and private? The rule is OpenSSH's own for key files.
pub(super) fn check(r: &mut Reader<'_>, path: &std::path::Path, span: &super::reader::Span, what: &str) -> bool {
    let shown = path.display();
    match r.probe.file(path) {
        FileState::Private => return true,
        FileState::Missing => {
            r.error(span, format!("{what} {shown} does not exist"), "create it or correct the path; a relative path starts at the directory of this file");
        }
        FileState::Unreadable(why) => r.error(span, format!("{what} {shown} cannot be read: {why}"), format!("check its owner and mode: ls -l {shown}")),
        FileState::Shared(mode) => r.error(span, format!("{what} {shown} can be read by others (mode {:04o})", mode & 0o7777), format!("chmod 600 {shown}")),
    }
    false
}
