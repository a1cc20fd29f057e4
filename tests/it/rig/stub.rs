//! A server that answers what a manual says, for systems that cannot be had. What it shows is called documented.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// A request as a stub sees it.
pub struct Asked {
    pub method: String,
    pub path: String,
    /// The head's lines, in small letters but for their values.
    pub head: String,
    pub body: String,
}

/// Answers every request by `reply`: status and body. Its address; it lives as long as the test binary.
pub fn stub(reply: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> String {
    stub_on("127.0.0.1", reply)
}

/// The same on an address that other machines reach.
pub fn stub_on(host: &str, reply: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind((host, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let reply = Arc::new(reply);
    std::thread::spawn(move || {
        for line in listener.incoming().flatten() {
            let reply = reply.clone();
            std::thread::spawn(move || serve(line, &*reply));
        }
    });
    address
}

fn serve(line: TcpStream, reply: &dyn Fn(&Asked) -> (u16, String)) -> Option<()> {
    let mut reader = BufReader::new(line.try_clone().ok()?);
    let mut writer = line;
    writer.set_nodelay(true).ok()?;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).ok()? == 0 {
            return None;
        }
        let mut words = first.split_whitespace();
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            if header.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
            head.push_str(&header);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (status, text) = reply(&Asked { method, path, head, body: String::from_utf8_lossy(&body).into_owned() });
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        writer.write_all(answer.as_bytes()).ok()?;
    }
}
