use futures_util::poll;
use tempfile::TempDir;

use super::*;
use crate::{
    app::{App, Parts, testing::config},
    clock::Clock,
    units::Similarity,
};

async fn app(toml: &str) -> App {
    let parts = Parts {
        clock: Clock::system(),
        encoder: None,
        metrics: None,
        demo_pace: Pace {
            first_token: Duration::ZERO,
            between: Duration::ZERO,
        },
    };
    App::build(&config(toml), parts).await.unwrap()
}

fn toml(directory: &TempDir) -> String {
    let directory = directory.path();
    format!("[cache]\nsemantic = false\ndata_dir = {directory:?}\n")
}

fn threshold(at: f32) -> Applied {
    Applied {
        threshold: Similarity::new(at),
    }
}

#[tokio::test]
async fn what_is_set_is_kept_and_in_force_also_if_nobody_waits_for_it() {
    let directory = TempDir::new().unwrap();
    let app = app(&toml(&directory)).await;
    let steering = Arc::clone(&app.reloader);
    let applied = threshold(0.93);
    let mut setting = Arc::clone(&steering).apply(applied);
    // The one who asked hangs up while the file is being written.
    assert!(poll!(&mut setting).is_pending());
    drop(setting);
    app.settle().await;
    let in_force = steering.in_force().await;
    assert_eq!(in_force.applied, applied);
    let kept = std::fs::read_to_string(in_force.overrides.unwrap()).unwrap();
    assert_eq!(kept, applied.text());
}

#[tokio::test]
async fn setting_something_does_not_make_a_broken_file_a_good_one() {
    let directory = TempDir::new().unwrap();
    let app = app(&toml(&directory)).await;
    let steering = Arc::clone(&app.reloader);
    steering.refuse("line 3: no").await;
    Arc::clone(&steering).apply(threshold(0.9)).await.unwrap();
    assert_eq!(app.api.config.load().problems, ["line 3: no"]);
}

#[tokio::test]
async fn setting_something_over_what_cannot_be_read_lets_the_file_that_waits_in() {
    let directory = TempDir::new().unwrap();
    let app = app(&toml(&directory)).await;
    let steering = Arc::clone(&app.reloader);
    std::fs::write(directory.path().join("overrides.toml"), "[").unwrap();
    let newer = config(&format!("{}generation = 7\n", toml(&directory)));
    assert!(steering.reload(&newer).await.is_err());
    assert!(!app.api.config.load().is_current());
    Arc::clone(&steering).apply(threshold(0.9)).await.unwrap();
    assert!(app.api.config.load().is_current());
    assert_eq!(steering.in_force().await.config.cache.generation, 7);
}

#[tokio::test]
async fn a_file_that_waits_goes_on_waiting_if_it_cannot_be_taken_over() {
    let directory = TempDir::new().unwrap();
    let app = app(&format!("[admin]\nkey_env = \"OPS\"\n{}", toml(&directory))).await;
    let steering = Arc::clone(&app.reloader);
    std::fs::write(directory.path().join("overrides.toml"), "[").unwrap();
    let mut open = config(&toml(&directory));
    open.admin.key = None;
    assert!(steering.reload(&open).await.is_err());
    for _ in 0..2 {
        let refused = Arc::clone(&steering).apply(threshold(0.9)).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("admin.key_env"), "{refused}");
        assert_eq!(steering.in_force().await.applied, Applied::default());
        assert!(!app.api.config.load().is_current());
    }
}

#[tokio::test]
async fn why_nothing_can_be_set_is_told_before_and_after_in_the_same_words() {
    let app = app("[cache]\nsemantic = false\n").await;
    let steering = Arc::clone(&app.reloader);
    let refused = Arc::clone(&steering).apply(threshold(0.9)).await;
    let why_not = steering.in_force().await.why_not.unwrap();
    assert!(matches!(refused, Err(Error::Conflict(why)) if why == why_not));
}
