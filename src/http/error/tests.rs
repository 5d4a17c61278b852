use super::*;
use crate::{error::TimeoutKind, ident::ProviderName};

fn exhausted(kind: UpstreamErrorKind) -> Error {
    UpstreamError {
        provider: ProviderName::new("acme").unwrap(),
        kind,
    }
    .into()
}

fn status(status: u16, retry_after: Option<Duration>, with_body: bool) -> Error {
    let body = with_body.then(|| {
        Arc::new(ErrorObject {
            message: "their words".into(),
            kind: Some("their_type".into()),
            param: Some("messages".into()),
            code: Some("their_code".into()),
        })
    });
    exhausted(UpstreamErrorKind::Status {
        status,
        message: "their words".into(),
        body,
        retry_after,
    })
}

/// What OpenAI says when an account has no credit left.
fn spent() -> Error {
    exhausted(UpstreamErrorKind::Status {
        status: 429,
        message: "You exceeded your current quota".into(),
        body: Some(Arc::new(ErrorObject {
            message: "You exceeded your current quota".into(),
            kind: Some("insufficient_quota".into()),
            param: None,
            code: Some("insufficient_quota".into()),
        })),
        retry_after: None,
    })
}

/// One row for each way that a request can fail: status, headers that steer clients, body.
#[test]
fn every_error_has_its_shape() {
    let rows = [
        Error::bad_request(Some("n".to_owned()), "`n` is 0"),
        Error::TooLarge { limit: 10 },
        Error::Encoded,
        Error::Unauthorized("no key"),
        Error::ModelNotAllowed("m".into()),
        Error::UnknownModel {
            message: "no such model".into(),
        },
        Error::NotCached,
        Error::NoSuchResponse("no such response".into()),
        Error::NoSuchPath("no such path".into()),
        Error::MethodNotAllowed("no such method".into()),
        Error::Internal("secret cause".into()),
        status(400, None, true),
        status(404, None, false),
        status(422, None, true),
        status(401, None, true),
        status(403, None, false),
        status(429, Some(Duration::from_millis(1500)), true),
        status(429, None, false),
        spent(),
        status(500, None, true),
        status(503, None, false),
        status(529, Some(Duration::from_secs(7)), false),
        exhausted(UpstreamErrorKind::Connect("connection refused".into())),
        exhausted(UpstreamErrorKind::Timeout(TimeoutKind::FirstToken)),
        exhausted(UpstreamErrorKind::Decode("the body is empty".into())),
        exhausted(UpstreamErrorKind::Stream("connection reset".into())),
    ];
    let report: Vec<String> = rows
        .into_iter()
        .map(|error| {
            let body = String::from_utf8(body(&error)).unwrap();
            let response = error.into_response();
            let header = |name: &str| {
                let value = response
                    .headers()
                    .get(name)
                    .map(|value| value.to_str().unwrap());
                value.map_or_else(String::new, |value| format!(" {name}={value}"))
            };
            format!(
                "{}{}{}{}\n  {body}",
                response.status().as_u16(),
                header("x-refrain-error-origin"),
                header("retry-after"),
                header("www-authenticate"),
            )
        })
        .collect();
    insta::assert_snapshot!(report.join("\n"));
}

#[test]
fn long_messages_are_cut() {
    let error = Error::bad_request(None, "é".repeat(5000));
    assert!(body(&error).len() < 3000);
}
