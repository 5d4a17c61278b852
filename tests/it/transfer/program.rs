//! `refrain cache export` and `refrain cache import`.

use tokio::process::Command;

use super::*;
use crate::support::program::{refrain, run};

fn command(gateway: &Gateway, arguments: &[&str]) -> Command {
    let url = gateway.url("/");
    let all = [&["cache"], arguments, &["--url", &url]].concat();
    let mut command = refrain(&all);
    command.env("REFRAIN_ADMIN_KEY", "sk-admin_key");
    command
}

async fn start(upstream: &Upstream, more: &str) -> Gateway {
    let admin = "[admin]\nkey_env = \"ADMIN_KEY\"\n";
    Gateway::setup(upstream, &format!("{admin}{more}{CLIENTS}"))
        .start()
        .await
}

fn line(number: usize) -> String {
    let question = asking(&format!("What is {number}?"));
    let answer = json!({"model": "gpt-test", "choices": [{"index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": "a number"}}]});
    json!({"request": question, "response": answer, "client": "alice"}).to_string()
}

async fn entries(gateway: &Gateway) -> u64 {
    let stats = gateway
        .get("/admin/api/stats")
        .key("sk-admin_key")
        .send()
        .await;
    stats.json()["cache"]["entries"].as_u64().unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

#[tokio::test]
async fn a_cache_goes_from_one_gateway_to_another() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let (first, second) = (
        start(&upstream, SECRET).await,
        start(&upstream, SECRET).await,
    );
    for number in 0..5 {
        let body = asking(&format!("What is {number}?"));
        first.ask(&body).key(ALICE).send().await;
    }
    let file = folder.path("cache.jsonl");
    let exported = run(command(&first, &["export", "--out", &file])).await;
    assert_eq!(
        (exported.code, exported.out.as_str()),
        (Some(0), ""),
        "{}",
        exported.err
    );
    assert!(
        exported.err.contains("5 entries exported"),
        "{}",
        exported.err
    );
    assert_eq!(std::fs::read_dir(folder.0.path()).unwrap().count(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "it holds prompts");
    }
    let shown = run(command(&first, &["export"])).await;
    let mut lines: Vec<&str> = shown.out.lines().collect();
    let written = std::fs::read_to_string(&file).unwrap();
    let mut expected: Vec<&str> = written.lines().collect();
    lines.sort_unstable();
    expected.sort_unstable();
    assert_eq!(lines, expected);

    let imported = run(command(&second, &["import", &file, "--batch", "2"])).await;
    assert_eq!(imported.code, Some(0), "{}", imported.err);
    assert!(
        imported.err.contains("5 imported, 0 skipped, 0 refused"),
        "{}",
        imported.err
    );
    assert_eq!(entries(&second).await, 5);
    // The header is sent along, wherever it is continued.
    let rest = run(command(&second, &["import", &file, "--from", "4"])).await;
    assert!(
        rest.err.contains("3 lines") && rest.err.contains("3 skipped"),
        "{}",
        rest.err
    );

    let other = start(&upstream, "[cache]\nsecret_env = \"OTHER_SECRET\"\n").await;
    let foreign = run(command(&other, &["import", &file])).await;
    assert_eq!(foreign.code, Some(2));
    assert!(
        foreign.err.contains("error: line 1: ") && foreign.err.contains("cache.secret_env"),
        "{}",
        foreign.err
    );
}

#[tokio::test]
async fn what_was_moved_is_told_to_programs() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let gateway = start(&upstream, SECRET).await;
    for number in 0..3 {
        let body = asking(&format!("What is {number}?"));
        gateway.ask(&body).key(ALICE).send().await;
    }
    gateway.app.settle().await;
    let file = folder.path("cache.jsonl");
    let ended = run(command(&gateway, &["export", "--json", "--out", &file])).await;
    let bytes = std::fs::metadata(&file).unwrap().len();
    assert_eq!(
        (ended.code, told(&ended.out)),
        (Some(0), json!({"file": file, "entries": 3, "bytes": bytes}))
    );
    // Where the entries are on standard output, it is the last line of standard error.
    let ended = run(command(&gateway, &["export", "--json"])).await;
    assert_eq!(ended.out.lines().count(), 4);
    let report = told(ended.err.lines().last().unwrap());
    assert_eq!(
        report,
        json!({"file": null, "entries": 3, "bytes": ended.out.len()})
    );

    let import = async |file: &str, more: &[&str]| {
        let import = ["import", file, "--json"];
        let ended = run(command(&gateway, &[&import, more].concat())).await;
        (ended.code, told(&ended.out))
    };
    let report = json!({"imported": 0, "skipped": 3, "refused": 0, "errors": [], "stopped": null});
    assert_eq!(import(&file, &[]).await, (Some(0), report));

    let broken = [&line(7), "{\"request\": 1}", &line(8), "\u{9b}"].join("\n");
    let file = folder.write("broken", &broken);
    let (code, mut report) = import(&file, &[]).await;
    let errors = report["errors"].take();
    let lines: Vec<_> = errors.as_array().unwrap().iter().collect();
    assert_eq!(
        [&lines[0]["line"], &lines[1]["line"]],
        [&json!(2), &json!(4)],
        "{errors}"
    );
    assert!(
        lines.iter().all(|line| line["error"].is_string()),
        "{errors}"
    );
    let nothing =
        json!({"imported": 0, "skipped": 0, "refused": 2, "errors": null, "stopped": null});
    assert_eq!((code, report), (Some(1), nothing));
    assert_eq!(entries(&gateway).await, 3);

    let (code, report) = import(&file, &["--partial"]).await;
    assert_eq!(
        (code, &report["imported"], &report["errors"]),
        (Some(1), &json!(2), &errors)
    );

    let (code, report) = import(&folder.path("missing"), &["--from", "9"]).await;
    assert_eq!((code, &report["stopped"]["from"]), (Some(2), &json!(9)));
    let why = report["stopped"]["error"].as_str().unwrap();
    assert!(why.contains("missing"), "{why}");
}

fn told(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[cfg(unix)]
#[tokio::test]
async fn what_can_be_read_once_is_imported_as_a_file_is() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let gateway = start(&upstream, "").await;
    let temporary = folder.path("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let import = |from: &str, more: &[&str]| {
        let mut command = command(&gateway, &[&["import", from], more].concat());
        command.env("TMPDIR", &temporary);
        command
    };
    let piped = |mut command: Command, lines: String| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        command.stdin(reader);
        let writing = std::thread::spawn(move || {
            std::io::Write::write_all(&mut writer, lines.as_bytes()).unwrap();
        });
        async {
            let ended = run(command).await;
            writing.join().unwrap();
            ended
        }
    };
    let lines = |from: usize| -> String { (from..from + 4).map(|n| line(n) + "\n").collect() };
    for (place, from) in ["-", "/dev/stdin"].into_iter().enumerate() {
        let ended = piped(import(from, &[]), lines(place * 10)).await;
        assert_eq!(ended.code, Some(0), "{from}: {}", ended.err);
        assert!(ended.err.contains("4 imported"), "{from}: {}", ended.err);
        assert_eq!(entries(&gateway).await, place as u64 * 4 + 4);
    }
    let ended = piped(import("-", &["--partial"]), lines(20)).await;
    assert!(ended.err.contains("4 imported"), "{}", ended.err);

    let fifo = folder.path("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().await.unwrap();
    assert!(made.success());
    let (path, text) = (fifo.clone(), lines(30) + "broken\n");
    let writing = std::thread::spawn(move || std::fs::write(path, text).unwrap());
    let ended = run(import(&fifo, &[])).await;
    writing.join().unwrap();
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended.err.contains("line 5: ") && ended.err.contains("nothing was imported"),
        "{}",
        ended.err
    );
    assert_eq!(entries(&gateway).await, 12);
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);

    let ended = run(import(&temporary, &[])).await;
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    let away = import("-", &[]).env("TMPDIR", folder.path("away")).spawn();
    let ended = away.unwrap().wait_with_output().await.unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert!(err.contains("away") && err.contains("--from 1"), "{err}");
}

#[tokio::test]
async fn a_refused_line_is_named_by_its_number_in_the_file() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let gateway = start(&upstream, "").await;
    let lines: Vec<String> = (1..=12)
        .map(|number| match number {
            4 | 9 => "{\"request\": 1}".to_owned(),
            6 => String::new(),
            _ => line(number),
        })
        .collect();
    let file = folder.write("lines", &lines.join("\n"));
    let import = ["import", &file, "--batch", "3"];
    let named = |err: &str| -> Vec<String> {
        err.lines()
            .filter_map(|line| line.split_once(": ")?.0.strip_prefix("line "))
            .map(str::to_owned)
            .collect()
    };
    let checked = run(command(&gateway, &import)).await;
    assert_eq!(checked.code, Some(1), "{}", checked.err);
    assert_eq!(named(&checked.err), ["4", "9"]);
    assert!(
        checked.err.contains("9 good, 0 skipped, 2 refused")
            && checked.err.contains("nothing was imported"),
        "{}",
        checked.err
    );
    assert_eq!(entries(&gateway).await, 0);

    let ended = run(command(&gateway, &[&import[..], &["--partial"]].concat())).await;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert_eq!(named(&ended.err), ["4", "9"]);
    assert!(
        ended.err.contains("11 lines") && ended.err.contains("9 imported, 0 skipped, 2 refused"),
        "{}",
        ended.err
    );
    assert_eq!((entries(&gateway).await, upstream.calls()), (9, 0));
}

#[tokio::test]
async fn a_batch_that_is_too_large_goes_in_parts() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let gateway = start(&upstream, "[server]\nmax_body = \"2KiB\"\n").await;
    let mut lines: Vec<String> = (0..20).map(line).collect();
    lines[7] = line(7).replace("a number", &"long ".repeat(1000));
    let file = folder.write("lines", &lines.join("\n"));
    let ended = run(command(&gateway, &["import", &file])).await;
    assert_eq!(
        (ended.code, entries(&gateway).await),
        (Some(1), 0),
        "{}",
        ended.err
    );
    let ended = run(command(&gateway, &["import", &file, "--partial"])).await;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended
            .err
            .contains("line 8: it is larger than the gateway's `server.max_body`"),
        "{}",
        ended.err
    );
    assert_eq!(entries(&gateway).await, 19);
}

#[tokio::test]
async fn what_could_not_go_on_says_where_to_continue() {
    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let gateway = start(&upstream, "").await;
    let file = folder.write("lines", &format!("{}\n{}\n", line(1), line(2)));
    let from = |err: &str, line| {
        assert!(
            err.contains(&format!("continue with --from {line}")),
            "{err}"
        )
    };

    let mut wrong = command(&gateway, &["import", &file, "--from", "2"]);
    let ended = run({
        wrong.env("REFRAIN_ADMIN_KEY", "sk-wrong");
        wrong
    })
    .await;
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.err.contains("401") && !ended.err.contains("sk-wrong"),
        "{}",
        ended.err
    );
    from(&ended.err, 2);

    let ended = run(command(&gateway, &["import", &folder.path("missing")])).await;
    assert_eq!(ended.code, Some(2));
    from(&ended.err, 1);

    let gone = Upstream::gone().await;
    let ended = run(refrain(&["cache", "import", &file, "--url", &gone])).await;
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.err.to_lowercase().contains("connection refused"),
        "{}",
        ended.err
    );
    from(&ended.err, 1);

    let nothing = folder.path("nothing");
    let ended = run(refrain(&[
        "cache", "export", "--out", &nothing, "--url", &gone,
    ]))
    .await;
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(!std::fs::exists(&nothing).unwrap() && !std::fs::exists(nothing + ".part").unwrap());
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupted_import_is_continued_where_it_was() {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

    let (upstream, folder) = (Upstream::start().await, Folder::new());
    let gateway = start(&upstream, "").await;
    // A gateway that takes connections and never answers.
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", deaf.local_addr().unwrap());
    let file = folder.write("lines", &(0..6).map(|n| line(n) + "\n").collect::<String>());
    let mut child = refrain(&["cache", "import", &file, "--from", "3", "--url", &url])
        .spawn()
        .unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut told = String::new();
    // It says how far it is, so it is under way.
    err.read_line(&mut told).await.unwrap();
    assert!(told.starts_with("0 lines"), "{told}");
    let id = child.id().unwrap().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .await
            .unwrap()
            .success()
    );
    err.read_to_string(&mut told).await.unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(2), "{told}");
    assert!(
        told.contains("interrupted; continue with --from 3"),
        "{told}"
    );

    let ended = run(command(&gateway, &["import", &file, "--from", "3"])).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(entries(&gateway).await, 4);
}
