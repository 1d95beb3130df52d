// The demo's page: plays a channel and shows its break, the decisions behind it and the events that came of it.
// Plain DOM. It talks to the server's demo API only and keeps nothing but what is on screen.
'use strict';

const POLL_MILLISECONDS = 2000;
const MAX_SHOWN_EVENTS = 200;
const MAX_SHOWN_DECISIONS = 50;
// From the end of a segment until a player has it, at best: the origin lists it, the player asks.
const LISTING_SECONDS = 0.3;
const HLS = 'application/vnd.apple.mpegurl';
// Decisions and events carry this name as `viewer`: so the page finds its own among everybody's.
const VIEWER = `page-${crypto.getRandomValues(new Uint32Array(2)).join('-')}`;

const find = (id) => document.getElementById(id);
const video = find('video');
let channel = null;
let source = null;
let decisions = [];
let liveOffset = Infinity;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Seconds on the media clock; the API may write moments as seconds or as ISO dates. */
const seconds = (moment) => (typeof moment === 'number' ? moment : Date.parse(moment) / 1000);
const clock = (moment) => new Date(seconds(moment) * 1000).toLocaleTimeString();
const say = (text) => { find('notice').textContent = text; find('notice').hidden = !text; };
const tidy = (number) => Number(number).toFixed(1).replace(/\.0$/, '');

// ---- channels ----

async function loadChannels() {
  try {
    const response = await fetch('/demo/api/channels');
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const list = await response.json();
    find('channels').replaceChildren(...list.map(channelButton));
    find('channels-status').textContent = list.length ? '' : 'No channel is configured.';
    const wanted = list.find((one) => `#${one.tenant}/${one.channel}` === location.hash);
    if (wanted) choose(wanted);
  } catch (error) {
    find('channels-status').textContent = `Channels could not be loaded (${error.message}). Trying again…`;
    setTimeout(loadChannels, POLL_MILLISECONDS);
  }
}

function channelButton(one) {
  const kind = one.kind === 'vod' ? 'on demand' : 'live';
  const button = element('button', { type: 'button', onclick: () => choose(one) }, one.name, element('small', {}, `${one.tenant} · ${kind}`));
  button.dataset.channel = `${one.tenant}/${one.channel}`;
  button.setAttribute('aria-pressed', 'false');
  return element('li', {}, button);
}

function choose(one) {
  channel = one;
  decisions = [];
  liveOffset = Infinity;
  find('decisions').replaceChildren();
  find('events').replaceChildren();
  find('break').hidden = true;
  say('');
  history.replaceState(null, '', `#${one.tenant}/${one.channel}`);
  for (const button of document.querySelectorAll('[data-channel]')) {
    button.setAttribute('aria-pressed', String(button.dataset.channel === `${one.tenant}/${one.channel}`));
  }
  find('now-title').textContent = one.name;
  listen();
  play();
  poll();
  refreshEmpty();
}

// ---- player ----

function play() {
  const path = `/fast/${encodeURIComponent(channel.tenant)}/${encodeURIComponent(channel.channel)}.m3u8`;
  const address = new URL(`${path}?session_id=${VIEWER}`, location.href).href;
  Object.assign(find('address'), { href: address, textContent: address });
  find('address-line').hidden = false;
  if (!video.canPlayType(HLS)) {
    say('This browser does not play HLS by itself. Open the stream below in Safari, in a current Chrome or Edge, or in a player such as VLC; decisions and events appear here all the same.');
    return;
  }
  video.src = address;
  // The promise is refused when another channel is chosen meanwhile, or where autoplay is off: the controls are there.
  video.play().catch(() => {});
}

video.addEventListener('error', () => {
  if (channel) say(`The player stopped: ${video.error?.message || `media error ${video.error?.code}`}. Choose the channel again to start over.`);
});

// ---- decisions ----

const query = () => `tenant=${encodeURIComponent(channel.tenant)}&channel=${encodeURIComponent(channel.channel)}`;

async function poll() {
  if (!channel || document.hidden) return;
  const asked = channel;
  try {
    const response = await fetch(`/demo/api/decisions?${query()}`);
    if (!response.ok || channel !== asked) return;
    decisions = (await response.json()).slice(0, MAX_SHOWN_DECISIONS);
    showDecisions();
  } catch {
    // The server is away; the next poll tries again, and the player says so by itself.
  }
}

function showDecisions() {
  const list = find('decisions');
  const known = new Map([...list.children].map((card) => [card.dataset.key, card]));
  const cards = decisions.map((decision) => {
    const key = `${decision.session} ${decision.avail.id} ${decision.time}`;
    return known.get(key) ?? decisionCard(decision, key);
  });
  // Cards that stay are not touched: what a reader opened stays open, and the focus stays where it is.
  for (const [key, card] of known) if (!cards.some((one) => one.dataset.key === key)) card.remove();
  cards.forEach((card, index) => { if (list.children[index] !== card) list.insertBefore(card, list.children[index] ?? null); });
  refreshEmpty();
}

function decisionCard({ time, viewer, session, avail, pod, filler, candidates, scripts }, key) {
  const own = viewer === VIEWER;
  const chips = pod.map(({ ad, duration_seconds }) => element('li', {}, `${ad} · ${tidy(duration_seconds)} s`));
  if (filler) chips.push(element('li', {}, `then ${filler}`));
  if (chips.length === 0) chips.push(element('li', {}, 'no ad: content plays'));
  const rows = candidates.map(({ ad, outcome, stage, reason }) => {
    const row = element('tr', {}, ...[ad, outcome, stage ?? '', reason ?? ''].map((text) => element('td', {}, text)));
    Object.assign(row.dataset, { outcome, ad });
    return row;
  });
  const head = element('tr', {}, ...['Ad', 'Outcome', 'Stage', 'Reason'].map((text) => element('th', { scope: 'col' }, text)));
  const table = element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows));
  const costs = (scripts ?? []).map(({ name, micros, error }) => `${name} ${micros} µs${error ? ` failed: ${error}` : ''}`).join(' · ');
  const why = element('details', { open: own }, element('summary', {}, 'Why'), element('div', { className: 'scroll' }, table));
  if (costs) why.append(element('p', { className: 'stamp' }, `Scripts: ${costs}`));
  const title = `${own ? 'Yours' : `Viewer ${viewer ?? session}`}: ${avail.position ?? 'break'} of ${tidy(avail.duration)} s`;
  const card = element('li', {}, element('h3', {}, title), element('p', { className: 'stamp' }, `decided ${clock(time)} · ${avail.id}`), element('ul', { className: 'pod' }, ...chips), why);
  Object.assign(card.dataset, { key, own: String(own) });
  return card;
}

// ---- events ----

function listen() {
  source?.close();
  source = new EventSource(`/demo/api/events?${query()}`);
  source.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    const own = event.viewer === VIEWER;
    const text = element('strong', {}, event.event_type.replaceAll('_', ' '));
    const item = element('li', {}, element('span', { className: 'stamp' }, `${clock(event.time)} `), text, ` ${event.ad ?? ''}`);
    item.dataset.own = String(own);
    find('events').prepend(item);
    while (find('events').children.length > MAX_SHOWN_EVENTS) find('events').lastElementChild.remove();
    refreshEmpty();
  };
}
addEventListener('pagehide', () => source?.close());

function refreshEmpty() {
  const onlyMine = find('mine').checked;
  for (const name of ['decisions', 'events']) {
    const list = find(name);
    list.classList.toggle('only-mine', onlyMine);
    const shown = [...list.children].some((item) => !onlyMine || item.dataset.own === 'true');
    find(`${name}-empty`).hidden = shown;
  }
}
find('mine').addEventListener('change', refreshEmpty);

// ---- the break on screen ----

/** The player knows best: a live stream has no end. */
const onDemand = () => (Number.isNaN(video.duration) ? channel.kind === 'vod' : Number.isFinite(video.duration));

/** Breaks on the player's own clock: where each starts and how long its pod (and slate) runs. */
function breaksOnScreen() {
  const own = decisions.filter(({ viewer }) => viewer === VIEWER).sort((a, b) => seconds(a.avail.start) - seconds(b.avail.start));
  let inserted = 0;
  return own.map((decision) => {
    const ads = decision.pod.reduce((sum, ad) => sum + ad.duration_seconds, 0);
    const length = decision.filler === 'slate' ? decision.avail.duration : ads;
    const start = seconds(decision.avail.start) + (onDemand() ? inserted : 0);
    inserted += length;
    return { decision, start, length };
  });
}

/**
 * Where the picture stands: media seconds on demand, the wall clock live. Browsers that play HLS by themselves do not
 * tell a picture's date, but the wall clock less the end of what is loaded (or playable) is never below the offset
 * between the two, and touches it whenever a segment has just arrived.
 */
function pictureTime() {
  if (onDemand()) return video.currentTime;
  const ranges = video.seekable.length > 0 ? video.seekable : video.buffered;
  if (ranges.length === 0) return NaN;
  liveOffset = Math.min(liveOffset, Date.now() / 1000 - ranges.end(ranges.length - 1));
  return video.currentTime + liveOffset - LISTING_SECONDS;
}

function showBreak() {
  if (!channel) return;
  const now = pictureTime();
  const current = breaksOnScreen().find(({ start, length }) => now >= start && now < start + length);
  find('break').hidden = !current;
  if (!current) return;
  let rest = now - current.start;
  const ad = current.decision.pod.find(({ duration_seconds }) => { rest -= duration_seconds; return rest < 0; });
  const left = Math.ceil(current.start + current.length - now);
  find('break-title').textContent = `Break: ${ad ? ad.ad : current.decision.filler ?? 'content'}`;
  find('break-time').textContent = `${left} s left`;
  find('break-progress').value = (now - current.start) / current.length;
}

setInterval(showBreak, 500);
setInterval(poll, POLL_MILLISECONDS);
document.addEventListener('visibilitychange', poll);
loadChannels();
