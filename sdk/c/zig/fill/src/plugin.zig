//! What the host calls. The strategy itself is in policy.zig.

const std = @import("std");
const config = @import("config.zig");
const policy = @import("policy.zig");
const text = @import("text.zig");
const wit = @import("wit");

/// A panic ends the call: there is nothing to print to.
pub const panic = std.debug.no_panic;

/// Places in `candidates`, in the order to play.
export fn exports_fill_fill(
    request: *wit.types_request_t,
    candidates: *wit.exports_fill_list_candidate_t,
    pod: *wit.wit_list_u32_t,
    problem: *wit.wit_string_t,
) bool {
    const strategy = config.read(policy.Strategy, problem) orelse return false;
    const ads = if (candidates.len == 0) &.{} else candidates.ptr[0..candidates.len];
    const places = strategy.choose(ads, request.avail.duration);
    pod.* = .{ .ptr = places.ptr, .len = places.len };
    return true;
}
