//! TLS over any byte stream, by rustls and ring: how the other end is known, and in words why it is not.

use std::fmt;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

/// Bytes both ways, however they are carried.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How a line is protected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    #[default]
    Off,
    /// Checked against the certificates in `ca` (PEM), or against the well-known authorities when it is `None`.
    Verified {
        ca: Option<Vec<u8>>,
        /// The name in the certificate where it differs from the address (through a tunnel it always does).
        server_name: Option<String>,
    },
    /// The very certificate with this SHA-256, whoever made it and whatever name it holds.
    Pinned { sha256: [u8; 32] },
    /// Encrypted, but anybody could be at the other end. Whoever shows the result says so.
    Unverified,
    /// The other end is known in one of these ways, and we show a certificate of our own.
    Identified { how: Box<Self>, identity: Identity },
}

/// A client's certificate and its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(***)")
    }
}

impl Identity {
    fn parts(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Unprotected> {
        let broken = |text: String, remedy: &'static str| Unprotected { text, remedy };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = chain.map_err(|e| broken(format!("our own certificate is not PEM: {e}"), CERT))?;
        if chain.is_empty() {
            return Err(broken("the file of our own certificate holds none".to_owned(), CERT));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|e| broken(format!("the key of our own certificate cannot be read: {e}"), KEY))?;
        Ok((chain, key))
    }
}

const CERT: &str = "Check the file that tls.cert names.";
const KEY: &str = "Check the file that tls.key names: a PEM key without a passphrase.";

impl Tls {
    /// A pin as people write it: 64 hex digits, with or without colons.
    pub fn pin(fingerprint: &str) -> Option<Self> {
        let digits: Vec<u32> = fingerprint.chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect::<Option<_>>()?;
        let bytes: Vec<u8> = digits.chunks(2).filter_map(|pair| u8::try_from(pair.first()? * 16 + pair.get(1)?).ok()).collect();
        let sha256 = <[u8; 32]>::try_from(bytes).ok().filter(|_| digits.len() == 64)?;
        Some(Self::Pinned { sha256 })
    }

    /// What rustls needs for it; `None` where there is no TLS.
    ///
    /// # Errors
    /// The CA file cannot be used.
    pub fn config(&self) -> Result<Option<ClientConfig>, Unprotected> {
        let (how, identity) = match self {
            Self::Identified { how, identity } => (&**how, Some(identity)),
            how => (how, None),
        };
        let builder = match how {
            Self::Off | Self::Identified { .. } => return Ok(None),
            Self::Unverified => known_by(Arc::new(Anybody(provider())))?,
            Self::Pinned { sha256 } => known_by(Arc::new(Pinned { sha256: *sha256, provider: provider() }))?,
            Self::Verified { ca, .. } => builder()?.with_root_certificates(roots(ca.as_deref())?),
        };
        let Some(identity) = identity else { return Ok(Some(builder.with_no_client_auth())) };
        let (chain, key) = identity.parts()?;
        let wrong = |e: rustls::Error| Unprotected { text: format!("our own certificate and its key do not go together: {e}"), remedy: CERT };
        builder.with_client_auth_cert(chain, key).map(Some).map_err(wrong)
    }

    /// How the other end is known.
    pub fn known(&self) -> &Self {
        match self {
            Self::Identified { how, .. } => how,
            how => how,
        }
    }

    /// Could anybody be at the other end?
    pub fn is_unverified(&self) -> bool {
        *self.known() == Self::Unverified
    }

    /// The name that the certificate must hold, `host` unless the settings name another.
    pub fn server_name<'a>(&'a self, host: &'a str) -> &'a str {
        match self.known() {
            Self::Verified { server_name: Some(name), .. } => name,
            _ => host,
        }
    }
}

/// Why a line could not be protected, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Unprotected {
    pub text: String,
    pub remedy: &'static str,
}

/// Agrees on TLS over `stream`; `host` is the other end's own name, never the near end of a tunnel.
///
/// # Errors
/// The other end speaks no TLS, is not who it should be, or the settings cannot be used.
pub async fn protect<S: Stream + 'static>(stream: S, tls: &Tls, host: &str) -> Result<Box<dyn Stream>, Unprotected> {
    let Some(config) = tls.config()? else { return Ok(Box::new(stream)) };
    let name = tls.server_name(host);
    let server =
        ServerName::try_from(name.to_owned()).map_err(|_| Unprotected { text: format!("`{name}` is no server name"), remedy: "Set tls.server_name." })?;
    match TlsConnector::from(Arc::new(config)).connect(server, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(explain(name, &error)),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(ca: Option<&[u8]>) -> Result<RootCertStore, Unprotected> {
    let broken = |text: String| Unprotected { text, remedy: "Check the file that tls.ca names." };
    let mut roots = RootCertStore::empty();
    match ca {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|e| broken(format!("the CA file is not PEM: {e}")))?;
                roots.add(certificate).map_err(|e| broken(format!("the CA file holds no usable certificate: {e}")))?;
            }
            if roots.is_empty() {
                return Err(broken("the CA file holds no certificate".to_owned()));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(roots)
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Unprotected> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| Unprotected { text: format!("TLS cannot be set up: {e}"), remedy: "" })
}

fn known_by(verifier: Arc<dyn ServerCertVerifier>) -> Result<rustls::ConfigBuilder<ClientConfig, WantsClientCert>, Unprotected> {
    Ok(builder()?.dangerous().with_custom_certificate_verifier(verifier))
}

const ALERTED: &str = "The server may ask for a certificate of ours (set tls.cert and tls.key), or be older than TLS 1.2.";

/// In TLS 1.3 a server refuses our certificate, or misses one, after our side of the handshake has ended: what fails is the first
/// use of the stream, in the words of whoever uses it. `None` where `text` tells of no alert.
pub fn alerted(text: &str) -> Option<Unprotected> {
    let (_, rest) = text.split_once("received fatal alert: ")?;
    let alert: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    Some(Unprotected { text: format!("it ended the TLS handshake with {alert}"), remedy: ALERTED })
}

/// What went wrong, and the way out.
fn explain(name: &str, error: &std::io::Error) -> Unprotected {
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    let (text, remedy) = match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => (
            "its certificate was made by an authority that is not trusted here".to_owned(),
            "Name that authority's certificate as tls.ca, or set tls.verify = false if anybody may be at the other end.",
        ),
        Some(rustls::Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })) => {
            (format!("its certificate is not for `{name}`"), "Set tls.server_name to a name that the certificate holds.")
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
            ("its certificate has expired".to_owned(), "Renew it on the server.")
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) => {
            ("its certificate is not the one of tls.fingerprint".to_owned(), "Was it renewed? Compare, and write the new fingerprint.")
        }
        Some(rustls::Error::InvalidMessage(_)) => ("it does not speak TLS on this port".to_owned(), "Take tls out of the entry, or name the TLS port."),
        Some(rustls::Error::AlertReceived(alert)) => (format!("it ended the TLS handshake with {alert:?}"), ALERTED),
        Some(other) => (format!("TLS: {other}"), ""),
        None => (format!("it ended the TLS handshake: {error}"), "The server may not speak TLS on this port, or not TLS 1.2."),
    };
    Unprotected { text, remedy }
}

/// Takes any certificate; the handshake's signatures are still checked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Takes one certificate only.
#[derive(Debug)]
struct Pinned {
    sha256: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if digest(&SHA256, certificate).as_ref() == self.sha256 {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_certificate_must_have_its_key() {
        let (one, other) = ["a", "b"].map(|n| rcgen::generate_simple_self_signed(vec![n.to_owned()]).unwrap()).into();
        let with = |key: &str| {
            let identity = Identity { certificate: one.cert.pem().into_bytes(), key: key.as_bytes().to_vec() };
            let tls = Tls::Identified { how: Box::new(Tls::Unverified), identity };
            assert!(!format!("{tls:?}").contains("PRIVATE"));
            tls.config().map(|c| c.is_some()).map_err(|e| e.remedy)
        };
        assert_eq!(with(&one.signing_key.serialize_pem()), Ok(true));
        assert_eq!(with(&other.signing_key.serialize_pem()), Err(CERT));
        assert_eq!(with("nonsense"), Err(KEY));
    }

    #[test]
    fn a_fingerprint_is_64_hex_digits_however_it_is_written() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(Tls::pin(&plain), Some(Tls::Pinned { sha256: [0xab; 32] }));
        assert_eq!(Tls::pin(&colons), Tls::pin(&plain));
        assert_eq!([Tls::pin(&plain[1..]), Tls::pin("xy"), Tls::pin(&format!("{plain}ab"))], [None, None, None]);
    }
}
