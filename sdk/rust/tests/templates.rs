//! The templates' own tests, natively. That they build to components is tested where they are built. rustfmt leaves them
//! alone here: they are formatted with its defaults, as projects are.

#![cfg(all(feature = "detect", feature = "targeting", feature = "fill", feature = "sink", feature = "serde"))]

#[rustfmt::skip]
#[path = "../template/detect/src/lib.rs"]
mod detect;
#[rustfmt::skip]
#[path = "../template/fill/src/lib.rs"]
mod fill;
#[rustfmt::skip]
#[path = "../template/sink/src/lib.rs"]
mod sink;
#[rustfmt::skip]
#[path = "../template/targeting/src/lib.rs"]
mod targeting;
