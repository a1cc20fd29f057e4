//! Signing a login with a key that is at hand.

use std::sync::Arc;

use russh::keys::agent::AgentIdentity;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode;
use russh::keys::ssh_key::Signature;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{HashAlg, PrivateKey};

/// Signs with a key that is at hand.
pub(super) struct Signer(pub(super) Arc<PrivateKey>);

pub(super) enum Unsigned {
    Lost,
    Cannot(String),
}

impl From<russh::SendError> for Unsigned {
    fn from(_: russh::SendError) -> Self {
        Self::Lost
    }
}

impl Signer {
    /// The request, with its signature behind it.
    fn sign(&self, hash: Option<HashAlg>, mut request: Vec<u8>) -> Result<Vec<u8>, String> {
        let signature: Signature = match self.0.key_data() {
            KeypairData::Rsa(rsa) => (rsa, hash).try_sign(&request).map_err(|e| e.to_string())?,
            _ => self.0.try_sign(&request).map_err(|e| e.to_string())?,
        };
        signature.encode_prefixed(&mut request).map_err(|e| e.to_string())?;
        Ok(request)
    }
}

impl russh::Signer for Signer {
    type Error = Unsigned;

    async fn auth_sign(&mut self, _: &AgentIdentity, hash: Option<HashAlg>, request: Vec<u8>) -> Result<Vec<u8>, Unsigned> {
        self.sign(hash, request).map_err(Unsigned::Cannot)
    }
}
