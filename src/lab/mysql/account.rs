//! Accounts: `CREATE USER`, `ALTER USER`, `DROP USER`, `GRANT`, `REVOKE`, `SHOW GRANTS`.

use super::reply::{Failure, Reply};
use super::token::{Token, Tokens};
use crate::lab::world::mysql::{Account, MysqlServer};

/// More accounts than this are a mistake.
const MOST: usize = 200;

/// `'user'@'host'`; accounts are told apart by their user alone.
fn account(t: &mut Tokens) -> Result<String, Failure> {
    account_from(t).map(|(user, _)| user)
}

/// The same with its host; `%` where none is given.
fn account_from(t: &mut Tokens) -> Result<(String, String), Failure> {
    let near = t.rest().to_owned();
    let user = t.text().or_else(|| t.name()).ok_or_else(|| Failure::syntax(&near))?;
    let host = match t.peek().cloned() {
        Some(Token::Symbol('@')) => {
            t.bump();
            t.text().or_else(|| t.name())
        }
        // repl@localhost
        Some(Token::Variable(host)) => {
            t.bump();
            Some(host.trim_start_matches('@').to_owned())
        }
        _ => None,
    };
    Ok((user, host.unwrap_or_else(|| "%".to_owned())))
}

/// `IDENTIFIED [WITH plugin] BY 'password'`
fn password(t: &mut Tokens) -> Result<Option<String>, Failure> {
    if !t.words("IDENTIFIED") {
        return Ok(None);
    }
    if t.words("WITH") {
        let plugin = t.text().or_else(|| t.name()).unwrap_or_default();
        if !matches!(plugin.as_str(), "caching_sha2_password" | "mysql_native_password" | "sha256_password") {
            return Err(Failure::general(1524, format!("Plugin '{plugin}' is not loaded")));
        }
    }
    if !t.words("BY") {
        return Err(Failure::syntax(t.rest()));
    }
    let near = t.rest().to_owned();
    t.text().map(Some).ok_or_else(|| Failure::syntax(&near))
}

fn failed(what: &str, user: &str, why: &str) -> Failure {
    Failure::general(1396, format!("Operation {what} failed for '{user}'@'%'{why}"))
}

fn is_builtin(user: &str) -> bool {
    matches!(user, "root" | "monitor")
}

pub fn create(server: &mut MysqlServer, t: &mut Tokens) -> Result<Reply, Failure> {
    let lenient = t.words("IF NOT EXISTS");
    let (user, host) = account_from(t)?;
    let password = password(t)?.unwrap_or_default();
    if is_builtin(&user) || server.accounts.iter().any(|a| a.user == user) {
        return if lenient { Ok(Reply::Done { affected: 0, warnings: 1 }) } else { Err(failed("CREATE USER", &user, "")) };
    }
    if server.accounts.len() >= MOST {
        return Err(failed("CREATE USER", &user, ""));
    }
    server.accounts.push(Account { user, host, password, grants: "USAGE".into() });
    Ok(Reply::ok())
}

pub fn alter(server: &mut MysqlServer, t: &mut Tokens) -> Result<Reply, Failure> {
    t.words("IF EXISTS");
    let user = account(t)?;
    let password = password(t)?;
    let found = server.accounts.iter_mut().find(|a| a.user == user).ok_or_else(|| failed("ALTER USER", &user, ""))?;
    if let Some(password) = password {
        found.password = password;
    }
    Ok(Reply::ok())
}

pub fn drop(server: &mut MysqlServer, t: &mut Tokens) -> Result<Reply, Failure> {
    let lenient = t.words("IF EXISTS");
    let user = account(t)?;
    let before = server.accounts.len();
    server.accounts.retain(|a| a.user != user);
    if before == server.accounts.len() && !lenient { Err(failed("DROP USER", &user, "")) } else { Ok(Reply::ok()) }
}

/// The rights' words up to `ON`, in the order given.
fn rights(t: &mut Tokens) -> Result<Vec<String>, Failure> {
    let mut out = vec![String::new()];
    loop {
        if t.words("ON") {
            out.retain(|r| !r.is_empty());
            return if out.is_empty() { Err(Failure::syntax(t.rest())) } else { Ok(out) };
        }
        match t.bump() {
            Some(Token::Word(word)) => {
                let last = out.last_mut().map(|l| {
                    l.push_str(if l.is_empty() { "" } else { " " });
                    l.push_str(&word.to_ascii_uppercase());
                });
                debug_assert!(last.is_some(), "there is always one");
            }
            Some(Token::Symbol(',')) => out.push(String::new()),
            Some(Token::Symbol('(')) => t.skip_bracket(),
            _ => return Err(Failure::syntax(t.rest())),
        }
    }
}

/// Passes over `*.*`, `db.*`, `db.t`.
fn object(t: &mut Tokens) {
    while !t.sees("TO") && !t.sees("FROM") && t.bump().is_some() {}
}

pub fn grant(server: &mut MysqlServer, t: &mut Tokens) -> Result<Reply, Failure> {
    let rights = rights(t)?;
    object(t);
    if !t.words("TO") {
        return Err(Failure::syntax(t.rest()));
    }
    let user = account(t)?;
    if t.sees("IDENTIFIED") {
        return Err(Failure::syntax(t.rest()));
    }
    if is_builtin(&user) {
        return Ok(Reply::ok());
    }
    let found =
        server.accounts.iter_mut().find(|a| a.user == user).ok_or_else(|| Failure::new(1410, "42000", "You are not allowed to create a user with GRANT"))?;
    let mut all: Vec<String> = found.grants.split(", ").filter(|g| *g != "USAGE" && !g.is_empty()).map(str::to_owned).collect();
    for right in rights {
        let right = if right == "ALL" { "ALL PRIVILEGES".to_owned() } else { right };
        if !all.contains(&right) {
            all.push(right);
        }
    }
    found.grants = all.join(", ");
    Ok(Reply::ok())
}

pub fn revoke(server: &mut MysqlServer, t: &mut Tokens) -> Result<Reply, Failure> {
    let rights = rights(t)?;
    object(t);
    if !t.words("FROM") {
        return Err(Failure::syntax(t.rest()));
    }
    let user = account(t)?;
    let text = format!("There is no such grant defined for user '{user}' on host '%'");
    let found = server.accounts.iter_mut().find(|a| a.user == user).ok_or_else(|| Failure::new(1141, "42000", text))?;
    let left: Vec<&str> = found.grants.split(", ").filter(|g| !rights.iter().any(|r| r == g || r == "ALL" || r == "ALL PRIVILEGES")).collect();
    found.grants = if left.is_empty() { "USAGE".to_owned() } else { left.join(", ") };
    Ok(Reply::ok())
}

/// `SHOW GRANTS [FOR account]`
pub fn show(server: &MysqlServer, me: &str, t: &mut Tokens) -> Result<Reply, Failure> {
    let user = if t.words("FOR") && !t.words("CURRENT_USER") { account(t)? } else { me.to_owned() };
    let line = match user.as_str() {
        "root" => "GRANT ALL PRIVILEGES ON *.* TO `root`@`%` WITH GRANT OPTION".to_owned(),
        "monitor" => "GRANT SELECT, PROCESS, REPLICATION CLIENT ON *.* TO `monitor`@`%`".to_owned(),
        user => {
            let text = format!("There is no such grant defined for user '{user}' on host '%'");
            let found = server.accounts.iter().find(|a| a.user == user).ok_or_else(|| Failure::new(1141, "42000", text))?;
            format!("GRANT {} ON *.* TO `{user}`@`%`", found.grants)
        }
    };
    Ok(Reply::rows([format!("Grants for {user}@%")], vec![vec![Some(line)]]))
}
