//! Imports of all lines or of none.

use super::*;
use crate::support::client::Raw;

const IMPORT: &str = "/admin/api/cache/import";

fn line(question: &str) -> String {
    let response = json!({"model": "gpt-test", "choices": [{"index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": "known"}}]});
    json!({"request": asking(question), "response": response}).to_string()
}

async fn import(gateway: &Gateway, query: &str, lines: &[String]) -> Reply {
    let path = format!("{IMPORT}{query}");
    gateway
        .request("POST", &path, lines.join("\n"))
        .send()
        .await
}

async fn entries(gateway: &Gateway) -> Value {
    gateway.stats().await["cache"]["entries"].clone()
}

#[tokio::test]
async fn one_broken_line_keeps_all_out_and_is_named() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let broken = [
        line("a?"),
        String::new(),
        "{\"request\"".to_owned(),
        line("b?"),
        "7".to_owned(),
    ];
    for query in ["", "?dry_run=true"] {
        let refused = import(&gateway, query, &broken).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        let told = refused.json();
        let counts = ["lines", "imported", "skipped", "refused"].map(|name| told[name].as_u64());
        assert_eq!(counts, [4, 0, 0, 2].map(Some), "{told}");
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("line 3: "), "{message}");
        let lines: Vec<_> = told["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| &e["line"])
            .collect();
        assert_eq!(lines, [&json!(3), &json!(5)]);
        assert_eq!(entries(&gateway).await, 0);
    }
    let partial = import(&gateway, "?partial=true&dry_run=true", &broken).await;
    assert_eq!(
        (partial.status, &partial.json()["imported"]),
        (200, &json!(2))
    );
    assert_eq!(entries(&gateway).await, 0);
    let partial = import(&gateway, "?partial=true", &broken).await.json();
    assert_eq!(
        (&partial["imported"], &partial["refused"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(entries(&gateway).await, 2);
    assert_eq!(import(&gateway, "?dryrun=true", &[]).await.status, 400);
}

#[tokio::test]
async fn good_lines_are_said_first_and_then_taken_in() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, "")
        .encoder(angles())
        .start()
        .await;
    let lines = [line(FIRST), line(OTHER)];
    let dry = import(&gateway, "?dry_run=true", &lines).await;
    assert_eq!(
        (dry.status, dry.json()),
        (
            200,
            json!({"lines": 2, "imported": 2, "skipped": 0, "refused": 0, "errors": [], "dry_run": true})
        )
    );
    assert_eq!(entries(&gateway).await, 0);
    assert_eq!(import(&gateway, "", &lines).await.json()["imported"], 2);
    assert_eq!(gateway.ask(&asking(NEAR)).send().await.way(), "semantic");
    // The encoder does not know the second text: neither is taken in.
    let gateway = Gateway::setup(&upstream, "")
        .encoder(angles())
        .start()
        .await;
    let refused = import(&gateway, "", &[line(FIRST), line("What is new?")]).await;
    assert_eq!(
        (refused.status, &refused.json()["errors"][0]["line"]),
        (400, &json!(2))
    );
    assert_eq!(entries(&gateway).await, 0);
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test]
async fn pins_go_along_and_are_not_overwritten() {
    let upstream = Upstream::start().await;
    let secret = "[cache]\nsecret_env = \"CACHE_SECRET\"\n";
    let first = Gateway::setup(&upstream, secret).start().await;
    asked(&upstream, &first, &[(FIRST, "Ten.")]).await;
    let path = at(&only(&first).await, "/pin");
    post(&first, &path, &json!({"pinned": true})).await;
    let exported = first.get("/admin/api/cache/export").send().await;
    let exported = [exported.text().to_owned()];

    let second = Gateway::setup(&upstream, secret).start().await;
    second.clock.advance(Duration::from_secs(1));
    assert_eq!(import(&second, "", &exported).await.json()["imported"], 1);
    assert_eq!(only(&second).await["pinned"], true);
    // A known answer to the same request does not take its place.
    assert_eq!(
        import(&second, "", &[line(FIRST)]).await.json()["skipped"],
        1
    );
    assert_eq!(second.ask(&asking(FIRST)).send().await.said(), "Ten.");
}

#[tokio::test]
async fn what_has_no_room_is_refused_before_anything_makes_room_for_it() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::setup(&upstream, "").adjusted(|config| {
        config.cache.max_bytes = refrain::config::ByteSize::kib(64);
    });
    let gateway = gateway.start().await;
    asked(&upstream, &gateway, &[(FIRST, "Ten.")]).await;
    let lines: Vec<String> = (0..200)
        .map(|number| line(&format!("Is {number} odd?")))
        .collect();
    let refused = import(&gateway, "", &lines).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    let told = refused.json();
    assert!(
        told["error"]["message"]
            .as_str()
            .unwrap()
            .contains("`cache.max_bytes`"),
        "{told}"
    );
    assert_eq!(
        (told["errors"].as_array().unwrap().len(), &told["imported"]),
        (1, &json!(0))
    );
    assert_eq!(prompts(&list(&gateway, "").await), [FIRST]);
}

#[tokio::test]
async fn all_lines_are_taken_in_though_nobody_waits_for_the_answer() {
    const LINES: usize = 3000;
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let lines: Vec<_> = (0..LINES).map(|number| line(&number.to_string())).collect();
    let body = lines.join("\n");
    let head = format!(
        "POST {IMPORT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = Raw::connect(gateway.address).await;
    assert!(connection.write(head.as_bytes()).await && connection.write(body.as_bytes()).await);
    while entries(&gateway).await == 0 {}
    drop(connection);
    // Some looks later, all of them; without an end if some were left out.
    let mut looks = 0;
    while entries(&gateway).await != LINES {
        looks += 1;
        assert!(looks < 10_000, "only {}", entries(&gateway).await);
    }
}

#[tokio::test]
async fn the_mark_that_some_editors_write_first_is_no_part_of_a_line() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let marked = [format!("\u{feff}{}", line("a?")), line("b?")];
    let taken = import(&gateway, "", &marked).await;
    assert_eq!((taken.status, &taken.json()["imported"]), (200, &json!(2)));
    // Elsewhere it is what it is.
    let marked = [line("c?"), format!("\u{feff}{}", line("d?"))];
    assert_eq!(import(&gateway, "", &marked).await.status, 400);
}

#[tokio::test]
async fn lines_about_the_same_request_are_counted_as_they_will_be() {
    let upstream = Upstream::start().await;
    let secret = "[cache]\nsecret_env = \"CACHE_SECRET\"\n";
    let first = Gateway::setup(&upstream, secret).start().await;
    asked(&upstream, &first, &[(FIRST, "Ten.")]).await;
    let exported = first.get("/admin/api/cache/export").send().await;
    let exported = exported.text().to_owned();
    let again = exported.lines().nth(1).unwrap().to_owned();
    // The exported line is no newer than itself; of two known answers, the later one counts.
    let lines = [exported, again, line(OTHER), line(OTHER)];

    let second = Gateway::setup(&upstream, secret).start().await;
    let counts = |told: Value| {
        ["lines", "imported", "skipped", "refused"].map(|name| told[name].as_u64().unwrap())
    };
    let dry = import(&second, "?dry_run=true", &lines).await.json();
    let done = import(&second, "", &lines).await.json();
    assert_eq!((counts(dry), counts(done)), ([4, 3, 1, 0], [4, 3, 1, 0]));
    assert_eq!(entries(&second).await, 2);
}
