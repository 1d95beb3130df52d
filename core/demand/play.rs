//! Whether one ad can be played, and its creative.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::Instant;

use super::{
    ad::{Found, ResolvedAd, label},
    chain::{Chain, Objection},
    failure::Failure,
    limits::{DURATION_SLACK, MAX_ADS},
    walk::Walk,
};
use crate::{
    creatives::NotReady,
    domain::Span,
    media::vast::{Ad, AdContent, ErrorCode, InLine, MediaFile},
};

/// What HLS playlists are called (RFC 8216, 4 and what was used before).
const HLS_TYPES: [&str; 5] = [
    "application/vnd.apple.mpegurl",
    "application/x-mpegurl",
    "audio/mpegurl",
    "audio/x-mpegurl",
    "application/mpegurl",
];

impl Walk<'_> {
    /// What can be said of an ad before its creative is there.
    pub(super) fn find<'f>(
        &self,
        id: Option<&'f str>,
        inline: &'f InLine,
        chain: &'f Chain,
    ) -> Result<Found<'f>, Failure> {
        match chain.objection(inline) {
            Some(Objection::Blocked) => {
                return Err(Failure::unplayable(ErrorCode::CategoryBlocked, "a wrapper refuses the ad's category"));
            }
            Some(Objection::NoCategory) => {
                let reason = "a wrapper refuses categories, and the ad does not name its own";
                return Err(Failure::unplayable(ErrorCode::CategoryMissing, reason));
            }
            None => {}
        }
        let linear = inline.creatives.iter().find_map(|creative| Some((creative, creative.linear.as_ref()?)));
        let (creative, linear) =
            linear.ok_or_else(|| Failure::unplayable(ErrorCode::Linearity, "the ad has no linear creative"))?;
        let avail = self.context.avail.duration;
        if linear.duration > avail + DURATION_SLACK {
            return Err(Failure::too_long(linear.duration, avail));
        }
        let media = linear.media_files.iter().find(|file| is_hls(file));
        let media =
            media.ok_or_else(|| Failure::unplayable(ErrorCode::NoSupportedFile, "the ad has no HLS media file"))?;
        let url = self.values().url(&media.url);
        let media =
            url.ok_or_else(|| Failure::unplayable(ErrorCode::Linear, "the media file has no usable address"))?;
        Ok(Found { id, inline, creative, linear, chain, media })
    }

    /// The ad with its creative, if it is there in time and fits.
    pub(super) async fn play(&self, found: &Found<'_>) -> Result<ResolvedAd, Failure> {
        if self.looked_at.fetch_add(1, Ordering::Relaxed) >= u32::try_from(MAX_ADS).unwrap_or(u32::MAX) {
            return Err(Failure::unplayable(ErrorCode::Undefined, "the answer has more ads than are looked at"));
        }
        let within = self.patience.media.saturating_duration_since(Instant::now());
        let key = found.creative_key(self.source);
        let ready = self.demand.creatives.ready(&key, &found.media, within);
        let creative = match self.patience.hurry.clone() {
            None => ready.await,
            Some(mut hurry) => tokio::select! {
                biased;
                ready = ready => ready,
                _ = hurry.wait_for(|now| *now) => Err(NotReady::Loading),
            },
        }?;
        (self.context.fits.0)(&creative)?;
        let (duration, avail) = (creative.duration(), self.context.avail.duration);
        if duration > avail {
            return Err(Failure::too_long(duration, avail));
        }
        let inline = found.inline;
        Ok(ResolvedAd {
            slug: found.slug().ok_or_else(|| Failure::unplayable(ErrorCode::Undefined, "the ad cannot be named"))?,
            duration,
            creative,
            sequence: None,
            cpm: found.cpm(self.source),
            category: inline.categories.first().and_then(|category| label(&category.code)),
            advertiser: inline.advertiser.as_deref().and_then(label),
            labels: found.labels(),
            expires: inline.expires.map(|secs| Span::from_secs(i64::try_from(secs).unwrap_or(i64::MAX))),
            tracking: found.tracking().into(),
        })
    }

    /// Has a stand-alone ad's creative loaded in case the ad is needed: it will be needed at once.
    pub(super) async fn warm(&self, ad: &Ad, chain: &Chain) {
        let AdContent::InLine(inline) = &ad.content else { return };
        if let Ok(found) = self.find(ad.id.as_deref(), inline, chain) {
            let key = found.creative_key(self.source);
            let _not_yet = self.demand.creatives.ready(&key, &found.media, Duration::ZERO).await;
        }
    }
}

/// By its type or its name; many servers know no type for playlists. Code (VPAID, SIMID) is no picture.
fn is_hls(file: &MediaFile) -> bool {
    let kind = file.mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let path = file.url.split(['?', '#']).next().unwrap_or_default().trim().to_ascii_lowercase();
    file.api_framework.is_none() && (HLS_TYPES.contains(&&*kind) || path.ends_with(".m3u8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hls_is_known_by_its_type_or_its_name() {
        for (mime, url, expect) in [
            ("application/vnd.apple.mpegurl", "https://a/x", true),
            ("Application/X-MpegURL; charset=utf-8", "https://a/x", true),
            ("", "https://a/X.M3U8?a=b", true),
            ("application/octet-stream", "https://a/x.m3u8", true),
            ("video/mp4", "https://a/x.mp4", false),
            ("video/mp4", "https://a/x.m3u8", true),
            ("application/dash+xml", "https://a/x.mpd", false),
            ("", "https://a/x.mp4?next=.m3u8", false),
        ] {
            let file = MediaFile { mime: mime.into(), url: url.into(), ..MediaFile::default() };
            assert_eq!(is_hls(&file), expect, "{mime} {url}");
            let code = MediaFile { api_framework: Some("VPAID".into()), ..file };
            assert!(!is_hls(&code), "{mime} {url}");
        }
    }
}
