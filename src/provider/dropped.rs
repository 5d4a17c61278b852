//! Telling the client which fields of its request a provider did not get.

use http::{HeaderMap, HeaderName, HeaderValue};
use indexmap::IndexSet;

const DROPPED: HeaderName = HeaderName::from_static("x-refrain-dropped");

/// Says which fields were left out, without their places in lists; of many, the first.
pub(super) fn tell(headers: &mut HeaderMap, fields: &[String]) {
    /// Clients refuse long heads.
    const LONGEST: usize = 512;
    let mut told = String::new();
    let dropped: IndexSet<String> = fields.iter().map(|field| without_places(field)).collect();
    for (place, field) in dropped.iter().enumerate() {
        let between = if place == 0 { "" } else { ", " };
        if told.len() + field.len() > LONGEST {
            told.push_str(&format!("{between}and {} more", dropped.len() - place));
            break;
        }
        told.push_str(between);
        // Clients choose the names; a header can't hold every one.
        told.extend(
            field
                .chars()
                .map(|c| if c.is_ascii_graphic() { c } else { '?' }),
        );
    }
    if let Ok(told) = HeaderValue::from_str(&told)
        && !told.is_empty()
    {
        headers.insert(DROPPED, told);
    }
}

/// `messages[3].name` as `messages[].name`: there may be thousands.
fn without_places(param: &str) -> String {
    let mut out = String::with_capacity(param.len());
    let mut in_place = false;
    for c in param.chars() {
        in_place = match c {
            '[' => {
                out.push(c);
                true
            }
            _ if in_place && c.is_ascii_digit() => true,
            _ => {
                out.push(c);
                false
            }
        };
    }
    out
}
