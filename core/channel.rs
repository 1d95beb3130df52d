//! A running channel: its origin, its reference rendition and the avails found on it.
//!
//! The reference rendition is what the channel is timed by: breaks are found on it alone, once per version, and every
//! other rendition follows. Deliberately does not know viewers, ads or decisions.

use std::sync::Arc;

use crate::{
    domain::{Avail, AvailId, AvailKind, Channel, Position, PreRoll},
    extension::{BreakDetector, DetectInput, Lane, Loaded},
    origin::{Lineup, Origin, OriginError, Slot},
    stitch::{avails::merge, track::Track},
};
use arc_swap::ArcSwapOption;

/// A detector and what it is asked with.
#[derive(Clone)]
pub struct MountedDetector {
    pub detector: Loaded<dyn BreakDetector>,
    pub channel: Arc<Channel>,
    /// Where it is asked.
    pub lane: Lane,
}

/// One version of the reference rendition with its avails.
pub struct Reference {
    pub track: Arc<Track>,
    pub avails: Vec<Arc<Avail>>,
    /// The rendition that it is a version of: lineups may differ in it.
    slot: Arc<Slot>,
}

/// The parts of a channel that outlive reloads of its bundle.
pub struct RunningChannel {
    pub origin: Origin,
    reference: ArcSwapOption<Reference>,
    detecting: tokio::sync::Mutex<()>,
}

impl RunningChannel {
    pub fn new(origin: Origin) -> Self {
        Self { origin, reference: ArcSwapOption::empty(), detecting: tokio::sync::Mutex::default() }
    }

    /// The newest reference if it is known without asking the origin or a detector.
    pub fn fresh(&self, track: &Track) -> Option<Arc<Reference>> {
        self.reference.load_full().filter(|reference| reference.track.id == track.id)
    }

    /// The newest version of the reference rendition; a new one is shown to the detector first.
    pub async fn reference(&self, lineup: &Lineup, mounted: &MountedDetector) -> Result<Arc<Reference>, OriginError> {
        let track = lineup.track(lineup.reference, None).await?;
        if let Some(reference) = self.fresh(&track) {
            return Ok(reference);
        }
        let _turn = self.detecting.lock().await;
        let slot = lineup.reference_slot();
        let known = self.reference.load_full().filter(|known| Arc::ptr_eq(&known.slot, slot));
        if let Some(reference) = known.as_ref().filter(|reference| reference.track.id >= track.id) {
            // Another version came in while this one waited. A VOD title's versions stand side by side.
            if reference.track.id == track.id || !track.ended {
                return Ok(reference.clone());
            }
        }
        let before = known.filter(|known| known.track.epoch == track.epoch && !track.ended);
        let avails = self.detect(&track, before.as_deref().map_or(&[], |known| &known.avails), mounted, lineup).await;
        let reference = Arc::new(Reference { track, avails, slot: slot.clone() });
        self.reference.store(Some(reference.clone()));
        Ok(reference)
    }

    async fn detect(
        &self,
        track: &Arc<Track>,
        known: &[Arc<Avail>],
        mounted: &MountedDetector,
        lineup: &Lineup,
    ) -> Vec<Arc<Avail>> {
        let window = track.window();
        let (asked, channel) = (mounted.detector.clone(), mounted.channel.clone());
        let before: Vec<Avail> = known.iter().map(|avail| (**avail).clone()).collect();
        // Off the async threads: a slow script must not hold up other tenants.
        let answer = mounted.lane.run(move || {
            let input = DetectInput {
                window: &window,
                known: &before,
                break_interval: channel.ad_break_interval,
                break_duration: channel.ad_break_duration,
                config: &channel.config,
            };
            asked.extension.detect(&input)
        });
        let found = match answer.await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                // The operator is told where all calls pass, as often as is bearable.
                tracing::debug!(channel = %mounted.channel.slug, error = %error, "the break detector failed; known breaks go on");
                Vec::new()
            }
            Err(error) => {
                tracing::warn!(channel = %mounted.channel.slug, %error, "the break detector was not asked; known breaks go on");
                Vec::new()
            }
        };
        let mut avails = merge(known, &found, track, &mounted.detector.name, mounted.channel.ad_break_interval);
        if let Some(pre_roll) = mounted.channel.pre_roll.as_ref().filter(|_| lineup.ended) {
            avails.insert(0, Arc::new(vod_pre_roll(pre_roll, track)));
        }
        avails
    }
}

fn vod_pre_roll(pre_roll: &PreRoll, track: &Track) -> Avail {
    Avail {
        id: AvailId::new("pre-roll"),
        start: track.start(),
        duration: pre_roll.max_duration,
        kind: AvailKind::Insert,
        position: Position::PreRoll,
        closed: true,
        source: "pre_roll".to_owned(),
        metadata: Default::default(),
    }
}

/// The pre-roll of a live viewer: the break opens where players start, three target durations before the edge
/// (RFC 8216bis 6.3.3), and takes the place of what follows.
pub fn live_pre_roll(pre_roll: &PreRoll, track: &Track, avails: &[Arc<Avail>], target_duration: u32) -> Option<Avail> {
    let back = crate::domain::Span::from_secs(i64::from(target_duration) * 3);
    let index = track.segments.partition_point(|segment| segment.start < track.end() - back);
    let start = track.segments.get(index)?.start;
    let end = start + pre_roll.max_duration;
    let in_the_way = avails.iter().any(|avail| avail.start < end && start < avail.end());
    (!in_the_way).then(|| Avail {
        id: AvailId::new("pre-roll"),
        start,
        duration: pre_roll.max_duration,
        kind: AvailKind::Replace,
        position: Position::PreRoll,
        closed: true,
        source: "pre_roll".to_owned(),
        metadata: Default::default(),
    })
}
