//! Every limit on a call into an extension, in one place, each with its reason.

use std::time::Duration;

/// Hard stop for one call. Shipped scripts need well under 1 ms; a break decision has time for a slow rule, but a
/// hostile one must be gone before anybody notices (the promise is 50 ms, this leaves room for one native call). Time
/// that a script spends waiting for a processor does not count.
pub const CALL_DEADLINE: Duration = Duration::from_millis(20);

/// The same for a detector: asked once for a new playlist version and not for each viewer, but for a library title with
/// a hundred marked breaks at once.
pub const DETECT_DEADLINE: Duration = Duration::from_millis(40);

/// The same for a sink: it makes the requests of 500 events, nobody waits for it, and it holds one thread of its own.
pub const SINK_DEADLINE: Duration = Duration::from_millis(250);

/// Rhai operations per call; counted by ourselves, in callbacks too. About 20 ms of plain script on a slow core.
pub const MAX_OPERATIONS: u64 = 1_000_000;

/// Script call depth. Rules are flat; deep recursion is a mistake or an attack.
pub const MAX_CALL_DEPTH: usize = 32;

/// Bytes of one script file.
pub const MAX_SCRIPT_BYTES: usize = 256 * 1024;

/// Bytes of one string inside a script. Webhook bodies of a full batch must fit.
pub const MAX_STRING_BYTES: usize = 1024 * 1024;

/// Elements of one array, nested ones included.
pub const MAX_ARRAY_ITEMS: usize = 20_000;

/// Entries of one map, nested ones included.
pub const MAX_MAP_ENTRIES: usize = 20_000;

/// Failures in a row that open the circuit breaker of one script.
pub const BREAKER_FAILURES: u32 = 5;

/// How long an open breaker waits before it lets one trial call through.
pub const BREAKER_COOL_DOWN: Duration = Duration::from_secs(10);

/// Variables alive at once in one script. Bounds what copies of a full array can pile up.
pub const MAX_VARIABLES: usize = 200;

/// Functions in one script; closures count.
pub const MAX_FUNCTIONS: usize = 256;

/// How deep expressions may nest; the parser recurses once a level, on the server's stack.
pub const MAX_EXPRESSION_DEPTH: usize = 48;

/// How deep values may nest where native code walks them (comparison, JSON, text).
pub const MAX_VALUE_DEPTH: usize = 32;

/// Lines that one call may log; a full batch of events needs one each.
pub const MAX_LOG_LINES: usize = 500;

/// Bytes of one log line.
pub const MAX_LOG_BYTES: usize = 2 * 1024;

/// Bytes of the reason that a rule gives for a drop. A sentence; it is kept for each of a thousand ads in each of a channel's
/// last decisions, and every explanation repeats it.
pub const MAX_REASON_BYTES: usize = 256;

/// Bytes of a message, a hint or a backtrace of an extension that failed: a screen full. It is kept with decisions, and
/// written to the server's log.
pub const MAX_MESSAGE_BYTES: usize = 2 * 1024;

/// Bytes of a name in a script. Rhai has no limit of its own, and names are compared with others to say what was meant.
pub const MAX_NAME_BYTES: usize = 128;

/// Avails in one answer of a detector, and those that a channel knows at a time: more than a day of breaks in a window.
pub const MAX_AVAILS: usize = 500;

/// Requests in one answer of a sink.
pub const MAX_SINK_REQUESTS: usize = 1_000;

/// Bytes of an avail's id: it stands as it is in every ad segment's URL and in events.
pub const MAX_ID_BYTES: usize = 96;

/// Bytes of the name or value of an avail's metadata: they travel with every decision about it.
pub const MAX_METADATA_BYTES: usize = 128;

/// Entries of an avail's metadata: as many as an ad has labels, and like them they travel into every script call.
pub const MAX_AVAIL_METADATA: usize = 50;

/// The longest avail. Beyond a day something computed a date as a duration.
pub const MAX_AVAIL: crate::domain::Span = crate::domain::Span::from_secs(24 * 60 * 60);
