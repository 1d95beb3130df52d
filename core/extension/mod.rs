//! Extensions: the four points where a tenant's own policy is asked, and the only way to ask.
//!
//! - [`point`]: the four traits and what passes through them.
//! - [`load`]: script text → compiled, checked, tried → a trait object ([`Extensions`] is where to start).
//! - [`verified`]: what is known of plugins already, so that nothing is checked twice.
//! - [`call`]: wraps every extension: catches panics, checks answers, counts, and stops asking what keeps failing.
//! - [`lane`]: where it all runs.
//! - [`quota`]: what a tenant's extensions may use together; [`figures`]: how each of them does; [`exposition`]: what
//!   `/metrics` shows of that.
//! - [`limits`]: every limit, with its reason.
//! - [`logs`]: what they log.
//! - [`patience`]: how long they wait for places together.
//! - [`said`]: what they say in words, cut to a length.
//! - [`sample`]: typical inputs, for trial calls.
//! - [`secrets`]: what stands in a configuration for a secret.
//! - [`rhai`]: the script engine. Nothing outside of it knows Rhai.
//! - [`wasm`]: the component host. Nothing outside of it knows WebAssembly.
//!
//! Deliberately knows neither HTTP nor storage nor which extension a channel uses, and holds no policy: what we ship
//! comes through the same door as what tenants write.

pub mod breaker;
pub mod call;
pub mod check;
pub mod counters;
pub mod cpu;
pub mod error;
pub mod exposition;
pub mod figures;
pub mod lane;
pub mod limits;
pub mod load;
pub mod logs;
pub mod patience;
pub mod point;
pub mod quota;
pub mod rhai;
pub mod said;
pub mod sample;
pub mod secrets;
pub mod shipped;
mod verified;
pub mod wasm;
mod watch;

pub use breaker::{Monotonic, monotonic};
pub use call::Guarded;
pub use counters::{CounterView, Counters};
pub use error::ExtensionError;
pub use lane::Lane;
pub use load::{Extensions, Loaded, Point, ScriptSource, Tried};
pub use patience::Patience;
pub use point::*;
pub use quota::Allowance;
pub use verified::Checked;
pub use watch::Insight;
