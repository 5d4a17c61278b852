//! `refrain serve`: from the file to a gateway that answers, and its signals.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};

use futures_util::{Stream, stream};
use refrain::{
    app::{App, Listeners, Parts, load_encoder, reload::Source},
    clock::Clock,
    config::LogForm,
    http::server::Stopped,
    provider::demo::Pace,
    telemetry::{self, logs::Form},
};

use tokio::net::TcpListener;

use super::settings::ConfigFile;

/// Serves what the file at `path` says, and logs in the `form` that it says, until the process is asked to stop.
pub(crate) async fn serve(path: &Path, form: &Form) -> Result<(), String> {
    // From now on SIGHUP means to read the file again, and no longer to end.
    let hangups = hangups();
    let file = ConfigFile::new(path);
    let text = file.text()?;
    let (config, notices) = file.first(&text)?;
    form.choose(match config.telemetry.logs {
        LogForm::Auto => io::stderr().is_terminal(),
        LogForm::Json => false,
        LogForm::Pretty => true,
    });
    let encoder = load_encoder(&config).map_err(|error| error.to_string())?;
    let semantic = encoder.is_some();
    let metrics = telemetry::init_metrics().map_err(|error| error.to_string())?;
    let parts = Parts {
        clock: Clock::system(),
        encoder,
        metrics: Some(metrics),
        demo_pace: Pace::LIFELIKE,
    };
    let mut app = App::build(&config, parts)
        .await
        .map_err(|error| error.to_string())?;
    app.note(&notices);
    let listeners = Listeners::bind(&config)
        .await
        .map_err(|error| error.to_string())?;
    let address = shown(&listeners.clients)?;
    let admin = listeners.operators.as_ref().map(shown).transpose()?;
    let admin = admin.as_deref().unwrap_or(&address);
    let _closed = io::stdout().write_all(banner(&app, &address, admin, semantic).as_bytes());
    app.watch(file, &text, hangups);
    match app
        .serve(listeners, stop_signal())
        .await
        .map_err(|error| error.to_string())?
    {
        Stopped::Drained => tracing::info!("stopped; every request in flight was answered"),
        Stopped::TimedOut => tracing::warn!("stopped; some requests were still in flight"),
    }
    Ok(())
}

/// Where a listener can be tried.
fn shown(listener: &TcpListener) -> Result<String, String> {
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    // Who listens on every address is best tried on this one.
    Ok(match address.ip() {
        ip if ip.is_unspecified() => format!("127.0.0.1:{}", address.port()),
        _ => address.to_string(),
    })
}

/// What is told at the start; operators ask at `admin`.
fn banner(app: &App, address: &str, admin: &str, semantic: bool) -> String {
    let catalogue = app.catalogue();
    let mut lines = vec![
        format!("refrain {} is ready", env!("CARGO_PKG_VERSION")),
        format!("  endpoint     http://{address}/v1"),
        format!("  admin page   http://{admin}/admin"),
        format!(
            "  cache        exact{}",
            if semantic {
                " and semantic"
            } else {
                " only (semantic is off)"
            }
        ),
    ];
    for name in catalogue.active() {
        lines.push(format!("  provider     {name}: active"));
    }
    for provider in catalogue.inactive() {
        lines.push(format!(
            "  provider     {}: inactive ({})",
            provider.name, provider.reason
        ));
    }
    if catalogue.is_demo() {
        lines.push("  provider     demo: answers every model with a canned text, because no other is active".into());
    }
    let model = catalogue
        .list()
        .into_iter()
        .next()
        .map_or_else(|| "gpt-4o-mini".to_owned(), |model| model.id);
    lines.push("try:".to_owned());
    lines.push(format!(
        "  curl -s http://{address}/v1/chat/completions -H 'content-type: application/json' -d \
         '{{\"model\": \"{model}\", \"messages\": [{{\"role\": \"user\", \"content\": \"How many planets are there?\"}}]}}'"
    ));
    lines.push(String::new());
    lines.join("\n")
}

/// Done when the process is asked to stop, by SIGTERM or by Ctrl-C.
async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("stopping; requests in flight go on");
            return;
        }
    }
    let _ = interrupt.await;
}

/// Yields whenever the process is asked, by SIGHUP, to read its configuration again.
fn hangups() -> impl Stream<Item = ()> + Send + 'static {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let hangups = signal(SignalKind::hangup())
            .inspect_err(|error| tracing::warn!(%error, "SIGHUP can't be heard"));
        stream::unfold(hangups.ok(), |hangups| async {
            let mut hangups = hangups?;
            hangups.recv().await?;
            Some(((), Some(hangups)))
        })
    }
    #[cfg(not(unix))]
    stream::pending()
}
