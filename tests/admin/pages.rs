//! Lists page by page, while they change.

use serde_json::{Value, json};

use super::api::Api;

fn slugs(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items");
    items.iter().map(|item| item["slug"].as_str().expect("a slug").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_changes_between_pages_loses_and_repeats_nothing_that_stays() {
    let api = Api::start().await;
    let all = "/tenants/acme/campaigns";
    for n in 0..9 {
        api.post(all, json!({"slug": format!("c{n}")})).await.created();
    }
    let first = api.get(&format!("{all}?limit=3")).await.ok();
    assert_eq!(slugs(&first), ["c0", "c1", "c2"]);
    // The last item of the page goes, one comes before it, one behind it.
    api.delete(&format!("{all}/c2")).await.gone();
    api.post(all, json!({"slug": "c00"})).await.created();
    api.post(all, json!({"slug": "c33"})).await.created();
    let mut seen = slugs(&first);
    let mut cursor = first["next_cursor"].as_str().map(str::to_owned);
    while let Some(next) = cursor {
        let page = api.get(&format!("{all}?limit=3&cursor={next}")).await.ok();
        seen.extend(slugs(&page));
        cursor = page["next_cursor"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, ["c0", "c1", "c2", "c3", "c33", "c4", "c5", "c6", "c7", "c8"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_hold_on_every_page_and_a_full_last_page_promises_no_other() {
    let api = Api::start().await;
    api.post("/tenants/acme/campaigns", json!({"slug": "summer"})).await.created();
    for n in 0..8 {
        let (campaign, status) =
            (if n % 2 == 0 { json!("summer") } else { Value::Null }, if n < 4 { "active" } else { "inactive" });
        let ad = json!({"slug": format!("ad-{n}"), "name": format!("Spot {n}"), "campaign": campaign, "status": status,
            "duration_seconds": 10, "vast_url": "https://ads.example.com/vast"});
        api.post("/tenants/acme/ads", ad).await.created();
    }
    let list = |query: &'static str| {
        let api = &api;
        async move { api.get(&format!("/tenants/acme/ads?{query}")).await.ok() }
    };
    assert_eq!(slugs(&list("campaign=summer").await), ["ad-0", "ad-2", "ad-4", "ad-6"]);
    assert_eq!(slugs(&list("campaign=summer&status=inactive").await), ["ad-4", "ad-6"]);
    assert_eq!(slugs(&list("q=SPOT%207").await), ["ad-7"]);
    assert_eq!(slugs(&list("ad_type=companion").await), [""; 0]);
    let full = list("campaign=summer&limit=4").await;
    assert_eq!((slugs(&full).len(), &full["next_cursor"]), (4, &Value::Null));
    let first = list("campaign=summer&limit=3").await;
    let next = first["next_cursor"].as_str().expect("one more");
    let second = api.get(&format!("/tenants/acme/ads?campaign=summer&limit=3&cursor={next}")).await.ok();
    assert_eq!((slugs(&second), &second["next_cursor"]), (vec!["ad-6".to_owned()], &Value::Null));
}
