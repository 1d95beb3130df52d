//! Which ads to drop, and which to prefer.

const std = @import("std");
const text = @import("text.zig");
const wit = @import("wit");

/// The tenant's configuration.
pub const Rule = struct {
    label: []const u8 = "category",
    wanted: []const []const u8 = &.{},
    score: f64 = 10,
    max_seen: ?u64 = null,

    /// Drops an ad that was seen too often, scores one whose label is wanted, keeps all others as they are.
    pub fn judge(rule: Rule, ad: wit.types_candidate_t) wit.exports_targeting_verdict_t {
        if (rule.max_seen) |max_seen| {
            if (ad.seen >= max_seen) {
                const reason = text.format("seen {d} times", .{ad.seen});
                return .{ .tag = wit.EXPORTS_TARGETING_VERDICT_DROP, .val = .{ .drop = reason } };
            }
        }
        if (rule.wants(ad.labels)) {
            return .{ .tag = wit.EXPORTS_TARGETING_VERDICT_SCORE, .val = .{ .score = rule.score } };
        }
        return .{ .tag = wit.EXPORTS_TARGETING_VERDICT_KEEP };
    }

    fn wants(rule: Rule, labels: wit.types_labels_t) bool {
        for (0..labels.len) |i| {
            const label = labels.ptr[i];
            if (!std.mem.eql(u8, text.slice(label.f0), rule.label)) continue;
            for (rule.wanted) |wanted| {
                if (std.mem.eql(u8, text.slice(label.f1), wanted)) return true;
            }
        }
        return false;
    }
};
