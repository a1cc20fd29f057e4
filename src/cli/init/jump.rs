//! Jump hosts in the SSH arguments of an inventory: `-J`, `ProxyJump`, and the older `ProxyCommand ssh -W`.

use super::words::words;

/// The hops that these arguments name, the first hop first; empty where they name none. The error says what was not understood.
pub(super) fn hops(arguments: &str) -> Result<Vec<String>, String> {
    let words = words(arguments);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let option = if word == "-J" {
            rest.next().map(|chain| ("proxyjump".to_owned(), chain.clone()))
        } else if let Some(chain) = word.strip_prefix("-J") {
            Some(("proxyjump".to_owned(), chain.to_owned()))
        } else if word == "-o" {
            rest.next().and_then(|o| option(o))
        } else {
            word.strip_prefix("-o").and_then(option)
        };
        match option {
            Some((key, value)) if key == "proxyjump" => return chain(&value),
            Some((key, value)) if key == "proxycommand" => return command(&value),
            _ => {}
        }
    }
    Ok(Vec::new())
}

/// `ProxyJump=gate` and `ProxyJump gate`.
fn option(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once(|c: char| c == '=' || c.is_whitespace())?;
    Some((key.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

fn chain(value: &str) -> Result<Vec<String>, String> {
    if value.eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    value.split(',').map(|hop| plain(hop.trim().trim_start_matches("ssh://"))).collect()
}

/// Options of ssh that take a value, beside those that are looked at here.
const VALUED: &[&str] = &["-o", "-i", "-F", "-c", "-m", "-b", "-B", "-e", "-E", "-I", "-O", "-Q", "-S", "-D", "-L", "-R", "-w"];

fn command(value: &str) -> Result<Vec<String>, String> {
    let unknown = || format!("ProxyCommand {value}");
    let words = words(value);
    let mut rest = words.iter().map(String::as_str);
    if !rest.next().is_some_and(|program| program == "ssh" || program.ends_with("/ssh")) {
        return Err(unknown());
    }
    let (mut user, mut port, mut host, mut first) = (None, None, None, Vec::new());
    let mut forwards = false;
    while let Some(word) = rest.next() {
        match word {
            "-W" => forwards = rest.next().is_some(),
            "-p" => port = rest.next(),
            "-l" => user = rest.next(),
            "-J" => first = chain(rest.next().unwrap_or_default())?,
            option if VALUED.contains(&option) => {
                rest.next();
            }
            option if option.starts_with("-W") => forwards = true,
            option if option.starts_with("-p") && option.len() > 2 => port = Some(&option[2..]),
            option if option.starts_with("-l") && option.len() > 2 => user = Some(&option[2..]),
            option if option.starts_with('-') => {}
            other => host = host.or(Some(other)),
        }
    }
    let host = host.filter(|_| forwards).ok_or_else(unknown)?;
    let user = user.filter(|_| !host.contains('@')).map(|u| format!("{u}@")).unwrap_or_default();
    let port = port.map(|p| format!(":{p}")).unwrap_or_default();
    first.push(plain(&format!("{user}{host}{port}"))?);
    Ok(first)
}

/// A hop that stands for itself: no template of Ansible, no token of OpenSSH, nothing that could be read as an option.
fn plain(hop: &str) -> Result<String, String> {
    let odd = hop.is_empty() || hop.starts_with('-') || hop.contains(['{', '}', '%', '$', '`', ' ', '"', '\'']);
    if odd { Err(format!("the jump host `{hop}`")) } else { Ok(hop.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_found_in_every_spelling() {
        for (arguments, expected) in [
            ("-o ProxyJump=li@gate:2222 -o StrictHostKeyChecking=no", &["li@gate:2222"][..]),
            ("-C -o 'ProxyJump gate,inner'", &["gate", "inner"]),
            ("-J gate", &["gate"]),
            ("-oProxyJump=ssh://li@gate", &["li@gate"]),
            ("-o ProxyCommand=\"ssh -W %h:%p -q li@gate\"", &["li@gate"]),
            ("-o ProxyCommand='ssh -p 2222 -l li -i ~/.ssh/k -W %h:%p gate'", &["li@gate:2222"]),
            ("-o ProxyCommand='/usr/bin/ssh -J outer gate -W [%h]:%p'", &["outer", "gate"]),
            ("-o ProxyJump=none", &[]),
            ("-o ControlMaster=auto", &[]),
            ("", &[]),
        ] {
            assert_eq!(hops(arguments).unwrap(), expected, "{arguments}");
        }
        for odd in ["-o ProxyCommand='nc -x socks %h %p'", "-o ProxyJump={{ gate }}", "-o ProxyCommand='ssh gate nc %h %p'", "-J -oProxyCommand=x"] {
            assert!(hops(odd).is_err(), "{odd}");
        }
    }
}
