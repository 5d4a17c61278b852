//! What reads streams does not mind how they are cut, and is not surprised by what they hold.

use bytes::Bytes;
use fastrand::Rng;
use refrain::wire::{
    answer::Answer,
    assemble::assemble,
    heard::{Hearing, of_answer},
    sse::{self, Splitter},
};
use serde_json::Value;

use crate::{running::Running, upstream};

/// The runs of whole events in a stream that comes in these pieces, joined; and what is left.
fn split(pieces: &[Bytes]) -> Result<(Vec<Bytes>, Bytes), String> {
    let mut splitter = Splitter::default();
    let mut runs = Vec::new();
    for piece in pieces {
        let run = splitter.push(piece).map_err(|_| "an event is too large")?;
        runs.extend(run);
    }
    Ok((runs, splitter.take_remainder()))
}

pub(crate) fn run(_: &mut Running, input: &[u8]) -> Result<(), String> {
    let rendered = serde_json::from_slice::<Value>(input).ok();
    let rendered = rendered.and_then(|answer| upstream::rendered(&answer));
    let bytes = rendered.map_or_else(|| Bytes::copy_from_slice(input), |(_, bytes)| bytes);

    let mut rng = Rng::with_seed(crate::hash(input));
    let (mut pieces, mut rest) = (Vec::new(), bytes.clone());
    while !rest.is_empty() {
        let longest = if rng.bool() { 3 } else { 200 };
        pieces.push(rest.split_to(rng.usize(1..=rest.len().min(longest))));
    }
    let (runs, left) = split(&pieces)?;
    let (whole, left_of_whole) = split(std::slice::from_ref(&bytes))?;
    // A mark of the byte order at the very beginning is none of the stream (WHATWG, "Server-sent events" §9.2.5).
    let all = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    // Where a further empty line goes is up to the cut, and means nothing.
    for (runs, left) in [(&runs, &left), (&whole, &left_of_whole)] {
        if [runs.concat(), left.to_vec()].concat() != all && *left != bytes {
            return Err("bytes are lost".to_owned());
        }
    }
    let events = |runs: &[Bytes]| -> Vec<Vec<u8>> {
        let data = runs.iter().flat_map(|run| sse::data(run));
        data.map(<[u8]>::to_vec).collect()
    };
    if events(&runs) != events(&whole) {
        return Err("another cut gives other data".to_owned());
    }

    let heard = |runs: &[Bytes]| {
        let mut hearing = Hearing::default();
        let heard: Vec<_> = runs.iter().flat_map(|run| hearing.events(run)).collect();
        (heard, hearing.is_over())
    };
    if heard(&runs) != heard(&whole) {
        return Err("another cut is heard otherwise".to_owned());
    }
    let says_something = |answer: &Answer| {
        let mut choices = answer.choices.iter();
        choices.all(|choice| !choice.message.is_empty())
    };
    if let Ok(answer) = assemble(&whole.concat())
        && says_something(&answer)
    {
        let written = answer.to_json("chatcmpl-1", 1);
        let again = Answer::read(&written).map_err(|_| "an answer put together can't be read")?;
        if of_answer(again, "chatcmpl-1", 1) != of_answer(answer, "chatcmpl-1", 1) {
            return Err("an answer put together is read otherwise".to_owned());
        }
    }
    Ok(())
}
