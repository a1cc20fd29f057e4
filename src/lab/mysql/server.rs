//! The edge: logins, commands, prepared statements.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use futures::future::BoxFuture;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncWriteExt, DuplexStream};

use super::login::{self, Method, SALT};
use super::packet::{self, Reader, Writer};
use super::query;
use super::reply::{self, Failure, Follows, Form, Reply};
use super::session::Session;
use super::token::statements;
use crate::lab::edge::{self, Doorman, Gate};
use crate::lab::stage::Stage;
use crate::lab::{Lab, random};

/// Statements that one connection may keep prepared.
const MOST_PREPARED: usize = 256;

/// Starts all MySQL servers of the world.
pub fn start<'a>(lab: &'a Arc<Lab>, stage: &'a mut Stage) -> BoxFuture<'a, io::Result<()>> {
    Box::pin(async move {
        let servers: Vec<(String, String)> = lab.with(|w| w.mysql.servers.iter().map(|s| (s.name.clone(), s.address.clone())).collect());
        for (at, (name, address)) in servers.iter().enumerate() {
            let listener = lab.listen(&[address]).await?;
            let near = listener.local_addr()?;
            let own = address.clone();
            let doorman: Doorman = Arc::new(move |world| {
                let server = world.mysql.servers.iter().find(|s| s.address == own);
                server.map_or(Gate::Silent, |s| Gate::of_machine(world, &s.guest).and_runs(s.is_up))
            });
            let (owner, address) = (lab.clone(), address.clone());
            edge::serve(lab, listener, doorman, move |stream| {
                let talk = Talk { lab: owner.clone(), address: address.clone(), session: Session::default(), prepared: BTreeMap::new() };
                async move {
                    // However a connection ends: nobody else is concerned.
                    let _ = talk.run(stream).await;
                }
            });
            let label = name.replace(['-', ':'], "_").to_uppercase();
            stage.access(&format!("MYSQL_{label}"), &near.to_string());
            if at == 0 {
                stage.access("MYSQL_HOST", "127.0.0.1");
                stage.access("MYSQL_TCP_PORT", &near.port().to_string());
                stage.access("MYSQL_USER", "root");
                stage.access("MYSQL_PWD", &lab.secrets.admin);
            }
        }
        let password = stage.file("mysql.password", lab.secrets.monitor.as_bytes())?;
        // The other two stand alone. The second is nobody's member: it waits for the playbook that makes it follow the first.
        let together: Vec<_> = servers.iter().filter(|(name, _)| !name.contains(':')).collect();
        let alone: Vec<_> = servers.iter().filter(|(name, _)| name == "db-2:3307").collect();
        for (group, members) in [("orders", together), ("archive", alone)] {
            let members: Vec<String> = members.iter().map(|(_, address)| format!("\"{address}\"")).collect();
            stage.config(&format!(
                "[[middleware]]\nkind = \"mysql\"\nname = \"{group}\"\nmembers = [{}]\nvia = \"host:{}\"\nuser = \"monitor\"\npassword = {{ file = '{}' }}",
                members.join(", "),
                crate::lab::ssh::JUMP,
                password.display()
            ));
        }
        Ok(())
    })
}

struct Talk {
    lab: Arc<Lab>,
    address: String,
    session: Session,
    /// Number -> the statement's parts between its question marks.
    prepared: BTreeMap<u32, Vec<String>>,
}

fn salt() -> io::Result<[u8; SALT]> {
    let mut salt = [0; SALT];
    SystemRandom::new().fill(&mut salt).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    // No zero bytes: they end a text. No dollar: clients take it for the start of a hash.
    for byte in &mut salt {
        *byte = b'a' + (*byte & 0x0f);
    }
    Ok(salt)
}

impl Talk {
    async fn run(mut self, mut stream: DuplexStream) -> io::Result<()> {
        let id = u32::from_str_radix(&random(2)?, 16).unwrap_or(1) + 100;
        self.session.id = id;
        "127.0.0.1".clone_into(&mut self.session.from);
        let version = self.lab.with(|w| w.mysql.server(&self.address).map(|s| s.version.clone())).unwrap_or_default();
        let salt = salt()?;
        let mut greeting = Writer::first();
        greeting.packet(&login::greeting(&version, id, &salt, Method::Sha2));
        stream.write_all(&greeting.bytes).await?;
        let (sequence, payload) = packet::read(&mut stream).await?;
        let Some(claim) = login::claim(&payload) else { return Ok(()) };
        let taken = Method::Sha2.name() == claim.method;
        let proof = if taken { Some((claim.proof.clone(), salt)) } else { None };
        if !self.login(&mut stream, sequence, claim, proof).await? {
            return Ok(());
        }
        loop {
            let (sequence, payload) = packet::read(&mut stream).await?;
            let Some(answer) = self.command(&mut stream, sequence, &payload).await? else { return Ok(()) };
            stream.write_all(&answer).await?;
        }
    }

    fn password(&self, user: &str) -> Option<String> {
        match user {
            "root" => Some(self.lab.secrets.admin.clone()),
            "monitor" => Some(self.lab.secrets.monitor.clone()),
            user => self.lab.with(|w| w.mysql.server(&self.address)?.accounts.iter().find(|a| a.user == user).map(|a| a.password.clone())),
        }
    }

    /// Checks who it is; without a proof for our salt and method, asks for one.
    async fn login(&mut self, stream: &mut DuplexStream, sequence: u8, claim: login::Claim, proof: Option<(Vec<u8>, [u8; SALT])>) -> io::Result<bool> {
        let (sequence, proof, salt) = if let Some((proof, salt)) = proof {
            (sequence, proof, salt)
        } else {
            let salt = salt()?;
            let mut writer = Writer::after(sequence);
            writer.packet(&login::switch(Method::Sha2, &salt));
            stream.write_all(&writer.bytes).await?;
            let (sequence, proof) = packet::read(stream).await?;
            (sequence, proof, salt)
        };
        let mut writer = Writer::after(sequence);
        let is_right = self.password(&claim.user).is_some_and(|password| Method::Sha2.proves(&proof, &password, &salt));
        if !is_right {
            let using = if proof.is_empty() { "NO" } else { "YES" };
            let text = format!("Access denied for user '{}'@'{}' (using password: {using})", claim.user, self.session.from);
            writer.packet(&Failure::new(1045, "28000", text).payload());
            stream.write_all(&writer.bytes).await?;
            return Ok(false);
        }
        self.session = Session { id: self.session.id, user: claim.user, from: self.session.from.clone(), ..Session::default() };
        if !proof.is_empty() {
            // The fast path of caching_sha2_password: the server knew the password.
            writer.packet(&[1, 3]);
        }
        let entered = if claim.database.is_empty() { Ok(Reply::ok()) } else { self.ask(&format!("USE `{}`", claim.database)) };
        reply::put(&mut writer, &entered, Follows::Nothing, Form::Text);
        stream.write_all(&writer.bytes).await?;
        Ok(entered.is_ok())
    }

    fn ask(&mut self, statement: &str) -> Result<Reply, Failure> {
        let Self { lab, address, session, .. } = self;
        lab.with(|world| query::run(world, address, session, statement)).map_err(|f| Failure { text: f.text.replace("$PRODUCT", "MySQL"), ..f })
    }

    /// The bytes of the answer; `None` ends the connection.
    async fn command(&mut self, stream: &mut DuplexStream, sequence: u8, payload: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut writer = Writer::after(sequence);
        let (command, rest) = payload.split_first().unwrap_or((&1, &[]));
        let text = || String::from_utf8_lossy(rest).into_owned();
        match command {
            0x01 => return Ok(None),
            0x02 => {
                let done = self.ask(&format!("USE `{}`", text().replace('`', "")));
                reply::put(&mut writer, &done, Follows::Nothing, Form::Text);
            }
            0x03 => self.query(&mut writer, &text()),
            // The columns of a table, for completion at a prompt: none.
            0x04 => writer.packet(&reply::end_of_part(Follows::Nothing)),
            0x09 => writer.packet(b"Uptime: 1  Threads: 1  Questions: 1"),
            0x0e | 0x1b | 0x1f => writer.packet(&reply::done(0, 0, Follows::Nothing)),
            0x11 => {
                let claim = login::change(rest);
                return Ok(self.login(stream, sequence, claim, None).await?.then(Vec::new));
            }
            0x16 => self.prepare(&mut writer, &text()),
            0x17 => self.execute(&mut writer, rest),
            0x19 => {
                self.prepared.remove(&u32::try_from(Reader(rest).number(4)).unwrap_or(0));
            }
            _ => writer.packet(&Failure::new(1047, "08S01", "Unknown command").payload()),
        }
        Ok(Some(writer.bytes))
    }

    fn query(&mut self, writer: &mut Writer, text: &str) {
        let all = statements(text);
        if all.is_empty() {
            return writer.packet(&Failure::new(1065, "42000", "Query was empty").payload());
        }
        for (at, statement) in all.iter().enumerate() {
            let done = self.ask(statement);
            let follows = if at + 1 < all.len() && done.is_ok() { Follows::More } else { Follows::Nothing };
            reply::put(writer, &done, follows, Form::Text);
            if done.is_err() {
                return;
            }
        }
    }

    fn prepare(&mut self, writer: &mut Writer, text: &str) {
        if self.prepared.len() >= MOST_PREPARED {
            let text = "Can't create more than max_prepared_stmt_count statements (current value: 256)";
            return writer.packet(&Failure::new(1461, "42000", text).payload());
        }
        let parts = parts(text);
        let parameters = parts.len() - 1;
        let id = self.prepared.keys().next_back().map_or(1, |id| id + 1);
        self.prepared.insert(id, parts);
        // The number of columns is told with the result; clients cope with none here.
        let mut head = vec![0];
        head.extend_from_slice(&id.to_le_bytes());
        head.extend_from_slice(&0_u16.to_le_bytes());
        head.extend_from_slice(&u16::try_from(parameters).unwrap_or(0).to_le_bytes());
        head.extend_from_slice(&[0, 0, 0]);
        writer.packet(&head);
        if parameters > 0 {
            (0..parameters).for_each(|_| writer.packet(&reply::column("?")));
            writer.packet(&reply::end_of_part(Follows::Nothing));
        }
    }

    fn execute(&mut self, writer: &mut Writer, payload: &[u8]) {
        let mut r = Reader(payload);
        let id = u32::try_from(r.number(4)).unwrap_or(0);
        r.take(5);
        let Some(parts) = self.prepared.get(&id).cloned() else {
            return writer.packet(&Failure::general(1243, format!("Unknown prepared statement handler ({id}) given to EXECUTE")).payload());
        };
        let Some(values) = parameters(&mut r, parts.len() - 1) else {
            return writer.packet(&Failure::general(1210, "Incorrect arguments to mysqld_stmt_execute").payload());
        };
        let statement = parts.iter().enumerate().fold(String::new(), |mut out, (at, part)| {
            out.push_str(part);
            out.push_str(values.get(at).map_or("", String::as_str));
            out
        });
        let done = self.ask(&statement);
        reply::put(writer, &done, Follows::Nothing, Form::Binary);
    }
}

/// A statement at its question marks outside of quotes.
fn parts(text: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '?') => {
                out.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = out.last_mut() {
            last.push(c);
        }
    }
    out
}

/// The values of `COM_STMT_EXECUTE` as literals; `None` where they are of a type that the lab does not read.
fn parameters(r: &mut Reader<'_>, count: usize) -> Option<Vec<String>> {
    if count == 0 {
        return Some(Vec::new());
    }
    let nulls = r.take(count.div_ceil(8)).to_vec();
    // Types come with the first execution; a client that leaves them out later is not served.
    if r.byte() != 1 {
        return None;
    }
    let types: Vec<u8> = (0..count).map(|_| r.take(2).first().copied().unwrap_or(0)).collect();
    let quoted = |bytes: &[u8]| format!("'{}'", String::from_utf8_lossy(bytes).replace('\\', "\\\\").replace('\'', "''"));
    types
        .iter()
        .enumerate()
        .map(|(at, kind)| {
            if nulls.get(at / 8).is_some_and(|b| b & (1 << (at % 8)) != 0) {
                return Some("NULL".to_owned());
            }
            let size = match kind {
                0x01 => 1,
                0x02 | 0x0d => 2,
                0x03 | 0x09 => 4,
                0x08 => 8,
                0x06 => return Some("NULL".to_owned()),
                0x05 => return Some(f64::from_bits(r.number(8)).to_string()),
                0x04 => return Some(f32::from_bits(u32::try_from(r.number(4)).unwrap_or(0)).to_string()),
                0x0f | 0xf6..=0xfe => return Some(quoted(r.length_encoded())),
                _ => return None,
            };
            let bits = 64 - 8 * u32::try_from(size).unwrap_or(8);
            let raw = r.number(size);
            Some(((raw << bits).cast_signed() >> bits).to_string())
        })
        .collect()
}
