//! A plugin as the host sees it, and the macro that makes it visible.

use std::marker::PhantomData;

/// Stands before the plugin in each call.
pub struct Exported<Plugin>(PhantomData<Plugin>);

impl<Plugin> Exported<Plugin> {
    /// A trap tells the host nothing but that it happened: log what the panic said.
    pub(crate) fn prepare() {
        #[cfg(target_arch = "wasm32")]
        std::panic::set_hook(Box::new(|panic| crate::log::error(&panic.to_string())));
    }
}

/// Exports a type that implements the trait of the plugin's point: `cuetone_plugin::export!(MyStrategy);`, once, in the
/// plugin's lib.rs. Natively there is no one to export it to, and it only names the type.
#[rustfmt::skip] // It would pull a line of the macro out of its block.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            type CuetoneExported = $crate::Exported<$plugin>;
            #[cfg(target_arch = "wasm32")]
            $crate::point::export!(CuetoneExported with_types_in $crate::point);
            #[cfg(not(target_arch = "wasm32"))]
            let _: fn($plugin) = |_| ();
        };
    };
}
