//! Stopping while something goes on in the background.

use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::{answer::Answer, asking, gateway::Gateway, upstream::Upstream};

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_in_the_background_does_not_keep_what_is_to_be_saved() {
    let (upstream, directory) = (Upstream::start().await, TempDir::new().unwrap());
    let cache = format!(
        "[cache]\nttl = \"60s\"\nstale_while_revalidate = \"1h\"\ndata_dir = {:?}\n",
        directory.path()
    );
    let gateway = Gateway::setup(&upstream, &cache).start().await;
    gateway.ask(&asking("one")).send().await;
    gateway.clock.advance(Duration::from_secs(75));
    let (answer, hold) = Answer::said("later").held();
    upstream.script(answer);
    assert_eq!(gateway.ask(&asking("one")).send().await.way(), "stale");
    upstream.arrived(2).await;
    gateway.ask(&asking("two")).send().await;
    let start = Instant::now();
    gateway.stop().await;
    assert_eq!(start.elapsed().as_secs(), 5);
    // What was left behind ends with the process, or here.
    hold.release();
    tokio::time::sleep(Duration::from_secs(1)).await;

    let gateway = Gateway::setup(&upstream, &cache).start().await;
    assert_eq!(gateway.ask(&asking("two")).send().await.way(), "exact");
}
