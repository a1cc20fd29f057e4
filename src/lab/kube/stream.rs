//! Exec and port-forward over websockets: `v5.channel.k8s.io` and `v4.channel.k8s.io`, where the first byte of a message says
//! which stream it belongs to.

use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use super::answer::{Answer, Refusal};
use super::ask::{Query, Target};
use super::command::{self, Appetite, Session};
use crate::lab::Lab;
use crate::lab::world::kube::objects::key;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
/// v5 only: the stream named by the second byte ends.
const CLOSE: u8 = 255;
/// RFC 6455, section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const CONNECT: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The 101 that begins a websocket, and the protocol agreed on.
fn switched(headers: &HeaderMap, ours: &[&'static str]) -> Result<(Answer, &'static str), Refusal> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !text(header::UPGRADE).eq_ignore_ascii_case("websocket") {
        return Err(Refusal::bad("Upgrade request required: this server speaks websockets, not SPDY"));
    }
    let offered: Vec<&str> =
        headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).map(str::trim).collect();
    let Some(chosen) = ours.iter().find(|p| offered.contains(p)) else {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "Forbidden", format!("unable to upgrade: none of the protocols {offered:?} is spoken here")));
    };
    let key = text(header::SEC_WEBSOCKET_KEY);
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes());
    let accept = crate::lab::world::base64::encode(digest.as_ref());
    let mut answer = Response::new(Empty::new().boxed_unsync());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let head = answer.headers_mut();
    head.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    head.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    head.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(chosen));
    head.insert(header::SEC_WEBSOCKET_ACCEPT, HeaderValue::from_str(&accept).map_err(|e| Refusal::bad(e.to_string()))?);
    Ok((answer, chosen))
}

/// The pod must run here and now.
fn running(lab: &Lab, target: &Target) -> Result<(), Refusal> {
    let pod = key(target.space(), target.name.as_deref().unwrap_or_default());
    lab.with(|w| match w.kube.pods.get(&pod) {
        None => Err(target.not_found()),
        Some(p) if p.is_lost => Err(Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            format!("error dialing backend: dial tcp {}:10250: i/o timeout", p.node.as_deref().unwrap_or_default()),
        )),
        Some(p) if !p.is_alive() => Err(Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            format!("unable to upgrade connection: container not found (\"{}\")", p.containers[0].0),
        )),
        Some(_) => Ok(()),
    })
}

async fn upgraded(request: Request<Incoming>) -> Option<Socket> {
    let upgraded = hyper::upgrade::on(request).await.ok()?;
    Some(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await)
}

/// Ends a websocket as one ends that has done its work, and waits for the other side to say so too.
async fn farewell(mut socket: Socket) {
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    if socket.close(Some(frame)).await.is_ok() {
        let _ = tokio::time::timeout(CONNECT, async { while let Some(Ok(_)) = socket.next().await {} }).await;
    }
}

async fn send(socket: &mut Socket, channel: u8, data: &[u8]) -> Option<()> {
    let mut message = Vec::with_capacity(data.len() + 1);
    message.push(channel);
    message.extend_from_slice(data);
    socket.send(Message::Binary(message.into())).await.ok()
}

pub(super) fn exec(lab: &Arc<Lab>, target: &Target, query: &Query, request: Request<Incoming>) -> Result<Answer, Refusal> {
    running(lab, target)?;
    let command = query.all("command");
    if command.is_empty() {
        return Err(Refusal::bad("you must specify at least one command for the container"));
    }
    let (answer, protocol) = switched(request.headers(), &["v5.channel.k8s.io", "v4.channel.k8s.io"])?;
    let session = Session::new(lab, target.space(), target.name.as_deref().unwrap_or_default());
    let (stdin, tty, closes) = (query.is("stdin"), query.is("tty"), protocol.starts_with("v5"));
    lab.spawn(async move {
        if let Some(mut socket) = upgraded(request).await {
            let code = run(&mut socket, session, &command, stdin, tty, closes).await;
            if let Some(code) = code {
                let _ = send(&mut socket, STATUS, status(code).to_string().as_bytes()).await;
                farewell(socket).await;
            }
        }
    });
    Ok(answer)
}

fn status(code: i32) -> Value {
    if code == 0 {
        return json!({ "metadata": {}, "status": "Success" });
    }
    json!({
        "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode", "message": format!("command terminated with non-zero exit code: exit status {code}"),
        "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
    })
}

/// Runs the command and returns its exit code; nothing when the client is gone.
async fn run(socket: &mut Socket, mut session: Session, command: &[String], stdin: bool, tty: bool, closes: bool) -> Option<i32> {
    if let Some(command::Kind::Shell) = command::kind(command).filter(|_| stdin) {
        return shell(socket, session, tty, closes).await;
    }
    let mut input = Vec::new();
    while stdin && wants_more(command, &input) {
        let Some(data) = next_input(socket, closes).await? else { break };
        input.extend_from_slice(&data);
    }
    let output = session.run(command, &input).await;
    if !output.out.is_empty() {
        send(socket, STDOUT, &output.out).await?;
    }
    if !output.err.is_empty() {
        send(socket, if tty { STDOUT } else { STDERR }, &output.err).await?;
    }
    Some(output.code)
}

fn wants_more(command: &[String], have: &[u8]) -> bool {
    match command::appetite(command, have) {
        Appetite::Nothing => false,
        Appetite::Bytes(count) => have.len() < count,
        Appetite::ToTheEnd => true,
    }
}

/// `Some(None)`: stdin has ended. `None`: the client is gone.
async fn next_input(socket: &mut Socket, closes: bool) -> Option<Option<Vec<u8>>> {
    loop {
        match socket.next().await?.ok()? {
            Message::Binary(data) if data.first() == Some(&STDIN) => return Some(Some(data[1..].to_vec())),
            Message::Binary(data) if closes && data.first() == Some(&CLOSE) && data.get(1) == Some(&STDIN) => return Some(None),
            Message::Close(_) => return None,
            _ => {}
        }
    }
}

/// A shell that reads lines: enough to look around.
async fn shell(socket: &mut Socket, mut session: Session, tty: bool, closes: bool) -> Option<i32> {
    const END_OF_INPUT: u8 = 4;
    let mut line = Vec::new();
    let mut last = 0;
    if tty {
        send(socket, STDOUT, session.prompt().as_bytes()).await?;
    }
    loop {
        let Some(data) = next_input(socket, closes).await? else {
            if !line.is_empty() {
                last = say(socket, &mut session, &std::mem::take(&mut line), tty).await?;
            }
            return Some(last);
        };
        for byte in data {
            match byte {
                END_OF_INPUT if tty && line.is_empty() => {
                    send(socket, STDOUT, b"exit\r\n").await?;
                    return Some(last);
                }
                b'\r' | b'\n' => {
                    if tty {
                        send(socket, STDOUT, b"\r\n").await?;
                    }
                    let text = String::from_utf8_lossy(&line).trim().to_owned();
                    if let Some(rest) = text.strip_prefix("exit").filter(|r| r.is_empty() || r.starts_with(' ')) {
                        return Some(rest.trim().parse().unwrap_or(last));
                    }
                    last = say(socket, &mut session, &std::mem::take(&mut line), tty).await?;
                    if tty {
                        send(socket, STDOUT, session.prompt().as_bytes()).await?;
                    }
                }
                // Backspace, ctrl-C, ctrl-U.
                0x7f | 8 if tty => {
                    if line.pop().is_some() {
                        send(socket, STDOUT, b"\x08 \x08").await?;
                    }
                }
                3 | 21 if tty => {
                    line.clear();
                    send(socket, STDOUT, format!("^C\r\n{}", session.prompt()).as_bytes()).await?;
                }
                byte => {
                    line.push(byte);
                    if tty {
                        send(socket, STDOUT, &[byte]).await?;
                    }
                }
            }
        }
    }
}

async fn say(socket: &mut Socket, session: &mut Session, line: &[u8], tty: bool) -> Option<i32> {
    let text = String::from_utf8_lossy(line).into_owned();
    let output = session.run(&["sh".to_owned(), "-c".to_owned(), text], &[]).await;
    let raw = |data: &[u8]| if tty { String::from_utf8_lossy(data).replace('\n', "\r\n").into_bytes() } else { data.to_vec() };
    send(socket, STDOUT, &raw(&output.out)).await?;
    send(socket, if tty { STDOUT } else { STDERR }, &raw(&output.err)).await?;
    Some(output.code)
}

/// Each port has two streams: data in the even one, errors in the odd one; the first message of each is the port.
pub(super) fn forward(lab: &Arc<Lab>, target: &Target, query: &Query, request: Request<Incoming>) -> Result<Answer, Refusal> {
    running(lab, target)?;
    let ports: Vec<u16> = query.all("ports").iter().flat_map(|p| p.split(',')).filter_map(|p| p.parse().ok()).collect();
    if ports.is_empty() || ports.len() > 16 {
        return Err(Refusal::bad("query parameter \"ports\" is required"));
    }
    let (answer, _) = switched(request.headers(), &["v4.channel.k8s.io"])?;
    let pod = key(target.space(), target.name.as_deref().unwrap_or_default());
    let ip = lab.with(|w| w.kube.pods.get(&pod).map(|p| p.ip.clone())).unwrap_or_default();
    let holder = lab.clone();
    lab.spawn(async move {
        if let Some(socket) = upgraded(request).await {
            carry(&holder, socket, &ip, &ports).await;
        }
    });
    Ok(answer)
}

async fn carry(lab: &Arc<Lab>, mut socket: Socket, ip: &str, ports: &[u16]) {
    let (to_client, mut from_ports) = mpsc::channel::<(u8, Vec<u8>)>(64);
    let mut to_ports = Vec::new();
    for (i, port) in ports.iter().enumerate() {
        let data = u8::try_from(i * 2).unwrap_or(0);
        for channel in [data, data + 1] {
            if send(&mut socket, channel, &port.to_le_bytes()).await.is_none() {
                return;
            }
        }
        let (sender, receiver) = mpsc::channel::<Vec<u8>>(64);
        to_ports.push(sender);
        let (route, out, port) = (lab.route(&format!("{ip}:{port}")), to_client.clone(), *port);
        lab.spawn(async move {
            let connected = match route {
                Some(address) => tokio::time::timeout(CONNECT, TcpStream::connect(address)).await.ok().and_then(Result::ok),
                None => None,
            };
            let Some(stream) = connected else {
                let text = format!("error forwarding port {port} to pod, uid : exit status 1: connect to localhost port {port}: Connection refused");
                let _ = out.send((data + 1, text.into_bytes())).await;
                return;
            };
            pipe(stream, receiver, out, data).await;
        });
    }
    drop(to_client);
    loop {
        tokio::select! {
            piece = from_ports.recv() => {
                let Some((channel, data)) = piece else { break };
                if send(&mut socket, channel, &data).await.is_none() {
                    return;
                }
            }
            message = socket.next() => match message {
                Some(Ok(Message::Binary(data))) => {
                    let Some((channel, rest)) = data.split_first() else { continue };
                    if let Some(port) = to_ports.get(usize::from(*channel / 2)).filter(|_| channel % 2 == 0)
                        && port.send(rest.to_vec()).await.is_err()
                    {
                        return;
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
    farewell(socket).await;
}

async fn pipe(mut stream: TcpStream, mut input: mpsc::Receiver<Vec<u8>>, out: mpsc::Sender<(u8, Vec<u8>)>, channel: u8) {
    let (mut read, mut write) = stream.split();
    let mut buffer = vec![0; 16 << 10];
    loop {
        tokio::select! {
            count = read.read(&mut buffer) => match count {
                Ok(count) if count > 0 => {
                    if out.send((channel, buffer[..count].to_vec())).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
            data = input.recv() => match data {
                Some(data) => {
                    if write.write_all(&data).await.is_err() {
                        return;
                    }
                }
                None => return,
            },
        }
    }
}
