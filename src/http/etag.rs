//! Answers that are the same until the program is another one, asked for again with `If-None-Match` (RFC 9110 §13.1.2).

use axum::http::{HeaderMap, HeaderValue, header};

/// The strong tag of these bytes.
pub(super) fn of(bytes: &[u8]) -> HeaderValue {
    let tag = format!("\"{}\"", blake3::hash(bytes).to_hex());
    HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether whoever sent these headers has what `tag` stands for.
pub(super) fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    // Compressed, it is the same by a weak tag (RFC 9110 §8.8.3).
    known
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == "*" || one.as_bytes() == tag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_in_a_list_and_when_it_is_weak() {
        let tag = of(b"page");
        let text = tag.to_str().unwrap();
        for (sent, known) in [
            (text.to_owned(), true),
            (format!("\"x\" , W/{text}"), true),
            ("*".to_owned(), true),
            (text.trim_matches('"').to_owned(), false),
            ("\"x\"".to_owned(), false),
            (String::new(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, sent.parse().unwrap());
            assert_eq!(is_known(&headers, &tag), known, "{sent}");
        }
        assert!(!is_known(&HeaderMap::new(), &tag));
        assert_ne!(of(b"page"), of(b"other"));
    }
}
