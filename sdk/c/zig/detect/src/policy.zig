//! Which cues open a break.

const std = @import("std");
const text = @import("text.zig");
const wit = @import("wit");

/// What the host takes of an id and of a note. It hashes ids that are longer or have other signs, and refuses the answer
/// where one cannot stand in an address or a note is longer.
const max_id_characters = 96;
const max_note_bytes = 128;

/// The tenant's configuration.
pub const Detector = struct {
    min_duration: f64 = 0,

    /// The breaks that the window's cues open, then the known ones that still reach into the window: a break outlives
    /// its cue. Of those with one id the first. `room` is enough for all.
    pub fn find(
        detector: Detector,
        room: []wit.types_avail_t,
        window: wit.exports_detect_window_t,
        known: wit.exports_detect_list_avail_t,
    ) []wit.types_avail_t {
        var found: std.ArrayList(wit.types_avail_t) = .initBuffer(room);
        for (0..window.cues.len) |i| {
            const cue = window.cues.ptr[i];
            const duration = if (cue.duration.is_some) cue.duration.val else 0;
            if (cue.kind != wit.EXPORTS_DETECT_CUE_KIND_OUT or duration <= 0) continue;
            if (duration >= detector.min_duration) addNew(&found, open(cue));
        }
        for (0..known.len) |i| {
            const avail = known.ptr[i];
            if (avail.start + avail.duration > window.start) addNew(&found, avail);
        }
        return found.items;
    }
};

fn addNew(found: *std.ArrayList(wit.types_avail_t), avail: wit.types_avail_t) void {
    for (found.items) |other| {
        if (std.mem.eql(u8, text.slice(other.id), text.slice(avail.id))) return;
    }
    found.appendAssumeCapacity(avail);
}

fn open(cue: wit.exports_detect_cue_t) wit.types_avail_t {
    return .{
        .id = identity(cue),
        .start = cue.at,
        .duration = cue.duration.val,
        .kind = wit.TYPES_AVAIL_KIND_REPLACE,
        .position = wit.TYPES_POSITION_MID_ROLL,
        .closed = true,
        .metadata = if (cue.signal.is_some) notes(cue.signal.val) else .{},
    };
}

fn identity(cue: wit.exports_detect_cue_t) wit.wit_string_t {
    const id = text.optional(cue.id) orelse "";
    return if (id.len > 0) clean(id) else text.format("cue-{d:.0}", .{@round(cue.at * 1000)});
}

/// Origins name cues as they like; an avail's id becomes part of addresses.
fn clean(id: []const u8) wit.wit_string_t {
    const room = text.allocate(u8, max_id_characters);
    var len: usize = 0;
    for (id) |byte| {
        if (goesOn(byte)) continue;
        if (len == room.len) break;
        room[len] = switch (byte) {
            'a'...'z', 'A'...'Z', '0'...'9', '_', '.', '-' => byte,
            else => '_',
        };
        len += 1;
    }
    return .{ .ptr = room.ptr, .len = len };
}

/// The whole characters that fit into a note.
fn shortened(note: []const u8) wit.wit_string_t {
    var end = @min(note.len, max_note_bytes);
    while (end > 0 and end < note.len and goesOn(note[end])) end -= 1;
    return text.copy(note[0..end]);
}

/// Whether a byte goes on with a character of UTF-8 that began before it.
fn goesOn(byte: u8) bool {
    return byte & 0xC0 == 0x80;
}

fn notes(signal: wit.exports_detect_signal_t) wit.types_labels_t {
    if (!signal.upid.is_some) return .{};
    const labels = text.allocate(wit.wit_tuple2_string_string_t, 1);
    labels[0] = .{ .f0 = text.copy("upid"), .f1 = shortened(text.slice(signal.upid.val)) };
    return .{ .ptr = labels.ptr, .len = labels.len };
}
