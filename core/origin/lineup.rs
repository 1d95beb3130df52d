//! One version of a channel's multivariant playlist: its renditions and what is common to all of them.

use std::sync::{Arc, OnceLock};

use futures_util::future::join_all;
use url::Url;

use super::{Origin, OriginContext, OriginError, Slot, shown};
use crate::{
    domain::Moment,
    media::{
        multivariant::{Multivariant, RenditionKind, is_multivariant},
        playlist::PlaylistError,
    },
    stitch::{
        ladder::RenditionSpec,
        track::{Container, Track},
    },
};

pub struct Lineup {
    /// Unique within the process.
    pub id: u64,
    pub multivariant: Multivariant,
    /// One per rendition of `multivariant`.
    pub specs: Vec<RenditionSpec>,
    /// The rendition that the channel is timed by: the first variant.
    pub reference: usize,
    pub target_duration: u32,
    pub version: u32,
    /// The title is complete (VOD).
    pub ended: bool,
    slots: Vec<Arc<Slot>>,
    /// VOD answers the same bytes each time: the version that a lineup saw first is the one it keeps.
    pinned: Vec<OnceLock<Arc<Track>>>,
    context: Arc<OriginContext>,
}

impl Lineup {
    pub(super) async fn load(origin: &Origin) -> Result<Self, OriginError> {
        let context = origin.context.clone();
        let (body, base) = context.fetch(&origin.url).await?;
        let multivariant = if is_multivariant(&body) {
            let unusable = |source: PlaylistError| OriginError::Playlist { url: shown(&origin.url), source };
            Multivariant::parse(&body, &base).map_err(unusable)?
        } else {
            let alone = Multivariant::wrapper(&origin.url);
            for slot in origin.slots(&[&origin.url]) {
                slot.accept(&context, &alone.variables, None, body.clone(), &base)?;
            }
            alone
        };
        let urls: Vec<&Url> = multivariant.renditions.iter().map(|rendition| &rendition.url).collect();
        let slots = origin.slots(&urls);
        let variables = &multivariant.variables;
        let is_variant = |index: &usize| {
            multivariant.renditions.get(*index).is_some_and(|rendition| rendition.kind == RenditionKind::Variant)
        };
        // The first variant that works is what everything else is timed by.
        let (mut reference, mut first_error) = (None, OriginError::NoRendition);
        for index in (0..slots.len()).filter(is_variant) {
            let Some(slot) = slots.get(index) else { continue };
            match slot.track(&context, variables, None).await {
                Ok(track) => {
                    reference = Some((index, track));
                    break;
                }
                Err(error) => first_error = error,
            }
        }
        let (reference, timing) = reference.ok_or(first_error)?;
        let loads = slots.iter().map(|slot| slot.track(&context, variables, Some(&timing)));
        let tracks: Vec<Option<Arc<Track>>> = join_all(loads).await.into_iter().map(Result::ok).collect();
        let specs = multivariant.renditions.iter().zip(&tracks).map(|(rendition, track)| {
            let container = track.as_ref().map_or(timing.container, |track| track.container);
            let container = if rendition.kind == RenditionKind::Subtitles && track.is_none() {
                Container::WebVtt
            } else {
                container
            };
            RenditionSpec::new(rendition, container, multivariant.has_separate_audio(rendition))
        });
        let specs = specs.collect();
        let known = || tracks.iter().flatten();
        let pinned = tracks.iter().map(|track| {
            let cell = OnceLock::new();
            if let Some(track) = track.as_ref().filter(|track| track.ended) {
                let _first = cell.set(track.clone());
            }
            cell
        });
        Ok(Self {
            id: context.next_track(),
            specs,
            reference,
            target_duration: known().map(|track| track.target_duration).max().unwrap_or(timing.target_duration),
            version: known().map(|track| track.version).max().unwrap_or(timing.version),
            ended: timing.ended,
            pinned: pinned.collect(),
            slots,
            multivariant,
            context,
        })
    }

    /// Whether a session would see no difference between the two.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        let text = |lineup: &Self| lineup.multivariant.render(|index, out| out.push_str(&index.to_string()));
        let same_slots = self.slots.len() == other.slots.len()
            && self.slots.iter().zip(&other.slots).all(|(a, b)| Arc::ptr_eq(a, b));
        let title = |lineup: &Self| -> Vec<Option<u64>> {
            lineup.pinned.iter().map(|cell| cell.get().map(|track| track.id)).collect()
        };
        same_slots
            && self.specs == other.specs
            && (self.reference, self.target_duration, self.version)
                == (other.reference, other.target_duration, other.version)
            && title(self) == title(other)
            && text(self) == text(other)
    }

    /// The slot of the rendition that the channel is timed by.
    pub fn reference_slot(&self) -> &Arc<Slot> {
        // `reference` was found among the slots.
        &self.slots[self.reference]
    }

    /// A rendition's newest version if no request is needed to know it.
    pub fn fresh(&self, rendition: usize, now: Moment) -> Option<Arc<Track>> {
        if let Some(track) = self.pinned.get(rendition).and_then(OnceLock::get) {
            return Some(track.clone());
        }
        self.slots.get(rendition)?.fresh(now)
    }

    /// A rendition's newest version.
    pub async fn track(&self, rendition: usize, reference: Option<&Track>) -> Result<Arc<Track>, OriginError> {
        let now = self.context.clock.now();
        if let Some(track) = self.fresh(rendition, now) {
            return Ok(track);
        }
        let slot = self.slots.get(rendition).ok_or(OriginError::NoRendition)?;
        let track = slot.track(&self.context, &self.multivariant.variables, reference).await?;
        match self.pinned.get(rendition) {
            Some(cell) if track.ended && self.ended => Ok(cell.get_or_init(|| track).clone()),
            _ => Ok(track),
        }
    }
}
