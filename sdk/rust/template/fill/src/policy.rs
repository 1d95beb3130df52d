//! Which ads make up a pod. Knows nothing of the server, so it is tested without one.

use cuetone_plugin::Candidate;
use serde::Deserialize;

/// Lengths are sums of measured numbers: so many seconds too long is not too long.
const TOLERANCE: f64 = 1e-6;

/// The tenant's configuration.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// How many ads it has at most; without it, as many as fit.
    max_ads: Option<usize>,
}

impl Pod {
    /// Places in `candidates`: whatever still fits, best first, one ad of each category.
    pub fn choose(&self, duration: f64, candidates: &[Candidate]) -> Vec<u32> {
        let mut chosen = Vec::new();
        let mut categories: Vec<&str> = Vec::new();
        let mut left = duration;
        for (place, ad) in (0..).zip(candidates) {
            if self.max_ads.is_some_and(|most| chosen.len() >= most) {
                break;
            }
            let category = ad.category.as_deref();
            if ad.duration > left + TOLERANCE
                || category.is_some_and(|category| categories.contains(&category))
            {
                continue;
            }
            left -= ad.duration;
            categories.extend(category);
            chosen.push(place);
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use cuetone_plugin::testing::candidate;

    use super::*;

    #[test]
    fn takes_what_still_fits() {
        let ads = [30.0, 40.0, 20.0, 10.0].map(|duration| candidate("ad", duration));
        assert_eq!(Pod::default().choose(60.0, &ads), [0, 2, 3]);
        assert!(Pod::default().choose(5.0, &ads).is_empty());
    }

    #[test]
    fn takes_one_ad_of_each_category() {
        let ads =
            [Some("cars"), Some("cars"), Some("food"), None, None].map(|category| Candidate {
                category: category.map(Into::into),
                ..candidate("ad", 10.0)
            });
        assert_eq!(Pod::default().choose(60.0, &ads), [0, 2, 3, 4]);
    }

    #[test]
    fn takes_no_more_than_allowed() {
        let ads = [10.0; 4].map(|duration| candidate("ad", duration));
        assert_eq!(Pod { max_ads: Some(2) }.choose(60.0, &ads), [0, 1]);
        assert!(Pod { max_ads: Some(0) }.choose(60.0, &ads).is_empty());
    }
}
