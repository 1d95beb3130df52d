//! Which ads fill a break.

const std = @import("std");
const text = @import("text.zig");
const wit = @import("wit");

/// Seconds: lengths are sums of decimal fractions, which are seldom exact.
const tolerance = 1e-6;

/// The tenant's configuration.
pub const Strategy = struct {
    max_ads: ?u64 = null,

    /// Takes each ad that still fits, best first, and no two of one category. Answers their places.
    pub fn choose(strategy: Strategy, ads: []const wit.types_candidate_t, duration: f64) []u32 {
        const limit = strategy.max_ads orelse ads.len;
        const pod = text.allocate(u32, ads.len);
        var count: usize = 0;
        var taken: f64 = 0;
        for (ads, 0..) |ad, place| {
            if (count >= limit) break;
            if (ad.duration > duration - taken + tolerance or hasCategory(ads, pod[0..count], ad)) continue;
            pod[count] = @intCast(place);
            count += 1;
            taken += ad.duration;
        }
        return pod[0..count];
    }
};

fn hasCategory(ads: []const wit.types_candidate_t, pod: []const u32, ad: wit.types_candidate_t) bool {
    const category = text.optional(ad.category) orelse return false;
    for (pod) |place| {
        const other = text.optional(ads[place].category) orelse continue;
        if (std.mem.eql(u8, other, category)) return true;
    }
    return false;
}
