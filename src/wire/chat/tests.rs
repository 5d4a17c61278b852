use super::*;
use proptest::prelude::*;

mod edits;
mod shorten;

fn parse(body: &str) -> Result<ChatRequest, Invalid> {
    ChatRequest::parse(
        Bytes::copy_from_slice(body.as_bytes()),
        &mut Controls::default(),
    )
}

fn bytes(request: &ChatRequest, model: &str) -> Bytes {
    request.body_for(model, &[]).bytes
}

fn refusal(body: &str) -> String {
    let error = parse(body).unwrap_err();
    format!(
        "{} | {}",
        error.param.as_deref().unwrap_or("-"),
        error.message
    )
}

fn with(field: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{field}}}"#)
}

#[test]
fn says_what_is_wrong_and_where() {
    let bodies = [
        "".to_owned(),
        "{".to_owned(),
        "[]".to_owned(),
        r#"{"model":"a","model":"b"}"#.to_owned(),
        r#"{"messages":[]}"#.to_owned(),
        r#"{"model":7,"messages":[]}"#.to_owned(),
        r#"{"model":"m"}"#.to_owned(),
        r#"{"model":"m","messages":[]}"#.to_owned(),
        r#"{"model":"m","messages":"hi"}"#.to_owned(),
        r#"{"model":"m","messages":["hi"]}"#.to_owned(),
        r#"{"model":"m","messages":[{"content":"hi"}]}"#.to_owned(),
        r#"{"model":"m","messages":[{"role":"root","content":"hi"}]}"#.to_owned(),
        r#"{"model":"m","messages":[{"role":"user"}]}"#.to_owned(),
        r#"{"model":"m","messages":[{"role":"user","content":7}]}"#.to_owned(),
        r#"{"model":"m","messages":[{"role":"user","content":" "}]}"#.to_owned(),
        r#"{"model":"m","messages":[{"role":"user","content":[]}]}"#.to_owned(),
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}"#.to_owned(),
        with(r#""temperature":"hot""#),
        with(r#""temperature":1e300"#),
        with(r#""temperature":1e999"#),
        with(r#""n":0"#),
        with(r#""max_tokens":1.5"#),
        with(r#""stream":"yes""#),
        with(r#""stream":true,"stream_options":{"include_usage":1}"#),
        with(r#""refrain":{"ttl":-1}"#),
        with(r#""refrain":{"policy":"strict","threshold":0.9}"#),
        with(r#""refrain":{"task":"sql"},"task_type":"code""#),
        with(r#""refrain":{"ttl":1},"cache":{"ttl":2}"#),
        with(r#""task_type":{}"#),
        with(r#""prefer_fast":"yes""#),
        with(&format!(r#""deep":{}{}"#, "[".repeat(200), "]".repeat(200))),
    ];
    let report: Vec<String> = bodies.iter().map(|body| refusal(body)).collect();
    insta::assert_snapshot!(report.join("\n"));
}

#[test]
fn keeps_the_clients_bytes_unless_something_must_change() {
    let body = with(r#""seed": 1,  "x_unknown": {"b":1,"a":[1.50]}"#);
    let request = parse(&body).unwrap();
    assert_eq!(bytes(&request, "m"), body.as_bytes());
    let renamed = body
        .replacen(r#""m""#, r#""other""#, 1)
        .replacen(r#" 1,  "x"#, r#"1,"x"#, 1);
    assert_eq!(
        bytes(&request, "other"),
        renamed.replace(r#""x_unknown": {"#, r#""x_unknown":{"#)
    );
}

#[test]
fn takes_its_own_controls_out() {
    let mut controls = Controls::default();
    let body = with(
        r#""refrain":{"ttl":5},"cache":{"no-cache":true},"task_type":"sql","prefer_fast":false"#,
    );
    let request = ChatRequest::parse(Bytes::from(body), &mut controls).unwrap();
    let sent = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    assert_eq!(bytes(&request, "m"), sent);
    assert!(controls.no_cache && controls.task.is_some());

    let foreign = with(r#""cache":{"type":"ephemeral"}"#);
    let request = parse(&foreign).unwrap();
    assert_eq!(bytes(&request, "m"), foreign.as_bytes());
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = ChatRequest::parse(Bytes::from(bytes), &mut Controls::default());
    }

    #[test]
    fn never_panics_on_damaged_requests(at in 0_usize..120, byte in any::<u8>()) {
        let mut body = with(r#""stream":true,"stream_options":{"include_usage":true},"n":1"#).into_bytes();
        let at = at % body.len();
        body[at] = byte;
        let _ = ChatRequest::parse(Bytes::from(body), &mut Controls::default());
    }
}
