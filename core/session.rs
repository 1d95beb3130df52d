//! Viewers' sessions: opened with the multivariant playlist, kept small, asked again every few seconds.
//!
//! A refresh that brings nothing new costs two look-ups. A new version of the origin costs one walk over the timeline;
//! a new avail one decision, made once and kept (in [`decide`]). Bodies are shared between viewers who see the same.
//! Deliberately does not know HTTP, SQL or script engines.

mod aired;
mod body;
mod decide;
mod offers;
mod report;
mod shown;
mod token;

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use moka::{policy::EvictionPolicy, sync::Cache};
use parking_lot::Mutex;

use self::{
    aired::Aired,
    body::{BodyKey, ShownAd, rendition_name},
};
pub use self::{
    body::{Body, Links},
    shown::{ShownBreak, ShownInBreak},
    token::SessionToken,
};
use crate::{
    channel::{Reference, live_pre_roll},
    creatives::{Creatives, Readiness},
    decider::Decider,
    demand::{Client, Demand},
    domain::{Beaconing, Clock, Moment, Slug, Traffic, Viewer},
    media::multivariant::RenditionKind,
    origin::{Lineup, OriginError},
    registry::{Followed, Registry, TenantRuntime, Version},
    stitch::{
        pod::Pod,
        render::{Numbering, Render, RenderError},
        timeline::{Splice, Timeline},
        track::{Container, Track},
    },
    tracking::{Journal, Outbox},
};

/// Ads may raise a session's target duration to this, not further: players wait three of them before they start.
const MAX_RAISED_TARGET: u32 = 10;

/// Rendered playlists kept, in bytes. They live for one version of the origin; this is some 10,000 different ones.
const BODY_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// A body is of no use once the origin has moved on.
const BODY_LIFE: Duration = Duration::from_secs(20);

/// How long sessions that make the same decision share its pod.
const POD_LIFE: Duration = Duration::from_secs(900);
const MAX_PODS: u64 = 200_000;

/// Locks that keep a session's renditions from deciding at the same time; sessions share them by hash.
const TURNS: usize = 1024;

#[derive(Debug, Clone, thiserror::Error)]
pub enum SessionError {
    #[error("no such channel")]
    NoChannel,
    #[error("no such session, or it has ended; open the channel's playlist again")]
    NoSession,
    #[error("no such rendition")]
    NoRendition,
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error(transparent)]
    Render(#[from] RenderError),
}

/// One viewer on one channel.
pub struct Session {
    pub token: SessionToken,
    pub viewer: Viewer,
    /// What counts its ads: the channel's way when it was opened, or what its player asked for.
    pub beaconing: Beaconing,
    /// Who seems to be there.
    traffic: Traffic,
    named: bool,
    /// The player's end of the connection, for third parties; nothing where nobody of them is asked.
    client: Arc<Client>,
    followed: Arc<Followed>,
    lineup: Arc<Lineup>,
    /// VOD keeps the version that it began with.
    title: OnceLock<Arc<Reference>>,
    target_duration: u32,
    version: u32,
    state: Mutex<State>,
}

struct State {
    timeline: Timeline,
    /// The version of the reference rendition that the timeline has followed.
    followed: u64,
    renditions: Vec<RenditionState>,
    /// Ads of ad servers in its last breaks.
    aired: Vec<Aired>,
    /// Ads of the splices in the timeline that have been in a playlist.
    stitched: Vec<ShownAd>,
    /// Where the first playlist began: the player's zero. Unset before.
    began: Moment,
}

impl Default for State {
    fn default() -> Self {
        Self {
            timeline: Timeline::default(),
            followed: 0,
            renditions: Vec::new(),
            aired: Vec::new(),
            stitched: Vec::new(),
            began: Moment::MIN,
        }
    }
}

/// What one rendition remembers between refreshes.
struct RenditionState {
    index: u8,
    /// Versions of the rendition and the reference that `body` was made of.
    track: u64,
    reference: u64,
    numbering: Numbering,
    body: Weak<Body>,
}

impl Session {
    pub fn tenant(&self) -> &Slug {
        self.followed.tenant()
    }
    pub fn channel(&self) -> &Slug {
        self.followed.channel()
    }

    /// The caller's name of it, as far as events may have it.
    pub fn viewer_name(&self) -> Option<&str> {
        self.viewer.session_id.as_deref().filter(|_| self.named)
    }

    /// The multivariant playlist, with addresses of this session behind `base`.
    pub fn multivariant(&self, base: &str) -> String {
        let multivariant = &self.lineup.multivariant;
        multivariant.render(|index, out| {
            let kind = multivariant.renditions.get(index).map_or(RenditionKind::Variant, |r| r.kind);
            out.push_str(&format!("{base}{}/{}.m3u8", self.token, rendition_name(kind, index)));
        })
    }

    /// The place of a rendition by the name that stands in its address, such as `v0`.
    pub fn rendition(&self, name: &str) -> Option<usize> {
        let (kind, index) = name.split_at_checked(1)?;
        let index: usize = index.parse().ok()?;
        let rendition = self.lineup.multivariant.renditions.get(index)?;
        (kind == body::kind_letter(rendition.kind)).then_some(index)
    }
}

/// Who counts a session's ads, as a player may ask for when it opens one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reporting {
    /// The player.
    Client,
    /// This server.
    Server,
}

impl Reporting {
    /// What counts, on a channel that counts in its own way.
    fn on(self, channel: Beaconing) -> Beaconing {
        match (self, channel) {
            (Self::Client, _) => Beaconing::Client,
            (Self::Server, Beaconing::Client) => Beaconing::Segment,
            (Self::Server, own) => own,
        }
    }
}

/// A viewer who comes.
pub struct Opening<C> {
    pub viewer: Viewer,
    /// Made where third parties are to be told of it.
    pub client: C,
    /// `None`: as the channel counts.
    pub reporting: Option<Reporting>,
    /// Who seems to be there.
    pub traffic: Traffic,
    /// Events may name the viewer as the caller does.
    pub named: bool,
}

/// Settings of the session layer.
#[derive(Clone, Copy, Debug)]
pub struct SessionSettings {
    pub idle: Duration,
    pub max: u64,
    /// How long ad-segment addresses stay good after their break.
    pub link_life: Duration,
}

/// What [`Sessions`] works with.
pub struct Parts {
    pub registry: Arc<Registry>,
    pub creatives: Arc<Creatives>,
    pub journal: Arc<Journal>,
    pub decider: Arc<Decider>,
    pub demand: Arc<Demand>,
    pub outbox: Arc<Outbox>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Fn() -> u64 + Send + Sync>,
    pub settings: SessionSettings,
}

pub struct Sessions {
    registry: Arc<Registry>,
    creatives: Arc<Creatives>,
    journal: Arc<Journal>,
    decider: Arc<Decider>,
    demand: Arc<Demand>,
    outbox: Arc<Outbox>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Fn() -> u64 + Send + Sync>,
    settings: SessionSettings,
    live: Cache<SessionToken, Arc<Session>>,
    /// A film's playlists are fetched once: its session lasts as long as its ad addresses do.
    titles: Cache<SessionToken, Arc<Session>>,
    bodies: Cache<BodyKey, Arc<Body>>,
    pods: Cache<decide::PodKey, Arc<Pod>>,
    next_pod: std::sync::atomic::AtomicU64,
    turns: Box<[tokio::sync::Mutex<()>]>,
    hash: RandomState,
}

impl Sessions {
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { registry, creatives, journal, decider, demand, outbox, clock, random, settings } = parts;
        let weigh = |_: &BodyKey, body: &Arc<Body>| u32::try_from(body.text.len() + 256).unwrap_or(u32::MAX);
        Arc::new(Self {
            registry,
            creatives,
            journal,
            decider,
            demand,
            outbox,
            clock,
            random,
            settings,
            live: table(settings.max, settings.idle),
            titles: table(settings.max, settings.link_life.max(settings.idle)),
            bodies: Cache::builder().max_capacity(BODY_CACHE_BYTES).weigher(weigh).time_to_live(BODY_LIFE).build(),
            pods: Cache::builder().max_capacity(MAX_PODS).time_to_live(POD_LIFE).build(),
            next_pod: std::sync::atomic::AtomicU64::new(1),
            turns: (0..TURNS).map(|_| tokio::sync::Mutex::default()).collect(),
            hash: RandomState::new(),
        })
    }

    /// Sessions that are open now, roughly.
    pub fn count(&self) -> u64 {
        self.live.entry_count() + self.titles.entry_count()
    }

    /// The same by tenant and channel. Looks at each: not for every request.
    pub fn by_channel(&self) -> std::collections::BTreeMap<(Slug, Slug), u64> {
        let mut open = std::collections::BTreeMap::new();
        for (_, session) in self.live.iter().chain(self.titles.iter()) {
            *open.entry((session.tenant().clone(), session.channel().clone())).or_default() += 1;
        }
        open
    }

    pub fn get(&self, token: &SessionToken) -> Option<Arc<Session>> {
        self.live.get(token).or_else(|| self.titles.get(token))
    }

    /// Opens a session; answers its multivariant playlist. Addresses follow `base`; an empty one makes them relative to
    /// `/fast/{tenant}/{channel}.m3u8`.
    pub async fn open(
        &self,
        tenant: &str,
        channel: &str,
        viewer: Viewer,
        client: impl FnOnce() -> Client,
        base: &str,
    ) -> Result<String, SessionError> {
        let opening = Opening { viewer, client, reporting: None, traffic: Traffic::Valid, named: true };
        let session = self.start(tenant, channel, opening).await?;
        Ok(session.multivariant(&format!("{base}{}/", session.channel())))
    }

    /// Opens a session; its multivariant playlist is asked for later.
    pub async fn start(
        &self,
        tenant: &str,
        channel: &str,
        opening: Opening<impl FnOnce() -> Client>,
    ) -> Result<Arc<Session>, SessionError> {
        let (tenant, channel) = {
            let snapshot = self.registry.snapshot();
            let (tenant, channel) = snapshot.channel(tenant, channel).ok_or(SessionError::NoChannel)?;
            (tenant.clone(), channel.clone())
        };
        let lineup = channel.running.origin.lineup().await?;
        let token = SessionToken::new(&tenant.url_key, channel.channel.slug.as_str(), (self.random)());
        let has_fmp4 = lineup.specs.iter().any(|spec| spec.container == Container::Fmp4);
        let Opening { viewer, client, reporting, traffic, named } = opening;
        let counts = channel.channel.beaconing;
        let session = Arc::new(Session {
            beaconing: reporting.map_or(counts, |reporting| reporting.on(counts)),
            traffic,
            named,
            target_duration: self.target_duration(&tenant, &lineup),
            version: lineup.version.max(if has_fmp4 { 6 } else { 3 }),
            token,
            client: if tenant.has_demand(&channel) { Arc::new(client()) } else { Arc::default() },
            viewer,
            followed: channel.follow(&tenant),
            lineup: lineup.clone(),
            title: OnceLock::new(),
            state: Mutex::default(),
        });
        let table = if lineup.ended { &self.titles } else { &self.live };
        table.insert(token, session.clone());
        // Before the first playlist is asked for, and so before the first break.
        self.decider.expect(&tenant, session.viewer.session_id.as_deref(), token.name());
        if !lineup.ended {
            offers::prefetch(&self.demand, &session, &tenant, &channel, None, self.clock.now());
        }
        metrics::counter!("cuetone_sessions_opened_total", "tenant" => session.tenant().to_string()).increment(1);
        Ok(session)
    }

    /// Fixed for the session (RFC 8216bis 6.2.1): the origin's, or that of the longest ad segment that may come.
    fn target_duration(&self, tenant: &TenantRuntime, lineup: &Lineup) -> u32 {
        let ads = tenant.manifest.ads.iter().filter_map(|ad| tenant.creative_url(&ad.slug));
        let ready = ads.filter_map(|url| match self.creatives.readiness(url) {
            Readiness::Ready(creative) => Some(creative),
            _ => None,
        });
        let fitting = ready.filter(|creative| creative.fits_all(&lineup.specs, u32::MAX).is_ok());
        let longest = fitting.filter_map(|creative| u32::try_from(creative.target_duration()).ok());
        let raised = longest.filter(|target| *target <= MAX_RAISED_TARGET).max().unwrap_or(0);
        lineup.target_duration.max(raised)
    }

    /// A rendition's playlist as this viewer is to see it now.
    pub async fn playlist(&self, session: &Arc<Session>, rendition: usize) -> Result<Arc<Body>, SessionError> {
        match session.unchanged(rendition, self.clock.now()) {
            Some(body) => Ok(body),
            // In a box: most refreshes end above and would otherwise move room for all of this about.
            None => Box::pin(self.stitch(session, rendition)).await,
        }
    }

    async fn stitch(&self, session: &Arc<Session>, rendition: usize) -> Result<Arc<Body>, SessionError> {
        let lineup = &session.lineup;
        let spec = lineup.specs.get(rendition).ok_or(SessionError::NoRendition)?;
        let reference = match session.known_reference(self.clock.now()) {
            Some(reference) => reference,
            None => self.reference(session).await?,
        };
        let track = if rendition == lineup.reference {
            reference.track.clone()
        } else {
            lineup.track(rendition, Some(&reference.track)).await?
        };
        if let Some(body) = session.made_of(rendition, &track, &reference) {
            return Ok(body);
        }
        self.follow(session, &reference).await;
        let mut state = session.state.lock();
        let splices: Vec<Splice> = state.timeline.splices().cloned().collect();
        let numbering = state.numbering(rendition, &track, &splices);
        let forgotten = state.timeline.forgotten();
        let target = session.target_duration;
        let direct = session.beaconing != Beaconing::Segment;
        let key = BodyKey::new(&track, &reference.track, rendition, target, direct, &numbering, forgotten, &splices);
        let body = match self.bodies.get(&key) {
            Some(body) => body,
            None => {
                let reference_spec = lineup.specs.get(lineup.reference).ok_or(SessionError::NoRendition)?;
                let render = Render {
                    track: &track,
                    limit: reference.track.end(),
                    spec,
                    reference: reference_spec,
                    splices: &splices,
                    forgotten,
                    target_duration: target,
                    version: session.version,
                };
                let newest = session.followed.newest();
                let links = Links::new(&newest.tenant.url_key, session.channel(), direct);
                let (text, next) = render.render(&numbering, &links)?;
                let body = Arc::new(Body::new(text, next, links.into_shown()));
                self.bodies.insert(key, body.clone());
                body
            }
        };
        state.remember(rendition, &track, &reference.track, &body);
        // Sound and subtitles come along with a picture.
        let new = match spec.kind {
            RenditionKind::Variant => state.stitch(&track, &body.shown),
            RenditionKind::Audio | RenditionKind::Subtitles => Vec::new(),
        };
        drop(state);
        if !new.is_empty() {
            self.report_stitched(session, &splices, &new);
        }
        Ok(body)
    }

    async fn reference(&self, session: &Session) -> Result<Arc<Reference>, SessionError> {
        // Detectors are those of now; the channel may have been reloaded since the session began.
        let channel = session.followed.newest().channel.clone();
        let reference = channel.running.reference(&session.lineup, &channel.detector).await?;
        if session.lineup.ended {
            return Ok(session.title.get_or_init(|| reference).clone());
        }
        Ok(reference)
    }

    /// Brings the session's timeline up to the reference and decides what is new, once.
    async fn follow(&self, session: &Arc<Session>, reference: &Reference) {
        let track = &reference.track;
        if session.state.lock().followed >= track.id {
            return;
        }
        let turn = usize::try_from(self.hash.hash_one(session.token) % TURNS as u64).unwrap_or(0);
        let Some(turn) = self.turns.get(turn) else { return };
        let _turn = turn.lock().await;
        let newest = session.followed.newest();
        let Version { tenant, channel } = &*newest;
        let undecided = {
            let mut state = session.state.lock();
            if state.followed >= track.id {
                return;
            }
            let mut avails = reference.avails.clone();
            if let Some(pre_roll) =
                channel.channel.pre_roll.as_ref().filter(|_| state.timeline.is_new() && !track.ended)
            {
                let own = live_pre_roll(pre_roll, track, &avails, session.target_duration);
                avails.extend(own.map(Arc::new));
            }
            state.timeline.follow(track, &avails, channel.channel.mid_break_join)
        };
        if track.ended {
            // All breaks of a title are known at once: their ad servers are asked at once.
            for avail in &undecided {
                offers::prefetch(&self.demand, session, tenant, channel, Some(avail), self.clock.now());
            }
        }
        for avail in undecided {
            let pod = self.decide(session, tenant, channel, &avail, track).await;
            session.state.lock().timeline.place(avail, pod);
        }
        if !track.ended {
            offers::prefetch(&self.demand, session, tenant, channel, None, self.clock.now());
        }
        let mut state = session.state.lock();
        state.timeline.decided(track);
        state.followed = track.id;
    }
}

/// Sessions that end when nobody asked for `idle`. When there are too many, the one asked for longest ago goes: a new
/// viewer must not be the one who is turned away.
fn table(max: u64, idle: Duration) -> Cache<SessionToken, Arc<Session>> {
    Cache::builder().max_capacity(max).time_to_idle(idle).eviction_policy(EvictionPolicy::lru()).build()
}

impl Session {
    /// The reference if neither origin nor detector need be asked.
    fn known_reference(&self, now: Moment) -> Option<Arc<Reference>> {
        if let Some(title) = self.title.get() {
            return Some(title.clone());
        }
        let track = self.lineup.fresh(self.lineup.reference, now)?;
        self.followed.running().fresh(&track)
    }

    /// The playlist made last, if it is still right.
    fn unchanged(&self, rendition: usize, now: Moment) -> Option<Arc<Body>> {
        let reference = self.known_reference(now)?;
        if rendition == self.lineup.reference {
            return self.made_of(rendition, &reference.track, &reference);
        }
        self.made_of(rendition, &*self.lineup.fresh(rendition, now)?, &reference)
    }

    /// The playlist made last, if it was made of these versions and somebody still keeps it.
    fn made_of(&self, rendition: usize, track: &Track, reference: &Reference) -> Option<Arc<Body>> {
        let state = self.state.lock();
        let known = state.renditions.iter().find(|known| usize::from(known.index) == rendition)?;
        if known.track == track.id && known.reference == reference.track.id { known.body.upgrade() } else { None }
    }
}

impl State {
    /// The numbering to go on with. A rendition that is used for the first time, or that was not asked for while a
    /// break came and went, goes on as the one used last.
    fn numbering(&self, rendition: usize, track: &Track, splices: &[Splice]) -> Numbering {
        let forgotten = self.timeline.forgotten();
        let own = self.renditions.iter().find(|known| usize::from(known.index) == rendition);
        if let Some(own) = own.filter(|own| own.numbering.is_current(forgotten)) {
            return own.numbering.clone();
        }
        let current = self.renditions.iter().filter(|known| known.numbering.is_current(forgotten));
        match current.max_by_key(|known| known.reference) {
            Some(other) => Numbering::beside(&other.numbering, own.map(|own| &own.numbering), track, splices),
            None => own.map(|own| own.numbering.clone()).unwrap_or_default(),
        }
    }

    /// Notes the ads of a playlist; answers those that have been in none before.
    fn stitch(&mut self, track: &Track, shown: &[ShownAd]) -> Vec<ShownAd> {
        if self.began == Moment::MIN {
            self.began = track.start();
        }
        let new: Vec<ShownAd> = shown.iter().filter(|ad| !self.stitched.contains(ad)).copied().collect();
        if !new.is_empty() {
            let known = |ad: &ShownAd| self.timeline.splices().any(|splice| splice.id == ad.splice);
            self.stitched.retain(known);
            self.stitched.reserve_exact(new.len());
            self.stitched.extend(&new);
        }
        new
    }

    fn remember(&mut self, rendition: usize, track: &Track, reference: &Track, body: &Arc<Body>) {
        let index = u8::try_from(rendition).unwrap_or(u8::MAX);
        let fresh = RenditionState {
            index,
            track: track.id,
            reference: reference.id,
            numbering: body.next.clone(),
            body: Arc::downgrade(body),
        };
        match self.renditions.iter_mut().find(|known| known.index == index) {
            // An answer to an older request must not turn the numbering back.
            Some(known) if known.reference > reference.id || known.track > track.id => {}
            Some(known) => *known = fresh,
            None => {
                // Sessions are many and their lists short: no room is kept for more.
                self.renditions.reserve_exact(1);
                self.renditions.push(fresh);
            }
        }
    }
}
