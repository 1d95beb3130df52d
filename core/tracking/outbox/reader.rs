//! Follows all tenants' events and makes rows of the addresses that they call for; sweeps orders whose time is over.

use std::time::Duration;

use tokio::time::Instant;

use super::Tools;

/// How often old orders are looked for.
const SWEEP: Duration = Duration::from_secs(60);

pub(super) async fn run(tools: &Tools) {
    let mut swept = Instant::now();
    loop {
        match step(tools).await {
            // Others have a turn in between, and nobody sleeps while there is more.
            Ok(true) => tokio::task::yield_now().await,
            Ok(false) => tokio::time::sleep(tools.parts.timing.poll).await,
            Err(error) => {
                tracing::warn!(%error, "beacons could not be looked for");
                tokio::time::sleep(SWEEP.min(tools.parts.timing.poll * 4)).await;
            }
        }
        if swept.elapsed() > SWEEP {
            swept = Instant::now();
            if let Err(error) = sweep(tools).await {
                tracing::warn!(%error, "old beacons could not be deleted");
            }
        }
    }
}

/// One step of each tenant that is behind; answers whether there was any.
async fn step(tools: &Tools) -> Result<bool, crate::store::StoreError> {
    let behind = tools.parts.store.beacon_backlog().await?;
    for scope in &behind {
        let step = tools.parts.store.fire_beacons(scope, &*tools.parts.day_of, tools.now()).await?;
        if step.fired > 0 {
            tools.due.notify_one();
        }
    }
    Ok(!behind.is_empty())
}

async fn sweep(tools: &Tools) -> Result<(), crate::store::StoreError> {
    while tools.parts.store.sweep_orders(tools.now()).await? {}
    metrics::gauge!("cuetone_beacons_pending").set(tools.parts.store.pending_beacons().await? as f64);
    Ok(())
}
