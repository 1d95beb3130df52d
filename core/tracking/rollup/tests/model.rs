//! Random events, and sums counted by hand in the plainest way.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::{
    domain::{AvailId, CountedBy, DeviceType, Event, EventType, Moment, Money, Traffic},
    store::{COLUMNS, Dimension, GROUPINGS, Grouping, KeyValue, ReportQuery, ReportTraffic, Store, TenantScope},
};

/// A small generator: the same numbers for the same seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end.max(1) as u64).expect("small")
    }

    pub fn event(&mut self, tenant: &str, time: Moment) -> Event {
        let custom: EventType = "trailer_opened".parse().expect("a type");
        let types: Vec<EventType> = EventType::ALL.into_iter().chain(EventType::OWN).chain([custom]).collect();
        // Half of them impressions.
        let event_type = if self.below(2) == 0 { EventType::Impression } else { types[self.below(types.len())] };
        let slug = |dice: &mut Self, names: &[&str]| match names[dice.below(names.len())] {
            "" => None,
            name => Some(name.parse().expect("a slug")),
        };
        let about_break = matches!(event_type, EventType::Break);
        let is_error = event_type == EventType::Error;
        Event {
            channel: slug(self, &["", "news", "sport"]),
            session: ["", "session-0", "session-1", "session-2", "session-3", "session-4"][self.below(6)].to_owned(),
            avail: AvailId::new(format!("b{}", self.below(1_000_000_000))),
            // An ad that moves between campaigns.
            ad: if about_break { None } else { slug(self, &["", "cola", "tea"]) },
            campaign: if about_break { None } else { slug(self, &["", "summer", "winter"]) },
            device: DeviceType::ALL[self.below(2)],
            geo: ["", "US", "D\u{1f}E"][self.below(3)].into(),
            counted_by: [None, Some(CountedBy::Segment), Some(CountedBy::Api)][self.below(3)],
            traffic: [Traffic::Valid, Traffic::Valid, Traffic::Valid, Traffic::Bot][self.below(4)],
            price: Money::from_micros(i64::try_from(self.below(20_000)).expect("small")),
            error_code: [None, Some(303), Some(400)][self.below(3)].filter(|_| is_error),
            value: [None, Some(30_000_000)][self.below(2)],
            ..Event::new(tenant.parse().expect("a slug"), event_type, time)
        }
        .identified()
    }

    pub fn impression(&mut self, tenant: &str, time: Moment) -> Event {
        Event { event_type: EventType::Impression, ..self.event(tenant, time) }.identified()
    }

    /// Around the night in which Berlin leaves summer time.
    pub fn events(&mut self, count: usize) -> Vec<Event> {
        let from: Timestamp = "2026-10-24T12:00:00Z".parse().expect("a time");
        let event = |dice: &mut Self| {
            let time = from.as_microsecond() + i64::try_from(dice.below(60 * 3_600_000)).expect("small") * 1_000;
            let tenant = ["a", "b"][dice.below(2)];
            dice.event(tenant, Moment(time))
        };
        (0..count).map(|_| event(self)).collect()
    }
}

type Rows<T> = BTreeMap<Vec<String>, T>;

/// All sums of a tenant.
#[derive(Debug, Default, PartialEq)]
pub struct Model {
    /// By `valid` or `invalid`, day, hour, channel, campaign, ad, device, geo, counted_by.
    hours: Rows<Vec<i64>>,
    /// The same without the hour.
    days: Rows<Vec<i64>>,
    /// By grouping, day and the columns of the grouping.
    uniques: Rows<i64>,
    /// By traffic, day, channel, campaign, ad, `error` or `event`, name.
    names: Rows<i64>,
}

const CELL: [(Dimension, u8); 5] = [
    (Dimension::Channel, Grouping::CHANNEL),
    (Dimension::Campaign, Grouping::CAMPAIGN),
    (Dimension::Ad, Grouping::AD),
    (Dimension::Device, Grouping::DEVICE),
    (Dimension::Geo, Grouping::GEO),
];

impl Model {
    /// Counts every single event that has been counted.
    pub async fn count(store: &Store, scope: &TenantScope, zones: &[(i64, String)]) -> Self {
        let mut model = Self::default();
        let mut seen: BTreeMap<Vec<String>, BTreeSet<String>> = BTreeMap::new();
        for stored in store.events_after(scope, 0, 100_000).await.expect("events") {
            let (id, event) = (stored.id, stored.event);
            let zone = zones.iter().rev().find(|(since, _)| *since <= id).map_or("UTC", |(_, zone)| zone);
            let stamp = Timestamp::from_microsecond(event.time.as_micros()).expect("a time");
            let day = stamp.to_zoned(TimeZone::get(zone).expect("a zone")).date().to_string();
            let hour = event.time.as_micros().div_euclid(3_600_000_000).to_string();
            let cell = [
                event.channel.map(String::from).unwrap_or_default(),
                event.campaign.map(String::from).unwrap_or_default(),
                event.ad.map(String::from).unwrap_or_default(),
                event.device.as_str().to_owned(),
                event.geo.chars().filter(|c| !c.is_control()).collect(),
            ];
            let traffic = if event.traffic == Traffic::Valid { "valid" } else { "invalid" }.to_owned();
            let name = event.event_type.as_str();
            let place = [
                ("break", 0),
                ("decided", 2),
                ("stitched", 4),
                ("impression", 5),
                ("start", 6),
                ("first_quartile", 7),
                ("midpoint", 8),
                ("third_quartile", 9),
                ("complete", 10),
                ("click", 11),
                ("error", 12),
                ("trailer_opened", 13),
            ];
            let place = place.iter().find(|(known, _)| *known == name).map(|(_, place)| *place);
            if matches!(name, "trailer_opened" | "error") {
                let (kind, name) = match (name, event.error_code) {
                    ("error", Some(code)) => ("error", code.to_string()),
                    ("error", None) => ("error", "unknown".to_owned()),
                    _ => ("event", name.to_owned()),
                };
                let [channel, campaign, ad, ..] = cell.clone();
                let key = vec![traffic.clone(), day.clone(), channel, campaign, ad, kind.to_owned(), name];
                *model.names.entry(key).or_default() += 1;
            }
            let Some(place) = place else { continue };
            let mut sums = vec![0; COLUMNS.len()];
            sums[place] = 1;
            if matches!(name, "break" | "decided") {
                sums[place + 1] = event.value.unwrap_or(0);
            }
            sums[14] = event.price.micros();
            let way = event.counted_by.map_or("", CountedBy::as_str).to_owned();
            let line = [cell.as_slice(), &[way]].concat();
            add(&mut model.days, [vec![traffic.clone(), day.clone()], line.clone()].concat(), &sums);
            add(&mut model.hours, [vec![traffic.clone(), day.clone(), hour], line].concat(), &sums);
            if name == "impression" && traffic == "valid" && !event.session.is_empty() {
                for grouping in GROUPINGS {
                    let kept = cell.iter().zip(CELL).filter(|(_, (_, bit))| grouping.mask() & bit != 0);
                    let key = [grouping.mask().to_string(), day.clone()].into_iter();
                    let key = key.chain(kept.map(|(value, _)| value.clone())).collect();
                    seen.entry(key).or_default().insert(event.session.clone());
                }
            }
        }
        model.uniques = seen.into_iter().map(|(key, sessions)| (key, sessions.len() as i64)).collect();
        model
    }

    /// Reads the sums, by reports.
    pub async fn read(store: &Store, scope: &TenantScope) -> Self {
        let mut model = Self::default();
        let cell: Vec<Dimension> = CELL.iter().map(|(dimension, _)| *dimension).collect();
        for (name, traffic) in [("valid", ReportTraffic::Valid), ("invalid", ReportTraffic::Invalid)] {
            for by_way in [false, true] {
                // Reports by the way of counting leave out what nobody counted.
                let way: &[Dimension] = if by_way { &[Dimension::CountedBy] } else { &[] };
                let day = [&[Dimension::Day], cell.as_slice(), way].concat();
                let hour = [&[Dimension::Day, Dimension::Hour], cell.as_slice(), way].concat();
                for (rows, group_by) in [(&mut model.days, day), (&mut model.hours, hour)] {
                    for row in report(store, scope, group_by, traffic).await {
                        let mut key = [vec![name.to_owned()], texts(&row.key)].concat();
                        if !by_way {
                            key.push("*".to_owned());
                        }
                        rows.insert(key, row.sums.numbers().to_vec());
                    }
                }
            }
            let group_by = vec![Dimension::Day, Dimension::Channel, Dimension::Campaign, Dimension::Ad];
            let mut page = vec![];
            for names in report_names(store, scope, group_by, traffic).await {
                page.push(names);
            }
            for (key, kind, name_of, count) in page {
                let key = [vec![name.to_owned()], texts(&key), vec![kind.to_owned(), name_of]].concat();
                model.names.insert(key, count);
            }
        }
        for grouping in GROUPINGS {
            let kept = CELL.iter().filter(|(_, bit)| grouping.mask() & bit != 0).map(|(dimension, _)| *dimension);
            let group_by = [Dimension::Day].into_iter().chain(kept).collect();
            for row in report(store, scope, group_by, ReportTraffic::Valid).await {
                let Some(uniques) = row.uniques.filter(|uniques| *uniques > 0) else { continue };
                model.uniques.insert([vec![grouping.mask().to_string()], texts(&row.key)].concat(), uniques);
            }
        }
        model
    }

    pub fn assert_same(&self, read: &Self, what: &str) {
        same(&self.starred(), &read.starred(), &format!("{what}: hours and days"));
        same(&self.uniques, &read.uniques, &format!("{what}: uniques"));
        same(&self.names, &read.names, &format!("{what}: names"));
        assert!(!self.days.is_empty(), "{what}: nothing was counted");
    }

    /// Hours and days, and those summed up over the ways of counting, as `*`; as reports have them: by the way nothing
    /// that nobody counted, and no row with nothing but breaks.
    fn starred(&self) -> Rows<Vec<i64>> {
        let mut all = Rows::new();
        for rows in [&self.days, &self.hours] {
            for (key, sums) in rows {
                let way = key.last().expect("a way");
                if way == "*" {
                    all.insert(key.clone(), sums.clone());
                    continue;
                }
                if !way.is_empty() {
                    all.insert(key.clone(), sums.clone());
                }
                if !rows.keys().any(|key| key.last().expect("a way") == "*") {
                    let mut key = key.clone();
                    *key.last_mut().expect("a way") = "*".to_owned();
                    add(&mut all, key, sums);
                }
            }
        }
        all.retain(|_, sums| sums[2..].iter().any(|sum| *sum != 0));
        all
    }
}

fn add(rows: &mut Rows<Vec<i64>>, key: Vec<String>, sums: &[i64]) {
    let row = rows.entry(key).or_insert_with(|| vec![0; COLUMNS.len()]);
    row.iter_mut().zip(sums).for_each(|(sum, number)| *sum += number);
}

fn same<T: PartialEq + Debug>(counted: &Rows<T>, read: &Rows<T>, what: &str) {
    for (key, counted) in counted {
        assert_eq!(read.get(key), Some(counted), "{what}: {key:?}: read, counted by hand");
    }
    for key in read.keys() {
        assert!(counted.contains_key(key), "{what}: {key:?} is there and should not be");
    }
}

fn texts(key: &[KeyValue]) -> Vec<String> {
    let text = |value: &KeyValue| match value {
        KeyValue::Text(text) => text.clone(),
        KeyValue::Number(number) => number.to_string(),
    };
    key.iter().map(text).collect()
}

/// In small pages.
async fn report(
    store: &Store,
    scope: &TenantScope,
    group_by: Vec<Dimension>,
    traffic: ReportTraffic,
) -> Vec<crate::store::ReportRow> {
    let (from, to): (Date, Date) = ("2026-01-01".parse().expect("a date"), "2027-01-01".parse().expect("a date"));
    let query = ReportQuery { from, to, group_by, filters: Vec::new(), traffic };
    let mut rows: Vec<crate::store::ReportRow> = Vec::new();
    loop {
        let after = rows.last().map(|row| row.key.clone());
        let page = store.report_page(scope, &query, after.as_ref(), 41).await.expect("a page");
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}

type Named = (Vec<KeyValue>, &'static str, String, i64);

async fn report_names(
    store: &Store,
    scope: &TenantScope,
    group_by: Vec<Dimension>,
    traffic: ReportTraffic,
) -> Vec<Named> {
    let mut names = Vec::new();
    for row in report(store, scope, group_by, traffic).await {
        for (kind, map) in [("error", row.errors), ("event", row.events)] {
            for (name, count) in map.expect("names") {
                names.push((row.key.clone(), kind, name, count));
            }
        }
    }
    names
}
