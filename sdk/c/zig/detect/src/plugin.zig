//! What the host calls. How breaks are found is in policy.zig.

const std = @import("std");
const config = @import("config.zig");
const policy = @import("policy.zig");
const text = @import("text.zig");
const wit = @import("wit");

/// A panic ends the call: there is nothing to print to.
pub const panic = std.debug.no_panic;

/// Every avail of the window, each id once.
export fn exports_detect_detect(
    window: *wit.exports_detect_window_t,
    known: *wit.exports_detect_list_avail_t,
    _: *wit.exports_detect_channel_t,
    avails: *wit.exports_detect_list_avail_t,
    problem: *wit.wit_string_t,
) bool {
    const detector = config.read(policy.Detector, problem) orelse return false;
    const room = text.allocate(wit.types_avail_t, window.cues.len + known.len);
    const found = detector.find(room, window.*, known.*);
    avails.* = .{ .ptr = found.ptr, .len = found.len };
    return true;
}
