//! Numbers of the tenant that the host keeps in memory.

/// `None` for a counter that does not exist, that `counters:` in plugin.yaml does not name, or that the tenant does not
/// grant.
pub fn read(name: &str) -> Option<i64> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::host::cuetone::extension::counters::read(name);
    #[cfg(not(target_arch = "wasm32"))]
    return crate::testing::counter(name);
}
