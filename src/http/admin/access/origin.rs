//! What can be told of where a request comes from by what browsers add to it.
//!
//! `Origin` and `Sec-Fetch-Site` can't be set by a page (Fetch, §2.2.2 "forbidden request-header"), and every browser sends
//! at least one of them with a request that is more than a navigation or an image. Who is no browser may send what it
//! likes: none of this replaces a key.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::{HeaderValue, header, request::Parts, uri::Authority};

const FETCH_SITE: &str = "sec-fetch-site";

/// What a request says of its origin.
#[derive(Debug)]
pub(super) struct Origin<'a> {
    /// The names it was sent to: there should be one.
    hosts: Vec<&'a str>,
    /// Whether one of them can't be read.
    has_unreadable: bool,
    origin: Option<&'a HeaderValue>,
    site: Option<&'a HeaderValue>,
    has_cookie: bool,
}

impl<'a> Origin<'a> {
    pub(super) fn of(head: &'a Parts) -> Self {
        let headers = &head.headers;
        // HTTP/2 has it in the address; HTTP/1 may have it there as well. Both have to be in order.
        let address = head.uri.authority().map(Authority::as_str);
        let named: Vec<_> = headers.get_all(header::HOST).iter().collect();
        let readable = named.iter().filter_map(|host| host.to_str().ok());
        let hosts: Vec<&str> = address.into_iter().chain(readable.clone()).collect();
        Self {
            has_unreadable: readable.count() < named.len(),
            hosts,
            origin: headers.get(header::ORIGIN),
            site: headers.get(FETCH_SITE),
            has_cookie: headers.contains_key(header::COOKIE),
        }
    }

    /// Whether it was sent to `localhost` or to an address, so that no name was looked up that a stranger could have
    /// made lead here (DNS rebinding).
    pub(super) fn is_by_address(&self) -> bool {
        let is_address = |host: &str| {
            let (name, port) = split(host);
            let is_port = |port: &str| port.bytes().all(|digit| digit.is_ascii_digit());
            if !port.is_none_or(is_port) {
                return false;
            }
            let v6 = name
                .strip_prefix('[')
                .and_then(|name| name.strip_suffix(']'));
            name.eq_ignore_ascii_case("localhost")
                || name.parse::<Ipv4Addr>().is_ok()
                || v6.is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok())
        };
        !self.hosts.is_empty()
            && !self.has_unreadable
            && self.hosts.iter().all(|host| is_address(host))
    }

    /// Whether a page of another origin wants it. For one who only `looks`, what `Origin` says does not matter: the answer
    /// names nobody who may read it.
    pub(super) fn is_foreign(&self, looks: bool) -> bool {
        if let Some(site) = self.site {
            return site != "same-origin" && site != "none";
        }
        !looks && self.origin.is_some_and(|origin| !self.is_own(origin))
    }

    /// Whether a browser has sent it, as far as can be seen.
    pub(super) fn is_browser(&self) -> bool {
        self.origin.is_some() || self.site.is_some() || self.has_cookie
    }

    /// Whether `origin` is of the name and port that the request was sent to.
    fn is_own(&self, origin: &HeaderValue) -> bool {
        let origin = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.split_once("://"));
        let Some((scheme, origin)) = origin else {
            return false;
        };
        let usual = match scheme {
            "https" => "443",
            _ => "80",
        };
        let (name, port) = split(origin);
        let port = port.unwrap_or(usual);
        let is_it = |host: &str| {
            let (other, other_port) = split(host);
            name.eq_ignore_ascii_case(other) && port == other_port.unwrap_or(usual)
        };
        !self.hosts.is_empty() && !self.has_unreadable && self.hosts.iter().all(|host| is_it(host))
    }
}

/// Name and port.
fn split(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        // The last colon of an address of IPv6 is within its brackets.
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn head(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request = request.header(*name, value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn names_that_a_stranger_could_own_are_told_from_addresses() {
        for (host, expected) in [
            ("localhost", true),
            ("LocalHost:8080", true),
            ("127.0.0.1", true),
            ("127.0.0.1:8080", true),
            ("192.168.7.3:80", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("", false),
            (":8080", false),
            ("::1", false),
            ("[::1", false),
            ("[]", false),
            ("[localhost]", false),
            ("localhost.evil.example", false),
            ("evil.example", false),
            ("127.0.0.1.evil.example:8080", false),
            ("evil.example:127.0.0.1", false),
            ("localhost:evil.example", false),
            ("127.0.0.1:80@evil.example", false),
            ("127.1", false),
            ("0x7f000001", false),
            ("2130706433", false),
            ("localhost@evil.example", false),
            ("evil.example#localhost", false),
            ("localhost,evil.example", false),
            ("löcalhost", false),
        ] {
            let head = head("/admin/api/stats", &[("host", host)]);
            assert_eq!(Origin::of(&head).is_by_address(), expected, "{host}");
        }
        // Without any, with two, and in HTTP/2's way.
        for (uri, hosts, expected) in [
            ("/", vec![], false),
            (
                "/",
                vec![("host", "localhost"), ("host", "evil.example")],
                false,
            ),
            (
                "/",
                vec![("host", "evil.example"), ("host", "localhost")],
                false,
            ),
            ("http://localhost:1/", vec![], true),
            ("http://evil.example/", vec![], false),
            ("http://evil.example/", vec![("host", "localhost")], false),
            ("http://localhost/", vec![("host", "evil.example")], false),
        ] {
            let head = head(uri, &hosts);
            assert_eq!(
                Origin::of(&head).is_by_address(),
                expected,
                "{uri} {hosts:?}"
            );
        }
    }

    #[test]
    fn foreign_pages_are_told_from_our_own() {
        let own = ("host", "gateway:8080");
        for (headers, acts, looks) in [
            (vec![own], false, false),
            (vec![own, ("origin", "http://gateway:8080")], false, false),
            (vec![own, ("origin", "https://GATEWAY:8080")], false, false),
            (vec![own, ("origin", "http://gateway:9090")], true, false),
            (vec![own, ("origin", "http://gateway")], true, false),
            (
                vec![own, ("origin", "http://evil.example:8080")],
                true,
                false,
            ),
            (
                vec![own, ("origin", "http://gateway:8080.evil.example")],
                true,
                false,
            ),
            (vec![own, ("origin", "null")], true, false),
            (vec![own, ("origin", "")], true, false),
            (vec![own, ("origin", "ö")], true, false),
            (vec![("origin", "http://gateway:8080")], true, false),
            (
                vec![("host", "gateway"), ("origin", "http://gateway")],
                false,
                false,
            ),
            (
                vec![("host", "gateway:443"), ("origin", "https://gateway")],
                false,
                false,
            ),
            (
                vec![("host", "gateway:443"), ("origin", "http://gateway")],
                true,
                false,
            ),
            (
                vec![("host", "[::1]:8080"), ("origin", "http://[::1]:8080")],
                false,
                false,
            ),
            (
                vec![("host", "[::1]"), ("origin", "http://[::1]")],
                false,
                false,
            ),
            (vec![own, ("sec-fetch-site", "same-origin")], false, false),
            (vec![own, ("sec-fetch-site", "none")], false, false),
            (vec![own, ("sec-fetch-site", "same-site")], true, true),
            (vec![own, ("sec-fetch-site", "cross-site")], true, true),
            (vec![own, ("sec-fetch-site", "")], true, true),
            // Behind a proxy that has put another name: the browser has compared the true ones.
            (
                vec![
                    own,
                    ("sec-fetch-site", "same-origin"),
                    ("origin", "https://llm.example"),
                ],
                false,
                false,
            ),
            (
                vec![
                    own,
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "http://gateway:8080"),
                ],
                true,
                true,
            ),
        ] {
            let head = head("/", &headers);
            let origin = Origin::of(&head);
            let found = (origin.is_foreign(false), origin.is_foreign(true));
            assert_eq!(found, (acts, looks), "{headers:?}");
        }
    }
}
