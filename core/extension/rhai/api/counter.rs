//! `counter(name)`: numbers of the tenant, for rules and fill strategies that were granted them.
//!
//! They are lent to the thread for one call: a function of a script's has no other way to them.

use std::cell::RefCell;

use rhai::{Dynamic, ImmutableString};

use super::optional;
use crate::extension::{
    Counters,
    rhai::{
        guard,
        registrar::{Effect::Pure, Registrar},
        value::Fallible,
    },
};

thread_local! {
    static LENT: RefCell<Option<Counters>> = const { RefCell::new(None) };
}

/// Takes the counters back, even when the call unwinds.
struct Lent;

impl Drop for Lent {
    fn drop(&mut self) {
        LENT.with(|lent| lent.borrow_mut().take());
    }
}

/// Runs `body` with these counters to be read by scripts.
pub fn lend<T>(counters: &Counters, body: impl FnOnce() -> T) -> T {
    LENT.with(|lent| lent.replace(Some(counters.clone())));
    let _lent = Lent;
    body()
}

fn read(name: &str) -> Fallible<Dynamic> {
    guard::charge(name.len())?;
    Ok(optional(LENT.with(|lent| lent.borrow().as_ref()?.read(name))))
}

pub fn register(api: &mut Registrar<'_>) {
    api.group("Counters").function(
        Pure,
        "counter(text)",
        "How often something happened on this tenant's channels, as of some seconds ago: `impressions`, `completes` or `clicks`, then \
         `.hour` or `.today`, and if not of all `.channel.`, `.campaign.` or `.ad.` with a slug, as in \
         `counter(\"impressions.today.ad.cola\")`. `()` if the tenant does not grant it or it is not known yet: \
         `counter(\"clicks.hour\") ?? 0`. For targeting and fill.",
        |name: ImmutableString| read(&name),
    );
}
