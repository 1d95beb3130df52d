//! What the host calls. What is sent is in policy.zig.

const std = @import("std");
const config = @import("config.zig");
const policy = @import("policy.zig");
const text = @import("text.zig");
const wit = @import("wit");

/// A panic ends the call: there is nothing to print to.
pub const panic = std.debug.no_panic;

/// Requests that the host sends for us.
export fn exports_sink_deliver(
    events: *wit.exports_sink_list_event_t,
    requests: *wit.exports_sink_list_outbound_request_t,
    problem: *wit.wit_string_t,
) bool {
    const delivery = config.read(policy.Delivery, problem) orelse return false;
    const url = delivery.url orelse {
        problem.* = text.copy("config: `url` is missing");
        return false;
    };
    requests.* = .{};
    const body = delivery.body(if (events.len == 0) &.{} else events.ptr[0..events.len]) orelse return true;

    const headers = text.allocate(wit.wit_tuple2_string_string_t, 1);
    headers[0] = .{ .f0 = text.copy("Content-Type"), .f1 = text.copy("application/json") };
    const request = text.allocate(wit.exports_sink_outbound_request_t, 1);
    request[0] = .{
        .method = text.copy("POST"),
        .url = text.copy(url),
        .headers = .{ .ptr = headers.ptr, .len = headers.len },
        .body = body,
    };
    requests.* = .{ .ptr = request.ptr, .len = request.len };
    return true;
}
