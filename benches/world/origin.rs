//! The origin: windows that end at [`NOW`], four-second CMAF segments, a break that is 24 s old and 32 s long.

use std::{fmt::Write as _, sync::Arc};

use axum::{Router, extract::Path, http::StatusCode, routing::get};
use cuetone::{demo, domain::Moment};
use jiff::Timestamp;

use super::{Frozen, NOW};

const SEGMENT_SECONDS: i64 = 4;
const BREAK_SECONDS: i64 = 32;
/// Segments of the break that the window shows.
const SEEN: i64 = 6;
/// Seconds of audio frames: what an AAC encoder makes of four seconds at 48 kHz.
const AUDIO_SECONDS: &str = "4.010667";

pub const MASTER: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"1\",URI=\"audio.m3u8\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=35066,CODECS=\"avc1.4d401e,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=25.000,AUDIO=\"aac\"\n\
    360.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=31374,CODECS=\"avc1.4d401e,mp4a.40.2\",RESOLUTION=426x240,FRAME-RATE=25.000,AUDIO=\"aac\"\n\
    240.m3u8\n";

/// `/live/{segments}/master.m3u8` and its renditions; the demo's media and ads under `/demo`.
pub fn router() -> Router {
    let file = |Path((segments, file)): Path<(i64, String)>| async move {
        match file.as_str() {
            "master.m3u8" => Ok(MASTER.to_owned()),
            "360.m3u8" | "240.m3u8" => Ok(window(segments, false)),
            "audio.m3u8" => Ok(window(segments, true)),
            _ => Err(StatusCode::NOT_FOUND),
        }
    };
    let demo = demo::origin_router(Arc::new(Frozen(NOW)));
    Router::new().route("/live/{segments}/{file}", get(file)).nest("/demo", demo)
}

/// A window of `segments` segments, the last [`SEEN`] of them in the break.
pub fn window(segments: i64, audio: bool) -> String {
    let end = NOW.as_secs() / SEGMENT_SECONDS;
    let first = end - segments;
    let break_first = end - SEEN;
    let (ending, length) = if audio { ("aac.m4s", AUDIO_SECONDS) } else { ("m4s", "4.000000") };
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-MAP:URI=\"init.mp4\"\n"
    );
    for number in first..end {
        let date = date(number * SEGMENT_SECONDS);
        let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{date}");
        let elapsed = (number - break_first) * SEGMENT_SECONDS;
        let _ = match elapsed {
            0 => writeln!(text, "{}\n#EXT-X-CUE-OUT:{BREAK_SECONDS}.000", date_range(&date)),
            1.. => writeln!(text, "#EXT-X-CUE-OUT-CONT:{elapsed}.000/{BREAK_SECONDS}.000"),
            _ => Ok(()),
        };
        let _ = writeln!(text, "#EXTINF:{length},\nsegment-{number}.{ending}");
    }
    text
}

/// A DATERANGE with a splice_insert for event 0x4800008F, 60.29 s (the first example of SCTE 35 14.2).
pub fn date_range(date: &str) -> String {
    const SECTION: &str =
        "0xFC302F000000000000FFFFF014054800008F7FEFFE7369C02EFE0052CCF500000000000A0008435545490000013562DBA30A";
    format!(
        "#EXT-X-DATERANGE:ID=\"break-1207959695\",START-DATE=\"{date}\",PLANNED-DURATION=32.000,SCTE35-OUT={SECTION}"
    )
}

fn date(second: i64) -> String {
    let moment = Moment(second * 1_000_000);
    let time = Timestamp::from_second(moment.as_secs()).expect("a date");
    time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}
