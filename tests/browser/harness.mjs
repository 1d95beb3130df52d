// Starts Chromium and a small web server for the player page. Knows nothing of what is played.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

// The packages are installed outside the repository's folder: MODULES is the folder with `node_modules` in it.
const modules = createRequire(path.join(process.env.MODULES ?? path.dirname(fileURLToPath(import.meta.url)), 'x.js'));
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required',
];

/** Chromium with an empty profile of its own. `CHROMIUM` names another binary than /usr/bin/chromium. */
export function browser() {
  const { chromium } = modules('playwright-core');
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  return chromium.launch({ executablePath, args: ['--headless=new', ...FLAGS], headless: true });
}

/** Serves player.html, watch.js and hls.js on a free port: another origin than Cuetone's, as a player's page is. */
export async function playerServer() {
  const files = {
    '/player.html': [here('player.html'), 'text/html'],
    '/watch.js': [here('watch.js'), 'text/javascript'],
    '/hls.js': [modules.resolve('hls.js/dist/hls.min.js'), 'text/javascript'],
  };
  const server = createServer(async (request, response) => {
    const file = files[new URL(request.url, 'http://x').pathname];
    if (!file) return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': file[1] }).end(await readFile(file[0]));
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return { url: `http://127.0.0.1:${server.address().port}/player.html`, close: () => server.close() };
}

export const watchScript = () => readFile(here('watch.js'), 'utf8');

/** Asks until `done` answers something true; fails with `what` after `seconds`. */
export async function until(what, seconds, done) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await done();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`after ${seconds} s still waiting for ${what}`);
    await new Promise((next) => setTimeout(next, 500));
  }
}
