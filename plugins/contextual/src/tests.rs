//! Content, an ad and a configuration; and the verdict.

use cuetone_plugin::{
    Candidate, Labels, TargetingRule, Verdict,
    testing::{candidate, logged_lines, request, set_counter, with_config},
};

use crate::Contextual;

const GENRE: &str = "{}";

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let mut labels: Labels = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    labels.sort();
    labels
}

/// `content`: the avail's metadata; names with `channel.` or `param.` go there.
fn judge(config: &str, content: &[(&str, &str)], ad: &[(&str, &str)]) -> Verdict {
    let mut request = request();
    let of = |prefix: &str| -> Vec<(&str, &str)> {
        content.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, *value))).collect()
    };
    request.labels = labels(&of("channel."));
    request.params = labels(&of("param."));
    let of_avail: Vec<(&str, &str)> = content.iter().filter(|(name, _)| !name.contains('.')).copied().collect();
    request.avail.metadata = labels(&of_avail);
    let ad = Candidate { labels: labels(ad), ..candidate("ad", 30.0) };
    with_config(config, || Contextual::judge(request, vec![ad])).unwrap().remove(0)
}

type Pairs = &'static [(&'static str, &'static str)];

fn check(table: &[(&str, Pairs, Pairs, Verdict)]) {
    for (config, content, ad, expect) in table {
        assert_eq!(judge(config, content, ad), *expect, "{config} {content:?} {ad:?}");
    }
}

fn dropped(reason: &str) -> Verdict {
    Verdict::Drop(reason.into())
}

#[test]
fn wanted_words_score() {
    check(&[
        (GENRE, &[("genre", "Sports")], &[("context:genre", "news, SPORTS")], Verdict::Score(10.0)),
        (GENRE, &[("genre", "sports, news")], &[("context:genre", "news,sports")], Verdict::Score(10.0)),
        (GENRE, &[("genre", "cooking")], &[("context:genre", "news")], Verdict::Keep),
        (GENRE, &[("genre", "cooking")], &[], Verdict::Keep),
        (GENRE, &[], &[("context:genre", "news")], Verdict::Keep),
        (GENRE, &[("keyword", "surf, sea,wind")], &[("context:keyword", "sea, wind, snow")], Verdict::Score(10.0)),
        (
            GENRE,
            &[("genre", "news"), ("mood", "calm")],
            &[("context:genre", "news"), ("context:mood", "calm")],
            Verdict::Score(15.0),
        ),
    ]);
}

#[test]
fn the_avail_says_it_before_the_channel() {
    check(&[
        (GENRE, &[("channel.genre", "news")], &[("context:genre", "news")], Verdict::Score(10.0)),
        (GENRE, &[("channel.genre", "news"), ("genre", "sports")], &[("context:genre", "news")], Verdict::Keep),
        (GENRE, &[("channel.genre", "news"), ("genre", " , ")], &[("context:genre", "news")], Verdict::Score(10.0)),
        // All sources together: keywords.
        (
            GENRE,
            &[("channel.keyword", "sea"), ("keyword", "wind")],
            &[("context:keyword", "sea,wind")],
            Verdict::Score(10.0),
        ),
    ]);
}

#[test]
fn what_does_not_match_can_cost_points_or_the_place() {
    let miss = r#"{"fields": [{"name": "genre", "weight": 3, "miss": -4}]}"#;
    let required = r#"{"fields": [{"name": "genre", "required": true}]}"#;
    let known = r#"{"fields": [{"name": "genre", "required": true, "unknown": "drop"}]}"#;
    check(&[
        (miss, &[("genre", "news")], &[("context:genre", "sports")], Verdict::Score(-4.0)),
        (miss, &[("genre", "news")], &[("context:genre", "news")], Verdict::Score(3.0)),
        (miss, &[], &[("context:genre", "sports")], Verdict::Keep),
        (
            required,
            &[("genre", "news, talk")],
            &[("context:genre", "sports")],
            dropped("wants genre sports; the content has news, talk"),
        ),
        (required, &[], &[("context:genre", "sports")], Verdict::Keep),
        (known, &[], &[("context:genre", "sports")], dropped("wants genre sports, and the content's is unknown")),
        (known, &[], &[], Verdict::Keep),
        // As languages are, unless set.
        ("{}", &[("language", "de")], &[("context:language", "EN")], dropped("wants language en; the content has de")),
    ]);
}

#[test]
fn avoided_words_drop() {
    check(&[
        (GENRE, &[("genre", "News, Horror")], &[("context:not_genre", "horror")], dropped("avoids genre horror")),
        (GENRE, &[("genre", "news")], &[("context:not_genre", "horror")], Verdict::Keep),
        (
            GENRE,
            &[("genre", "news, horror")],
            &[("context:genre", "news"), ("context:not_genre", "horror")],
            dropped("avoids genre horror"),
        ),
    ]);
}

#[test]
fn a_floor_drops_what_scores_less() {
    let floor = r#"{"floor": 10}"#;
    let for_all = r#"{"floor": 1, "floor_for": "all"}"#;
    check(&[
        (floor, &[("genre", "news")], &[("context:genre", "news")], Verdict::Score(10.0)),
        (
            floor,
            &[("genre", "news"), ("mood", "calm")],
            &[("context:genre", "sports"), ("context:mood", "calm")],
            dropped("context score 5 is below 10: mood +5"),
        ),
        (
            floor,
            &[("genre", "news")],
            &[("context:genre", "sports")],
            dropped("context score 0 is below 10: nothing matched"),
        ),
        (floor, &[("genre", "news")], &[], Verdict::Keep),
        // Of the mood something is known, of the genre nothing: only what is known is held against the floor.
        (floor, &[("mood", "calm")], &[("context:genre", "sports")], Verdict::Keep),
        (
            floor,
            &[("mood", "calm")],
            &[("context:genre", "sports"), ("context:mood", "calm")],
            dropped("context score 5 is below 10: mood +5"),
        ),
        (for_all, &[("genre", "news")], &[], dropped("context score 0 is below 1: nothing matched")),
    ]);
}

#[test]
fn content_of_which_nothing_is_known_keeps_ads_above_any_floor_unless_told_otherwise() {
    let floor = r#"{"floor": 5}"#;
    let drop = r#"{"floor": 5, "fields": [{"name": "genre", "unknown": "drop"}]}"#;
    let for_all = r#"{"floor": 5, "floor_for": "all"}"#;
    let wants: Pairs = &[("context:genre", "sports"), ("context:mood", "calm")];
    check(&[
        (floor, &[], wants, Verdict::Keep),
        (floor, &[("genre", " , ")], wants, Verdict::Keep),
        (drop, &[], wants, dropped("wants genre sports, and the content's is unknown")),
        (for_all, &[], wants, dropped("context score 0 is below 5: nothing matched")),
    ]);
}

#[test]
fn ratings_have_floors_and_ceilings() {
    let rating = r#"{"rating": {}}"#;
    let lenient = r#"{"rating": {"unknown": "keep"}}"#;
    check(&[
        (rating, &[("rating", "pg")], &[("context:max_rating", "PG-13")], Verdict::Keep),
        (
            rating,
            &[("channel.rating", "R")],
            &[("context:max_rating", "PG-13")],
            dropped("the content is rated R, the ad goes up to PG-13"),
        ),
        (rating, &[("rating", "PG")], &[("rating", "R")], dropped("rated R, the content is PG")),
        (rating, &[], &[("rating", "R")], dropped("the content's rating is unknown")),
        (lenient, &[], &[("rating", "R")], Verdict::Keep),
        (rating, &[], &[], Verdict::Keep),
        // An empty text says nothing: the next source does.
        (
            rating,
            &[("rating", " "), ("channel.rating", "R")],
            &[("context:max_rating", "PG")],
            dropped("the content is rated R, the ad goes up to PG"),
        ),
        (rating, &[("rating", "")], &[("rating", "R")], dropped("the content's rating is unknown")),
        (
            rating,
            &[("rating", "G")],
            &[("rating", "18")],
            dropped("label rating: `18` is not one of G, PG, PG-13, R, NC-17"),
        ),
        // Without `rating` in the configuration it is not looked at.
        ("{}", &[("rating", "G")], &[("rating", "R")], Verdict::Keep),
    ]);
    logged_lines();
    assert_eq!(judge(rating, &[("rating", "FSK 12")], &[]), Verdict::Keep);
    assert_eq!(logged_lines()[0].1, "the content's rating `FSK 12` is not on the scale: G, PG, PG-13, R, NC-17");
}

#[test]
fn exclusions_keep_ads_from_content() {
    let kids = r#"{"exclusions": [{"field": "genre", "content": ["Kids", "family"], "label": "category",
        "values": ["Alcohol", "gambling"]}]}"#;
    let never = r#"{"exclusions": [{"field": "genre", "label": "category", "values": ["alcohol"]}]}"#;
    check(&[
        (
            kids,
            &[("genre", "animation, kids")],
            &[("category", "alcohol")],
            dropped("category alcohol is excluded from genre kids"),
        ),
        (kids, &[("genre", "news")], &[("category", "alcohol")], Verdict::Keep),
        (kids, &[("genre", "kids")], &[("category", "toys")], Verdict::Keep),
        (never, &[], &[("category", "alcohol")], dropped("category alcohol is excluded")),
    ]);
}

#[test]
fn fields_are_the_tenants_own() {
    let own = r#"{"fields": [{"name": "topic", "content": ["param.topic", "channel.about"], "split": "|",
        "want": "topics", "avoid": "no_topics", "weight": 2.5, "count": "each"}]}"#;
    check(&[
        (own, &[("param.topic", "Sea|Sun")], &[("topics", "sun, sea")], Verdict::Score(5.0)),
        (own, &[("channel.about", "late  night")], &[("topics", "Late Night")], Verdict::Score(2.5)),
        (own, &[("topic", "sun")], &[("topics", "sun")], Verdict::Keep),
        (own, &[("param.topic", "sun")], &[("no_topics", "SUN")], dropped("avoids topic sun")),
    ]);
}

#[test]
fn what_was_shown_today_costs_points_but_does_not_drop() {
    set_counter("impressions.today.ad.ad", 30);
    let tired = r#"{"fatigue": 0.5, "floor": 1}"#;
    let fits: &[(&str, &str)] = &[("context:genre", "news")];
    check(&[
        (tired, &[("genre", "news")], fits, Verdict::Score(-5.0)),
        (tired, &[("genre", "news")], &[], Verdict::Score(-15.0)),
        ("{}", &[("genre", "news")], fits, Verdict::Score(10.0)),
    ]);
    let refused = with_config(r#"{"fatigue": -1}"#, || Contextual::judge(request(), Vec::new()));
    assert!(refused.is_err_and(|error| error.contains("fatigue")));
}

#[test]
fn one_verdict_for_each_ad_and_short_reasons() {
    let long = "x".repeat(1_000);
    let ad = |label: &str, value: &str| Candidate { labels: labels(&[(label, value)]), ..candidate("ad", 30.0) };
    let mut request = request();
    request.avail.metadata = labels(&[("genre", &long)]);
    let ads = vec![ad("context:genre", &long), ad("context:not_genre", &long), ad("other", "x")];
    let verdicts = Contextual::judge(request, ads).unwrap();
    assert_eq!([&verdicts[0], &verdicts[2]], [&Verdict::Score(10.0), &Verdict::Keep]);
    assert!(matches!(&verdicts[1], Verdict::Drop(reason) if reason.chars().count() == 200));
}
