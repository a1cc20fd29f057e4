//! The handshake: protocol 10, `mysql_native_password` and `caching_sha2_password`. Without TLS: the latter is answered by its
//! fast path, for which the server must know the password; the lab does.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use super::packet::Reader;

pub const PROTOCOL_41: u32 = 0x200;
const CONNECT_WITH_DB: u32 = 0x8;
const PLUGIN_AUTH: u32 = 0x8_0000;
const PLUGIN_AUTH_LENENC: u32 = 0x20_0000;
/// What a server says it can do; no TLS, no compression, no files, results end with EOF.
const CAPABILITIES: u32 =
    0x1 | 0x2 | 0x4 | CONNECT_WITH_DB | PROTOCOL_41 | 0x2000 | 0x8000 | 0x1_0000 | 0x2_0000 | 0x4_0000 | PLUGIN_AUTH | 0x10_0000 | PLUGIN_AUTH_LENENC;
/// utf8mb4_general_ci.
pub const CHARSET: u8 = 45;
pub const SALT: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Native,
    Sha2,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::Sha2 => "caching_sha2_password",
        }
    }

    /// Does this proof belong to that password? An empty password has an empty proof.
    pub fn proves(self, proof: &[u8], password: &str, salt: &[u8; SALT]) -> bool {
        if password.is_empty() {
            return proof.is_empty();
        }
        let wanted = match self {
            Self::Native => {
                let one = digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
                let two = digest(&SHA1_FOR_LEGACY_USE_ONLY, one.as_ref());
                let mut mixed = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
                mixed.update(salt);
                mixed.update(two.as_ref());
                xor(one.as_ref(), mixed.finish().as_ref())
            }
            Self::Sha2 => {
                let one = digest(&SHA256, password.as_bytes());
                let two = digest(&SHA256, one.as_ref());
                let mut mixed = Context::new(&SHA256);
                mixed.update(two.as_ref());
                mixed.update(salt);
                xor(one.as_ref(), mixed.finish().as_ref())
            }
        };
        proof == wanted
    }
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

/// The server's first packet.
pub fn greeting(version: &str, connection: u32, salt: &[u8; SALT], method: Method) -> Vec<u8> {
    let mut out = vec![10];
    out.extend_from_slice(version.as_bytes());
    out.push(0);
    out.extend_from_slice(&connection.to_le_bytes());
    out.extend_from_slice(&salt[..8]);
    out.push(0);
    let capabilities = CAPABILITIES.to_le_bytes();
    out.extend_from_slice(&capabilities[..2]);
    out.push(CHARSET);
    out.extend_from_slice(&2_u16.to_le_bytes());
    out.extend_from_slice(&capabilities[2..]);
    out.push(21);
    out.extend_from_slice(&[0; 10]);
    out.extend_from_slice(&salt[8..]);
    out.push(0);
    out.extend_from_slice(method.name().as_bytes());
    out.push(0);
    out
}

/// Asks the client to prove itself again, by `method` and with a new salt.
pub fn switch(method: Method, salt: &[u8; SALT]) -> Vec<u8> {
    let mut out = vec![0xfe];
    out.extend_from_slice(method.name().as_bytes());
    out.push(0);
    out.extend_from_slice(salt);
    out.push(0);
    out
}

/// Who wants in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    pub user: String,
    pub proof: Vec<u8>,
    pub database: String,
    pub method: String,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The client's answer to the greeting; `None` where it is older than protocol 4.1 or wants TLS, which was not offered.
pub fn claim(payload: &[u8]) -> Option<Claim> {
    let mut r = Reader(payload);
    let capabilities = u32::try_from(r.number(4)).ok()?;
    if capabilities & PROTOCOL_41 == 0 || payload.len() < 33 {
        return None;
    }
    r.take(4 + 1 + 23);
    let user = text(r.until_nul());
    let proof = if capabilities & PLUGIN_AUTH_LENENC != 0 {
        r.length_encoded().to_vec()
    } else {
        let n = usize::from(r.byte());
        r.take(n).to_vec()
    };
    let database = if capabilities & CONNECT_WITH_DB != 0 { text(r.until_nul()) } else { String::new() };
    let method = if capabilities & PLUGIN_AUTH != 0 { text(r.until_nul()) } else { Method::Native.name().to_owned() };
    Some(Claim { user, proof, database, method })
}

/// `COM_CHANGE_USER`: the proof is for the salt of the greeting and is asked for again.
pub fn change(payload: &[u8]) -> Claim {
    let mut r = Reader(payload);
    let user = text(r.until_nul());
    let n = usize::from(r.byte());
    r.take(n);
    let database = text(r.until_nul());
    Claim { user, database, ..Claim::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_as_real_clients_make_them() {
        let salt = *b"01234567890123456789";
        let made = |method: Method, password: &str| {
            // What a client computes, written the other way round: from the hash that a server keeps.
            let (a, stage) = match method {
                Method::Native => (&SHA1_FOR_LEGACY_USE_ONLY, 20),
                Method::Sha2 => (&SHA256, 32),
            };
            let one = digest(a, password.as_bytes());
            let two = digest(a, one.as_ref());
            let joined = if stage == 20 { [&salt[..], two.as_ref()].concat() } else { [two.as_ref(), &salt[..]].concat() };
            xor(one.as_ref(), digest(a, &joined).as_ref())
        };
        for method in [Method::Native, Method::Sha2] {
            assert!(method.proves(&made(method, "geheim"), "geheim", &salt));
            assert!(!method.proves(&made(method, "falsch"), "geheim", &salt));
            assert!(method.proves(&[], "", &salt) && !method.proves(&[], "x", &salt) && !method.proves(&[1], "", &salt));
        }
    }

    #[test]
    fn the_answer_of_a_client_and_a_cut_one() {
        let mut p = (PROTOCOL_41 | PLUGIN_AUTH | CONNECT_WITH_DB | PLUGIN_AUTH_LENENC).to_le_bytes().to_vec();
        p.extend_from_slice(&[0; 28]);
        p.extend_from_slice(b"mon\0\x02abmall\0caching_sha2_password\0");
        let got = claim(&p).unwrap();
        assert_eq!((got.user.as_str(), got.proof.as_slice(), got.database.as_str(), got.method.as_str()), ("mon", &b"ab"[..], "mall", "caching_sha2_password"));
        assert_eq!(claim(&p[..20]), None);
        assert!(greeting("9.7.4", 7, b"01234567890123456789", Method::Sha2).ends_with(b"89\0caching_sha2_password\0"));
    }
}
