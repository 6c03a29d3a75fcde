//! A certificate for the loopback interface, from an authority that no system trusts.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::ledger::Place;

/// A certificate with its key and its authority, also as files in PEM.
#[derive(Debug)]
pub struct Certificate {
    place: Place,
    chain: Vec<rustls::pki_types::CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Certificate {
    /// A new one, for 127.0.0.1.
    pub fn new() -> Self {
        let place = Place::new();
        let mut authority = CertificateParams::new(Vec::new()).expect("no names are right names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, pair()).expect("it signs itself");
        let (params, key) = (CertificateParams::new(["127.0.0.1".to_owned()]), pair());
        let own = params.expect("an address is a name").signed_by(&key, &authority).expect("it is signed");
        for (file, pem) in
            [("ca.pem", authority.pem()), ("cert.pem", own.pem()), ("key.pem", key.serialize_pem())]
        {
            std::fs::write(place.beside(file), pem).expect("the folder can be written");
        }
        Self { place, chain: vec![own.der().clone()], key: key.serialize_der() }
    }

    /// The authority's file.
    pub fn authority(&self) -> PathBuf {
        self.place.beside("ca.pem")
    }

    /// The certificate's file.
    pub fn file(&self) -> PathBuf {
        self.place.beside("cert.pem")
    }

    /// The key's file.
    pub fn key_file(&self) -> PathBuf {
        self.place.beside("key.pem")
    }

    /// A server that shows it and speaks this protocol alone.
    pub fn server(&self, protocol: &str) -> ServerConfig {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = PrivatePkcs8KeyDer::from(self.key.clone()).into();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(self.chain.clone(), key);
        let mut config = config.expect("the key belongs to the certificate");
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        config
    }
}

impl Default for Certificate {
    fn default() -> Self {
        Self::new()
    }
}

fn pair() -> KeyPair {
    KeyPair::generate().expect("chance is to be had")
}
