//! Certificates of one start: a CA of its own, and a serving certificate whose end scenarios can set.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::base::clock::Moment;

/// kubeadm's certificates are good for a year.
const YEAR_MS: i64 = 365 * 24 * 3_600_000;

pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
    started: Moment,
    /// The acceptor of the certificate in use, and when that ends.
    current: Mutex<Option<(Option<i64>, TlsAcceptor)>>,
}

fn wrong(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("the lab's certificates: {error}"))
}

fn seconds(ms: i64) -> Duration {
    Duration::from_secs(u64::try_from(ms / 1000).unwrap_or(0))
}

impl Authority {
    pub(super) fn new(now: Moment) -> io::Result<Self> {
        let key = KeyPair::generate().map_err(wrong)?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "kubernetes");
        let certificate = params.self_signed(&key).map_err(wrong)?;
        Ok(Self { pem: certificate.pem(), issuer: Issuer::new(params, key), started: now, current: Mutex::new(None) })
    }

    /// Serves TLS with a certificate that ends at `until` (milliseconds since 1970), else in a year.
    pub(super) fn acceptor(&self, until: Option<i64>) -> io::Result<TlsAcceptor> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((end, acceptor)) = current.as_ref()
            && *end == until
        {
            return Ok(acceptor.clone());
        }
        let acceptor = self.issue(until.unwrap_or(self.started.0 + YEAR_MS))?;
        *current = Some((until, acceptor.clone()));
        Ok(acceptor)
    }

    fn issue(&self, end: i64) -> io::Result<TlsAcceptor> {
        let key = KeyPair::generate().map_err(wrong)?;
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "kubernetes".to_owned(), "kubernetes.default.svc".to_owned()]).map_err(wrong)?;
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + seconds((self.started.0 - YEAR_MS).min(end - YEAR_MS));
        params.not_after = epoch + seconds(end);
        let certificate = params.signed_by(&key, &self.issuer).map_err(wrong)?;
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(wrong)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
