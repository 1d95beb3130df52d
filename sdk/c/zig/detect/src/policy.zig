//! Which cues open a break.

const std = @import("std");
const text = @import("text.zig");
const wit = @import("wit");

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
        .id = if (cue.id.is_some) cue.id.val else text.format("cue-{d:.0}", .{@round(cue.at * 1000)}),
        .start = cue.at,
        .duration = cue.duration.val,
        .kind = wit.TYPES_AVAIL_KIND_REPLACE,
        .position = wit.TYPES_POSITION_MID_ROLL,
        .closed = true,
        .metadata = if (cue.signal.is_some) notes(cue.signal.val) else .{},
    };
}

fn notes(signal: wit.exports_detect_signal_t) wit.types_labels_t {
    if (!signal.upid.is_some) return .{};
    const labels = text.allocate(wit.wit_tuple2_string_string_t, 1);
    labels[0] = .{ .f0 = text.copy("upid"), .f1 = signal.upid.val };
    return .{ .ptr = labels.ptr, .len = labels.len };
}
