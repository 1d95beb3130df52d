//! The number functions that scripts have beyond Rhai's operators, `min`, `max`, `abs` and `sign`.

use super::{
    registrar::{Effect::Pure, Registrar},
    value::{Fallible, fail},
};

pub fn register(api: &mut Registrar<'_>) {
    api.group("Numbers")
        .function(Pure, "floor(number) -> float", "Rounded down.", |x: f64| x.floor())
        .function(Pure, "floor(int) -> int", "", |x: i64| x)
        .function(Pure, "ceiling(number) -> float", "Rounded up.", |x: f64| x.ceil())
        .function(Pure, "ceiling(int) -> int", "", |x: i64| x)
        .function(Pure, "round(number) -> float", "Rounded to the nearest whole number.", |x: f64| x.round())
        .function(Pure, "round(int) -> int", "", |x: i64| x)
        .function(Pure, "sqrt(number) -> float", "Square root.", |x: f64| x.sqrt())
        .function(Pure, "ln(number) -> float", "Natural logarithm.", |x: f64| x.ln())
        .function(Pure, "exp(number) -> float", "e to the power of the number.", |x: f64| x.exp())
        .function(Pure, "is_nan(number) -> bool", "Whether it is not a number.", |x: f64| x.is_nan())
        .function(Pure, "to_int(number) -> int", "Without its decimals.", to_int)
        .function(Pure, "to_int(int) -> int", "", |x: i64| x)
        .function(Pure, "to_float(number) -> float", "As a number with decimals.", |x: i64| x as f64)
        .function(Pure, "to_float(float) -> float", "", |x: f64| x);
}

fn to_int(x: f64) -> Fallible<i64> {
    // Both bounds are exact floats; i64::MAX itself is not.
    if x.is_nan() || x >= i64::MAX as f64 || x < i64::MIN as f64 {
        return fail(format!("{x} does not fit into a whole number"));
    }
    Ok(x as i64)
}
