//! The way from a tag to an ad: what each wrapper on it adds, and whom to tell when the ad fails.

use std::sync::Arc;

use crate::media::vast::{Category, Companion, InLine, Wrapper, WrapperLinear};

/// Wrappers from the tag downward. Branches share them.
#[derive(Clone, Default)]
pub(super) struct Chain {
    hops: Vec<Arc<Wrapper>>,
}

impl Chain {
    pub(super) fn depth(&self) -> usize {
        self.hops.len()
    }

    /// Whether the way came by here before. Tags are compared as they were written: filled ones differ by their
    /// random numbers.
    pub(super) fn has(&self, tag: &str) -> bool {
        self.hops.iter().any(|hop| hop.tag_uri.trim() == tag.trim())
    }

    pub(super) fn with(&self, wrapper: Arc<Wrapper>) -> Self {
        let mut longer = self.clone();
        longer.hops.push(wrapper);
        longer
    }

    /// The nearest to us first.
    pub(super) fn hops(&self) -> impl Iterator<Item = &Wrapper> {
        self.hops.iter().map(|hop| &**hop)
    }

    /// Linear parts that wrappers add.
    pub(super) fn linears(&self) -> impl Iterator<Item = &WrapperLinear> {
        self.hops().flat_map(|hop| &hop.creatives).filter_map(|creative| creative.linear.as_ref())
    }

    pub(super) fn companions(&self) -> impl Iterator<Item = &Companion> {
        self.hops()
            .flat_map(|hop| &hop.creatives)
            .filter_map(|creative| creative.companions.as_ref())
            .flat_map(|c| &c.ads)
    }

    /// Error URLs of all wrappers.
    pub(super) fn errors(&self) -> impl Iterator<Item = &String> {
        self.hops().flat_map(|hop| &hop.common.errors)
    }

    /// Whether a wrapper refuses ads of this one's categories (VAST 4.2, 3.19.2).
    pub(super) fn objection(&self, ad: &InLine) -> Option<Objection> {
        let blocked = || self.hops().flat_map(|hop| &hop.blocked_categories);
        blocked().next()?;
        if ad.categories.is_empty() {
            return Some(Objection::NoCategory);
        }
        let refused = ad.categories.iter().any(|category| blocked().any(|blocked| covers(blocked, category)));
        refused.then_some(Objection::Blocked)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objection {
    NoCategory,
    Blocked,
}

/// A wrapper may list several codes in one element, with commas or blanks between them.
fn covers(blocked: &Category, category: &Category) -> bool {
    let same_authority = blocked.authority.is_none() || blocked.authority == category.authority;
    let mut codes = blocked.code.split([',', ' ', '\n']).map(str::trim);
    same_authority && codes.any(|code| code.eq_ignore_ascii_case(category.code.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn category(authority: &str, code: &str) -> Category {
        Category { authority: (!authority.is_empty()).then(|| authority.to_owned()), code: code.to_owned() }
    }

    fn check(blocked: &[Category], has: &[Category], expect: Option<Objection>) {
        let wrapper = Wrapper { blocked_categories: blocked.to_vec(), ..Wrapper::new("https://a.example.com/") };
        let ad = InLine { categories: has.to_vec(), ..InLine::default() };
        assert_eq!(Chain::default().with(Arc::new(wrapper)).objection(&ad), expect);
    }

    #[test]
    fn a_wrapper_may_refuse_categories_of_ads_behind_it() {
        let iab = "https://iabtechlab.com/";
        check(&[], &[category(iab, "232")], None);
        check(&[], &[], None);
        check(&[category(iab, "232")], &[category(iab, "233")], None);
        check(&[category(iab, "232, 233")], &[category(iab, "233")], Some(Objection::Blocked));
        check(&[category("", "233")], &[category(iab, "233")], Some(Objection::Blocked));
        check(&[category("https://other.example.com", "233")], &[category(iab, "233")], None);
        check(&[category(iab, "232")], &[], Some(Objection::NoCategory));
    }
}
