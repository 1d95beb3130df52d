//! A content's breaks as VMAP.

use cuetone::media::vmap::{self, AdData, Vmap};
use url::Url;

use crate::{documents::server, harness::Answer};

fn read(answer: &Answer) -> Vmap {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/xml; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "private, no-store");
    vmap::parse(&answer.body).unwrap_or_else(|error| panic!("{error}\n{}", answer.text()))
}

fn tag(data: &AdData) -> Url {
    match data {
        AdData::TagUri { url, template } => {
            assert_eq!(template.as_deref(), Some("vast4"));
            Url::parse(url).unwrap()
        }
        other => panic!("no address: {other:?}"),
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn breaks_have_addresses_that_answer_their_ads_in_one_session() {
    let server = server("").await;
    let document = read(&server.get("/vmap/acme/live?duration=1000&session_id=anna&age=12").await);
    let breaks: Vec<_> = document.breaks.iter().map(|b| (b.id.clone().unwrap(), b.time_offset.to_string())).collect();
    let expect =
        [("pre", "start"), ("mid-1", "00:05:00"), ("mid-2", "00:10:00"), ("mid-3", "00:15:00"), ("post", "end")];
    assert_eq!(breaks, expect.map(|(id, at)| (id.to_owned(), at.to_owned())));
    let tags: Vec<Url> = document.breaks.iter().map(|b| tag(&b.source.as_ref().unwrap().data)).collect();
    let avails: std::collections::BTreeSet<_> = tags.iter().map(|tag| parameter(tag, "avail").unwrap()).collect();
    assert_eq!(avails.len(), 5, "each break has a name of its own");
    for (tag, position, length) in
        [(&tags[0], "pre-roll", "13"), (&tags[1], "mid-roll", "60"), (&tags[4], "post-roll", "60")]
    {
        assert!(tag.as_str().starts_with(&format!("{}/vast/acme?", server.base)), "{tag}");
        assert_eq!(parameter(tag, "position").as_deref(), Some(position));
        assert_eq!(parameter(tag, "duration").as_deref(), Some(length));
        assert_eq!(
            (parameter(tag, "session_id").as_deref(), parameter(tag, "age").as_deref()),
            (Some("anna"), Some("12"))
        );
        assert!(server.get(tag.as_str()).await.text().contains("<Ad id=\"red\""));
    }
    assert_eq!(&*server.decisions("acme")[0].viewer.params["age"], "12");
    let again = read(&server.get("/vmap/acme/live?duration=1000&session_id=anna").await);
    assert_ne!(parameter(&tag(&again.breaks[0].source.as_ref().unwrap().data), "avail"), parameter(&tags[0], "avail"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_of_unknown_length_has_a_break_that_repeats() {
    let server = server("").await;
    let document = read(&server.get("/vmap/acme/live").await);
    let mid = &document.breaks[1];
    assert_eq!(mid.repeat_after.unwrap().as_millis(), 300_000);
    let tag = tag(&mid.source.as_ref().unwrap().data);
    assert_eq!(parameter(&tag, "avail"), None, "each time it is another break");
    assert!(parameter(&tag, "session_id").unwrap().starts_with("vmap-"), "one session for all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ads_can_stand_in_the_document() {
    let server = server("").await;
    let document = read(&server.get("/vmap/acme/live?duration=400&inline=true&version=3.0").await);
    assert_eq!(document.breaks.len(), 3);
    for found in &document.breaks {
        let AdData::Vast(vast) = &found.source.as_ref().unwrap().data else { panic!("no ads in {:?}", found.id) };
        assert_eq!(vast.ads[0].id.as_deref(), Some("red"));
        let impression = &vast.ads[0].common().impressions[0].url;
        assert_eq!(server.get(impression).await.status, 200);
    }
    let events = server.events().await;
    assert_eq!(events.len(), 3, "each break counts by itself");
    assert!(events.windows(2).all(|pair| pair[0].session == pair[1].session));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_answered_is_said_by_parameter() {
    let server = server("").await;
    let wrong = server.get("/vmap/acme/live?duration=-1&inline=perhaps&version=9").await;
    wrong.is_problem(400, "bad-request");
    assert_eq!(wrong.json()["errors"].as_array().unwrap().len(), 3);
    server.get("/vmap/acme/live?inline=true").await.is_problem(400, "bad-request");
    server.get("/vmap/acme/off").await.is_problem(404, "not-found");
    server.get("/vmap/acme/none").await.is_problem(404, "not-found");
    server.get("/vmap/nobody/live").await.is_problem(404, "not-found");
}
