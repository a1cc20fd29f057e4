//! One real OpenSearch node with its security plugin: TLS with a self-signed certificate, a login, roles.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rcgen::{CertifiedKey, KeyPair};
use tempfile::TempDir;

use super::eventually;
use super::java::{Java, fetched};
use super::redis::{free_port, hosts};
use crate::components::said;

/// Of every user there; the hash below is made of it.
pub const PASSWORD: &str = "admin";
const HASH: &str = "$2a$12$VcCDgh2NDk07JGN0rjGbM.Ad41qVR/YFJcgHp0UGns5JDymv..TOG";
/// What the certificate is for.
pub const NAME: &str = "search.internal";

pub struct Secured {
    _java: Java,
    pub address: String,
    pub made: CertifiedKey<KeyPair>,
    _temp: TempDir,
}

/// `role` is what the user `deck` may do; `poor` may do nothing, `admin` everything.
pub fn secured(role: &str) -> Secured {
    let (host, temp) = (hosts(1).remove(0), tempfile::Builder::new().prefix("qd-opensearch-").tempdir().unwrap());
    let home = temp.path();
    let config = home.join("config/opensearch-security");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::create_dir_all(home.join("plugins")).unwrap();
    std::os::unix::fs::symlink(fetched("opensearch").join("plugin"), home.join("plugins/opensearch-security")).unwrap();
    for file in std::fs::read_dir(fetched("opensearch").join("plugin/config")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), config.join(file.file_name())).unwrap();
    }
    let user = |name: &str, more: &str| format!("{name}:\n  hash: \"{HASH}\"\n{more}");
    let users = [user("admin", "  backend_roles: [admin]\n"), user("deck", "  opendistro_security_roles: [quarterdeck]\n"), user("poor", "")].concat();
    let write = |name: &str, kind: &str, text: &str| {
        std::fs::write(config.join(name), format!("_meta:\n  type: \"{kind}\"\n  config_version: 2\n{text}")).unwrap();
    };
    write("internal_users.yml", "internalusers", &users);
    write("roles.yml", "roles", &format!("quarterdeck: {role}\n"));
    write("roles_mapping.yml", "rolesmapping", "all_access:\n  backend_roles: [admin]\n");

    let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
    std::fs::write(home.join("config/node.pem"), made.cert.pem()).unwrap();
    std::fs::write(home.join("config/node.key"), made.signing_key.serialize_pem()).unwrap();
    let ports = (free_port(&host), free_port(&host));
    let mut settings: Vec<String> = [
        ("path.home", home.to_str().unwrap()),
        ("cluster.name", "mall"),
        ("node.name", "os-1"),
        ("node.processors", "1"),
        ("network.host", &host),
        ("http.port", &ports.0.to_string()),
        ("transport.port", &ports.1.to_string()),
        ("discovery.type", "single-node"),
        // Whatever the machine's disk holds already.
        ("cluster.routing.allocation.disk.watermark.low", "300mb"),
        ("cluster.routing.allocation.disk.watermark.high", "200mb"),
        ("cluster.routing.allocation.disk.watermark.flood_stage", "100mb"),
        ("plugins.security.ssl.http.enabled", "true"),
        ("plugins.security.ssl.transport.enforce_hostname_verification", "false"),
        ("plugins.security.allow_default_init_securityindex", "true"),
        ("plugins.security.nodes_dn.0", "CN=rcgen self signed cert"),
    ]
    .map(|(key, value)| format!("{key}={value}"))
    .to_vec();
    for side in ["http", "transport"] {
        for (what, file) in [("pemcert", "node.pem"), ("pemkey", "node.key"), ("pemtrustedcas", "node.pem")] {
            settings.push(format!("plugins.security.ssl.{side}.{what}_filepath={file}"));
        }
    }
    let properties = ["-Dopensearch.set.netty.runtime.available.processors=false".to_owned()];
    let mut java = Java::new("opensearch", "OpenSearch", home.join("out"), &properties, &settings);
    java.up();
    let node = Secured { _java: java, address: format!("{host}:{}", ports.0), made, _temp: temp };
    eventually("an initialised OpenSearch", Duration::from_secs(120), || node.curl("GET", "/", "").contains("\"distribution\" : \"opensearch\"").then_some(()));
    let version = node.curl("GET", "/", "");
    said("opensearch", &format!("version.number {}", version.split("\"number\" : \"").nth(1).and_then(|t| t.split('"').next()).unwrap_or("?")));
    node
}

impl Secured {
    /// As `admin`, whatever certificate is shown.
    pub fn curl(&self, method: &str, path: &str, body: &str) -> String {
        let url = format!("https://{}{path}", self.address);
        let mut curl = Command::new("curl");
        curl.args(["-sk", "-m", "5", "-u", &format!("admin:{PASSWORD}"), "-X", method, "-H", "content-type: application/json"]);
        if !body.is_empty() {
            curl.args(["-d", body]);
        }
        String::from_utf8_lossy(&curl.arg(url).output().expect("curl").stdout).into_owned()
    }

    pub fn home(&self) -> &Path {
        self._temp.path()
    }
}
