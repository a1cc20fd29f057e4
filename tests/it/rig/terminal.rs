//! The built binary in a pseudo-terminal, watched by a terminal emulator.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::eventually;

/// How long a screen may take to say what is expected of it.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    writer: Arc<Mutex<Box<dyn Write + Send>>>,
    screen: Arc<Mutex<vt100::Parser>>,
    raw: Arc<Mutex<Vec<u8>>>,
    bytes: Arc<AtomicU64>,
    reader: std::thread::JoinHandle<()>,
}

/// The binary under test.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_quarterdeck")
}

/// A command in a world of its own: no configuration, state or agent of whoever runs the tests.
pub fn command(home: &Path, args: &[&str]) -> CommandBuilder {
    let mut c = CommandBuilder::new(binary());
    c.env_clear();
    for (key, value) in environment(home) {
        c.env(key, value);
    }
    c.env("TERM", "xterm-256color");
    c.args(args);
    c.cwd(home);
    c
}

/// The variables that a test's process gets, and no others.
pub fn environment(home: &Path) -> Vec<(&'static str, String)> {
    let home = home.display().to_string();
    vec![
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        ("XDG_CONFIG_HOME", format!("{home}/.config")),
        ("XDG_STATE_HOME", format!("{home}/.state")),
        ("HOME", home),
        ("LANG", "C.UTF-8".to_owned()),
        ("QUARTERDECK_USER", "tests".to_owned()),
    ]
}

impl Terminal {
    pub fn start(command: CommandBuilder, columns: u16, rows: u16) -> Self {
        let pair = native_pty_system().openpty(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).expect("a pseudo-terminal");
        let child = pair.slave.spawn_command(command).expect("the binary starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("reader");
        let writer = Arc::new(Mutex::new(pair.master.take_writer().expect("writer")));
        let screen = Arc::new(Mutex::new(vt100::Parser::new(size(rows), size(columns), 0)));
        let raw = Arc::new(Mutex::new(Vec::new()));
        let bytes = Arc::new(AtomicU64::new(0));
        let (s, w, r, b) = (screen.clone(), writer.clone(), raw.clone(), bytes.clone());
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(n) = reader.read(&mut buffer) {
                if n == 0 {
                    break;
                }
                let data = &buffer[..n];
                b.fetch_add(n as u64, Ordering::SeqCst);
                r.lock().expect("raw").extend_from_slice(data);
                let position = {
                    let mut screen = s.lock().expect("screen");
                    screen.process(data);
                    screen.screen().cursor_position()
                };
                // A terminal answers when it is asked where its cursor is.
                if data.windows(4).any(|w| w == b"\x1b[6n") {
                    let answer = format!("\x1b[{};{}R", position.0 + 1, position.1 + 1);
                    let _ = w.lock().expect("writer").write_all(answer.as_bytes());
                }
            }
        });
        Self { child, master: pair.master, writer, screen, raw, bytes, reader }
    }

    pub fn text(&self) -> String {
        self.screen.lock().expect("screen").screen().contents()
    }

    /// Everything that was sent to the terminal, as it came.
    pub fn raw(&self) -> Vec<u8> {
        self.raw.lock().expect("raw").clone()
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    pub fn in_alternate_screen(&self) -> bool {
        self.screen.lock().expect("screen").screen().alternate_screen()
    }

    pub fn hides_cursor(&self) -> bool {
        self.screen.lock().expect("screen").screen().hide_cursor()
    }

    pub fn send(&self, keys: &str) {
        let mut writer = self.writer.lock().expect("writer");
        writer.write_all(keys.as_bytes()).expect("the terminal takes keys");
        writer.flush().expect("flush");
    }

    #[track_caller]
    pub fn wait(&self, what: &str) -> String {
        self.until(what, |text| text.contains(what))
    }

    #[track_caller]
    pub fn wait_gone(&self, what: &str) -> String {
        self.until(&format!("the end of {what:?}"), |text| !text.contains(what))
    }

    #[track_caller]
    pub fn until(&self, what: &str, test: impl Fn(&str) -> bool) -> String {
        let start = std::time::Instant::now();
        loop {
            let text = self.text();
            if test(&text) {
                return text;
            }
            assert!(start.elapsed() < PATIENCE, "{what:?} never came; the screen:\n{text}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        self.screen.lock().expect("screen").screen_mut().set_size(size(rows), size(columns));
        self.master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).expect("resize");
    }

    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("it runs")
    }

    pub fn signal(&self, signal: &str) {
        assert!(std::process::Command::new("kill").args([format!("-{signal}"), self.pid().to_string()]).status().expect("kill").success());
    }

    /// The exit code, once there is one; what the program said last has been read then.
    pub fn ended(&mut self) -> Option<i32> {
        let status = self.child.try_wait().expect("wait")?;
        self.drained();
        Some(i32::try_from(status.exit_code()).unwrap_or(-1))
    }

    /// The terminal's end comes when nobody holds it any more; something that the program left behind may hold it for ever.
    fn drained(&self) {
        let start = std::time::Instant::now();
        while !self.reader.is_finished() && start.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end; gives the exit code.
    #[track_caller]
    pub fn end(&mut self) -> u32 {
        let child = &mut self.child;
        let code = eventually("the end of the program", PATIENCE, || child.try_wait().expect("wait").map(|s| s.exit_code()));
        self.drained();
        code
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The emulator knows no empty screen; the program under test does meet one.
fn size(cells: u16) -> std::num::NonZero<u16> {
    std::num::NonZero::new(cells).unwrap_or(std::num::NonZero::<u16>::MIN)
}
