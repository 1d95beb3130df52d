#!/usr/bin/env bash
# Makes all demo media with ffmpeg alone. Run it in this folder; the result is committed, so nobody else needs to.
#
#   live/   a 60 s loop, MPEG-TS, H.264 + AAC muxed, 2 s segments, two variants      (blue)
#   vod/    a 48 s title, CMAF, separate audio and WebVTT, 4 s segments, two variants (blue)
#   ads/    five ads and a slate, each as TS (muxed) and as CMAF (separate audio)     (one flat colour each)
#
# Everything shares one encoding: H.264 main level 3.0 without B-frames, 25 fps, 640x360 and 426x240; AAC-LC 48 kHz mono.
# The colours tell a viewer, and the browser test, what is on screen.
set -euo pipefail
cd "$(dirname "$0")"

FONT=${FONT:-/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf}
FPS=25
AAC_RATE=48000
AUDIO_BITS=20k
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

quiet() { ffmpeg -hide_banner -loglevel error -nostdin -y -fflags +bitexact "$@"; }

# AAC as raw ADTS frames: no priming delay and no edit list survives, so that the first frame sits exactly at 0.
# Whole frames only: their number is the nearest to the wanted length (48000/1024 = 46.875 frames a second).
tone() { # name seconds frequency
  quiet -f lavfi -i "sine=frequency=$3:beep_factor=4:sample_rate=$AAC_RATE:duration=$(($2 + 1))" -af volume=0.3 \
    -ac 1 -c:a aac -b:a "$AUDIO_BITS" -flags:a +bitexact -f adts "$WORK/$1.raw.aac"
  local frames=$((($2 * AAC_RATE + 512) / 1024))
  quiet -i "$WORK/$1.raw.aac" -c copy -frames:a "$frames" -f adts "$WORK/$1.aac"
}

# Pictures change five times a second and are repeated to 25 fps: repeated frames cost next to nothing.
picture() { # name seconds gop filtergraph(5 fps, 640x360)
  local size
  for size in 640x360 426x240; do
    quiet -f lavfi -i "$4,fps=$FPS,scale=${size/x/:}:out_color_matrix=bt709:out_range=tv,format=yuv420p" \
      -frames:v $(($2 * FPS)) -c:v libx264 -preset veryslow -profile:v main -level:v 3.0 -crf 35 -bf 0 -refs 1 \
      -g "$3" -keyint_min "$3" -sc_threshold 0 -x264-params scenecut=0:open-gop=0:threads=1:lookahead-threads=1 \
      -colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv \
      -bsf:v filter_units=remove_types=6 -flags:v +bitexact -f mp4 "$WORK/$1.${size#*x}.mp4"
  done
}

hls() { # folder segment-seconds type inputs…
  local folder=$1 seconds=$2 type=$3 ending=m4s options=()
  shift 3
  # Tables once a segment, not ten times a second: a quarter of these small files would be tables.
  [ "$type" = mpegts ] && ending=ts options=(-hls_segment_options pat_period=10:sdt_period=60:mpegts_flags=+resend_headers)
  mkdir -p "$folder"
  quiet "$@" -c copy -flags +bitexact -f hls -hls_time "$seconds" -hls_playlist_type vod -hls_segment_type "$type" \
    -hls_flags independent_segments -hls_fmp4_init_filename init.mp4 "${options[@]}" \
    -hls_segment_filename "$folder/%02d.$ending" "$folder/index.m3u8"
}

muxed() { # name folder segment-seconds
  local rung
  for rung in 360 240; do
    hls "$2/$rung" "$3" mpegts -i "$WORK/$1.$rung.mp4" -i "$WORK/$1.aac" -map 0:v -map 1:a
  done
}

separate() { # name folder segment-seconds
  local rung
  for rung in 360 240; do hls "$2/$rung" "$3" fmp4 -i "$WORK/$1.$rung.mp4" -map 0:v; done
  hls "$2/audio" "$3" fmp4 -i "$WORK/$1.aac" -map 0:a -bsf:a aac_adtstoasc
}

# Bits per second: the busiest segment of a media playlist, or with `mean` the whole of it.
rate() { # folder peak|mean
  local folder=$1
  awk -v kind="$2" -v folder="$folder" '
    /^#EXTINF:/ { split($0, part, /[:,]/); seconds = part[2] }
    /^[^#]/ { command = "stat -c %s " folder "/" $0; command | getline bytes; close(command)
              bits = bytes * 8 / seconds; if (bits > peak) peak = bits; total += bytes * 8; length_ += seconds }
    END { printf "%d\n", (kind == "peak" ? peak : total / length_) + 0.999 }' "$folder/index.m3u8"
}

ladder() { # base prefix audio-folder-or-empty extra-attributes
  local rung size peak mean
  for rung in 360 240; do
    size=640x360
    [ "$rung" = 240 ] && size=426x240
    peak=$(rate "$1/$2$rung" peak)
    mean=$(rate "$1/$2$rung" mean)
    if [ -n "$3" ]; then
      peak=$((peak + $(rate "$1/$3" peak)))
      mean=$((mean + $(rate "$1/$3" mean)))
    fi
    echo "#EXT-X-STREAM-INF:BANDWIDTH=$peak,AVERAGE-BANDWIDTH=$mean,CODECS=\"avc1.4d401e,mp4a.40.2\",RESOLUTION=$size,FRAME-RATE=25.000$4"
    echo "$2$rung/index.m3u8"
  done
}

head_() { printf '#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n'; }
audio_group() { echo "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"1\",URI=\"$1/index.m3u8\""; }

text() { # size colour y words
  echo "drawtext=fontfile=$FONT:fontsize=$1:fontcolor=$2:x=(w-tw)/2:y=$3:text='$4'"
}

live() {
  rm -rf live
  tone live 60 220
  picture live 60 50 "color=c=0x1446a0:s=640x360:r=5:d=61[bg];color=c=0x6fa8ff:s=40x40:r=5:d=61[box];\
[bg][box]overlay=x='(t*20-mod(t*20\,4))*600/1200':y=290,$(text 84 white 60 CONTENT),$(text 56 0xbcd4ff 180 '%{eif\:floor(t)\:d\:2}.%{eif\:mod(floor(t*5+0.01)\,5)*2\:d} s')"
  muxed live live 2
  { head_; ladder live '' '' ''; } > live/master.m3u8
}

vod() {
  rm -rf vod
  tone vod 48 262
  picture vod 48 100 "color=c=0x0a2f7d:s=640x360:r=5:d=49[bg];color=c=0x8fd0ff:s=40x40:r=5:d=49[box];\
[bg][box]overlay=x='(t*20-mod(t*20\,4))*600/960':y=290,$(text 76 white 60 'THE MOVIE'),$(text 56 0xbcd4ff 180 '%{eif\:floor(t)\:d\:2} / 48 s')"
  separate vod vod 4
  mkdir -p vod/subs
  {
    printf '#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n'
    local part from
    # The map says that media time 0 is cue time 0, by way of second 10: hls.js 1.7 takes MPEGTS:0 for "no map" and then
    # misplaces cues behind a discontinuity that it has not loaded pictures for yet.
    for part in $(seq 0 11); do
      from=$((part * 4))
      printf 'WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:10.000,MPEGTS:900000\n\n00:00:%02d.000 --> 00:00:%02d.800\nScene %d of 12\n' \
        "$from" $((from + 3)) $((part + 1)) > "vod/subs/$(printf %02d "$part").vtt"
      printf '#EXTINF:4.000000,\n%02d.vtt\n' "$part"
    done
    echo '#EXT-X-ENDLIST'
  } > vod/subs/index.m3u8
  # The place for a mid-roll: ads may be inserted at 24 s, where video, audio and subtitles all have a segment edge.
  local list
  for list in vod/*/index.m3u8; do
    awk '/^#EXTINF:/ && seen++ == 6 { print "#EXT-X-CUE-OUT:0" } { print }' "$list" > "$WORK/list" && cp "$WORK/list" "$list"
  done
  {
    head_
    audio_group audio
    echo '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subs",NAME="English",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,URI="subs/index.m3u8"'
    ladder vod '' audio ',AUDIO="aac",SUBTITLES="subs"'
  } > vod/master.m3u8
}

ad() { # name seconds ts-segment-seconds cmaf-segment-seconds background text-colour title frequency footer
  local base=ads/$1
  rm -rf "$base"
  tone "$1" "$2" "$8"
  picture "$1" "$2" $(($3 * FPS)) "color=c=$5:s=640x360:r=5:d=$(($2 + 1)),$(text 54 "$6" 100 "$7"),$(text 40 "$6" 220 "$9")"
  muxed "$1" "$base/ts" "$3"
  separate "$1" "$base/cmaf" "$4"
  # One address for both: whoever stitches takes the rung that fits the content.
  { head_; audio_group cmaf/audio; ladder "$base" ts/ '' ''; ladder "$base" cmaf/ cmaf/audio ',AUDIO="aac"'; } > "$base/master.m3u8"
}

countdown() { echo "AD  -  %{eif\\:ceil($1-t-0.01)\\:d}"; }

live
vod
# Lengths are multiples of the live channel's 2 s, so that ads and the rest of a break stay on its grid: Chromium's own
# player (156) drops a segment when one refresh of a live playlist brings two with a discontinuity between them.
ad red 10 2 4 0xd01515 white 'RED COLA' 330 "$(countdown 10)"
ad green 10 2 4 0x0f8a2a white 'GREEN BANK' 392 "$(countdown 10)"
ad orange 6 2 4 0xff7a00 black 'ORANGE SNACK' 440 "$(countdown 6)"
ad purple 14 2 4 0x7a1fb8 white 'PURPLE AIR' 494 "$(countdown 14)"
ad yellow 10 2 4 0xf2dc00 black 'YELLOW BIKES' 523 "$(countdown 10)"
ad slate 6 2 2 0x6e6e6e white "We’ll be right back" 196 'please stay'
du -sh .
