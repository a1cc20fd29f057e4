//! A question that a source must ask a person before it can go on. Answers are secret: in no frame, no journal, no log.

use std::fmt;

use secrecy::SecretString;

use super::id::Name;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AskId(pub u64);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub id: AskId,
    pub kind: AskKind,
    /// Who asks: a host, a group of hosts, a cluster.
    pub about: Name,
    /// The remote's own words or our sentence, cleaned; may have several lines.
    pub prompt: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskKind {
    Passphrase,
    Password,
    /// A keyboard-interactive prompt (PAM, OTP); `echo` says whether typing shows.
    Prompt {
        echo: bool,
    },
    /// Trust a host key that no known_hosts file has: yes or no.
    HostKey,
    SudoPassword,
}

#[derive(Clone)]
pub enum Answer {
    Secret(SecretString),
    Yes,
    No,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret(***)",
            Self::Yes => "Yes",
            Self::No => "No",
        })
    }
}
