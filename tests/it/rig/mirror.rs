//! Image registries: Debian's docker-registry with one image in it, open, behind TLS, a password, or a server of tokens.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::redis::free_port;
use super::sshd::sh;

/// The one account of a registry that asks for a password.
pub const USER: &str = "mirror";
pub const PASSWORD: &str = "mirror-secret-1";
/// bcrypt of [`PASSWORD`].
const HASH: &str = "$2b$04$k15MuSFGFLNQ7kKDtbFNcuN5sWYMwhwZBX1MLfJZTKs5a/3VBboKK";

/// Puts an image of one busybox into a registry, as a list of one architecture. `$1` the address, `$2` the name, `$3` the tag.
const PUSH: &str = r#"
set -e
blob() {
  d=sha256:$(sha256sum <"$1" | cut -c1-64)
  to=$(curl -fsS -D - -o /dev/null -X POST "$base/v2/$name/blobs/uploads/" | tr -d '\r' | sed -n 's/^Location: *//Ip')
  case $to in *\?*) to="$to&digest=$d" ;; *) to="$to?digest=$d" ;; esac
  curl -fsS -X PUT -H 'Content-Type: application/octet-stream' --data-binary @"$1" "$to"
  echo "$d"
}
put() { curl -fsS -X PUT -H "Content-Type: $1" --data-binary @"$2" "$base/v2/$name/manifests/$3"; }
docker=application/vnd.docker
diff=sha256:$(gzip -dc layer.tgz | sha256sum | cut -c1-64)
printf '{"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/sh","-c","exec sleep 100000"],"Env":["PATH=/usr/local/bin:/bin"]},"rootfs":{"type":"layers","diff_ids":["%s"]}}' "$diff" >config.json
config=$(blob config.json) layer=$(blob layer.tgz)
printf '{"schemaVersion":2,"mediaType":"%s.distribution.manifest.v2+json","config":{"mediaType":"%s.container.image.v1+json","size":%s,"digest":"%s"},"layers":[{"mediaType":"%s.image.rootfs.diff.tar.gzip","size":%s,"digest":"%s"}]}' \
  $docker $docker "$(stat -c %s config.json)" "$config" $docker "$(stat -c %s layer.tgz)" "$layer" >image.json
digest=sha256:$(sha256sum <image.json | cut -c1-64)
put $docker.distribution.manifest.v2+json image.json "$digest"
printf '{"schemaVersion":2,"mediaType":"%s.distribution.manifest.list.v2+json","manifests":[{"mediaType":"%s.distribution.manifest.v2+json","size":%s,"digest":"%s","platform":{"architecture":"amd64","os":"linux"}}]}' \
  $docker $docker "$(stat -c %s image.json)" "$digest" >list.json
put $docker.distribution.manifest.list.v2+json list.json "$tag"
"#;

/// What registries keep: several of them may serve the same.
pub struct Store {
    dir: tempfile::TempDir,
}

impl Store {
    /// Empty.
    pub fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("qd-store-").tempdir().expect("tempdir") }
    }

    /// The same, apart from here on.
    pub fn copy(&self) -> Self {
        let copy = Self::new();
        sh(&format!("cp -r {}/. {}", self.dir.path().display(), copy.dir.path().display()));
        copy
    }

    /// Takes away what the blobs of this media type hold, and leaves the manifests that name them.
    pub fn lose_layers(&self) {
        let blobs = self.dir.path().join("docker/registry/v2/blobs");
        sh(&format!("find {} -name data -size +100k -delete", blobs.display()));
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

pub struct Registry {
    address: String,
    dir: tempfile::TempDir,
    daemon: Child,
}

impl Registry {
    /// On an address that the hosts reach; `more` is added to its configuration, where `DIR` is a folder of its own.
    pub fn start(host: &str, store: &Store, files: &[(&str, &str)], more: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("qd-registry-").tempdir().expect("tempdir");
        for (name, text) in files {
            fs::write(dir.path().join(name), text).expect("a file");
        }
        let port = free_port(host);
        let more = more.replace("DIR", &dir.path().display().to_string()).replace("ADDRESS", &format!("addr: '{host}:{port}'"));
        let http = if more.starts_with("http:") { String::new() } else { format!("http: {{addr: '{host}:{port}', secret: lab}}\n") };
        let config = format!("version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n{http}{more}", store.path().display());
        let path = dir.path().join("config.yml");
        fs::write(&path, config).expect("configuration");
        let log = fs::File::create(dir.path().join("log")).expect("log");
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&path).stdin(Stdio::null()).stdout(log.try_clone().expect("log")).stderr(log);
        let daemon = command.spawn().expect("docker-registry");
        let mut registry = Self { address: format!("{host}:{port}"), dir, daemon };
        super::eventually("the registry listens", Duration::from_secs(40), || {
            let ended = registry.daemon.try_wait().expect("wait").is_some();
            assert!(!ended, "the registry ended: {}", fs::read_to_string(registry.dir.path().join("log")).unwrap_or_default());
            std::net::TcpStream::connect(&registry.address).ok()
        });
        registry
    }

    pub fn open(host: &str, store: &Store) -> Self {
        Self::start(host, store, &[], "")
    }

    /// With this certificate and its key, in PEM.
    pub fn tls(host: &str, store: &Store, certificate: &str, key: &str) -> Self {
        Self::start(host, store, &[("crt", certificate), ("key", key)], "http: {ADDRESS, secret: lab, tls: {certificate: DIR/crt, key: DIR/key}}\n")
    }

    /// For [`USER`] alone.
    pub fn with_password(host: &str, store: &Store) -> Self {
        Self::start(host, store, &[("users", &format!("{USER}:{HASH}\n"))], "auth: {htpasswd: {realm: lab, path: DIR/users}}\n")
    }

    /// For whoever has a token, which that address gives: as Docker Hub does it. The issuer's certificate is `Tokens`'.
    pub fn with_tokens(host: &str, store: &Store, tokens: &Tokens) -> Self {
        let auth = format!("auth: {{token: {{realm: 'http://{}/token', service: lab-registry, issuer: lab, rootcertbundle: DIR/issuer}}}}\n", tokens.address);
        Self::start(host, store, &[("issuer", &tokens.certificate)], &auth)
    }

    /// What it was asked for, line by line.
    pub fn asked(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).expect("log")
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Puts the image of one busybox into it.
    pub fn push(&self, name: &str, tag: &str) {
        self.push_with(name, tag, &[]);
    }

    /// The same with programs in /usr/local/bin, and the libraries that they need.
    pub fn push_with(&self, name: &str, tag: &str, programs: &[&Path]) {
        let work = self.dir.path().join("push");
        let _ = fs::remove_dir_all(&work);
        let bin = work.join("root/bin");
        fs::create_dir_all(&bin).expect("bin");
        fs::copy("/usr/bin/busybox", bin.join("busybox")).expect("busybox");
        for tool in ["sh", "sleep", "true", "echo", "cat", "ping", "ip", "nslookup", "nc", "httpd", "mkdir", "dd"] {
            let _ = std::os::unix::fs::symlink("busybox", bin.join(tool));
        }
        for program in programs {
            let (program, root) = (program.display(), work.join("root"));
            let root = root.display();
            sh(&format!(
                "mkdir -p {root}/usr/local/bin {root}/tmp {root}/etc && cp {program} {root}/usr/local/bin/ && ldd {program} 2>/dev/null | grep -o '/[^ ]*' | while read -r l; do mkdir -p {root}/$(dirname $l) && cp -L $l {root}/$l; done; true"
            ));
        }
        let work = work.display();
        sh(&format!("cd {work} && tar -C root -cf - . | gzip -1 -n >layer.tgz && base=http://{} name={name} tag={tag}\n{PUSH}", self.address));
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// A stand-in for a server of tokens: whoever asks for the right service and image gets one, signed, to read with.
pub struct Tokens {
    address: String,
    certificate: String,
}

impl Tokens {
    pub fn start(host: &str, name: &str) -> Self {
        let dir = tempfile::tempdir().expect("tempdir");
        let d: PathBuf = dir.path().to_owned();
        let d = d.display();
        sh(&format!("openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=lab -keyout {d}/key -out {d}/crt 2>/dev/null"));
        let claims = format!(
            r#"{{"iss":"lab","sub":"","aud":"lab-registry","exp":4102444800,"nbf":1000,"iat":1000,"jti":"1","access":[{{"type":"repository","name":"{name}","actions":["pull"]}}]}}"#
        );
        let token = sh(&format!(
            "cd {d}; url() {{ base64 -w0 | tr '+/' '-_' | tr -d =; }}\n\
             h=$(printf '{{\"typ\":\"JWT\",\"alg\":\"RS256\",\"x5c\":[\"%s\"]}}' \"$(openssl x509 -in crt -outform DER | base64 -w0)\" | url).$(printf %s '{claims}' | url)\n\
             printf '%s.%s' \"$h\" \"$(printf %s \"$h\" | openssl dgst -sha256 -sign key -binary | url)\""
        ));
        let certificate = fs::read_to_string(dir.path().join("crt")).expect("certificate");
        let wanted = format!("scope=repository%3A{}%3Apull", name.replace('/', "%2f")).to_lowercase();
        let address = super::stub::stub_on(host, move |asked| {
            let path = asked.path.to_lowercase();
            if path.contains(&wanted) && path.contains("service=lab-registry") {
                (200, format!("{{\"token\": \"{token}\", \"expires_in\": 300}}"))
            } else {
                (400, "{\"details\": \"no such service or scope\"}".to_owned())
            }
        });
        Self { address, certificate }
    }
}

/// A certificate of its own for an address, and its key. Good from 2020, or from 2050 on.
pub fn certificate(host: &str, from: i32) -> (String, String) {
    let mut params = rcgen::CertificateParams::new(vec![host.to_owned()]).expect("a name");
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(2070, 1, 1);
    let key = rcgen::KeyPair::generate().expect("a key");
    (params.self_signed(&key).expect("signed").pem(), key.serialize_pem())
}
