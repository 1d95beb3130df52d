//! Playlists as a player sees them: generated origins are polled again and again, and each stitched playlist is held
//! against the one before it and against the origin (RFC 8216bis; the rules are named in `rules.rs`).

#[path = "playlists/origin.rs"]
mod origin;
#[path = "playlists/rules.rs"]
mod rules;
#[path = "playlists/viewer.rs"]
mod viewer;

use origin::{Break, DateTags, Encryption, Origin, Packaging};
use proptest::prelude::*;
use viewer::{Ads, Watch};

fn origins() -> impl Strategy<Value = Origin> {
    let segment = prop_oneof![Just(2_000_000), Just(4_000_000), Just(6_000_000), Just(6_006_000), Just(3_840_000)];
    let dates = prop_oneof![Just(DateTags::Every), Just(DateTags::First), Just(DateTags::Never)];
    let keys = prop_oneof![
        Just(Encryption::None),
        Just(Encryption::ImplicitIv),
        Just(Encryption::Rotating),
        Just(Encryption::TwoFormats)
    ];
    let packaging = prop_oneof![Just(Packaging::MuxedTs), Just(Packaging::SeparateFmp4)];
    let breaks = prop::collection::vec((3usize..14, 3usize..12, any::<bool>()), 1..5);
    let discontinuities = prop::collection::vec(0usize..120, 0..6);
    (segment, 4usize..16, dates, keys, packaging, breaks, discontinuities, 0u64..1000, any::<bool>()).prop_map(
        |(segment, window, dates, keys, packaging, gaps, discontinuities, first_number, closing_cue)| {
            let mut at = window;
            let breaks = gaps
                .into_iter()
                .map(|(gap, length, cue_in_early)| {
                    let start = at + gap;
                    at = start + length;
                    Break { start, length, announced: if cue_in_early { length + 2 } else { length } }
                })
                .collect();
            Origin { segment, window, dates, keys, packaging, breaks, discontinuities, first_number, closing_cue }
        },
    )
}

fn ads() -> impl Strategy<Value = Ads> {
    let lengths = prop::collection::vec(
        prop_oneof![Just(5_000_000i64), Just(10_000_000), Just(7_500_000), Just(15_000_000)],
        1..5,
    );
    let segment = prop_oneof![Just(2_000_000i64), Just(2_500_000), Just(5_000_000), Just(1_000_000)];
    (lengths, segment, any::<bool>()).prop_map(|(lengths, segment, slate)| Ads { lengths, segment, slate })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Rules 1–14 over a whole stream, for a viewer who polls irregularly.
    #[test]
    fn live_playlists_never_contradict_the_ones_before(
        origin in origins(),
        ads in ads(),
        polls in prop::collection::vec(1usize..3, 30..80),
        joins_at in 0usize..20,
    ) {
        let mut watch = Watch::new(&origin, &ads);
        let mut step = origin.window + joins_at;
        for poll in polls {
            watch.poll(step);
            step += poll.min(origin.window / 2).max(1);
        }
        watch.finish()?;
    }

    /// An hour of breaks that never match the ads exactly: the stitched clock stays with the origin's.
    #[test]
    fn the_stitched_clock_does_not_drift(origin in origins(), ads in ads()) {
        let every = 25;
        let breaks = (1..14).map(|n| Break { start: n * every, length: 9, announced: 9 }).collect();
        let origin = Origin { breaks, discontinuities: Vec::new(), ..origin };
        let mut watch = Watch::new(&origin, &ads);
        for step in origin.window..14 * every {
            watch.poll(step);
        }
        watch.finish()?;
    }

    /// VOD: all ads at once, the same bytes each time, ENDLIST kept.
    #[test]
    fn vod_playlists_are_whole_and_repeatable(origin in origins(), ads in ads()) {
        viewer::check_vod(&origin, &ads)?;
    }

    /// A viewer who comes back after breaks have come and gone: numbers go on upwards and agree across renditions.
    #[test]
    fn a_long_pause_never_turns_numbers_back(origin in origins(), ads in ads(), pause in 20usize..90) {
        let mut watch = Watch::new(&origin, &ads);
        for step in origin.window..origin.window + 15 {
            watch.poll(step);
        }
        watch.pause();
        for step in origin.window + 15 + pause..origin.window + 30 + pause {
            watch.poll(step);
        }
        watch.finish()?;
    }

    /// Whatever an origin sends, the stitcher answers a playlist that reads again, or says that there is none.
    #[test]
    fn no_origin_makes_the_stitcher_panic(lines in prop::collection::vec(any_line(), 1..40), ads in ads()) {
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n{}\n", lines.join("\n"));
        viewer::check_any(&text, &ads)?;
    }
}

/// A line of a playlist, with numbers at their limits.
fn any_line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("#EXTINF:6,\nseg.ts".to_owned()),
        1 => Just("#EXTINF:0,\nseg.ts".to_owned()),
        1 => any::<u64>().prop_map(|n| format!("#EXT-X-MEDIA-SEQUENCE:{n}")),
        1 => Just(format!("#EXT-X-MEDIA-SEQUENCE:{}", u64::MAX)),
        1 => Just(format!("#EXT-X-DISCONTINUITY-SEQUENCE:{}", u64::MAX)),
        1 => Just("#EXT-X-DISCONTINUITY".to_owned()),
        1 => Just("#EXT-X-CUE-OUT:12".to_owned()),
        1 => Just("#EXT-X-KEY:METHOD=AES-128,URI=\"k\"".to_owned()),
        1 => Just("#EXT-X-KEY:METHOD=NONE".to_owned()),
        1 => Just("#EXT-X-BYTERANGE:5".to_owned()),
        1 => Just("#EXT-X-MAP:URI=\"m\"".to_owned()),
        1 => Just("#EXT-X-ENDLIST".to_owned()),
        2 => (0i64..4_000_000_000).prop_map(|s| {
            format!("#EXT-X-PROGRAM-DATE-TIME:{}", cuetone::media::datetime::format(cuetone::domain::Moment(s * 1_000_000)))
        }),
    ]
}
