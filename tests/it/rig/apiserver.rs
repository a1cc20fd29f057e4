//! The API server that `QUARTERDECK_TEST_APISERVER_PID` names: killed, started again the same way, its etcd compacted; and a line
//! to an API server that can be cut.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::eventually;

/// The process id, given as such or as a file that holds it.
pub fn pid() -> String {
    let pid = std::env::var("QUARTERDECK_TEST_APISERVER_PID").expect("asked for only where it is set");
    if Path::new(&pid).exists() { std::fs::read_to_string(&pid).expect("readable").trim().to_owned() } else { pid }
}

/// The API server, and what it takes to start it again.
pub struct ApiServer {
    pid: String,
    line: Vec<String>,
    folder: PathBuf,
    /// Sleeps in the server's network, so that there is a way into it while the server is dead.
    anchor: Child,
    /// What was started in its place; it outlives the test.
    started: Vec<Child>,
    dead: bool,
}

impl ApiServer {
    pub fn here() -> Self {
        let pid = pid();
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).expect("the API server runs on this machine");
        let line = line.split(|b| *b == 0).filter(|w| !w.is_empty()).map(|w| String::from_utf8_lossy(w).into_owned()).collect();
        let folder = std::fs::read_link(format!("/proc/{pid}/cwd")).expect("its folder");
        let anchor = Command::new("nsenter").args(["-t", &pid, "-n", "--", "sleep", "600"]).spawn().expect("nsenter");
        eventually("a process in the server's network", Duration::from_secs(5), || {
            let network = |p: &str| std::fs::read_link(format!("/proc/{p}/ns/net")).ok();
            (network(&anchor.id().to_string()) == network(&pid)).then_some(())
        });
        Self { pid, line, folder, anchor, started: Vec::new(), dead: false }
    }

    fn beside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.anchor.id().to_string(), "-n", "--", program]).current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    pub fn kill(&mut self) {
        self.dead = true;
        assert!(Command::new("kill").args(["-9", &self.pid]).status().expect("kill").success());
        eventually("the API server is gone", Duration::from_secs(10), || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
            // A zombie is gone too.
            (stat.is_empty() || stat.contains(") Z ")).then_some(())
        });
    }

    pub fn start(&mut self) {
        self.dead = false;
        let log = std::fs::File::create(std::env::temp_dir().join("quarterdeck-apiserver.log")).expect("a log");
        let mut again = self.beside("setsid");
        let child = again.args(&self.line).stdout(log.try_clone().expect("a log")).stderr(log).spawn().expect("the API server");
        self.pid = child.id().to_string();
        let file = std::env::var("QUARTERDECK_TEST_APISERVER_PID").expect("read before");
        if Path::new(&file).exists() {
            std::fs::write(file, &self.pid).expect("its pid file");
        }
        self.started.push(child);
    }

    /// Asks etcd through its JSON gateway.
    fn etcd(&self, path: &str, body: &Value) -> Value {
        let at = self.line.iter().position(|w| w.starts_with("--etcd-servers")).expect("its etcd is on its command line");
        let given = self.line[at].strip_prefix("--etcd-servers=").unwrap_or_else(|| &self.line[at + 1]);
        let url = format!("{}/v3/kv/{path}", given.split(',').next().expect("one"));
        let out = self.beside("curl").args(["-sS", "-m", "10", "-d", &body.to_string(), &url]).output().expect("curl");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).expect("JSON")
    }

    /// Takes one key out behind the server's back, and then all history.
    pub fn forget(&self, key: &str) {
        let gone = self.etcd("deleterange", &json!({ "key": base64(key) }));
        assert_eq!(gone["deleted"], "1", "{gone}");
        self.etcd("compaction", &json!({"revision": gone["header"]["revision"], "physical": true}));
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        if self.dead {
            self.start();
        }
        let _ = self.anchor.kill();
        let _ = self.anchor.wait();
    }
}

pub fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextets = |chunk: &[u8]| {
        let n = chunk.iter().chain(&[0, 0]).take(3).fold(0_u32, |n, b| n << 8 | u32::from(*b));
        let letters: String = (0..=chunk.len()).map(|i| char::from(LETTERS[(n >> (18 - 6 * i) & 63) as usize])).collect();
        format!("{letters:=<4}")
    };
    text.as_bytes().chunks(3).map(sextets).collect()
}

/// A port of this machine that leads to a server, until it is cut.
pub struct CutLine {
    pub port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
    callers: Arc<Mutex<Vec<String>>>,
}

impl CutLine {
    pub fn to(server: &str) -> Self {
        Self::at("127.0.0.1", server)
    }

    /// Listens on one of this machine's own addresses.
    pub fn at(address: &str, server: &str) -> Self {
        let listener = TcpListener::bind((address, 0)).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let (server, open, callers) = (server.to_owned(), Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (held, called) = (open.clone(), callers.clone());
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                called.lock().expect("short").push(near.peer_addr().map(|a| a.ip().to_string()).unwrap_or_default());
                let Ok(far) = TcpStream::connect(&server) else { continue };
                held.lock().expect("short").extend([near.try_clone().expect("dup"), far.try_clone().expect("dup")]);
                let (mut near2, mut far2) = (near.try_clone().expect("dup"), far.try_clone().expect("dup"));
                let (mut near, mut far) = (near, far);
                std::thread::spawn(move || io::copy(&mut near, &mut far).map(|_| far.shutdown(Shutdown::Write)));
                std::thread::spawn(move || io::copy(&mut far2, &mut near2).map(|_| near2.shutdown(Shutdown::Write)));
            }
        });
        Self { port, open, callers }
    }

    /// Closes every connection; new ones are carried again.
    pub fn cut(&self) -> usize {
        let open = std::mem::take(&mut *self.open.lock().expect("short"));
        for end in &open {
            let _ = end.shutdown(Shutdown::Both);
        }
        open.len()
    }

    /// How many connections came from this address so far.
    pub fn carried_from(&self, address: &str) -> usize {
        self.callers.lock().expect("short").iter().filter(|c| *c == address).count()
    }
}
