//! Keeps known secrets out of every text that is shown, logged or journalled.

use std::sync::{Arc, PoisonError, RwLock};

/// The secrets seen so far. Whoever resolves one tells the redactor; whoever writes text asks it.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    secrets: Arc<RwLock<Vec<String>>>,
}

impl Redactor {
    /// Remembers a secret. Those shorter than four characters would blank out ordinary words and are not kept.
    pub fn learn(&self, secret: &str) {
        if secret.chars().count() < 4 {
            return;
        }
        let mut known = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        // A quote in it is written otherwise in a shell line, in SQL and in JSON.
        let spelled = [r"'\''", "'\"'\"'", "''", r"\'"].map(|quote| secret.replace('\'', quote));
        let escaped = secret.replace('\\', r"\\").replace('"', "\\\"");
        for one in [secret.to_owned(), escaped].into_iter().chain(spelled) {
            if !known.contains(&one) {
                known.push(one);
            }
        }
        known.sort_by_key(|s| std::cmp::Reverse(s.len()));
    }

    /// The text with every known secret replaced by `***`.
    pub fn clean(&self, text: &str) -> String {
        let known = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().fold(text.to_owned(), |text, secret| if text.contains(secret.as_str()) { text.replace(secret.as_str(), "***") } else { text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_secret_first_and_short_ones_left_alone() {
        let r = Redactor::default();
        r.learn("hunter2");
        r.learn("hunter2-long");
        r.learn("abc");
        assert_eq!(r.clean("pw=hunter2-long x=hunter2 abc"), "pw=*** x=*** abc");
    }
}
