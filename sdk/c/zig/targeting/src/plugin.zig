//! What the host calls. The rule itself is in policy.zig.

const std = @import("std");
const config = @import("config.zig");
const policy = @import("policy.zig");
const text = @import("text.zig");
const wit = @import("wit");

/// A panic ends the call: there is nothing to print to.
pub const panic = std.debug.no_panic;

/// One verdict for each candidate, in the order given.
export fn exports_targeting_judge(
    _: *wit.types_request_t,
    candidates: *wit.exports_targeting_list_candidate_t,
    verdicts: *wit.exports_targeting_list_verdict_t,
    problem: *wit.wit_string_t,
) bool {
    const rule = config.read(policy.Rule, problem) orelse return false;
    const list = text.allocate(wit.exports_targeting_verdict_t, candidates.len);
    for (list, 0..) |*verdict, i| verdict.* = rule.judge(candidates.ptr[i]);
    verdicts.* = .{ .ptr = list.ptr, .len = list.len };
    return true;
}
