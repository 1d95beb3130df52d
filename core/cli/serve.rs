//! `cuetone serve` and `cuetone demo`: the same server; the demo is settings on top of it.

use std::{io::Write as _, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;
use axum::Router;
use clap::Args;
use tokio::net::TcpListener;

use super::Settings;
use crate::{
    app::App,
    config::{Config, LogFormat, LogLevel},
    demo,
    domain::SystemClock,
    log,
};

#[derive(Args)]
pub struct Serve {
    #[command(flatten)]
    settings: Settings,
    /// Address and port to listen on.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

#[derive(Args)]
pub struct Demo {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the database, keys and the tenants' folders live. Edit the tenants there while it runs.
    #[arg(long, value_name = "DIR", default_value = "data/demo")]
    data: PathBuf,
}

impl Serve {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let mut config = self.settings.load()?;
        if let Some(listen) = self.listen {
            config.listen = listen;
        }
        start_log(&config)?;
        runtime()?.block_on(async {
            let listener = listen(config.listen).await?;
            let app = App::build(&config).await?;
            tracing::info!(address = %listener.local_addr()?, "listening");
            app.serve(listener, asked_to_stop()).await
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Demo {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        runtime()?.block_on(async {
            let listener = listen(self.listen).await?;
            let address = listener.local_addr()?;
            let reached = if address.ip().is_unspecified() {
                SocketAddr::from(([127, 0, 0, 1], address.port()))
            } else {
                address
            };
            let base = format!("http://{reached}");
            demo::write_demo_tenants(&self.data, &base).context("the example tenants cannot be written")?;
            let mut config = Config {
                listen: address,
                tenants_dir: Some(self.data.join("tenants")),
                data_dir: self.data,
                dashboard: true,
                ..Config::default()
            };
            config.log.level = LogLevel::Warn;
            // The demo's origin is this very server.
            config.outbound.allow_hosts.push(reached.to_string());
            start_log(&config)?;
            let app = App::build(&config).await?;
            let origin = Router::new().nest("/demo", demo::origin_router(Arc::new(SystemClock)));
            app.apply_folder(&config.data_dir.join("tenants")).await;
            greet(&base, &config, &app)?;
            app.with_routes(origin).serve(listener, asked_to_stop()).await
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Stream addresses on standard output, one a line; everything else on standard error.
fn greet(base: &str, config: &Config, app: &App) -> anyhow::Result<()> {
    eprintln!("Cuetone demo: open {base}/ to watch channels, decisions and events.");
    eprintln!("Tenants to edit while it runs: {}", config.data_dir.join("tenants").display());
    eprintln!("Streams for any HLS player (stop with Ctrl-C):");
    let mut out = std::io::stdout().lock();
    for (tenant, channel) in app.registry.snapshot().channels() {
        writeln!(out, "{base}/fast/{tenant}/{channel}.m3u8")?;
    }
    out.flush()?;
    Ok(())
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the async runtime cannot be started")
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: is another server running there? Choose another with --listen 127.0.0.1:0")
    })
}

fn start_log(config: &Config) -> anyhow::Result<()> {
    let format = match config.log.format {
        LogFormat::Text => log::LogFormat::Text,
        LogFormat::Json => log::LogFormat::Json,
    };
    log::init(format, &format!("warn,cuetone={}", config.log.level.as_str()))?;
    Ok(())
}

/// SIGINT or SIGTERM.
async fn asked_to_stop() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminated) => {
                tokio::select! {
                    _ = interrupted => {}
                    _ = terminated.recv() => {}
                }
            }
            Err(_) => drop(interrupted.await),
        }
    }
    #[cfg(not(unix))]
    drop(interrupted.await);
}
