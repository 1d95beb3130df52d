//! Keys to the API.

use super::{
    entities::{author, put},
    *,
};
use crate::domain::Span;

on_each_database!(
    a_key_is_known_by_its_hash_and_is_stored_nowhere,
    a_rotated_key_is_good_until_the_overlap_ends_and_no_longer_than_before,
    an_owner_cannot_touch_another_s_keys,
    a_deleted_tenant_s_keys_are_dead_and_a_missing_one_gets_none,
    every_change_of_a_key_lets_the_generation_grow,
    keys_are_listed_page_by_page,
    who_changed_a_key_is_written_down_in_order_and_only_for_its_owner,
);

async fn with_tenants(fresh: &Fresh) -> (Store, KeyOwner, KeyOwner) {
    let store = fresh.open().await;
    for name in ["a", "b"] {
        store
            .change(&scope(name), Some(0), &[put(Kind::Tenant, name, "{}")], &author("me"), Moment(1))
            .await
            .expect("made");
    }
    (store, KeyOwner::Tenant(scope("a")), KeyOwner::Tenant(scope("b")))
}

async fn make(store: &Store, owner: &KeyOwner, name: &str, random: u8) -> (ApiKey, KeyText) {
    store.create_key(owner, name, None, [random; KEY_RANDOM_BYTES], &author("me"), Moment(10)).await.expect("made")
}

async fn live(store: &Store, now: i64) -> Vec<i64> {
    store.live_keys(Moment(now)).await.expect("read").iter().map(|key| key.id).collect()
}

async fn a_key_is_known_by_its_hash_and_is_stored_nowhere(fresh: Fresh) {
    let (store, a, _) = with_tenants(&fresh).await;
    let (key, text) = make(&store, &a, "build server", 0xAB).await;
    assert_eq!(text.as_str(), format!("fast_a_{}", "ab".repeat(32)));
    assert_eq!((key.prefix.as_str(), key.name.as_str(), key.created_at), ("fast_a_ababab", "build server", Moment(10)));
    let (platform, platform_text) = make(&store, &KeyOwner::Platform, "root", 0xCD).await;
    assert_eq!(platform_text.as_str(), format!("fast_platform_{}", "cd".repeat(32)));
    assert_eq!((platform.prefix.as_str(), platform.tenant), ("fast_platform_cdcdcd", None));
    let keys = store.live_keys(Moment(10)).await.expect("read");
    let find = |text: &str| keys.iter().find(|key| key.hash == KeyHash::of(text));
    assert_eq!(
        find(text.as_str()).map(|key| (key.id, key.tenant.clone())),
        Some((key.id, Some("a".parse().expect("a slug"))))
    );
    assert_eq!(find(platform_text.as_str()).map(|key| (key.id, key.tenant.clone())), Some((platform.id, None)));
    assert_eq!(find("fast_a_"), None);
    assert!(!format!("{text:?} {keys:?} {key:?}").contains("abababab"));
    let mut link = store.read().await.expect("a connection");
    let rows = sqlx::query("SELECT tenant, name, prefix, hash FROM api_keys").fetch_all(&mut link).await.expect("read");
    for row in &rows {
        for column in 0..4 {
            assert!(!row.get::<String, _>(column).contains("abababab"));
        }
    }
    let again = store.create_key(&a, "same", None, [0xAB; KEY_RANDOM_BYTES], &author("me"), Moment(10)).await;
    again.expect_err("randomness is used once");
}

async fn a_rotated_key_is_good_until_the_overlap_ends_and_no_longer_than_before(fresh: Fresh) {
    let (store, a, _) = with_tenants(&fresh).await;
    let (old, _) = make(&store, &a, "build server", 1).await;
    let rotate = async |id, overlap, random, now| {
        let expires = Some(Moment(10_000));
        let rotated = store
            .rotate_key(&a, id, Span(overlap), expires, [random; KEY_RANDOM_BYTES], &author("me"), Moment(now))
            .await;
        rotated.expect("answered").map(|(key, _)| key)
    };
    let new = rotate(old.id, 100, 2, 50).await.expect("rotated");
    assert_eq!((new.name.as_str(), new.expires_at, new.created_at), ("build server", Some(Moment(10_000)), Moment(50)));
    assert_eq!(live(&store, 149).await, [old.id, new.id]);
    assert_eq!(live(&store, 150).await, [new.id]);
    let third = rotate(old.id, 1_000, 3, 60).await.expect("a key in its overlap may be rotated");
    assert_eq!(live(&store, 150).await, [new.id, third.id], "but lives no longer for it");
    assert_eq!(rotate(old.id, 100, 4, 150).await, None, "it has expired");
    let fourth = rotate(new.id, 0, 5, 200).await.expect("rotated");
    assert_eq!(live(&store, 200).await, [third.id, fourth.id], "no overlap: at once");
    assert!(store.revoke_key(&a, third.id, &author("me"), Moment(210)).await.expect("answered"));
    assert_eq!(rotate(third.id, 100, 6, 220).await, None, "it is revoked");
    assert_eq!(live(&store, 10_000).await, [0; 0]);
}

async fn an_owner_cannot_touch_another_s_keys(fresh: Fresh) {
    let (store, a, b) = with_tenants(&fresh).await;
    let (key, _) = make(&store, &a, "a's", 1).await;
    let (platform, _) = make(&store, &KeyOwner::Platform, "root", 2).await;
    for (owner, id) in [(&b, key.id), (&KeyOwner::Platform, key.id), (&a, platform.id)] {
        assert!(!store.revoke_key(owner, id, &author("me"), Moment(20)).await.expect("answered"));
        let rotated =
            store.rotate_key(owner, id, Span(1), None, [9; KEY_RANDOM_BYTES], &author("me"), Moment(20)).await;
        assert_eq!(rotated.expect("answered"), None);
        assert!(store.keys(owner, None, 10).await.expect("read").iter().all(|key| key.id != id));
    }
    assert_eq!(live(&store, 20).await, [key.id, platform.id]);
}

async fn a_deleted_tenant_s_keys_are_dead_and_a_missing_one_gets_none(fresh: Fresh) {
    let (store, a, b) = with_tenants(&fresh).await;
    make(&store, &a, "a's", 1).await;
    let (kept, _) = make(&store, &b, "b's", 2).await;
    store.delete_tenant(&scope("a"), &author("me"), Moment(20)).await.expect("deleted");
    assert_eq!(live(&store, 20).await, [kept.id]);
    let refused = store.create_key(&a, "again", None, [3; KEY_RANDOM_BYTES], &author("me"), Moment(30)).await;
    assert!(matches!(refused, Err(StoreError::NoTenant { .. })), "{refused:?}");
    store
        .change(&scope("a"), Some(0), &[put(Kind::Tenant, "a", "{}")], &author("you"), Moment(40))
        .await
        .expect("made");
    assert_eq!(live(&store, 40).await, [kept.id], "who takes a slug over does not take its keys over");
    assert_eq!(store.keys(&a, None, 10).await.expect("read")[0].revoked_at, Some(Moment(20)));
}

async fn every_change_of_a_key_lets_the_generation_grow(fresh: Fresh) {
    let (store, a, _) = with_tenants(&fresh).await;
    let mut last = store.generation().await.expect("a number");
    let mut grown = async |by| {
        let now = store.generation().await.expect("a number");
        assert_eq!(now, last + by);
        last = now;
    };
    let (key, _) = make(&store, &a, "one", 1).await;
    grown(1).await;
    store
        .rotate_key(&a, key.id, Span(5), None, [2; KEY_RANDOM_BYTES], &author("me"), Moment(20))
        .await
        .expect("rotated");
    grown(1).await;
    assert!(store.revoke_key(&a, key.id, &author("me"), Moment(21)).await.expect("revoked"));
    grown(1).await;
    assert!(!store.revoke_key(&a, key.id, &author("me"), Moment(21)).await.expect("revoked before"));
    grown(0).await;
}

async fn keys_are_listed_page_by_page(fresh: Fresh) {
    let (store, a, b) = with_tenants(&fresh).await;
    let mut ids = Vec::new();
    for random in 0..5 {
        ids.push(make(&store, &a, "a's", random).await.0.id);
        make(&store, &b, "b's", 100 + random).await;
    }
    store.revoke_key(&a, ids[1], &author("me"), Moment(30)).await.expect("revoked");
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = store.keys(&a, after, 2).await.expect("read");
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.iter().map(|key| key.id));
    }
    assert_eq!(seen, ids);
}

async fn who_changed_a_key_is_written_down_in_order_and_only_for_its_owner(fresh: Fresh) {
    let (store, a, b) = with_tenants(&fresh).await;
    let by = |summary: &str| Author { summary: summary.into(), request: Some("req-1".into()), ..author("me") };
    let (key, _) = store.create_key(&a, "x", None, [1; KEY_RANDOM_BYTES], &by("made"), Moment(10)).await.expect("made");
    let rotated = store.rotate_key(&a, key.id, Span(5), None, [2; KEY_RANDOM_BYTES], &by("replaced"), Moment(20)).await;
    let (new, _) = rotated.expect("answered").expect("rotated");
    assert!(store.revoke_key(&a, new.id, &by("revoked"), Moment(30)).await.expect("revoked"));
    assert!(!store.revoke_key(&a, new.id, &by("revoked again"), Moment(40)).await.expect("answered"));
    let all = store.key_changes(&a, None, 10).await.expect("read");
    let told: Vec<_> = all.iter().map(|change| (change.key, change.op, change.at.0, &*change.author.summary)).collect();
    let expect = [
        (new.id, Op::Removed, 30, "revoked"),
        (new.id, Op::Added, 20, "replaced"),
        (key.id, Op::Changed, 20, "replaced"),
        (key.id, Op::Added, 10, "made"),
    ];
    assert_eq!(told, expect, "what changed nothing is not there");
    assert_eq!(all[0].author, by("revoked"));
    assert_eq!(store.key_changes(&a, Some(all[1].id), 1).await.expect("read"), all[2..3]);
    assert_eq!(store.key_changes(&b, None, 10).await.expect("read"), []);
}
