//! Makes inputs of others: by the structure of JSON, so that what comes out is nearly right, and by bytes.

use fastrand::Rng;
use serde_json::{Map, Number, Value, json};

/// The longest input, in bytes. What takes long is found by tests of its own.
const LONGEST: usize = 64 << 10;

/// Values that are at the border of something.
const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "1",
    "0.5",
    "2.0000001",
    "1e400",
    "-0",
    "4294967296",
    "9007199254740993",
    "18446744073709551615",
    "-9223372036854775808",
    "1e-9",
];
const TEXTS: [&str; 22] = [
    "",
    " ",
    "\u{0}",
    "\u{feff}",
    "a\u{301}\u{200d}\u{1f9d1}\u{200d}\u{1f680}",
    "\u{202e}abc",
    "null",
    "user",
    "assistant",
    "tool",
    "system",
    "developer",
    "text",
    "function",
    "auto",
    "data:image/png;base64,AAAA",
    "data:,",
    "https://example.org/a.png",
    "{\"a\":1}",
    "{",
    "call_1",
    "\r\n\r\ndata: [DONE]\n\n",
];

/// An input made of one or two of the corpus.
pub(super) fn mutate(rng: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = pick(rng, corpus).clone();
    // What makes no JSON is told apart early: bytes are for the few.
    if rng.u8(..) < 230
        && let Ok(mut value) = serde_json::from_slice::<Value>(&input)
    {
        let other = serde_json::from_slice(pick(rng, corpus).as_slice()).unwrap_or(Value::Null);
        for _ in 0..rng.usize(1..=4) {
            change(rng, &mut value, &other);
        }
        input = if rng.u8(..) < 16 {
            twice(&value)
        } else {
            value.to_string().into_bytes()
        };
    } else {
        let other = pick(rng, corpus).clone();
        for _ in 0..rng.usize(1..=6) {
            bytes(rng, &mut input, &other);
        }
    }
    input.truncate(LONGEST);
    input
}

fn word(rng: &mut Rng, of: &[&'static str]) -> &'static str {
    of[rng.usize(..of.len())]
}

fn pick<'a, T>(rng: &mut Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(..of.len())]
}

/// One change somewhere in `value`.
fn change(rng: &mut Rng, value: &mut Value, other: &Value) {
    let count = count(value);
    let mut at = rng.usize(..count);
    let graft = {
        let mut at = rng.usize(..self::count(other));
        find(other, &mut at).cloned().unwrap_or(Value::Null)
    };
    if let Some(node) = find_mut(value, &mut at) {
        edit(rng, node, graft);
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

fn find<'a>(value: &'a Value, at: &mut usize) -> Option<&'a Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter().find_map(|item| find(item, at)),
        Value::Object(fields) => fields.values().find_map(|field| find(field, at)),
        _ => None,
    }
}

fn find_mut<'a>(value: &'a mut Value, at: &mut usize) -> Option<&'a mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| find_mut(item, at)),
        Value::Object(fields) => fields.values_mut().find_map(|field| find_mut(field, at)),
        _ => None,
    }
}

fn edit(rng: &mut Rng, node: &mut Value, graft: Value) {
    match node {
        Value::Object(fields) if rng.bool() => object(rng, fields, graft),
        Value::Array(items) if rng.bool() => array(rng, items, graft),
        Value::String(text) if rng.bool() => {
            let mut cut = rng.usize(..=text.len());
            while !text.is_char_boundary(cut) {
                cut -= 1;
            }
            match rng.u8(..3) {
                0 => text.truncate(cut),
                1 => text.insert_str(cut, word(rng, &TEXTS)),
                _ => *text = text.repeat(rng.usize(2..40)),
            }
            text.truncate(text.floor_char_boundary(LONGEST / 4));
        }
        _ if rng.u8(..) < 100 => *node = graft,
        _ => *node = any(rng),
    }
}

fn object(rng: &mut Rng, fields: &mut Map<String, Value>, graft: Value) {
    let names: Vec<String> = fields.keys().cloned().collect();
    match (rng.u8(..4), names.is_empty()) {
        (0, false) => {
            fields.shift_remove(pick(rng, &names));
        }
        (1, false) => {
            // Under another name, which may be one that is there.
            let value = fields.shift_remove(pick(rng, &names)).unwrap_or_default();
            fields.insert(pick(rng, &names).clone(), value);
        }
        (2, _) => {
            let name = format!("{}x", names.first().map_or("", String::as_str));
            fields.insert(name, graft);
        }
        _ => {
            if let Value::Object(more) = graft {
                fields.extend(more);
            } else {
                fields.insert(word(rng, &TEXTS).to_owned(), graft);
            }
        }
    }
}

fn array(rng: &mut Rng, items: &mut Vec<Value>, graft: Value) {
    let at = rng.usize(..=items.len());
    match rng.u8(..5) {
        0 if at < items.len() => {
            items.remove(at);
        }
        1 if at < items.len() => {
            let item = items[at].clone();
            let most = if item.to_string().len() > 200 { 3 } else { 40 };
            for _ in 0..rng.usize(1..most) {
                items.insert(at, item.clone());
            }
        }
        2 if items.len() > 1 => {
            let (one, other) = (rng.usize(..items.len()), rng.usize(..items.len()));
            items.swap(one, other);
        }
        3 => items.clear(),
        _ => items.insert(at, graft),
    }
}

fn any(rng: &mut Rng) -> Value {
    match rng.u8(..8) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2 => json!([]),
        3 => json!({}),
        4 => json!([[[[[[null]]]]]]),
        5 => serde_json::from_str::<Number>(word(rng, &NUMBERS)).map_or(Value::Null, Value::Number),
        _ => json!(word(rng, &TEXTS)),
    }
}

/// An object of which one field is given twice.
fn twice(value: &Value) -> Vec<u8> {
    let text = value.to_string();
    match (
        text.strip_suffix('}'),
        value.as_object().and_then(|fields| fields.iter().next()),
    ) {
        (Some(open), Some((name, value))) => {
            format!("{open},{}:{value}}}", json!(name)).into_bytes()
        }
        _ => text.into_bytes(),
    }
}

/// One change of bytes.
pub(super) fn bytes(rng: &mut Rng, input: &mut Vec<u8>, other: &[u8]) {
    let at = rng.usize(..=input.len());
    let until = (at + rng.usize(..16)).min(input.len());
    match rng.u8(..7) {
        0 => input.truncate(at),
        1 => drop(input.drain(at..until)),
        2 => input.insert(at, rng.u8(..)),
        3 if at < input.len() => input[at] ^= 1 << rng.u8(..8),
        4 => {
            let piece = input[at..until].to_vec();
            input.splice(at..at, piece.repeat(rng.usize(1..20)));
        }
        5 => {
            let from = rng.usize(..=other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        _ => {
            let word = word(
                rng,
                &[
                    "\n\n", "\r\n", "data: ", "[DONE]", "\"", "{", "}", "[", "\\u", "\\ud800",
                    "null", ",",
                ],
            );
            input.splice(at..at, word.bytes());
        }
    }
}
