//! What wit-bindgen makes of the contract. The host's interfaces and the shared types are made once; each point's world
//! takes them from there, so that a `Request` is one type whichever features are on.

pub mod host {
    wit_bindgen::generate!({
        inline: "
            package cuetone:sdk;
            world host {
                import cuetone:extension/types@1.0.0;
                import cuetone:extension/log@1.0.0;
                import cuetone:extension/config@1.0.0;
                import cuetone:extension/counters@1.0.0;
            }
        ",
        path: "wit",
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq],
    });
}

/// One module for one point: its types, its `Guest` and the macro that exports a `Guest`.
macro_rules! point {
    ($feature:literal, $name:ident, $world:literal) => {
        #[cfg(feature = $feature)]
        pub mod $name {
            wit_bindgen::generate!({
                world: $world,
                path: "wit",
                with: {
                    "cuetone:extension/types@1.0.0": crate::bindings::host::cuetone::extension::types,
                    "cuetone:extension/log@1.0.0": crate::bindings::host::cuetone::extension::log,
                    "cuetone:extension/config@1.0.0": crate::bindings::host::cuetone::extension::config,
                    "cuetone:extension/counters@1.0.0": crate::bindings::host::cuetone::extension::counters,
                },
                additional_derives: [PartialEq],
                pub_export_macro: true,
            });
        }
    };
}

point!("detect", detect, "break-detector");
point!("targeting", targeting, "targeting-rule");
point!("fill", fill, "fill-strategy");
point!("sink", sink, "tracking-sink");
