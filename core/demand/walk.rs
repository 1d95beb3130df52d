//! From a tag to ads that can be played: follows wrappers, keeps pods in order, puts stand-alone ads in the place of ads
//! that fail, and tells those who want to know why one failed.
//!
//! Everything that waits, waits until the deadline at most; what was found by then is the answer.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};
use url::Url;

use super::{
    Demand,
    ad::{ResolvedAd, tell_apart},
    ask::Ask,
    chain::Chain,
    failure::{Failure, Outcome},
    limits::{MAX_ADS, MAX_FAILURES, MAX_REQUESTS, MAX_TOLD, MAX_WRAPPERS},
    read::{self, Document},
    source::Source,
    values::{AdValues, Facts, Values},
    viewer::ViewerContext,
    vmap::{self, Break},
};
use crate::media::{
    vast::{self, Ad, AdContent, ErrorCode, Vast, Wrapper},
    vmap::{AdData, AdSource},
};

/// How long to wait for what.
#[derive(Clone)]
pub(super) struct Patience {
    /// For tags and wrappers, all in all.
    pub tags: Instant,
    /// For creatives.
    pub media: Instant,
    /// Becomes true when somebody needs the answer now: creatives that are not there by then are too late.
    pub hurry: Option<watch::Receiver<bool>>,
}

/// What a response may contain.
#[derive(Clone, Copy)]
struct Allowed {
    /// Wrappers.
    wrappers: bool,
    /// Pods, and more than one stand-alone ad.
    several: bool,
}

impl Allowed {
    const ALL: Self = Self { wrappers: true, several: true };
}

/// Why nothing came of one ad of a response.
enum Gone {
    /// A wrapper led to no ad.
    NoAd,
    /// There was an ad; it cannot be played.
    Failed,
}

pub(super) struct Walk<'a> {
    pub(super) demand: &'a Demand,
    pub(super) source: &'a Source,
    pub(super) context: &'a ViewerContext,
    pub(super) patience: Patience,
    facts: Arc<Facts>,
    headers: Vec<(&'static str, String)>,
    requests: AtomicU32,
    /// Ads looked at, in all branches.
    pub(super) looked_at: AtomicU32,
    told: AtomicU32,
    failures: Mutex<Vec<Failure>>,
}

/// The ads of an answer and why there are not more.
pub(super) struct Walked {
    pub ads: Vec<ResolvedAd>,
    pub failures: Vec<Failure>,
    /// The VMAP break that they are of.
    pub of_break: Option<Break>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(demand: &'a Demand, source: &'a Source, context: &'a ViewerContext, patience: Patience) -> Self {
        Self {
            demand,
            source,
            context,
            patience,
            facts: Arc::new(Facts::of(source, context)),
            headers: context.client.headers(source.forwarded_for),
            requests: AtomicU32::new(0),
            looked_at: AtomicU32::new(0),
            told: AtomicU32::new(0),
            failures: Mutex::default(),
        }
    }

    pub(super) async fn run(self) -> Walked {
        let (mut ads, of_break) = self.tag().await.unwrap_or_else(|failure| {
            self.note(failure);
            (Vec::new(), None)
        });
        ads.truncate(MAX_ADS);
        tell_apart(&mut ads);
        // Places of pods within pods, in the order in which all are played.
        let pod = ads.iter_mut().filter(|ad| ad.sequence.is_some());
        pod.zip(1..).for_each(|(ad, place)| ad.sequence = Some(place));
        Walked { ads, failures: self.failures.into_inner(), of_break }
    }

    async fn tag(&self) -> Result<(Vec<ResolvedAd>, Option<Break>), Failure> {
        let url = self.values().url(&self.source.template).ok_or_else(|| {
            Failure::new(
                ErrorCode::Wrapper,
                Outcome::Malformed,
                "the ad server's address is none once its macros are filled",
            )
        })?;
        match self.fetch(&url, read::document).await? {
            Document::Nothing => Err(Failure::no_ad()),
            Document::Vast(vast) => {
                Ok((self.response(vast, Chain::default(), Allowed::ALL).await.unwrap_or_default(), None))
            }
            Document::Vmap(vmap) => {
                let chosen = vmap::choose(vmap, self.context.avail.position, self.context.place);
                let (of_break, source) = chosen.ok_or_else(Failure::no_ad)?;
                let ads = self.of_break(&of_break, source).await;
                Ok((ads, Some(of_break)))
            }
        }
    }

    /// The ads of a VMAP break.
    async fn of_break(&self, of_break: &Break, source: AdSource) -> Vec<ResolvedAd> {
        let allowed = Allowed { wrappers: source.follow_redirects, several: source.allow_multiple_ads };
        let response = match source.data {
            AdData::Vast(vast) => Ok(*vast),
            AdData::Unreadable(error) => Err(read::malformed(&error)),
            AdData::TagUri { url, .. } => self.vast_at(&url).await,
            AdData::Custom { .. } => {
                Err(Failure::new(ErrorCode::SchemaValidation, Outcome::Malformed, "the break's ads are not in VAST"))
            }
        };
        let ads = match response {
            Ok(vast) => self.response(vast, Chain::default(), allowed).await.unwrap_or_default(),
            Err(failure) => {
                self.note(failure);
                Vec::new()
            }
        };
        if ads.is_empty() {
            self.tell_break(of_break);
        }
        ads
    }

    /// Tells a VMAP break why it has no ads.
    fn tell_break(&self, of_break: &Break) {
        let failure = self.failures.lock().first().cloned().unwrap_or_else(Failure::no_ad);
        let facts = self.facts.with_break_error(failure.code.into(), &failure.reason);
        let values = Values { facts: Arc::new(facts), code: Some(failure.code), ..self.values() };
        self.demand.fire(of_break.errors.iter().map(String::as_str), &values);
    }

    /// The ads of a response, in the order in which they play.
    fn response(&self, vast: Vast, chain: Chain, allowed: Allowed) -> BoxFuture<'_, Result<Vec<ResolvedAd>, Gone>> {
        async move {
            if vast.ads.is_empty() {
                self.fail(chain.errors().chain(&vast.errors), Failure::no_ad(), &AdValues::default());
                return Err(Gone::NoAd);
            }
            let (pod, alone) = lineup(vast.ads, allowed.several);
            if pod.is_empty() {
                // Any of them may play, in any order (VAST 3.0, 2.4.2): how many is the break's matter.
                let found = join_all(alone.into_iter().map(|ad| self.ad(ad, &chain, allowed))).await;
                return gathered(found);
            }
            for ad in &alone {
                self.warm(ad, &chain).await;
            }
            let played = join_all(pod.into_iter().map(|ad| {
                let replaceable = may_be_replaced(&ad);
                self.ad(ad, &chain, allowed).map(move |found| (found, replaceable))
            }))
            .await;
            let mut spare = alone.into_iter();
            let mut found = Vec::new();
            for (outcome, if_no_ad) in played {
                match outcome {
                    Err(Gone::NoAd) if !if_no_ad => found.push(outcome),
                    Err(_) => found.push(self.substitute(&mut spare, &chain, allowed, outcome).await),
                    Ok(_) => found.push(outcome),
                }
            }
            let mut ads = gathered(found)?;
            ads.iter_mut().for_each(|ad| ad.sequence = Some(0));
            Ok(ads)
        }
        .boxed()
    }

    /// The first stand-alone ad that plays (VAST 4.2, 2.3.1.1).
    async fn substitute(
        &self,
        spare: &mut impl Iterator<Item = Ad>,
        chain: &Chain,
        allowed: Allowed,
        failed: Result<Vec<ResolvedAd>, Gone>,
    ) -> Result<Vec<ResolvedAd>, Gone> {
        for ad in spare {
            if let Ok(found) = self.ad(ad, chain, allowed).await {
                return Ok(found);
            }
        }
        failed
    }

    async fn ad(&self, ad: Ad, chain: &Chain, allowed: Allowed) -> Result<Vec<ResolvedAd>, Gone> {
        let unwanted = match () {
            () if ad.conditional => Some((ErrorCode::ConditionalRejected, "the ad may decide not to play")),
            () if ad.ad_type == vast::AdType::Audio => Some((ErrorCode::Trafficking, "the ad has no picture")),
            () => None,
        };
        if let Some((code, reason)) = unwanted {
            let errors = chain.errors().chain(&ad.common().errors);
            self.fail(errors, Failure::unplayable(code, reason), &AdValues::default());
            return Err(Gone::Failed);
        }
        match ad.content {
            AdContent::Wrapper(wrapper) => self.wrapper(*wrapper, chain, allowed).await,
            AdContent::InLine(inline) => {
                let mut values = AdValues::of(&inline, ad.sequence);
                let failure = match self.find(ad.id.as_deref(), &inline, chain) {
                    Ok(found) => match self.play(&found).await {
                        Ok(ad) => return Ok(vec![ad]),
                        Err(failure) => {
                            values.asset = Some(String::from(found.media).into());
                            failure
                        }
                    },
                    Err(failure) => failure,
                };
                self.fail(chain.errors().chain(&inline.common.errors), failure, &values);
                Err(Gone::Failed)
            }
        }
    }

    async fn wrapper(&self, wrapper: Wrapper, chain: &Chain, allowed: Allowed) -> Result<Vec<ResolvedAd>, Gone> {
        let asked = self.behind(&wrapper, chain, allowed).await;
        let next = Allowed {
            wrappers: allowed.wrappers && wrapper.follow_additional_wrappers,
            several: wrapper.allow_multiple_ads,
        };
        let chain = chain.with(Arc::new(wrapper));
        match asked {
            Ok(vast) => self.response(vast, chain, next).await,
            Err(failure) => {
                self.fail(chain.errors(), failure, &AdValues::default());
                Err(Gone::NoAd)
            }
        }
    }

    /// The response that a wrapper leads to.
    async fn behind(&self, wrapper: &Wrapper, chain: &Chain, allowed: Allowed) -> Result<Vast, Failure> {
        let limit = |reason| Failure::new(ErrorCode::WrapperLimit, Outcome::WrapperLimit, reason);
        if !allowed.wrappers {
            let reason = "a wrapper before it allows no more wrappers";
            return Err(Failure::new(ErrorCode::NoAdAfterWrapper, Outcome::WrapperLimit, reason));
        }
        if chain.depth() >= MAX_WRAPPERS {
            return Err(limit("too many wrappers"));
        }
        if chain.has(&wrapper.tag_uri) {
            return Err(limit("the wrappers go round in a circle"));
        }
        self.vast_at(&wrapper.tag_uri).await
    }

    /// A request for one more response; there is an end to them.
    async fn vast_at(&self, tag: &str) -> Result<Vast, Failure> {
        let url = self
            .values()
            .url(tag)
            .ok_or_else(|| Failure::new(ErrorCode::Wrapper, Outcome::Malformed, "the tag is no address"))?;
        self.fetch(&url, read::vast).await?.ok_or_else(Failure::no_ad)
    }

    async fn fetch<T>(&self, url: &Url, read: impl FnOnce(&[u8]) -> Result<T, Failure>) -> Result<T, Failure> {
        if self.requests.fetch_add(1, Ordering::Relaxed) >= MAX_REQUESTS {
            return Err(Failure::new(ErrorCode::WrapperLimit, Outcome::WrapperLimit, "too many wrappers in all"));
        }
        let ask = Ask {
            outbound: &self.demand.outbound,
            gates: &self.demand.gates,
            tenant: &self.source.tenant,
            headers: &self.headers,
            deadline: self.patience.tags,
        };
        ask.fetch(url, read).await
    }

    pub(super) fn values(&self) -> Values<'_> {
        self.demand.values_of(self.source, self.context, self.facts.clone())
    }

    /// Remembers a failure and tells it to those who asked to be told.
    fn fail<'u>(&self, urls: impl Iterator<Item = &'u String>, failure: Failure, ad: &AdValues<'_>) {
        let urls: Vec<&str> = urls.map(String::as_str).collect();
        let count = u32::try_from(urls.len()).unwrap_or(u32::MAX);
        let before = self.told.fetch_add(count, Ordering::Relaxed);
        let left = MAX_TOLD.saturating_sub(usize::try_from(before).unwrap_or(usize::MAX));
        let values = Values { code: Some(failure.code), ad: ad.clone(), ..self.values() };
        let told = urls.into_iter().take(left);
        self.demand.beacons.fire(told, &values, &self.context.client, self.source.forwarded_for);
        self.note(failure);
    }

    fn note(&self, failure: Failure) {
        let code = failure.code.number().to_string();
        metrics::counter!("cuetone_demand_errors_total", "code" => code).increment(1);
        let mut failures = self.failures.lock();
        if failures.len() < MAX_FAILURES {
            failures.push(failure);
        }
    }
}

/// A response's pod in order, and its stand-alone ads. Where only one ad is allowed, it is the first that stands alone;
/// servers that number even a single ad are taken at their word.
fn lineup(ads: Vec<Ad>, several: bool) -> (Vec<Ad>, Vec<Ad>) {
    let (mut pod, mut alone): (Vec<Ad>, Vec<Ad>) = ads.into_iter().take(MAX_ADS).partition(|ad| ad.sequence.is_some());
    pod.sort_by_key(|ad| ad.sequence);
    if !several {
        pod.truncate(usize::from(alone.is_empty()));
        alone.truncate(1);
    }
    (pod, alone)
}

/// Whether another ad may play when this one's wrapper leads to none (VAST 4.2, 3.19.1).
fn may_be_replaced(ad: &Ad) -> bool {
    match &ad.content {
        AdContent::InLine(_) => true,
        AdContent::Wrapper(wrapper) => wrapper.fallback_on_no_ad,
    }
}

/// All that was found. Nothing at all counts as an ad that failed if there was one.
fn gathered(found: Vec<Result<Vec<ResolvedAd>, Gone>>) -> Result<Vec<ResolvedAd>, Gone> {
    let failed = found.iter().any(|found| matches!(found, Err(Gone::Failed)));
    let ads: Vec<ResolvedAd> = found.into_iter().flatten().flatten().collect();
    match () {
        () if !ads.is_empty() => Ok(ads),
        () if failed => Err(Gone::Failed),
        () => Err(Gone::NoAd),
    }
}
