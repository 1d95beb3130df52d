//! Texts as the contract has them, and memory for what is answered: the bindings free it with C's `free`.

const std = @import("std");
const wit = @import("wit");

pub const allocator = std.heap.c_allocator;

pub fn slice(text: wit.wit_string_t) []const u8 {
    return if (text.len == 0) "" else text.ptr[0..text.len];
}

/// `null` if it is absent.
pub fn optional(text: wit.wit_option_string_t) ?[]const u8 {
    return if (text.is_some) slice(text.val) else null;
}

/// A copy for an answer.
pub fn copy(text: []const u8) wit.wit_string_t {
    const memory = allocate(u8, text.len);
    @memcpy(memory, text);
    return .{ .ptr = memory.ptr, .len = memory.len };
}

/// A new text for an answer, as by `std.fmt`.
pub fn format(comptime template: []const u8, values: anytype) wit.wit_string_t {
    const text = std.fmt.allocPrint(allocator, template, values) catch @trap();
    return .{ .ptr = text.ptr, .len = text.len };
}

/// Room for an answer. Without memory, the call ends.
pub fn allocate(comptime T: type, count: usize) []T {
    // Zig points an empty slice to the end of the address space, which the host refuses.
    const room = allocator.alloc(T, @max(count, 1)) catch @trap();
    return room[0..count];
}
