//! The client against servers that behave, misbehave and go away.

use std::sync::Arc;
use std::time::Duration;

use ring::digest::{SHA256, digest};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Client, Failure, Limits, Login, Request, Server, direct};
use crate::link::tls::Tls;

/// What the server does with a request that it has read.
#[derive(Clone, Copy)]
enum Manner {
    /// `HTTP/1.1 STATUS`, the body is what it was sent.
    Echo(u16),
    /// Answers, and closes without having said so.
    EchoAndHangUp,
    Silent,
    NoHttp,
    BreakOff,
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut line: S, manner: Manner) {
    let mut heard = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let Ok(n) = line.read(&mut chunk).await else { return };
        if n == 0 {
            return;
        }
        heard.extend_from_slice(&chunk[..n]);
        let text = String::from_utf8_lossy(&heard).into_owned();
        if matches!(manner, Manner::NoHttp) {
            let _ = line.write_all(b"-ERR unknown command\r\n").await;
            return;
        }
        let Some((header, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = header.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()).unwrap_or(0);
        if body.len() < length {
            continue;
        }
        heard.clear();
        let answer = |status: u16| format!("HTTP/1.1 {status} X\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        let reply = match manner {
            Manner::Echo(status) => answer(status),
            Manner::EchoAndHangUp => answer(200),
            Manner::Silent | Manner::NoHttp => continue,
            Manner::BreakOff => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_owned(),
        };
        let _ = line.write_all(reply.as_bytes()).await;
        if !matches!(manner, Manner::Echo(_)) {
            return;
        }
    }
}

async fn server(manner: Manner) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((line, _)) = listener.accept().await {
            tokio::spawn(serve(line, manner));
        }
    });
    address
}

fn client(address: &str, tls: Tls, login: Login) -> Client {
    let server = Server::parse(address, 80).unwrap();
    let connector = direct(&server);
    Client::new(server, tls, login, connector).unwrap()
}

#[tokio::test]
async fn one_connection_serves_many_requests_and_a_closed_one_is_opened_again() {
    let mut kept = client(&server(Manner::Echo(200)).await, Tls::Off, Login::None);
    for _ in 0..3 {
        let answer = kept.get("/a?b=c").await.unwrap();
        assert!(answer.text().starts_with("GET /a?b=c HTTP/1.1\r\nhost: 127.0.0.1:"), "{}", answer.text());
        assert!(answer.sent_bytes > 50 && answer.received_bytes > 50);
    }
    assert_eq!(kept.opened(), 1);

    let mut cut = client(&server(Manner::EchoAndHangUp).await, Tls::Off, Login::None);
    for _ in 0..3 {
        cut.get("/").await.unwrap();
    }
    assert_eq!(cut.opened(), 3);
}

#[tokio::test]
async fn methods_bodies_headers_and_logins_arrive() {
    let address = server(Manner::Echo(201)).await;
    let secret = || SecretString::from("hunter2");
    let put = Request::put("/api/users/x").json(&serde_json::json!({"a": 1})).unwrap().header("X-Test", "yes").unwrap();
    let basic = Login::Basic { user: "monitor".to_owned(), password: secret() };
    assert!(!format!("{basic:?}").contains("hunter2"));
    let said = client(&format!("http://{address}/base/"), Tls::Off, basic).send(&put).await.unwrap();
    assert_eq!(said.status, 201);
    let said = said.text();
    for part in ["PUT /base/api/users/x HTTP/1.1", "authorization: Basic bW9uaXRvcjpodW50ZXIy", "content-type: application/json", "x-test: yes", "{\"a\":1}"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    for (login, header) in [
        (Login::Bearer(secret()), "authorization: Bearer hunter2"),
        (Login::ApiKey(SecretString::from("id:key")), "authorization: ApiKey aWQ6a2V5"),
        (Login::ApiKey(SecretString::from("aWQ6a2V5")), "authorization: ApiKey aWQ6a2V5"),
    ] {
        let said = client(&address, Tls::Off, login).send(&Request::delete("/x")).await.unwrap().text();
        assert!(said.contains(header) && said.starts_with("DELETE /x "), "{said}");
    }
}

#[tokio::test]
async fn every_way_to_fail_has_a_name() {
    let get = async |manner| {
        client(&server(manner).await, Tls::Off, Login::None)
            .limited(Limits { answer: Duration::from_millis(300), body: 400, ..Limits::default() })
            .get("/")
            .await
    };
    assert!(matches!(get(Manner::Echo(401)).await, Err(Failure::Refused { status: 401, .. })));
    assert!(matches!(get(Manner::Echo(503)).await, Err(Failure::Status { status: 503, .. })));
    assert_eq!(get(Manner::Silent).await.unwrap_err(), Failure::Mute { after: Duration::from_millis(300) });
    assert!(matches!(get(Manner::NoHttp).await, Err(Failure::Broken(text)) if text.contains("not HTTP")));
    assert!(matches!(get(Manner::BreakOff).await, Err(Failure::Broken(_))));
    let long = Request::post("/").body("text/plain", vec![b'x'; 1000]);
    let mut small = client(&server(Manner::Echo(200)).await, Tls::Off, Login::None).limited(Limits { body: 400, ..Limits::default() });
    assert_eq!(small.send(&long).await.unwrap_err(), Failure::TooLong { most: 400 });
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    assert!(matches!(client(&closed, Tls::Off, Login::None).get("/").await, Err(Failure::Unreachable(_))));
}

#[tokio::test]
async fn the_words_of_an_error_come_from_its_json() {
    let response = |body: &str| super::Response {
        status: http::StatusCode::UNAUTHORIZED,
        headers: http::HeaderMap::new(),
        body: body.to_owned().into(),
        took: Duration::ZERO,
        sent_bytes: 0,
        received_bytes: 0,
    };
    let words = |body: &str| response(body).success().unwrap_err().to_string();
    assert_eq!(words(r#"{"error":"not_authorised","reason":"Not management user"}"#), "HTTP 401: Not management user");
    assert_eq!(words(r#"{"error":{"type":"security_exception","reason":"missing token"}}"#), "HTTP 401: missing token");
    assert_eq!(words("\u{1b}[31mno"), "HTTP 401: ^[[31mno");
    assert_eq!(words(""), "HTTP 401");
}

#[tokio::test]
async fn tls_is_verified_by_authority_name_or_fingerprint() {
    let made = rcgen::generate_simple_self_signed(vec!["es.example".to_owned()]).unwrap();
    let pem = made.cert.pem().into_bytes();
    let sha256 = <[u8; 32]>::try_from(digest(&SHA256, made.cert.der()).as_ref()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((line, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(line) = acceptor.accept(line).await {
                    serve(line, Manner::Echo(200)).await;
                }
            });
        }
    });
    let known = |name: Option<&str>| Tls::Verified { ca: Some(pem.clone()), server_name: name.map(ToOwned::to_owned) };
    let get = async |tls: Tls| client(&address, tls, Login::None).get("/").await.map(|r| r.status.as_u16());
    for good in [known(Some("es.example")), Tls::Pinned { sha256 }, Tls::Unverified] {
        assert_eq!(get(good).await, Ok(200));
    }
    for (bad, words) in [
        // https alone means the well-known authorities.
        (Tls::Off, "not trusted"),
        (known(None), "is not for `127.0.0.1`"),
        (known(Some("other.example")), "is not for `other.example`"),
        (Tls::Pinned { sha256: [0; 32] }, "fingerprint"),
    ] {
        assert!(matches!(get(bad).await, Err(Failure::Tls { text, .. }) if text.contains(words)), "{words}");
    }
    // A server without TLS, and TLS asked for.
    let plain = server(Manner::NoHttp).await;
    assert!(matches!(client(&plain, Tls::Unverified, Login::None).get("/").await, Err(Failure::Tls { text, .. }) if text.contains("does not speak TLS")));
    let server = Server::parse("http://es", 9200).unwrap();
    let connector = direct(&server);
    assert!(matches!(Client::new(server, Tls::Unverified, Login::None, connector), Err(Failure::Tls { .. })));
}
