// node play.mjs live|vod|page|segments|reports BASE_URL: plays the demo in Chromium and says what is wrong with it.
// Exit code 0 and a short report, or 1 and the reason. Started by tests/browser.rs.
import assert from 'node:assert/strict';
import { breaks, checkBreak, longestJump, longestStall, runs, settled, startOf } from './analyse.mjs';
import { adsOf, checkCounted, checkFetches, checkTimes, counted } from './count.mjs';
import { browser, playerServer, until, watchScript } from './harness.mjs';

// A viewer notices half a second. Jumps are judged alike: a player that skips a hole hides one.
const MAX_STALL = 0.5;
const [scenario, base] = process.argv.slice(2);
const session = `e2e-${scenario}-${Math.random().toString(36).slice(2, 10)}`;

async function json(path) {
  const response = await fetch(base + path);
  assert.equal(response.status, 200, `GET ${path} answered ${response.status}`);
  return response.json();
}

/** Decisions of this viewer, oldest break first. */
async function decisions(tenant, channel) {
  const all = await json(`/demo/api/decisions?tenant=${tenant}&channel=${channel}`);
  return all.filter((decision) => decision.viewer === session).sort((a, b) => startOf(a) - startOf(b));
}

function describe(samples) {
  const list = runs(samples).map(({ picture, from, seconds }) => `  ${from.toFixed(1).padStart(7)} s  ${picture} for ${seconds.toFixed(2)} s`);
  const stall = longestStall(settled(samples));
  const jump = longestJump(settled(samples));
  return `${list.join('\n')}\n  longest stall ${stall.seconds.toFixed(2)} s at ${stall.at.toFixed(1)} s, longest jump ${jump.seconds.toFixed(2)} s at ${jump.at.toFixed(1)} s`;
}

function checkSmooth(samples) {
  const stall = longestStall(settled(samples));
  assert.ok(stall.seconds <= MAX_STALL, `playback stood still for ${stall.seconds.toFixed(2)} s at ${stall.at.toFixed(2)} s`);
  const jump = longestJump(settled(samples));
  assert.ok(jump.seconds <= MAX_STALL, `${jump.seconds.toFixed(2)} s of media were jumped over at ${jump.at.toFixed(2)} s`);
}

/** Plays a channel with hls.js until `done(samples)`; answers all that was seen. */
function playWithHlsJs(chromium, tenant, channel, what, seconds, done) {
  return playUrl(chromium, `${base}/fast/${tenant}/${channel}.m3u8?session_id=${session}`, what, seconds, done);
}

/** The same by address; `atStart` and `atEnd` may do something in the page. */
async function playUrl(chromium, url, what, seconds, done, atStart = () => {}, atEnd = () => {}) {
  const server = await playerServer();
  const page = await chromium.newPage();
  let samples = [];
  try {
    await page.goto(server.url);
    await page.evaluate((url) => window.play(url), url);
    await atStart(page);
    await until(what, seconds, async () => {
      const state = await page.evaluate(() => ({ watched: window.watched, errors: window.hlsErrors }));
      samples = state.watched.samples;
      const fatal = state.errors.find((error) => error.fatal);
      assert.ok(!fatal, `hls.js gave up: ${JSON.stringify(fatal)}`);
      assert.equal(state.watched.mediaError, null, 'media error');
      return done(samples, state.watched);
    });
    const more = await atEnd(page);
    const { errors, cues } = await page.evaluate(() => ({ errors: window.hlsErrors, cues: window.cues }));
    return { samples, errors, cues, more };
  } finally {
    if (samples.length > 0) console.log(describe(samples));
    const errors = await page.evaluate(() => window.hlsErrors).catch(() => []);
    errors.forEach((error) => console.log(`  hls.js: ${JSON.stringify(error)}`));
    await page.close();
    server.close();
  }
}

async function live(chromium) {
  const [tenant, channel] = ['wkkworld', 'news'];
  const seenEnough = (samples) =>
    samples.length > 0 && samples.at(-1).time - samples[0].time >= 60 && breaks(runs(samples)).some(({ complete }) => complete);
  const { samples } = await playWithHlsJs(chromium, tenant, channel, '60 s with one whole break', 170, seenEnough);
  checkSmooth(samples);
  const made = await decisions(tenant, channel);
  const whole = breaks(runs(samples)).filter(({ complete }) => complete);
  for (const seen of whole) {
    const nearest = made.toSorted((a, b) => Math.abs(startOf(a) - seen.date) - Math.abs(startOf(b) - seen.date))[0];
    assert.ok(nearest, 'the decision API shows no decision for this session');
    assert.ok(Math.abs(startOf(nearest) - seen.date) < 1500, `a break was on screen at ${new Date(seen.date).toISOString()}, the nearest decision is for ${new Date(startOf(nearest)).toISOString()}`);
    checkBreak(seen, nearest);
  }
}

/**
 * Every line of text must be on screen with its scene: number n from 4(n - 1) s of the title on, ads not counted.
 * Only those before the mid-roll must all have been seen: hls.js 1.7 forgets subtitle segments that it loads two or more
 * discontinuities ahead of the pictures, whoever made the stream.
 */
function checkSubtitles(cues, content) {
  const seen = new Set();
  for (const { text, time } of cues) {
    const scene = Number(/^Scene (\d+) of 12$/.exec(text)?.[1]);
    const run = content.find(({ from, to }) => time >= from && time <= to);
    if (!scene || !run) continue;
    const before = content.filter(({ to }) => to <= run.from).reduce((sum, { seconds }) => sum + seconds, 0);
    const late = time - run.from + before - 4 * (scene - 1);
    assert.ok(late > -0.7 && late < 4.7, `"${text}" was on screen ${late.toFixed(1)} s after its scene began`);
    seen.add(scene);
  }
  for (const scene of [1, 2, 3, 4, 5, 6]) assert.ok(seen.has(scene), `the subtitle of scene ${scene} was not shown`);
}

async function vod(chromium) {
  const [tenant, channel] = ['streamtv', 'movies'];
  const { samples, cues } = await playWithHlsJs(chromium, tenant, channel, 'the end of the title', 150, (_, { ended }) => ended);
  checkSmooth(samples);
  const made = await decisions(tenant, channel);
  assert.equal(made.length, 2, `a pre-roll and a mid-roll were expected, the decision API shows ${made.length} decisions`);
  const found = runs(samples);
  const seen = breaks(found);
  assert.equal(seen.length, 2, `two breaks were expected, ${seen.length} were on screen`);
  seen.forEach((one, index) => checkBreak(one, made[index]));
  const content = found.filter(({ picture }) => picture === 'content');
  assert.equal(content.length, 2, 'content before and after the mid-roll');
  content.forEach(({ seconds }) => assert.ok(Math.abs(seconds - 24) < 0.8, `half of the title is 24 s, ${seconds.toFixed(2)} s were on screen`));
  checkSubtitles(cues, content);
}

/** What the store has of this viewer. */
async function storedEvents(tenant) {
  const headers = { 'x-api-key': process.env.CUETONE_PLATFORM_KEY };
  const response = await fetch(`${base}/api/v1/tracking/viewers/${session}?tenant=${tenant}`, { headers });
  assert.equal(response.status, 200, `the viewer's events: ${response.status}`);
  const lines = (await response.text()).trim().split('\n').map((line) => JSON.parse(line));
  assert.equal(lines.at(-1).kind, 'end', 'the export was cut off');
  return lines.filter(({ kind }) => kind === 'event');
}

const threeBreaks = (samples) => breaks(runs(samples)).filter(({ complete }) => complete).length >= 3;

/** Three breaks, then back into the last one: what was on screen counts, once. */
async function segments(chromium) {
  const [tenant, channel] = ['wkkworld', 'news'];
  let before;
  let fetches;
  const seekBack = async (page) => {
    before = counted(await storedEvents(tenant));
    const at = await page.evaluate(() => { video.currentTime -= 18; return video.currentTime; });
    await until('playback after the seek', 30, () => page.evaluate((at) => video.currentTime > at + 6, at));
    // And as a player does that has forgotten what it fetched.
    fetches = await page.evaluate(() => {
      const seconds = (since) => (performance.timeOrigin + since) / 1000;
      return performance.getEntriesByType('resource').filter(({ name }) => name.includes('/ad/'))
        .map(({ name, startTime, responseEnd }) => ({ url: name, from: seconds(startTime), to: seconds(responseEnd) }));
    });
    assert.ok(fetches.length > 10, `${fetches.length} ad segments were fetched`);
    for (const { url } of fetches) {
      const { status } = await fetch(url, { redirect: 'manual' });
      assert.equal(status, 302, `${url} again`);
    }
    return counted(await storedEvents(tenant));
  };
  const url = `${base}/fast/${tenant}/${channel}.m3u8?session_id=${session}`;
  const { samples, more: after } = await playUrl(chromium, url, 'three whole breaks', 280, threeBreaks, undefined, seekBack);
  checkSmooth(samples);
  assert.deepEqual(after, before, 'a seek back and segments fetched again add events');
  const seen = adsOf(breaks(runs(samples)).filter(({ complete }) => complete));
  checkCounted(seen, after, 'segment');
  checkFetches(after, fetches);
}

/** The same where the player reports, by what the tracking URL tells it. */
async function reports(chromium) {
  const [tenant, channel] = ['wkkworld', 'news'];
  const body = JSON.stringify({ adsParams: { session_id: session }, reportingMode: 'client' });
  const begun = await fetch(`${base}/v1/session/${tenant}/${channel}`, { method: 'POST', body }).then((answer) => answer.json());
  const report = (page) => page.evaluate((url) => window.report(url), base + begun.trackingUrl);
  const { samples, more } = await playUrl(chromium, base + begun.manifestUrl, 'three whole breaks', 280, threeBreaks, report,
    (page) => page.evaluate(() => ({ told: window.reported, pieces: window.pieces.map(({ start }) => start) })));
  const { told, pieces } = more;
  checkSmooth(samples);
  assert.deepEqual(told.errors, [], 'the player could not report');
  const events = counted(await storedEvents(tenant));
  const seen = adsOf(breaks(runs(samples)).filter(({ complete }) => complete));
  checkCounted(seen, events, 'client');
  checkTimes(events, 2);
  // Where the tracking document says that an ad starts, a piece of the player's timeline does. On a busy machine the
  // picture itself comes a little later.
  for (const { picture, from } of seen) {
    const starts = told.ads.filter(({ adTitle }) => adTitle.toLowerCase().startsWith(picture)).map(({ startTimeInSeconds }) => startTimeInSeconds);
    const said = nearest(starts, from);
    const laid = nearest(pieces, said);
    assert.ok(Math.abs(said - from) < 2, `${picture} was on screen from ${from.toFixed(1)} s on, the tracking document says ${starts}`);
    assert.ok(Math.abs(laid - said) < 0.25, `${picture} begins at ${laid.toFixed(2)} s, the tracking document says ${said.toFixed(2)} s`);
  }
}

const nearest = (numbers, to) => numbers.toSorted((a, b) => Math.abs(a - to) - Math.abs(b - to))[0] ?? Infinity;

/** The demo's own page, played by the browser itself. */
async function demoPage(chromium) {
  const page = await chromium.newPage();
  const complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`${message.type()}: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} for ${response.url()}`);
  });
  try {
    // As people type it. The origin's addresses are on 127.0.0.1: another origin, which the page must be fit for.
    await page.goto(`${base.replace('127.0.0.1', 'localhost')}/`);
    await page.addScriptTag({ content: await watchScript() });
    await page.evaluate(() => window.watch(document.querySelector('video')));
    // With the keyboard alone: the channel list is made of buttons.
    const channel = page.locator('[data-channel="streamtv/movies"]');
    await channel.waitFor({ timeout: 15_000 });
    await channel.focus();
    await page.keyboard.press('Enter');
    const watched = () => page.evaluate(() => window.watched);
    await until('ten seconds of playback', 40, async () => {
      const { samples, mediaError } = await watched();
      assert.equal(mediaError, null, 'media error');
      return samples.length > 0 && samples.at(-1).time > 10;
    });
    await until('a decision with reasons on the page', 20, () => page.locator('#decisions [data-own="true"] [data-outcome]').count());
    await until('an event on the page', 20, () => page.locator('#events [data-own="true"]').count());
    const { samples } = await watched();
    console.log(describe(samples));
    checkSmooth(samples);
    const shown = await page.locator('#decisions [data-own="true"] [data-outcome="chosen"]').evaluateAll((rows) => rows.map((row) => row.dataset.ad));
    const first = runs(samples)[0]?.picture;
    assert.ok(shown.some((ad) => ad.startsWith(first)), `on screen: ${first}; the page says ${shown} were chosen`);
    assert.deepEqual(complaints, [], 'the page complained');
  } finally {
    complaints.forEach((complaint) => console.log(`  page: ${complaint}`));
    await page.close();
  }
}

const scenarios = { live, vod, page: demoPage, segments, reports };
assert.ok(scenarios[scenario] && base, 'usage: node play.mjs live|vod|page|segments|reports BASE_URL');
const chromium = await browser();
try {
  await scenarios[scenario](chromium);
  console.log(`${scenario}: as it should be`);
} catch (error) {
  console.error(`${scenario}: ${error.message}`);
  process.exitCode = 1;
} finally {
  await chromium.close();
}
