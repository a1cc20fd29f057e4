//! Where a server is: scheme, host, port and the path before every request's own.

use http::Uri;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

/// The server of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `None` where the address names none.
    pub scheme: Option<Scheme>,
    /// Without the brackets of an IPv6 literal.
    pub host: String,
    pub port: u16,
    /// What stands before every request's path (`/nacos`), without a slash at its end; mostly empty.
    pub base: String,
}

impl Server {
    /// `https://es:9200/prefix`, `es:9200` or `es`. Without a port it is `default_port`, also behind `http://` and `https://`:
    /// members are servers, not web sites.
    ///
    /// # Errors
    /// A sentence that says what the address lacks.
    pub fn parse(address: &str, default_port: u16) -> Result<Self, String> {
        let (scheme, rest) = match address.split_once("://") {
            Some(("http", rest)) => (Some(Scheme::Http), rest),
            Some(("https", rest)) => (Some(Scheme::Https), rest),
            Some((other, _)) => return Err(format!("`{address}`: the scheme must be http or https, not `{other}`")),
            None => (None, address),
        };
        // A bare IPv6 address is no authority; everything else goes through the one parser of URIs.
        let bare = rest.split('/').next().unwrap_or_default();
        let rest = if !bare.starts_with('[') && bare.matches(':').count() > 1 { rest.replacen(bare, &format!("[{bare}]"), 1) } else { rest.to_owned() };
        let uri: Uri = format!("http://{rest}").parse().map_err(|e| format!("`{address}` is not a URL or host:port: {e}"))?;
        if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
            return Err("a URL must not carry a login; write user and password beside it".to_owned());
        }
        if uri.query().is_some() {
            return Err(format!("`{address}`: a server's address has no query"));
        }
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(format!("`{address}` names no host"));
        }
        Ok(Self { scheme, host, port: uri.port_u16().unwrap_or(default_port), base: uri.path().trim_end_matches('/').to_owned() })
    }

    /// A whole URL with its request's path and query, for one request to anywhere; without a port it is 80 or 443.
    ///
    /// # Errors
    /// A sentence that says what the URL lacks.
    pub fn of_url(url: &str) -> Result<(Self, String), String> {
        let uri: Uri = url.parse().map_err(|e| format!("`{url}` is not a URL: {e}"))?;
        let default_port = match uri.scheme_str() {
            Some("http") => 80,
            Some("https") => 443,
            _ => return Err(format!("`{url}`: a URL begins with http:// or https://")),
        };
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
        let whole = url.split(['?', '#']).next().unwrap_or(url);
        let mut server = Self::parse(whole, default_port)?;
        server.base = String::new();
        Ok((server, path))
    }

    /// `host:port`, an IPv6 literal in brackets.
    pub fn address(&self) -> String {
        if self.host.contains(':') { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_every_spelling() {
        let at = |a: &str| Server::parse(a, 9200).map(|s| format!("{:?} {} {}", s.scheme, s.address(), s.base));
        assert_eq!(at("https://es-1").unwrap(), "Some(Https) es-1:9200 ");
        assert_eq!(at("http://10.0.0.1:80/nacos/").unwrap(), "Some(Http) 10.0.0.1:80 /nacos");
        assert_eq!(at("es-1:9201").unwrap(), "None es-1:9201 ");
        assert_eq!(at("fd00::1").unwrap(), "None [fd00::1]:9200 ");
        assert_eq!(at("[fd00::1]:1").unwrap(), "None [fd00::1]:1 ");
        for wrong in ["amqp://mq", "http://user:secret@mq", "http://mq/?x=1", "", "http://", "a b"] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
        assert!(!at("http://user:secret@mq").unwrap_err().contains("secret"));
    }

    #[test]
    fn a_whole_url_is_server_and_path() {
        let (server, path) = Server::of_url("https://repo.example/a/b?c=d").unwrap();
        assert_eq!((server.address().as_str(), path.as_str(), server.base.as_str()), ("repo.example:443", "/a/b?c=d", ""));
        assert!(Server::of_url("repo.example/a").is_err());
    }
}
