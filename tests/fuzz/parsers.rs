//! What parsers of requests owe, whatever they are given; without a gateway around them.

use bytes::Bytes;
use refrain::{
    policy::{
        identity::{Identity, Scope, ScopeKind, Setting, identify},
        question::Asked,
    },
    wire::{
        chat::{ChatRequest, Invalid},
        controls::Controls,
        embeddings::EmbeddingsRequest,
    },
};
use serde_json::Value;

/// A chat request that is understood is understood again from its own words, and is the same.
pub(crate) fn chat(input: &[u8]) -> Result<(), String> {
    let parse = |bytes: Vec<u8>| ChatRequest::parse(bytes.into(), &mut Controls::default());
    let request = match parse(input.to_vec()) {
        Ok(request) => request,
        Err(invalid) => return says_what(input, &invalid),
    };
    let again = parse(serde_json::to_vec(request.fields()).unwrap());
    let again = again.map_err(|invalid| format!("its own words are refused: {invalid:?}"))?;
    if (again.fields(), again.model()) != (request.fields(), request.model()) {
        return Err("its own words mean something else".to_owned());
    }
    // Whether a provider may be asked without what it can't do is a control, which is no longer there.
    let is_whole = !request.drops_unsupported();
    if is_whole && identity(&again) != identity(&request) {
        return Err("its own words have another identity".to_owned());
    }
    if again.delivery() != request.delivery() {
        return Err("its own words want another delivery".to_owned());
    }
    Ok(())
}

fn identity(request: &ChatRequest) -> Identity {
    let setting = Setting {
        scope: Scope::new(&[7; 32], ScopeKind::Anonymous, b""),
        target: "o/m",
        by_user: false,
        by_surface: true,
        same_as: &|_| None,
    };
    identify(request, Asked::of(request).as_ref(), &setting)
}

/// The same of a request for vectors.
pub(crate) fn embeddings(input: &[u8]) -> Result<(), String> {
    let request =
        match EmbeddingsRequest::parse(Bytes::copy_from_slice(input), &mut Controls::default()) {
            Ok(request) => request,
            Err(invalid) => return says_what(input, &invalid),
        };
    let again =
        EmbeddingsRequest::parse(request.body_for(request.model()), &mut Controls::default());
    let again = again.map_err(|invalid| format!("its own words are refused: {invalid:?}"))?;
    if (again.input(), again.model()) != (request.input(), request.model()) {
        return Err("its own words mean something else".to_owned());
    }
    if (again.format(), again.dimensions()) != (request.format(), request.dimensions()) {
        return Err("its own words want other vectors".to_owned());
    }
    Ok(())
}

/// A refusal has words, and names what is there or could be.
fn says_what(input: &[u8], invalid: &Invalid) -> Result<(), String> {
    if invalid.message.is_empty() {
        return Err("it is refused without a word".to_owned());
    }
    invalid
        .param
        .as_deref()
        .map_or(Ok(()), |param| is_there(input, param))
}

/// Whether `param`, such as `messages[0].content`, is in `input`; its last step may be what is missing.
pub(crate) fn is_there(input: &[u8], param: &str) -> Result<(), String> {
    let Ok(whole) = serde_json::from_slice::<&serde_json::value::RawValue>(input)
        .map_err(drop)
        .and_then(|raw| serde_json::from_str::<Value>(raw.get()).map_err(drop))
    else {
        return Err(format!("it names {param:?} of what is no JSON"));
    };
    if param.is_empty() {
        return Err("it names an empty field".to_owned());
    }
    if leads(&whole, param) {
        Ok(())
    } else {
        Err(format!("it names {param:?}, which is not there"))
    }
}

/// Whether `path` leads to something within `value`, or to where it could be. A name may have dots and brackets itself.
fn leads(value: &Value, path: &str) -> bool {
    let goes_on = |value: &Value, rest: &str| match rest.strip_prefix('.') {
        Some(rest) => leads(value, rest),
        None => rest.is_empty() || rest.starts_with('[') && leads(value, rest),
    };
    let is_last = !path.is_empty() && !path.contains(['.', '[']);
    match value {
        Value::Object(fields) => {
            let mut fields = fields.iter();
            is_last
                || fields.any(|(name, value)| {
                    (path.strip_prefix(name.as_str())).is_some_and(|rest| goes_on(value, rest))
                })
        }
        Value::Array(items) => {
            let step = path.strip_prefix('[').and_then(|path| path.split_once(']'));
            let Some((index, rest)) = step else {
                return is_last;
            };
            let Ok(index) = index.parse::<usize>() else {
                return false;
            };
            items
                .get(index)
                .map_or(rest.is_empty(), |item| goes_on(item, rest))
        }
        _ => is_last,
    }
}
