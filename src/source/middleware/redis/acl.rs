//! The least rights that the account needs, and the line that grants a missing one.

use crate::model::fact::Denied;
use crate::model::id::Name;

/// Keys that the client's read tries; none of them need exist.
pub const KEY_PREFIX: &str = "quarterdeck:";

/// For a data member: no key of an application can be read, nothing can be written.
pub const DATA_RULES: &str = "resetkeys ~quarterdeck:* resetchannels -@all +ping +info +role +exists +cluster|info +cluster|nodes";
/// For a sentinel (6.2 and later).
pub const SENTINEL_RULES: &str = "resetkeys resetchannels -@all +ping +info +sentinel|masters +sentinel|replicas +sentinel|sentinels +sentinel|ckquorum";

/// A command refused with `NOPERM`, and the exact line that would allow it.
pub fn denied(user: &str, command: &str, text: &str) -> Denied {
    let user = if user.is_empty() { "default" } else { user };
    // The message tells a missing key pattern from a missing command.
    let rule = if text.contains("keys") { format!("~{KEY_PREFIX}*") } else { format!("+{}", command.to_ascii_lowercase().replace(' ', "|")) };
    Denied { fact: Name::from(command), need: Name::from(format!("ACL SETUSER {user} {rule}").as_str()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_user_and_rule() {
        let text = "NOPERM this user has no permissions to run the 'cluster|nodes' command";
        assert_eq!(denied("monitor", "CLUSTER NODES", text).need.as_str(), "ACL SETUSER monitor +cluster|nodes");
        let text = "NOPERM this user has no permissions to access one of the keys used as arguments";
        assert_eq!(denied("", "EXISTS", text).need.as_str(), "ACL SETUSER default ~quarterdeck:*");
    }
}
