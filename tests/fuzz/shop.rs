//! A tenant with one ad, for what reads reports against a catalogue.

use std::collections::BTreeMap;

use crate::{
    domain::{Ad, AdType, Channel, Creative, EventType, Money, Privacy, ReportTime, Slug, Span, Status, Tenant},
    tracking::{SigningKey, intake::Catalogue},
};

pub struct Shop {
    tenant: Tenant,
    ad: Ad,
    key: SigningKey,
}

impl Shop {
    pub fn new() -> Self {
        let slug = |name: &str| name.parse::<Slug>().expect("a slug");
        let Ok(EventType::Custom(custom)) = "trailer_opened".parse() else { panic!("a name of the tenant's own") };
        Self {
            tenant: Tenant {
                slug: slug("acme"),
                name: String::new(),
                status: Status::Active,
                timezone: "UTC".into(),
                currency: "USD".into(),
                allowed_domains: Vec::new(),
                rate_limit_per_minute: 0,
                report_time: ReportTime::default(),
                privacy: Privacy::default(),
                event_types: vec![custom],
                plugin_keys: Vec::new(),
            },
            ad: Ad {
                slug: slug("cola"),
                name: String::new(),
                campaign: Some(slug("summer")),
                duration: Span::from_secs(30),
                ad_type: AdType::Linear,
                creative: Some(Creative::Hls("https://x.example.com/c.m3u8".to_owned())),
                vast_url: None,
                click_through_url: None,
                status: Status::Active,
                rules: Vec::new(),
                labels: BTreeMap::new(),
            },
            key: SigningKey::new(&[5; 32]),
        }
    }
}

impl Default for Shop {
    fn default() -> Self {
        Self::new()
    }
}

impl Catalogue for Shop {
    fn tenant(&self) -> &Tenant {
        &self.tenant
    }
    fn viewer_key(&self) -> &SigningKey {
        &self.key
    }
    fn ad(&self, slug: &str) -> Option<&Ad> {
        (slug == self.ad.slug.as_str()).then_some(&self.ad)
    }
    fn channel(&self, _: &str) -> Option<&Channel> {
        None
    }
    fn impression_price(&self, campaign: Option<&Slug>) -> Money {
        campaign.map_or(Money::ZERO, |_| Money::from_micros(5_000))
    }
}
