//! A rendered playlist, and the addresses that stand in it.

use std::{cell::RefCell, fmt::Write as _, io::Write as _, sync::OnceLock};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use crate::{
    domain::{Moment, Slug},
    media::multivariant::RenditionKind,
    stitch::{
        pod::{PodSegment, Role},
        render::{AdAddress, Numbering},
        timeline::{Outcome, Splice},
        track::Track,
    },
    tracking::{SigningKey, signature::to_base36},
};

pub struct Body {
    pub text: Bytes,
    /// Numbering for the refresh after this one.
    pub next: Numbering,
    /// The ads in it.
    pub shown: Box<[ShownAd]>,
    gzip: OnceLock<Bytes>,
}

/// An ad in a playlist: its splice and its place in the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownAd {
    pub splice: u32,
    pub position: u16,
}

impl Body {
    pub fn new(text: String, next: Numbering, shown: Vec<ShownAd>) -> Self {
        Self { text: Bytes::from(text), next, shown: shown.into(), gzip: OnceLock::new() }
    }

    /// The compressed text; made once however many viewers ask for it.
    pub fn gzip(&self) -> Bytes {
        let compress = || {
            let mut out = GzEncoder::new(Vec::with_capacity(self.text.len() / 4), Compression::fast());
            let done = out.write_all(&self.text).and_then(|()| out.finish());
            // Writing to memory does not fail.
            Bytes::from(done.unwrap_or_default())
        };
        self.gzip.get_or_init(compress).clone()
    }
}

/// Everything that a body depends on.
#[derive(PartialEq, Eq, Hash)]
pub struct BodyKey {
    track: u64,
    reference: u64,
    rendition: usize,
    target_duration: u32,
    /// How ad addresses are written: see [`Links`].
    direct: bool,
    numbering: Numbering,
    /// Where the numbering has missed a break that the timeline has forgotten.
    forgotten: Option<Moment>,
    splices: Vec<(u32, u64, i64, Option<Outcome>)>,
}

impl BodyKey {
    #[expect(clippy::too_many_arguments, reason = "a key names all that it depends on")]
    pub fn new(
        track: &Track,
        reference: &Track,
        rendition: usize,
        target_duration: u32,
        direct: bool,
        numbering: &Numbering,
        forgotten: Moment,
        splices: &[Splice],
    ) -> Self {
        let splices = splices.iter().map(|s| (s.id, s.pod.id, s.owed.as_micros(), s.outcome)).collect();
        Self {
            track: track.id,
            reference: reference.id,
            rendition,
            target_duration,
            direct,
            numbering: numbering.clone(),
            forgotten: (!numbering.is_current(forgotten)).then_some(forgotten),
            splices,
        }
    }
}

/// `v0`, `a1`, `s2`: kind and place in the multivariant playlist.
pub fn rendition_name(kind: RenditionKind, index: usize) -> String {
    format!("{}{index}", kind_letter(kind))
}

pub fn kind_letter(kind: RenditionKind) -> &'static str {
    match kind {
        RenditionKind::Variant => "v",
        RenditionKind::Audio => "a",
        RenditionKind::Subtitles => "s",
    }
}

/// Makes addresses of ad segments, relative to the media playlist. They name no session, so that viewers who see the
/// same pod share one body; the player fills in the session by resolving them.
pub struct Links<'a> {
    key: &'a SigningKey,
    channel: &'a Slug,
    /// Straight to the CDN: nothing is counted here.
    direct: bool,
    /// The ads whose addresses were made.
    shown: RefCell<Vec<ShownAd>>,
}

impl<'a> Links<'a> {
    pub fn new(key: &'a SigningKey, channel: &'a Slug, direct: bool) -> Self {
        Self { key, channel, direct, shown: RefCell::default() }
    }

    /// The ads whose addresses were made, in order.
    pub fn into_shown(self) -> Vec<ShownAd> {
        self.shown.into_inner()
    }

    fn note(&self, shown: ShownAd) {
        // An ad's segments come one after the other.
        if let Ok(mut all) = self.shown.try_borrow_mut()
            && all.last() != Some(&shown)
        {
            all.push(shown);
        }
    }
}

impl AdAddress for Links<'_> {
    fn ad(&self, out: &mut String, splice: &Splice, segment: &PodSegment<'_>) {
        let Role::Ad { position, .. } = segment.item.role else { return out.push_str(&segment.segment.url) };
        self.note(ShownAd { splice: splice.id, position });
        if self.direct {
            return out.push_str(&segment.segment.url);
        }
        let position = position.to_string();
        let place = format!("{}-{}", segment.rung, segment.index);
        let parts = [
            self.channel.as_str(),
            splice.avail.id.as_str(),
            &position,
            segment.item.ad.as_str(),
            &segment.item.creative.id,
            &place,
        ];
        let signature = self.key.sign(&parts, splice.pod.expires);
        let expires = to_base36(splice.pod.expires);
        let [_, avail, position, ad, creative, place] = parts;
        // The ending helps players and CDNs that look at it; it is not part of the address's meaning.
        let path = segment.segment.url.split(['?', '#']).next().unwrap_or_default();
        let file = path.rsplit('/').next().unwrap_or_default();
        let ending = file.rsplit_once('.').map_or("ts", |(_, ending)| ending);
        let plain = (1..=4).contains(&ending.len()) && ending.bytes().all(|b| b.is_ascii_alphanumeric());
        let ending = if plain { ending } else { "ts" };
        let _ = write!(out, "ad/{avail}/{position}/{ad}/{creative}/{place}/{expires}.{signature}.{ending}");
    }

    fn no_subtitles(&self, out: &mut String) {
        out.push_str("empty.vtt");
    }
}
