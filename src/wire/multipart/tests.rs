use proptest::prelude::*;

use super::*;

const TYPE: &str = "multipart/form-data; boundary=XyZ";

fn scanner() -> Scanner {
    Scanner::new(&Boundary::of(TYPE.as_bytes()).unwrap(), "model")
}

/// All that comes out of `body`, cut into pieces of `size` bytes.
fn scan(body: &[u8], size: usize) -> Result<Vec<Piece>, Malformed> {
    let mut scanner = scanner();
    let mut out = Vec::new();
    for piece in body.chunks(size) {
        out.extend(scanner.push(piece)?);
    }
    scanner.finish().map(|()| out)
}

/// The bytes that are handed on, with the captured field in its place.
fn bytes_of(pieces: &[Piece]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Frame(part) | Piece::Content(part) => bytes.extend_from_slice(part),
            Piece::Captured(value) => bytes.extend_from_slice(value.as_bytes()),
            Piece::Part { .. } | Piece::Closing => {}
        }
    }
    bytes
}

fn part(head: &str, content: &str) -> String {
    format!("--XyZ\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
}

fn usual() -> String {
    let file = "--XyZ\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a;b\\c.mp3\"\r\n\
                Content-Type: audio/mpeg\r\n\r\n\r\n--Xy\r\n-\0\u{ff}\r\n\r\n";
    part("name=\"model\"", "whisper-1") + file + &part("name=language", "") + "--XyZ--\r\n"
}

#[test]
fn parts_are_found_however_the_body_is_cut() {
    let body = usual();
    for size in 1..=body.len() {
        let pieces = scan(body.as_bytes(), size).unwrap();
        assert_eq!(bytes_of(&pieces), body.as_bytes(), "{size}");
        let parts: Vec<(&str, bool)> = pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Part { name, is_file } => Some((name.as_str(), *is_file)),
                Piece::Frame(_) | Piece::Content(_) | Piece::Captured(_) | Piece::Closing => None,
            })
            .collect();
        assert_eq!(
            parts,
            [("model", false), ("file", true), ("language", false)]
        );
        assert!(pieces.contains(&Piece::Captured("whisper-1".to_owned())));
        let closing = pieces.iter().position(|piece| *piece == Piece::Closing);
        let last = closing.and_then(|at| pieces.get(at + 1));
        assert!(matches!(last, Some(Piece::Frame(end)) if end.ends_with(b"--XyZ--")));
    }
}

#[test]
fn contents_are_handed_on_before_they_are_over() {
    let mut scanner = scanner();
    let head = part("name=\"file\"; filename=\"a\"", "");
    let head = head.trim_end().to_owned() + "\r\n\r\n";
    scanner.push(head.as_bytes()).unwrap();
    let pieces = scanner.push(&[b'a'; 100]).unwrap();
    let content: usize = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Content(bytes) => bytes.len(),
            Piece::Part { .. } | Piece::Frame(_) | Piece::Captured(_) | Piece::Closing => 0,
        })
        .sum();
    assert!(content > 80, "{pieces:?}");
    assert_eq!(scanner.finish(), Err(Malformed::Truncated));
}

#[test]
fn what_others_might_read_otherwise_is_refused() {
    let end = "--XyZ--\r\n";
    let head = |head: &str| format!("--XyZ\r\n{head}\r\n\r\nx\r\n{end}");
    let named = "Content-Disposition: form-data; name=\"a\"";
    for (body, expect) in [
        (String::new(), Malformed::Truncated),
        ("--XyZ".to_owned(), Malformed::Truncated),
        (part("name=\"a\"", "x"), Malformed::Truncated),
        ("preamble\r\n--XyZ--".to_owned(), Malformed::WrongBoundary),
        ("\r\n--XyZ--".to_owned(), Malformed::WrongBoundary),
        ("--XyA\r\n".to_owned(), Malformed::WrongBoundary),
        ("--XyZ\n".to_owned() + named, Malformed::StrayBoundary),
        ("--XyZ \r\n".to_owned(), Malformed::StrayBoundary),
        (
            part("name=\"a\"", "x\n--XyZ--") + end,
            Malformed::StrayBoundary,
        ),
        (
            part("name=\"a\"", "x--XyZ--") + end,
            Malformed::StrayBoundary,
        ),
        (
            part("name=\"a\"", "x\r\n--XyZQ") + end,
            Malformed::StrayBoundary,
        ),
        (format!("--XyZ\r\n\r\nx\r\n{end}"), Malformed::Head),
        (head("Content-Type: text/plain"), Malformed::Head),
        (head(&format!("{named}\r\n{named}")), Malformed::Head),
        (head(&format!("{named}; name=\"model\"")), Malformed::Head),
        (head(&format!("{named}; NAME=\"model\"")), Malformed::Head),
        (
            head(&format!("{named}; name*=utf-8''model")),
            Malformed::Head,
        ),
        (
            head(&format!("{named};\r\n filename=\"x\"")),
            Malformed::Head,
        ),
        (head(&format!("{named}\nContent-Type: a")), Malformed::Head),
        (
            head(&format!("{named}; filename=\"x\\\"; name=\"model\"")),
            Malformed::Head,
        ),
        (
            head("Content-Disposition: attachment; name=\"a\""),
            Malformed::Head,
        ),
        (head("Content-Disposition: form-data"), Malformed::Head),
        (
            head("Content-Disposition: form-data; name=\"\""),
            Malformed::Head,
        ),
        (
            head("Content-Disposition: form-data; name=\"mod el\""),
            Malformed::Head,
        ),
        (
            head("Content-Disposition: form-data; name=\"%6dodel\""),
            Malformed::Head,
        ),
        (
            head("Content-Disposition : form-data; name=\"a\""),
            Malformed::Head,
        ),
        (
            format!("--XyZ\r\nX: {}", "a".repeat(LONGEST_HEAD)),
            Malformed::LongHead,
        ),
        (
            part("name=\"model\"; filename=\"m\"", "x") + end,
            Malformed::Value,
        ),
        (
            part("name=\"model\"", &"x".repeat(LONGEST_VALUE + 1)) + end,
            Malformed::Value,
        ),
        (
            part("name=\"model\"", &"x".repeat(1 << 20)),
            Malformed::Value,
        ),
        (
            head("Content-Disposition: form-data; name=model\r\nContent-Transfer-Encoding: base64"),
            Malformed::Value,
        ),
        (part("name=\"a\"", "x") + end + "--XyZ", Malformed::AfterEnd),
        (
            part("name=\"a\"", "x").repeat(MOST_PARTS + 1) + end,
            Malformed::ManyParts,
        ),
    ] {
        let shown: String = body.chars().take(120).collect();
        for size in [1, 7, body.len().max(1)] {
            assert_eq!(scan(body.as_bytes(), size), Err(expect), "{size} {shown:?}");
        }
    }
    let raw = b"--XyZ\r\nContent-Disposition: form-data; name=model\r\n\r\n\xff\r\n--XyZ--";
    assert_eq!(scan(raw, 5), Err(Malformed::Value));
}

#[test]
fn boundaries() {
    let of = |text: &str| Boundary::of(text.as_bytes()).map(|Boundary(bytes)| bytes);
    for text in [
        "multipart/form-data; boundary=XyZ",
        "Multipart/Form-Data;boundary=\"XyZ\"",
        "multipart/form-data; charset=utf-8; BOUNDARY=XyZ;",
    ] {
        assert_eq!(of(text), Ok(b"XyZ".to_vec()), "{text}");
    }
    for text in [
        "",
        "application/json",
        "multipart/mixed; boundary=a",
        "multipart/form-datax",
    ] {
        assert_eq!(of(text), Err(Malformed::OtherType), "{text}");
    }
    let long = format!("multipart/form-data; boundary={}", "a".repeat(71));
    for text in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"a ",
        "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=a\u{e9}",
        "multipart/form-data; boundary=a, b=c",
        "multipart/form-data boundary=a",
        long.as_str(),
    ] {
        assert!(of(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn never_panics_and_never_invents(
        body in r"(--XyZ|\r\n|--|Content-Disposition: form-data; name=[a-c]|model|\n|x| |;){0,24}",
        size in 1_usize..20,
    ) {
        let mut scanner = scanner();
        let mut out = Vec::new();
        for piece in body.as_bytes().chunks(size) {
            match scanner.push(piece) {
                Ok(pieces) => out.extend(pieces),
                Err(_) => break,
            }
        }
        prop_assert!(body.as_bytes().starts_with(&bytes_of(&out)));
    }

    #[test]
    fn what_is_written_well_passes_whole(
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..5),
        size in 1_usize..70,
    ) {
        let mut body = Vec::new();
        for content in &contents {
            body.extend_from_slice(part("name=\"file\"; filename=\"f\"", "").trim_end().as_bytes());
            body.extend_from_slice(b"\r\n\r\n");
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--XyZ--");
        let pieces = scan(&body, size).unwrap();
        prop_assert_eq!(bytes_of(&pieces), body);
        let parts = pieces.iter().filter(|piece| matches!(piece, Piece::Part { .. }));
        prop_assert_eq!(parts.count(), contents.len());
    }

    #[test]
    fn no_content_type_panics(text in any::<Vec<u8>>(), tail in r#"[;= "a-z\\boundary]{0,30}"#) {
        let _ = Boundary::of(&text);
        let _ = Boundary::of(format!("multipart/form-data{tail}").as_bytes());
    }
}
