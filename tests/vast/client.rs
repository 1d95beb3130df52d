//! Other people's clients read what we write: `@dailymotion/vast-client` and `@dailymotion/vmap`, in Node.js.

use std::process::Command;

use serde_json::{Value, json};

use crate::{documents::server, node};

/// What `tests/vast/read.mjs` finds on a server.
fn read(base: &str) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vast/read.mjs");
    let output = node::run(Command::new("node").args([script, base]).env("MODULES", node::modules("vast")), "node");
    assert!(output.status.success(), "{}", node::both(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{}", node::both(&output)))
}

fn ids(found: &Value) -> Vec<&str> {
    found["ads"].as_array().unwrap().iter().map(|ad| ad["id"].as_str().unwrap()).collect()
}

/// One test: packages are installed once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn independent_clients_find_in_our_documents_what_we_put_there() {
    let server = server("").await;
    let base = server.base.clone();
    let found = tokio::task::spawn_blocking(move || read(&base)).await.unwrap();

    let pod = &found["pod"];
    assert_eq!((ids(pod), &pod["version"], &pod["errors"]), (vec!["red", "green"], &json!("4.2"), &json!(0)));
    let red = &pod["ads"][0];
    assert_eq!((red["sequence"].to_string().trim_matches('"'), &red["title"]), ("1", &json!("Spot & red")));
    assert_eq!((red["impressions"].as_array().unwrap().len(), &red["errors"]), (1, &json!(1)));
    let linear = &red["creatives"][0];
    assert_eq!((&linear["type"], &linear["duration"]), (&json!("linear"), &json!(10)));
    let events = ["start", "firstQuartile", "midpoint", "thirdQuartile", "complete"];
    assert!(events.iter().all(|event| linear["tracking"][event] == 1), "{linear}");
    assert!(linear["click"].as_str().unwrap().contains("/beacon/click/"));
    assert_eq!(
        linear["media"],
        json!([{"type": "application/vnd.apple.mpegurl", "delivery": "streaming", "url": server.origin.url("ads/red-5/master.m3u8"),
            "width": 640, "height": 360, "bitrates": [0, 400, 800]}])
    );
    let companion = &red["creatives"][1];
    assert_eq!(companion["type"], "companion");
    let banner = &companion["variations"][0];
    assert_eq!(
        (&banner["id"], &banner["size"], &banner["tracking"]),
        (&json!("banner"), &json!([300, 250]), &json!({"creativeView": 1}))
    );

    assert_eq!((ids(&found["alone"]), &found["alone"]["ads"][0]["sequence"]), (vec!["red"], &Value::Null));
    let overlay = &found["overlay"]["ads"][0]["creatives"][0];
    assert_eq!(overlay["type"], "nonlinear");
    assert_eq!(
        (&overlay["variations"][0]["size"], &overlay["variations"][0]["duration"]),
        (&json!([300, 250]), &json!(12))
    );

    assert_eq!(found["noAd"]["ads"], 0);
    let told = &found["noAd"]["tracked"][0];
    assert!(told["templates"][0].as_str().unwrap().contains("/beacon/error/"), "{told}");

    let versions = found["versions"].as_array().unwrap();
    let names: Vec<_> = versions.iter().map(|found| found["version"].as_str().unwrap()).collect();
    assert_eq!(names, ["2.0", "3.0", "4.0", "4.1", "4.2"]);
    let ads: Vec<_> = versions.iter().map(ids).collect();
    // VAST 2.0 has no pods: this client takes the first of several ads.
    assert_eq!(
        ads,
        [vec!["red"], vec!["red", "green"], vec!["red", "green"], vec!["red", "green"], vec!["red", "green"]]
    );
    assert!(versions.iter().all(|found| found["ads"][0]["creatives"].as_array().unwrap().len() == 2), "{versions:?}");

    let breaks = found["vmap"]["breaks"].as_array().unwrap();
    let places: Vec<_> = breaks.iter().map(|b| (b["id"].as_str().unwrap(), b["offset"].as_str().unwrap())).collect();
    let expect =
        [("pre", "start"), ("mid-1", "00:05:00"), ("mid-2", "00:10:00"), ("mid-3", "00:15:00"), ("post", "end")];
    assert_eq!(places, expect);
    assert!(breaks.iter().all(|found| found["type"] == "linear" && found["template"] == "vast4"));
    assert_eq!(ids(&found["tag"]), ["red", "green"], "a break's address is followed");
    let inline = found["inline"]["breaks"].as_array().unwrap();
    assert_eq!(inline.iter().map(|found| found["inline"][0].as_str()).collect::<Vec<_>>(), [Some("red"); 4]);
}
