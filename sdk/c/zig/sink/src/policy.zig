//! Which events are sent, and how they are written.

const std = @import("std");
const text = @import("text.zig");
const wit = @import("wit");

/// An event in the body.
const Row = struct { id: []const u8, type: []const u8, ad: ?[]const u8 };

/// The tenant's configuration.
pub const Delivery = struct {
    url: ?[]const u8 = null,
    types: ?[]const []const u8 = null,

    /// All events of the wanted types as JSON, `null` if there are none.
    pub fn body(delivery: Delivery, events: []const wit.exports_sink_event_t) ?wit.wit_string_t {
        var rows: std.ArrayList(Row) = .initBuffer(text.allocate(Row, events.len));
        for (events) |event| {
            if (!delivery.wants(event)) continue;
            rows.appendAssumeCapacity(.{
                .id = text.slice(event.id),
                .type = text.slice(event.event_type),
                .ad = text.optional(event.ad),
            });
        }
        if (rows.items.len == 0) return null;
        return text.format("{f}", .{std.json.fmt(.{ .events = rows.items }, .{})});
    }

    fn wants(delivery: Delivery, event: wit.exports_sink_event_t) bool {
        const types = delivery.types orelse return true;
        for (types) |name| {
            if (std.mem.eql(u8, text.slice(event.event_type), name)) return true;
        }
        return false;
    }
};
