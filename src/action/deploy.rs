//! Putting bytes into a file of the host, whole or not at all: what `copy` and `template` share.

use ring::digest::{SHA256, digest};

use super::{args, remote};
use crate::link::shell::quote;
use crate::port::action::{ActionCx, ActionError, Args, Ended, Found, Outcome};

/// A file that is larger is compared by its sum only.
const MOST_COMPARED: usize = 64 << 10;

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        remote::add(&mut out, format_args!("{byte:02x}"));
        out
    })
}

/// What a file should be.
pub(super) struct Wanted {
    pub path: String,
    pub content: Vec<u8>,
    mode: Option<String>,
    owner: Option<String>,
    group: Option<String>,
    backup: bool,
}

impl Wanted {
    pub(super) fn new(given: &Args, content: Vec<u8>) -> Result<Self, ActionError> {
        let path = args::required(given, "dest")?;
        if !path.starts_with('/') {
            return Err(ActionError::arguments(format!("`dest` is `{path}`; write an absolute path")));
        }
        let mode = args::text(given, "mode");
        if let Some(mode) = mode.as_deref().filter(|m| m.is_empty() || !m.chars().all(|c| ('0'..='7').contains(&c)) || m.len() > 5) {
            return Err(ActionError::arguments(format!("`mode` is `{mode}`; write it in octal and as a text: \"0644\"")));
        }
        Ok(Self {
            path,
            content,
            mode,
            owner: args::text(given, "owner"),
            group: args::text(given, "group"),
            backup: args::switch(given, "backup").unwrap_or(false),
        })
    }

    fn owner(&self) -> Option<String> {
        match (&self.owner, &self.group) {
            (None, None) => None,
            (owner, group) => Some(format!("{}{}", owner.as_deref().unwrap_or_default(), group.as_ref().map(|g| format!(":{g}")).unwrap_or_default())),
        }
    }

    /// Shell lines that set `same` and `fit` (mode and owner) to 1 where the file is as it should be.
    fn compare(&self) -> String {
        let path = quote(&self.path);
        let mut out = format!(
            "f={path}; same=0; fit=1\nif [ -f \"$f\" ] && [ \"$(wc -c <\"$f\" | tr -d ' ')\" = {} ] && [ \"$(sha256sum <\"$f\" | cut -c1-64)\" = {} ]; then same=1; fi\n",
            self.content.len(),
            sha256(&self.content)
        );
        if let Some(mode) = &self.mode {
            remote::add(&mut out, format_args!("[ \"$(stat -c %a \"$f\" 2>/dev/null)\" = {} ] || fit=0\n", mode.trim_start_matches('0')));
        }
        for (letters, wanted) in [("U", &self.owner), ("G", &self.group)] {
            if let Some(wanted) = wanted {
                let number = letters.to_ascii_lowercase();
                remote::add(
                    &mut out,
                    format_args!(
                        "case {} in \"$(stat -c %{letters} \"$f\" 2>/dev/null)\"|\"$(stat -c %{number} \"$f\" 2>/dev/null)\") ;; *) fit=0;; esac\n",
                        quote(wanted)
                    ),
                );
            }
        }
        out
    }

    pub(super) async fn look(&self, cx: &ActionCx) -> Result<Found, ActionError> {
        let script = format!(
            "{}echo \"$same $fit\"\nif [ -d \"$f\" ]; then echo \"$f is a directory\" >&2; exit 3; fi\nif [ $same = 0 ] && [ -f \"$f\" ]; then head -c {MOST_COMPARED} \"$f\"; fi",
            self.compare()
        );
        let said = remote::look(cx, &script).await?;
        if !said.ok() {
            return Ok(said.unclear());
        }
        let (first, old) = said.stdout.split_once('\n').unwrap_or((&said.stdout, ""));
        Ok(match first.trim() {
            "1 1" => Found::done(),
            "1 0" => Found::to_do().with_diff(format!(" {}: mode or owner differ", self.path)),
            _ => Found::to_do().with_diff(self.diff(old)),
        })
    }

    fn diff(&self, old: &str) -> String {
        match std::str::from_utf8(&self.content) {
            Ok(new) if new.len() <= MOST_COMPARED && !new.contains('\0') && !old.contains('\0') && !old.contains('\u{fffd}') => lines_that_differ(old, new),
            _ => format!("+{} bytes, sha256 {}", self.content.len(), sha256(&self.content)),
        }
    }

    pub(super) async fn put(&self, cx: &ActionCx) -> Result<Outcome, ActionError> {
        let (size, sum) = (self.content.len(), sha256(&self.content));
        // The new file stands beside the old one until all of it is there: who reads the path sees the one or the other.
        let mut script = self.compare();
        script.push_str("if [ $same = 1 ] && [ $fit = 1 ]; then cat >/dev/null; echo same; exit 0; fi\n");
        script.push_str("[ -d \"$f\" ] && { echo \"$f is a directory\" >&2; exit 3; }\n[ -L \"$f\" ] && f=$(readlink -f \"$f\")\n");
        script.push_str("t=\"$f.quarterdeck-$$\"; trap 'rm -f \"$t\"' EXIT; umask 077\n");
        remote::add(
            &mut script,
            format_args!(
                "cat >\"$t\" || exit 4\n[ \"$(wc -c <\"$t\" | tr -d ' ')\" = {size} ] && [ \"$(sha256sum <\"$t\" | cut -c1-64)\" = {sum} ] || {{ echo 'not all of it arrived' >&2; exit 5; }}\n"
            ),
        );
        match &self.mode {
            Some(mode) => remote::add(&mut script, format_args!("chmod {mode} \"$t\" || exit 6\n")),
            None => script.push_str("if [ -f \"$f\" ]; then chmod \"$(stat -c %a \"$f\")\" \"$t\"; else chmod 644 \"$t\"; fi || exit 6\n"),
        }
        match self.owner() {
            Some(owner) => remote::add(&mut script, format_args!("chown {} \"$t\" || exit 6\n", quote(&owner))),
            None => script.push_str("if [ -f \"$f\" ]; then chown \"$(stat -c %u:%g \"$f\")\" \"$t\" 2>/dev/null; fi\n"),
        }
        if self.backup {
            script.push_str("if [ -f \"$f\" ]; then cp -p \"$f\" \"$f.$(date -u +%Y%m%dT%H%M%SZ).bak\" || exit 7; fi\n");
        }
        script.push_str("sync \"$t\" 2>/dev/null\nmv -f \"$t\" \"$f\" || exit 8\necho changed\n");
        let said = remote::act(cx, &script, &self.content, remote::Telling::Quiet).await?;
        let changed = said.stdout.trim() == "changed";
        let mut outcome = said.outcome(cx, true);
        if outcome.end == Ended::Ok {
            outcome.changed = changed;
            outcome = outcome.said("").fact("dest", self.path.as_str()).fact("sha256", sum).fact("size", size);
        }
        Ok(outcome)
    }
}

/// The lines that differ, with two lines of what is around them. The common begin and end are left out; between them everything
/// is told, first what goes, then what comes.
pub(super) fn lines_that_differ(old: &str, new: &str) -> String {
    const AROUND: usize = 2;
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let begin = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let end = old[begin..].iter().rev().zip(new[begin..].iter().rev()).take_while(|(a, b)| a == b).count();
    let mut out = Vec::new();
    out.extend(old[begin.saturating_sub(AROUND)..begin].iter().map(|l| format!(" {l}")));
    out.extend(middle(&old[begin..old.len() - end], &new[begin..new.len() - end]));
    out.extend(old[old.len() - end..].iter().take(AROUND).map(|l| format!(" {l}")));
    out.join("\n")
}

/// By the longest common run of lines, where there are few enough to look for one.
fn middle(old: &[&str], new: &[&str]) -> Vec<String> {
    if old.len() * new.len() > 400_000 {
        return old.iter().map(|l| format!("-{l}")).chain(new.iter().map(|l| format!("+{l}"))).collect();
    }
    let mut table = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            table[i][j] = if old[i] == new[j] { table[i + 1][j + 1] + 1 } else { table[i + 1][j].max(table[i][j + 1]) };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            out.push(format!(" {}", old[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && (j == new.len() || table[i + 1][j] >= table[i][j + 1]) {
            out.push(format!("-{}", old[i]));
            i += 1;
        } else {
            out.push(format!("+{}", new[j]));
            j += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diffs_name_what_goes_and_what_comes() {
        assert_eq!(lines_that_differ("a\nb\nc\nd\ne\nf", "a\nb\nc\nX\ne\nf"), " b\n c\n-d\n+X\n e\n f");
        assert_eq!(lines_that_differ("", "x\ny"), "+x\n+y");
        assert_eq!(lines_that_differ("same", "same"), " same");
        assert_eq!(lines_that_differ("a\nb", "b"), "-a\n b");
    }
}
