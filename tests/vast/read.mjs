// Reads documents of a running server with other people's parsers and prints what they found, as JSON:
//   node read.mjs BASE
// Packages are found by MODULES, the folder that they were installed in.
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.MODULES, "package.json"));
const { VASTClient, VASTParser } = require("@dailymotion/vast-client");
const VMAP = require("@dailymotion/vmap");
const { DOMParser } = require("@xmldom/xmldom");

const base = process.argv[2];

// A document with any mistake in it is none: players' own parsers forgive nothing either.
const strict = new DOMParser({
  errorHandler: (level, message) => {
    throw new Error(`${level}: ${message}`);
  },
});

async function text(path) {
  const response = await fetch(base + path);
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.text();
}

const urls = (list) => (list ?? []).map((entry) => entry.url ?? entry);
const tracked = (events) => Object.fromEntries(Object.entries(events ?? {}).map(([name, list]) => [name, list.length]));

function creative(found) {
  const common = { type: found.type, universal: found.universalAdIds?.map((id) => `${id.idRegistry}:${id.value}`) };
  if (found.type === "linear") {
    return {
      ...common,
      duration: found.duration,
      tracking: tracked(found.trackingEvents),
      click: found.videoClickThroughURLTemplate?.url ?? null,
      media: found.mediaFiles.map((file) => ({
        type: file.mimeType,
        delivery: file.deliveryType,
        url: file.fileURL,
        width: file.width,
        height: file.height,
        bitrates: [file.bitrate, file.minBitrate, file.maxBitrate],
      })),
    };
  }
  return {
    ...common,
    variations: found.variations.map((part) => ({
      id: part.id,
      size: [part.width, part.height].map(Number),
      resource: part.staticResource ?? part.staticResources?.[0]?.url,
      duration: part.minSuggestedDuration ?? null,
      click: part.companionClickThroughURLTemplate ?? part.nonlinearClickThroughURLTemplate ?? null,
      tracking: tracked(part.trackingEvents),
    })),
  };
}

const ad = (found) => ({
  id: found.id,
  sequence: found.sequence,
  title: found.title,
  impressions: urls(found.impressionURLTemplates),
  errors: urls(found.errorURLTemplates).length,
  creatives: found.creatives.map(creative),
});

async function vast(path) {
  strict.parseFromString(await text(path), "text/xml");
  const client = new VASTClient();
  const response = await client.get(base + path);
  return { version: response.version, ads: response.ads.map(ad), errors: urls(response.errorURLTemplates).length };
}

// The client's own traps: what it reports to when there is nothing to show.
async function noAd(path) {
  const parser = new VASTParser();
  const tracked = [];
  parser.trackVastError = (templates, error) => tracked.push({ templates: urls(templates), code: error.ERRORCODE });
  const dom = strict.parseFromString(await text(path), "text/xml");
  const response = await parser.parseVAST(dom);
  return { ads: response.ads.length, tracked };
}

async function vmap(path) {
  const read = new VMAP(strict.parseFromString(await text(path), "text/xml"));
  const breaks = [];
  for (const found of read.adBreaks) {
    const source = found.adSource;
    const inline = source?.vastAdData && (await new VASTParser().parseVAST(document(source.vastAdData)));
    breaks.push({
      id: found.breakId,
      offset: found.timeOffset,
      type: found.breakType,
      repeat: found.repeatAfter ?? null,
      tag: source?.adTagURI?.uri ?? null,
      template: source?.adTagURI?.templateType ?? null,
      inline: inline ? inline.ads.map((ad) => ad.id) : null,
    });
  }
  return { version: read.version, breaks };
}

// The element in a document of its own, which the client wants.
function document(element) {
  const { XMLSerializer } = require("@xmldom/xmldom");
  return strict.parseFromString(new XMLSerializer().serializeToString(element), "text/xml");
}

const query = "/vast/acme?channel=live";
const found = {
  versions: [],
  pod: await vast(`${query}&duration=30&session_id=anna`),
  alone: await vast(`${query}&duration=10`),
  overlay: await vast(`${query}&position=overlay`),
  noAd: await noAd(`${query}&duration=2`),
};
for (const version of ["2.0", "3.0", "4.0", "4.1", "4.2"]) {
  found.versions.push(await vast(`${query}&duration=30&version=${version}`));
}
found.vmap = await vmap("/vmap/acme/live?duration=1000&session_id=anna&audience=kids");
found.inline = await vmap("/vmap/acme/live?duration=700&inline=true");
const tag = new URL(found.vmap.breaks[1].tag);
found.tag = await vast(tag.pathname + tag.search);
console.log(JSON.stringify(found, null, 1));
