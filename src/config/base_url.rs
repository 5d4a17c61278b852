//! The address of a provider: checked once, joined by appending.
//!
//! It contacts nothing. Invariant: a [`BaseUrl`] is http or https with a host, without credentials,
//! query or fragment, and has no slash at its end. It is checked by the parser of the HTTP client
//! that will use it, so what passes here cannot be refused there.

use reqwest::Url;

use super::problem::quoted;

/// The address of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl(String);

impl BaseUrl {
    /// Reads an address; an error says what to write instead and repeats nothing that may be a
    /// secret.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let url = Url::parse(text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(url) = url else {
            return Err(format!(
                "not an http or https address{} (write for example \"https://api.openai.com/v1\")",
                repeated(text)
            ));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "an address has no user or password; a key goes into the variable \
                        that `api_key_env` names"
                    .to_owned(),
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(
                "an address has no `?` and no `#`; a key goes into the variable that \
                        `api_key_env` names"
                    .to_owned(),
            );
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// The address of Ollama from its own variable `OLLAMA_HOST`: `host`, `host:port` or an
    /// address; an unspecified host (`0.0.0.0`, what a server listens on) means this machine.
    ///
    /// As in Ollama's `envconfig/config.go`, the port is 11434 unless a scheme is written, which
    /// then implies its own.
    pub(crate) fn parse_ollama_host(text: &str) -> Result<Self, String> {
        let text = text.trim().trim_matches(['"', '\'']);
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme, rest),
            None => ("http", text),
        };
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let (host, port) = split_port(authority);
        let host = match host {
            "" | "0.0.0.0" => "127.0.0.1",
            "[::]" | "::" => "[::1]",
            other => other,
        };
        let port = match port {
            Some(port) => format!(":{port}"),
            None if text.contains("://") => String::new(),
            None => ":11434".to_owned(),
        };
        Self::parse(&format!("{scheme}://{host}{port}{path}")).map_err(|_| {
            format!(
                "not a host or address{} (write for example \"127.0.0.1:11434\")",
                repeated(text)
            )
        })
    }

    /// The address without `segment` at its end.
    pub(crate) fn without(&self, segment: &str) -> &str {
        self.0.strip_suffix(segment).unwrap_or(&self.0)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text for a message, unless it may hold credentials or a query: those may be secrets.
fn repeated(text: &str) -> String {
    if text.contains(['@', '?']) {
        String::new()
    } else {
        format!(": {}", quoted(text))
    }
}

/// Splits `host:port`; a colon inside an IPv6 address is none of a port.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port))
            if !port.ends_with(']') && (!host.contains(':') || host.ends_with(']')) =>
        {
            (host, Some(port).filter(|port| !port.is_empty()))
        }
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |text: &str, expect: Option<&str>| {
            let url = BaseUrl::parse(text);
            assert_eq!(
                url.as_ref().ok().map(BaseUrl::as_str),
                expect,
                "{text}: {url:?}"
            );
        };
        check(
            "https://api.openai.com/v1",
            Some("https://api.openai.com/v1"),
        );
        check(
            "https://api.openai.com/v1/",
            Some("https://api.openai.com/v1"),
        );
        check("http://[::1]:8000", Some("http://[::1]:8000"));
        check("api.openai.com/v1", None);
        check("localhost:8000", None);
        check("ftp://host", None);
        check("http://", None);
        check("https://user:pw@host", None);
        check("https://host/v1?key=1", None);
        check("https://host/v1#x", None);
    }

    #[test]
    fn ollama_hosts() {
        let check = |text: &str, expect: &str| {
            let url = BaseUrl::parse_ollama_host(text).unwrap();
            assert_eq!(url.as_str(), expect, "{text}");
        };
        check("box", "http://box:11434");
        check("box:1234", "http://box:1234");
        check("http://box:1234/", "http://box:1234");
        check("https://box/sub", "https://box/sub");
        check("0.0.0.0", "http://127.0.0.1:11434");
        check("0.0.0.0:1", "http://127.0.0.1:1");
        check(":5000", "http://127.0.0.1:5000");
        check("[::]:5000", "http://[::1]:5000");
        check("::", "http://[::1]:11434");
        check("[fe80::1]", "http://[fe80::1]:11434");
        check("\"box\"", "http://box:11434");
        assert!(BaseUrl::parse_ollama_host("box:port").is_err());
        assert!(BaseUrl::parse_ollama_host("a b").is_err());
    }

    #[test]
    fn what_may_be_a_secret_is_not_repeated() {
        for text in [
            "https://u:sk-planted@h",
            "h?k=sk-planted",
            "https://h/?k=sk-planted",
        ] {
            assert!(!BaseUrl::parse(text).unwrap_err().contains("planted"));
        }
    }
}
