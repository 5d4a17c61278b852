//! The key that a request presents, and how.

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::http::auth;

/// What is presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Presented<'a> {
    /// A key in a header that no browser sends by itself.
    Key(&'a [u8]),
    /// The password of basic authentication (RFC 7617).
    Password(String),
    /// Nothing, or nothing that can be read.
    Nothing,
}

impl<'a> Presented<'a> {
    /// What these headers present. A key of its own goes before a password, which may be for a proxy.
    pub(super) fn in_headers(headers: &'a HeaderMap) -> Self {
        let authorization = headers.get(header::AUTHORIZATION);
        let basic = authorization.and_then(|value| after_basic(value.as_bytes()));
        let Some(basic) = basic else {
            return auth::presented(headers).map_or(Self::Nothing, Self::Key);
        };
        if let Some(key) = auth::beside_authorization(headers) {
            return Self::Key(key);
        }
        password(basic).map_or(Self::Nothing, Self::Password)
    }
}

/// What follows the name of the scheme, if it is this one.
fn after_basic(value: &[u8]) -> Option<&[u8]> {
    const BASIC: &[u8] = b"basic";
    let (scheme, rest) = value.split_at_checked(BASIC.len())?;
    let is_it =
        scheme.eq_ignore_ascii_case(BASIC) && rest.first().is_none_or(u8::is_ascii_whitespace);
    is_it.then(|| rest.trim_ascii())
}

fn password(basic: &[u8]) -> Option<String> {
    let decoded = String::from_utf8(STANDARD.decode(basic).ok()?).ok()?;
    let (_, password) = decoded.split_once(':')?;
    (!password.is_empty()).then(|| password.to_owned())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn check(headers: &[(&str, &str)], expected: &Presented<'_>) {
        let map: HeaderMap = (headers.iter())
            .map(|(name, value)| {
                (
                    HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect();
        assert_eq!(Presented::in_headers(&map), *expected, "{headers:?}");
    }

    #[test]
    fn keys_are_found_where_they_may_be() {
        let password = Presented::Password("pass:word".to_owned());
        check(&[], &Presented::Nothing);
        check(&[("authorization", "Bearer k")], &Presented::Key(b"k"));
        check(&[("Authorization", "bEARER  k ")], &Presented::Key(b"k"));
        check(&[("authorization", "Bearer")], &Presented::Nothing);
        check(&[("x-api-key", "k")], &Presented::Key(b"k"));
        // "any:pass:word", "any:", "any" and what is no base64.
        check(
            &[("authorization", "Basic YW55OnBhc3M6d29yZA==")],
            &password,
        );
        check(
            &[("authorization", "bAsIc   YW55OnBhc3M6d29yZA==")],
            &password,
        );
        check(&[("authorization", "Basic YW55Og==")], &Presented::Nothing);
        check(&[("authorization", "Basic YW55")], &Presented::Nothing);
        check(&[("authorization", "Basic !")], &Presented::Nothing);
        check(&[("authorization", "Basic")], &Presented::Nothing);
        // A proxy's login beside a key.
        let both = [
            ("authorization", "Basic YW55OnBhc3M6d29yZA=="),
            ("x-api-key", "k"),
        ];
        check(&both, &Presented::Key(b"k"));
        // Another scheme is a key as a whole, as everywhere.
        check(
            &[("authorization", "Basics x")],
            &Presented::Key(b"Basics x"),
        );
    }
}
