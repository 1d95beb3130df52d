//! Ads that are not stitched: non-linear ones, which are decided on as the others are, and companions, which go where
//! the linear ads of their campaign go.

use std::collections::HashMap;

use crate::{
    decision::{CompiledRules, Facts},
    domain::{Ad, AdType, Slug, Status, TenantManifest},
};

/// The bundle as a decision about non-linear ads is to see it: they take the place of the linear ones. All that holds
/// for those (flights, rules, scripts, caps, budgets) then holds for them.
pub fn overlays(manifest: &TenantManifest) -> TenantManifest {
    let ads = manifest.ads.iter().filter(|ad| ad.ad_type == AdType::NonLinear);
    TenantManifest { ads: ads.map(|ad| Ad { ad_type: AdType::Linear, ..ad.clone() }).collect(), ..manifest.clone() }
}

/// The companion ads of each campaign.
#[derive(Debug, Default)]
pub struct Companions(HashMap<Slug, Vec<Companion>>);

#[derive(Debug)]
struct Companion {
    ad: Slug,
    rules: CompiledRules,
}

impl Companions {
    pub fn new(manifest: &TenantManifest) -> Self {
        let mut by_campaign: HashMap<Slug, Vec<Companion>> = HashMap::new();
        let active = |ad: &&Ad| ad.ad_type == AdType::Companion && ad.status == Status::Active;
        for ad in manifest.ads.iter().filter(active) {
            // Rules were validated with the bundle.
            let (Some(campaign), Ok(rules)) = (&ad.campaign, CompiledRules::compile(&ad.rules)) else { continue };
            // A script judges ads that compete for a break; what goes along with one is not asked about.
            if rules.scripts().next().is_none() {
                by_campaign.entry(campaign.clone()).or_default().push(Companion { ad: ad.slug.clone(), rules });
            }
        }
        Self(by_campaign)
    }

    /// Those of a campaign that may be shown here and now by their declared rules, in the order of the bundle.
    pub fn of<'a>(&'a self, campaign: &Slug, facts: &'a Facts<'a>) -> impl Iterator<Item = &'a Slug> + use<'a> {
        let companions = self.0.get(campaign).map(Vec::as_slice).unwrap_or_default();
        companions.iter().filter(|companion| companion.rules.first_failure(facts).is_none()).map(|found| &found.ad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bundle::{self, BundleFiles},
        domain::{Moment, Viewer},
        extension::point::LocalTime,
    };

    fn manifest() -> TenantManifest {
        let yaml = r#"
tenant: { slug: acme }
channels: [ { slug: news, hls_manifest_url: "https://cdn.example.com/m.m3u8" } ]
campaigns: [ { slug: summer, name: Summer, status: active }, { slug: winter, name: Winter, status: active } ]
ads:
  - { slug: spot, campaign: summer, duration_seconds: 30, creative: { hls: "https://cdn.example.com/a.m3u8" } }
  - { slug: banner, campaign: summer, duration_seconds: 30, ad_type: companion, creative: { image: "https://cdn.example.com/b.png", width: 300, height: 250 } }
  - { slug: us-only, campaign: summer, duration_seconds: 30, ad_type: companion, creative: { image: "https://cdn.example.com/c.png", width: 728, height: 90 }, rules: [ { type: geo, operator: in, value: [US] } ] }
  - { slug: off, campaign: summer, status: inactive, duration_seconds: 30, ad_type: companion, creative: { image: "https://cdn.example.com/d.png", width: 300, height: 250 } }
  - { slug: lower-third, campaign: winter, duration_seconds: 15, ad_type: non-linear, creative: { image: "https://cdn.example.com/e.png", width: 480, height: 70 } }
"#;
        let files = [("tenant.yaml".to_owned(), yaml.into())].into();
        bundle::parse_located(&BundleFiles { files }).expect("a bundle").manifest
    }

    #[test]
    fn companions_go_with_their_campaign_where_their_rules_allow() {
        let companions = Companions::new(&manifest());
        let of = |campaign: &str, geo: &str| {
            let viewer = Viewer { geo: geo.into(), ..Viewer::default() };
            let now =
                LocalTime { moment: Moment::default(), year: 2026, month: 1, day: 1, hour: 12, minute: 0, weekday: 4 };
            let facts = Facts { viewer: &viewer, channel: "news", now };
            let found = companions.of(&campaign.parse().expect("a slug"), &facts);
            found.map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of("summer", "US"), ["banner", "us-only"]);
        assert_eq!(of("summer", "ID"), ["banner"]);
        assert_eq!(of("winter", "US"), [""; 0]);
    }

    #[test]
    fn overlays_compete_with_overlays_only() {
        let overlays = overlays(&manifest());
        let ads: Vec<_> = overlays.ads.iter().map(|ad| (ad.slug.as_str(), ad.ad_type)).collect();
        assert_eq!(ads, [("lower-third", AdType::Linear)]);
        assert_eq!(overlays.campaigns, manifest().campaigns);
    }
}
