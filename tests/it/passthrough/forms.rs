//! Forms with files.

use serde_json::json;

use super::{FORM, Fake, form, gateway, model, part, post, sound, uploading};

#[tokio::test]
async fn forms_pass_byte_for_byte() {
    let fake = Fake::start().await;
    let gateway = gateway(&fake).await;
    let image = || part("name=\"image[]\"; filename=\"a.png\"", "\u{1}png");
    for (path, body) in [
        (
            "/v1/audio/transcriptions",
            form(&[sound(), model("whisper-1")]),
        ),
        (
            "/v1/audio/translations",
            form(&[model("whisper-1"), sound(), part("name=\"prompt\"", "")]),
        ),
        (
            "/v1/images/edits",
            form(&[part("name=\"prompt\"", "a"), image(), image()]),
        ),
        (
            "/v1/images/variations",
            form(&[part("name=\"image\"; filename=\"a\"", "b")]),
        ),
    ] {
        let asked = post(&gateway, path, FORM, body.clone()).key("sk-client-secret");
        let reply = asked.header("cookie", "sk-client-secret").send().await;
        assert_eq!(
            (reply.status, reply.text()),
            (200, "{\"ok\": 1.50}"),
            "{path}"
        );
        assert_eq!(reply.header("x-refrain-provider"), "main");
        let received = fake.received().pop().unwrap();
        assert_eq!(
            (received.path.as_str(), &*received.body),
            (path, body.as_bytes())
        );
        assert_eq!(received.headers["content-type"], FORM);
        assert_eq!(received.headers["content-length"], body.len().to_string());
        assert!(!format!("{:?}", received.headers).contains("sk-client-secret"));
    }
    let last = fake.received().pop().unwrap();
    assert_eq!(last.parts(), [("image".to_owned(), "b".to_owned())]);
}

#[tokio::test]
async fn the_name_of_the_provider_is_taken_out_and_the_length_stays() {
    let fake = Fake::start().await;
    let gateway = gateway(&fake).await;
    for body in [
        form(&[model("main/whisper-1"), sound()]),
        form(&[sound(), model("main/whisper-1")]),
    ] {
        let reply = post(&gateway, "/v1/audio/transcriptions", FORM, body.clone())
            .send()
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let received = fake.received().pop().unwrap();
        assert_eq!(received.body.len(), body.len());
        let parts = received.parts();
        assert!(
            parts.contains(&("model".to_owned(), "whisper-1".to_owned())),
            "{parts:?}"
        );
        assert!(
            parts.contains(&("file".to_owned(), "some \r\n sound".to_owned())),
            "{parts:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_good_form_is_refused_before_anybody_is_asked() {
    let fake = Fake::start().await;
    let gateway = gateway(&fake).await;
    for (kind, body, param) in [
        ("application/json", "{}".to_owned(), json!(null)),
        ("multipart/form-data", form(&[sound()]), json!(null)),
        (
            "multipart/form-data; boundary=other",
            form(&[sound()]),
            json!(null),
        ),
        (FORM, String::new(), json!(null)),
        (FORM, "--XyZ--\r\n".to_owned(), json!("file")),
        (FORM, form(&[model("whisper-1")]), json!("file")),
        (
            FORM,
            form(&[part("name=\"file\"", "not a file")]),
            json!("file"),
        ),
        (
            FORM,
            form(&[part("name=\"file\"; filename=\"a\"", "")]),
            json!("file"),
        ),
        (
            FORM,
            form(&[part("name=\"image\"; filename=\"a\"", "x")]),
            json!("file"),
        ),
        (
            FORM,
            form(&[sound(), model("a"), model("b")]),
            json!("model"),
        ),
        (FORM, form(&[sound(), model("a b")]), json!("model")),
        (FORM, sound(), json!(null)),
    ] {
        let reply = post(&gateway, "/v1/audio/transcriptions", kind, body.clone())
            .send()
            .await;
        assert_eq!(
            (reply.status, &reply.error()["param"]),
            (400, &param),
            "{kind} {body}"
        );
        assert_eq!(reply.header("x-refrain-error-origin"), "gateway");
    }
    let edit = post(&gateway, "/v1/images/edits", FORM, form(&[sound()]))
        .send()
        .await;
    assert_eq!(
        (edit.status, &edit.error()["param"]),
        (400, &json!("image"))
    );
    // The one that lacks its end was begun.
    fake.sees(|seen| (seen.requests, seen.broken) == (1, 1))
        .await;
    assert!(fake.received().is_empty());
}

#[tokio::test]
async fn a_form_is_sent_as_it_comes_and_never_to_its_end_if_it_is_refused() {
    let fake = Fake::start().await;
    let gateway = gateway(&fake).await;
    let first = sound();
    let long = "x".repeat(5000);
    for (number, rest, status) in [
        (1, part("name=\"prompt\"", &long) + "--XyZ--\r\n", "200"),
        (2, model("a b") + "--XyZ--\r\n", "400"),
        (
            3,
            part("name=\"model\"; filename=\"x\"", "a") + "--XyZ--\r\n",
            "400",
        ),
        (4, "--XyZ\n".to_owned(), "400"),
        (5, part("name=\"prompt\"", &long), "400"),
    ] {
        let before = fake.seen();
        let mut raw = uploading(&gateway, first.len() + rest.len()).await;
        assert!(raw.write(first.as_bytes()).await);
        // What can't be the boundary is there before the rest was sent.
        fake.sees(|seen| seen.requests == number && seen.bytes > before.bytes + 50)
            .await;
        assert!(raw.write(rest.as_bytes()).await);
        let answer = raw.read_to_end().await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{number} {answer}"
        );
        if status == "400" {
            fake.sees(|seen| seen.broken == before.broken + 1).await;
        }
    }
    assert_eq!(fake.only().parts().len(), 2);
    // One who hangs up.
    let mut raw = uploading(&gateway, 5000).await;
    assert!(raw.write(first.as_bytes()).await);
    fake.sees(|seen| seen.requests == 6).await;
    drop(raw);
    fake.sees(|seen| seen.broken == 5).await;
    // None of this says anything of the provider.
    let reply = post(&gateway, "/v1/audio/transcriptions", FORM, form(&[sound()]))
        .send()
        .await;
    assert_eq!(reply.status, 200);
    let mut main = serde_json::Value::Null;
    // What a call came to is told when all who worked on it have let go.
    for _ in 0..2000 {
        main = gateway.get("/admin/api/providers").send().await.json()["providers"][0].clone();
        if main["attempts"] == 7 {
            break;
        }
    }
    assert_eq!(
        (&main["attempts"], &main["errors"], &main["given_up"]),
        (&json!(7), &json!({}), &json!(5)),
        "{main}"
    );
}
