//! Requests into private networks: refused unless the operator names the host, whoever asks and however.

use std::time::Duration;

use cuetone::{domain::Slug, store::TenantScope};

use crate::{
    harness::{Server, Yaml, author, within},
    origin::{Fault, HandClock, Origin, Packaging, Stream},
};

async fn server() -> Server {
    Server::start(Stream::live(Packaging::Ts).with_break(95..100)).await
}

async fn forbidden() -> Origin {
    let origin = Origin::start(HandClock::new()).await;
    origin.put("live", Stream::live(Packaging::Ts));
    origin
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_at_a_private_address_is_not_asked() {
    let (server, forbidden) = (server().await, forbidden().await);
    let port = forbidden.address.port();
    let text = Yaml { ads: Vec::new(), ..Yaml::default() }.build(&server.origin);
    for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "127.0.0.1.nip.invalid"] {
        let yaml = text.replace(&server.origin.address.to_string(), &format!("{host}:{port}"));
        server.apply(&yaml).await;
        server.get("/fast/acme/live.m3u8").await.is_problem(502, "origin-failed");
    }
    assert_eq!(forbidden.all_hits(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_to_a_private_address_is_not_followed() {
    let (server, forbidden) = (server().await, forbidden().await);
    server.apply(&Yaml::default().build(&server.origin)).await;
    let player = server.viewer().await;
    server.origin.fail("live/", Fault::Redirect(forbidden.url("live/v360.m3u8")));
    server.clock.forward(40_000);
    player.ask("v0").await.is_problem(502, "origin-failed");
    assert_eq!(forbidden.all_hits(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rendition_or_a_creative_at_a_private_address_is_not_asked() {
    let (server, forbidden) = (server().await, forbidden().await);
    let yaml = Yaml::default().build(&server.origin);
    let moved = yaml.replace(&server.origin.url("ads/"), &forbidden.url("ads/"));
    // The creative cannot get ready, so the harness' own check would stop the test.
    let files = crate::harness::bundle(&moved, &[]);
    server.registry.apply(cuetone::bundle::BundleFiles { files }, &author()).await.expect("a valid bundle");
    server.creatives.refresh().await;
    assert_eq!(server.viewer().await.poll("v0").await.ads(), Vec::<&str>::new(), "content plays");
    assert_eq!(forbidden.all_hits(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_reaches_only_hosts_that_both_manifest_and_operator_allow_and_the_rest_is_a_dead_letter() {
    let (server, forbidden) = (server().await, forbidden().await);
    let sink = |origin: &Origin, allow: &str, path: &str| {
        format!(
            "    - {{ use: shipped:sink/webhook, config: {{ url: \"{}\" }}, allow_hosts: [{allow}] }}\n",
            origin.url(path)
        )
    };
    let (good, bad) = (server.origin.address.to_string(), forbidden.address.to_string());
    let sinks = [
        sink(&server.origin, &good, "hook/good"),
        sink(&server.origin, "hooks.example.com", "hook/not-in-the-manifest"),
        sink(&forbidden, &bad, "hook/not-of-the-operator"),
    ];
    let more = format!("extensions:\n  sinks:\n{}", sinks.concat());
    server.apply(&Yaml { more, ..Yaml::default() }.build(&server.origin)).await;
    let mut player = server.viewer().await;
    let playlist = player.poll("v0").await;
    let ad = playlist.segments.iter().find(|segment| segment.ad().is_some()).expect("an ad");
    server.get(player.url("v0").join(&ad.uri).unwrap().as_str()).await;
    let scope = TenantScope::new("acme".parse::<Slug>().unwrap());
    let letters = || async { server.store.dead_letters(&scope, 10).await.unwrap() };
    within(Duration::from_secs(3), "two dead letters", || async { letters().await.len() == 2 }).await;
    within(Duration::from_secs(3), "a delivery", || async { !server.origin.received().is_empty() }).await;
    let mut errors: Vec<String> = letters().await.into_iter().map(|letter| letter.error).collect();
    errors.sort();
    assert!(errors[0].contains("127.0.0.1 is at 127.0.0.1, which is not public"), "{errors:?}");
    assert!(errors[1].contains("not among the hosts that the manifest allows"), "{errors:?}");
    assert_eq!((forbidden.all_hits(), server.origin.hits("hook/not-in-the-manifest")), (0, 0));
    // What the server says of the break and its decision comes before what was counted.
    let types = || {
        let bodies = server.origin.received().into_iter().map(|(_, body)| body);
        let bodies = bodies.map(|body| serde_json::from_slice::<serde_json::Value>(&body).unwrap());
        let events = bodies.flat_map(|body| body["events"].as_array().unwrap().clone());
        events.map(|event| event["event_type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    within(Duration::from_secs(3), "all events", || async { types().len() >= 5 }).await;
    assert_eq!(types(), ["break", "decided", "stitched", "impression", "start"]);
    let (headers, _) = server.origin.received().remove(0);
    assert!(headers.contains_key("x-cuetone-signature"));
}
