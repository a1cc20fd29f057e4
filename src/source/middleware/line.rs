//! A byte stream to a member, with or without TLS, for kinds whose client takes a stream.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::member::{Trouble, TroubleKind};
use super::reach::{End, Way, split};
use super::spec::Tls;

pub trait Line: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}

/// Connects along `way`. The certificate is checked against `server_name` of the settings, else against the member's own
/// address, never against the near end of a tunnel.
///
/// # Errors
/// Nobody listens there, or the protection of the line could not be agreed on.
pub async fn open(way: &Way, tls: &Tls, address: &str) -> Result<Box<dyn Line>, Trouble> {
    match &way.end {
        End::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|e| Trouble::unreachable(format!("{address}: {e}")))?;
            let _ = stream.set_nodelay(true);
            protect(stream, tls, address).await
        }
        End::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(|e| Trouble::unreachable(format!("{address}: the tunnel's near end: {e}")))?;
            protect(stream, tls, address).await
        }
    }
}

async fn protect<S: Line + 'static>(stream: S, tls: &Tls, address: &str) -> Result<Box<dyn Line>, Trouble> {
    let (config, named) = match tls {
        Tls::Off => return Ok(Box::new(stream)),
        Tls::Unverified => (unverified()?, None),
        Tls::Verified { ca, server_name } => (verified(ca.as_deref())?, server_name.clone()),
    };
    let name = named.or_else(|| split(address, 0).map(|(host, _)| host)).unwrap_or_default();
    let server =
        ServerName::try_from(name.clone()).map_err(|_| Trouble::new(TroubleKind::Tls, format!("`{name}` is no server name."), "Set tls.server_name."))?;
    match TlsConnector::from(Arc::new(config)).connect(server, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(explain(address, &name, &error)),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn broken(text: String) -> Trouble {
    Trouble::new(TroubleKind::Tls, text, "Check the file that tls.ca names.")
}

fn verified(ca: Option<&[u8]>) -> Result<ClientConfig, Trouble> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|e| broken(format!("The CA file is not PEM: {e}.")))?;
                roots.add(certificate).map_err(|e| broken(format!("The CA file holds no usable certificate: {e}.")))?;
            }
            if roots.is_empty() {
                return Err(broken("The CA file holds no certificate.".to_owned()));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(builder()?.with_root_certificates(roots).with_no_client_auth())
}

fn unverified() -> Result<ClientConfig, Trouble> {
    Ok(builder()?.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider()))).with_no_client_auth())
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Trouble> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| Trouble::new(TroubleKind::Tls, format!("TLS cannot be set up: {e}."), ""))
}

/// What went wrong, and the way out.
fn explain(address: &str, name: &str, error: &std::io::Error) -> Trouble {
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
        Some(rustls::Error::InvalidMessage(_)) => ("it does not speak TLS on this port".to_owned(), "Take tls out of the entry, or name the TLS port."),
        Some(rustls::Error::AlertReceived(alert)) => {
            (format!("it ended the TLS handshake with {alert:?}"), "The server may ask for a client certificate (tls-auth-clients), or be older than TLS 1.2.")
        }
        Some(other) => (format!("TLS: {other}"), ""),
        None => (format!("it ended the TLS handshake: {error}"), "The server may not speak TLS on this port, or not TLS 1.2."),
    };
    Trouble::new(TroubleKind::Tls, format!("{address}: {text}."), remedy)
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
