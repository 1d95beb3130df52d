//! Reads what the tenant wrote under `config:`. Everything can be wrong there, so each field says what it has to be.

const std = @import("std");
const text = @import("text.zig");
const wit = @import("wit");

const Value = std.json.Value;

/// The mount's configuration as a struct whose fields have defaults: texts, lists of texts, `f64`, `u64`, or optionals
/// of them. `null` if something is wrong, which is told in `problem`.
pub fn read(comptime Settings: type, problem: *wit.wit_string_t) ?Settings {
    var json: wit.wit_string_t = .{};
    wit.host_config_get(&json);
    return parse(Settings, text.slice(json), problem);
}

pub fn parse(comptime Settings: type, json: []const u8, problem: *wit.wit_string_t) ?Settings {
    const value = std.json.parseFromSliceLeaky(Value, text.allocator, json, .{}) catch Value{ .bool = false };
    var settings: Settings = .{};
    const object = switch (value) {
        .null => return settings,
        .object => |object| object,
        else => {
            problem.* = text.format("config: must be a map of settings", .{});
            return null;
        },
    };
    const fields = @typeInfo(Settings).@"struct";
    inline for (fields.field_names, fields.field_types) |name, T| {
        const found = object.get(name) orelse Value.null;
        if (found != .null) {
            @field(settings, name) = convert(T, found) orelse {
                problem.* = text.format("config: `{s}` must be {s}", .{ name, comptime kind(T) });
                return null;
            };
        }
    }
    return settings;
}

fn convert(comptime T: type, value: Value) ?Plain(T) {
    return switch (Plain(T)) {
        []const u8 => if (value == .string) value.string else null,
        []const []const u8 => if (value == .array) texts(value.array.items) else null,
        f64 => switch (value) {
            .integer => |number| @floatFromInt(number),
            .float => |number| number,
            else => null,
        },
        u64 => if (value == .integer and value.integer >= 0) @intCast(value.integer) else null,
        else => @compileError("no such setting: " ++ @typeName(T)),
    };
}

fn texts(values: []const Value) ?[]const []const u8 {
    const list = text.allocator.alloc([]const u8, values.len) catch @trap();
    for (values, list) |value, *item| item.* = convert([]const u8, value) orelse return null;
    return list;
}

fn kind(comptime T: type) []const u8 {
    return switch (Plain(T)) {
        []const u8 => "a text",
        []const []const u8 => "a list of texts",
        f64 => "a number",
        else => "a whole number, 0 or more",
    };
}

/// Without the `?`.
fn Plain(comptime T: type) type {
    return switch (@typeInfo(T)) {
        .optional => |optional| optional.child,
        else => T,
    };
}
