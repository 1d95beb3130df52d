//! `log`, `print` and `debug`: lines that end up in the server's log, labelled with tenant and script.

use rhai::Dynamic;

use crate::extension::rhai::{
    guard,
    registrar::{Effect::Pure, Registrar},
    value::{to_debug, to_text},
};

pub fn register(api: &mut Registrar<'_>) {
    api.group("Logging")
        .function(
            Pure,
            "log(message)",
            "Writes a line to the server's log, with the tenant and the script.",
            |message: &mut Dynamic| to_text(message).map(|text| guard::log_line(&text)),
        )
        .function(Pure, "print(message)", "The same as `log`.", |message: &mut Dynamic| to_text(message))
        .function(Pure, "debug(value)", "Logs a value with its strings in quotes.", |value: &mut Dynamic| {
            to_debug(value)
        });
    // Rhai hands what the functions `print` and `debug` answer to these.
    api.engine().on_print(guard::log_line);
    api.engine().on_debug(|text, _, _| guard::log_line(text));
}
