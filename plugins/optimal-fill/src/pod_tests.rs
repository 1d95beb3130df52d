//! Whole calls: what a configuration makes of candidates.

use cuetone_plugin::{
    Candidate, FillStrategy,
    testing::{candidate, logged_lines, request, with_config},
};
use proptest::prelude::*;

use crate::{OptimalFill, value::micros};

/// `(id, seconds, price, category)`.
fn ad(id: &str, duration: f64, cpm: f64, category: &str) -> Candidate {
    let category = Some(category).filter(|name| !name.is_empty()).map(str::to_owned);
    Candidate { cpm, category, ..candidate(id, duration) }
}

fn with_label(candidate: Candidate, name: &str, value: &str) -> Candidate {
    Candidate { labels: vec![(name.into(), value.into())], ..candidate }
}

fn fill(seconds: f64, candidates: &[Candidate], config: &str) -> Result<Vec<u32>, String> {
    let mut request = request();
    request.avail.duration = seconds;
    with_config(config, || OptimalFill::fill(request, candidates.to_vec()))
}

/// Ids, for an avail of a minute.
fn pod(candidates: &[Candidate], config: &str) -> Vec<String> {
    let places = fill(60.0, candidates, config).unwrap();
    places.iter().map(|place| candidates[*place as usize].id.clone()).collect()
}

#[test]
fn three_good_ads_beat_the_best_one() {
    let ads = [ad("long", 60.0, 20.0, ""), ad("a", 20.0, 9.0, ""), ad("b", 20.0, 8.0, ""), ad("c", 20.0, 7.0, "")];
    assert_eq!(pod(&ads, "{}"), ["a", "b", "c"]);
}

#[test]
fn a_category_is_taken_once_and_by_the_one_that_leaves_room() {
    let ads = [ad("car", 45.0, 12.0, "cars"), ad("small-car", 30.0, 10.0, "cars"), ad("food", 30.0, 9.0, "food")];
    assert_eq!(pod(&ads, "{}"), ["small-car", "food"]);
}

#[test]
fn scores_and_priorities_count_by_their_weights() {
    let scored = Candidate { score: 3.0, ..ad("scored", 60.0, 8.0, "") };
    let first = Candidate { priority: 9, ..ad("first", 60.0, 1.0, "") };
    let ads = [first, ad("priced", 60.0, 9.0, ""), scored];
    assert_eq!(pod(&ads, r#"{"priority_weight": 0, "score_weight": 0}"#), ["priced"]);
    assert_eq!(pod(&ads, r#"{"priority_weight": 0}"#), ["scored"]);
    assert_eq!(pod(&ads, r#"{"priority_weight": 2}"#), ["first"]);
}

#[test]
fn filled_time_can_have_a_price() {
    let ads = [ad("short", 10.0, 10.0, "x"), ad("long", 60.0, 8.0, "x")];
    assert_eq!(pod(&ads, "{}"), ["short"]);
    assert_eq!(pod(&ads, r#"{"fill_weight": 0.1}"#), ["long"]);
}

#[test]
fn of_equal_worth_the_fuller_pod_then_the_earlier_ads() {
    let ads = [ad("short", 15.0, 10.0, "x"), ad("long", 30.0, 10.0, "x")];
    assert_eq!(pod(&ads, "{}"), ["long"]);
    let alike: Vec<Candidate> = ["a", "b", "c", "d"].map(|id| ad(id, 30.0, 10.0, "")).into();
    assert_eq!(pod(&alike, "{}"), ["a", "b"]);
}

#[test]
fn points_off_make_an_ad_the_last_choice_and_not_a_loss() {
    let off = Candidate { score: -50.0, ..ad("off", 30.0, 10.0, "") };
    assert_eq!(pod(&[off.clone(), ad("on", 30.0, 1.0, "")], "{}"), ["off", "on"]);
    assert_eq!(pod(&[off, ad("on", 30.0, 1.0, ""), ad("too", 30.0, 1.0, "")], "{}"), ["on", "too"]);
}

#[test]
fn no_more_ads_than_allowed() {
    let ads: Vec<Candidate> = ["a", "b", "c"].map(|id| ad(id, 10.0, 5.0, "")).into();
    assert_eq!(pod(&ads, r#"{"max_ads": 2}"#), ["a", "b"]);
}

#[test]
fn a_pod_that_is_too_empty_gives_way_to_the_fullest() {
    let ads = [ad("rich", 20.0, 50.0, "x"), ad("a", 40.0, 5.0, "x"), ad("b", 15.0, 4.0, "y")];
    assert_eq!(pod(&ads, r#"{"min_fill": 0.5}"#), ["rich", "b"]);
    assert_eq!(pod(&ads, r#"{"min_fill": 0.9}"#), ["a", "b"]);
}

#[test]
fn of_the_fullest_pods_the_most_valuable_plays() {
    let filler = Candidate { priority: 1, ..ad("filler60", 60.0, 1.0, "") };
    let ads = [filler, ad("rich20", 20.0, 50.0, ""), ad("b30", 30.0, 20.0, ""), ad("c30", 30.0, 20.0, "")];
    assert_eq!(pod(&ads, r#"{"min_fill": 0.9, "priority_weight": 0}"#), ["b30", "c30"]);
    let mut ads = vec![ad("rich", 100.0, 30.0, ""), ad("x", 60.0, 9.0, "x"), ad("z", 60.0, 8.0, "z")];
    ads.extend(["y1", "y2", "y3", "y4"].map(|id| ad(id, 30.0, 6.0, "")));
    assert_eq!(fill(120.0, &ads, r#"{"min_fill": 0.9}"#), Ok(vec![3, 4, 5, 6]));
    // A thousandth that is empty is not seen.
    let ads = [ad("full", 60.0, 1.0, "x"), ad("rich", 30.0, 50.0, "x"), ad("nearly", 59.95, 2.0, "x")];
    assert_eq!(pod(&ads, r#"{"min_fill": 0.9}"#), ["nearly"]);
    // The bids for places count as they do elsewhere.
    let bidder = with_label(ad("bidder", 30.0, 5.0, ""), "bid", "3");
    let ads = [ad("rich", 20.0, 90.0, ""), ad("a", 30.0, 9.0, ""), ad("b", 30.0, 8.0, ""), bidder];
    let config = r#"{"min_fill": 0.9, "positions": [{"position": "last", "label": "bid"}]}"#;
    assert_eq!(pod(&ads, config), ["a", "bidder"]);
}

#[test]
fn the_highest_bid_has_the_position() {
    let bid =
        r#"{"positions": [{"position": "first", "label": "bid_first"}, {"position": "last", "label": "bid_last"}]}"#;
    let ads = [
        ad("a", 20.0, 10.0, ""),
        with_label(ad("b", 20.0, 10.0, ""), "bid_first", "1.5"),
        with_label(ad("c", 20.0, 9.0, ""), "bid_first", "2"),
    ];
    assert_eq!(pod(&ads, bid), ["c", "a", "b"]);
    let ads = [with_label(ad("a", 20.0, 10.0, ""), "bid_last", "1.1"), ad("b", 20.0, 10.0, ""), ad("c", 20.0, 9.0, "")];
    assert_eq!(pod(&ads, bid), ["b", "c", "a"]);
}

#[test]
fn a_bid_can_bring_an_ad_into_the_pod() {
    let ads = [ad("rich", 60.0, 10.0, ""), with_label(ad("bidder", 60.0, 8.0, ""), "bid", "1.3")];
    assert_eq!(pod(&ads, r#"{"positions": [{"position": "first", "label": "bid"}]}"#), ["bidder"]);
}

#[test]
fn campaigns_bid_for_their_ads() {
    let ads: Vec<Candidate> =
        ["a", "b"].map(|id| Candidate { campaign: Some(format!("campaign-{id}")), ..ad(id, 30.0, 5.0, "") }).into();
    assert_eq!(pod(&ads, r#"{"positions": [{"position": 1, "campaigns": {"campaign-b": 1.2}}]}"#), ["b", "a"]);
}

#[test]
fn a_label_that_is_no_multiplier_is_left_out_and_reported() {
    let ads = [with_label(ad("a", 30.0, 5.0, ""), "bid", "lots"), ad("b", 30.0, 5.0, "")];
    logged_lines();
    assert_eq!(pod(&ads, r#"{"positions": [{"position": "last", "label": "bid"}]}"#), ["a", "b"]);
    assert_eq!(logged_lines()[0].1, "ad `a`: label `bid` is `lots`, not a multiplier from 1 to 100; left out");
}

#[test]
fn nothing_to_choose_from_is_an_empty_pod() {
    assert_eq!(fill(60.0, &[], "null"), Ok(vec![]));
    assert_eq!(fill(5.0, &[ad("a", 6.0, 1.0, "")], "{}"), Ok(vec![]));
    assert_eq!(fill(0.0, &[ad("a", 6.0, 1.0, ""), ad("b", 0.0, 1.0, "")], "{}"), Ok(vec![]));
}

fn candidates() -> impl Strategy<Value = (f64, Vec<Candidate>)> {
    let seconds = prop_oneof![
        (3_000_000..45_000_000_i64).prop_map(|micros| micros as f64 / 1e6),
        (1..90_u8).prop_map(|halves| f64::from(halves) / 2.0),
        prop::sample::select(vec![10.0, 15.0, 20.0, 30.0, 60.0]),
    ];
    let breaks = prop_oneof![0.0..200.0_f64, prop::sample::select(vec![30.0, 60.0, 120.0])];
    let category = prop::sample::select(vec!["", "cars", "food", "travel"]);
    let parts = (seconds, 0..4_000_u32, category, -5.0..5.0_f64, -2..3_i32);
    let any = parts.prop_map(|(seconds, cents, category, score, priority)| Candidate {
        score,
        priority,
        ..ad("ad", seconds, f64::from(cents) / 100.0, category)
    });
    (breaks, prop::collection::vec(any, 0..=11))
}

/// Millionths, as the README defines an ad's value.
fn value(ad: &Candidate) -> i64 {
    ((ad.cpm + ad.score + f64::from(ad.priority)) * 1e6).round().max(0.0) as i64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_pod_is_as_good_as_any_and_fits((seconds, ads) in candidates()) {
        let room = micros(seconds);
        let fits = |pod: &[usize]| {
            let named: Vec<&String> = pod.iter().filter_map(|at| ads[*at].category.as_ref()).collect();
            let apart = named.iter().enumerate().all(|(at, name)| !named[..at].contains(name));
            apart && pod.iter().map(|at| micros(ads[*at].duration)).sum::<i64>() <= room
        };
        let worth = |pod: &[usize]| pod.iter().map(|at| value(&ads[*at])).sum::<i64>();
        let pod: Vec<usize> = fill(seconds, &ads, "{}").unwrap().iter().map(|place| *place as usize).collect();
        prop_assert!(fits(&pod));
        let sets = || (0..1_u32 << ads.len()).map(|bits| (0..ads.len()).filter(|at| bits & (1 << at) != 0).collect());
        let best = sets().filter(|set: &Vec<usize>| fits(set)).map(|set| worth(&set)).max();
        prop_assert_eq!(Some(worth(&pod)), best);

        // Where only a full pod will do: a thousandth less is as full.
        let filled = |pod: &[usize]| {
            let length = pod.iter().map(|at| micros(ads[*at].duration)).sum::<i64>();
            (length.min(room - room / 1_000), worth(pod))
        };
        let pod = fill(seconds, &ads, r#"{"min_fill": 1}"#).unwrap();
        let pod: Vec<usize> = pod.iter().map(|place| *place as usize).collect();
        prop_assert!(fits(&pod));
        let best = sets().filter(|set: &Vec<usize>| fits(set)).map(|set| filled(&set)).max();
        prop_assert_eq!(Some(filled(&pod)), best);
    }
}
