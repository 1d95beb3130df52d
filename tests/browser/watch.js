// Runs in the page: notes ten times a second what a video element shows and how far it is.
// Every ad of the demo has a flat background of its own, so four points of the picture tell which one it is.

const BACKGROUNDS = {
  content: [[0x14, 0x46, 0xa0], [0x0a, 0x2f, 0x7d]],
  red: [[0xd0, 0x15, 0x15]],
  green: [[0x0f, 0x8a, 0x2a]],
  orange: [[0xff, 0x7a, 0x00]],
  purple: [[0x7a, 0x1f, 0xb8]],
  yellow: [[0xf2, 0xdc, 0x00]],
  slate: [[0x6e, 0x6e, 0x6e]],
};
// Colours of two pictures are at least 130 apart; encoding and colour conversion move one by less than 30.
const NEAR = 60;

function nameOf(pixel) {
  for (const [name, colours] of Object.entries(BACKGROUNDS)) {
    for (const colour of colours) {
      if (Math.hypot(...colour.map((value, index) => value - pixel[index])) < NEAR) return name;
    }
  }
  return null;
}

// Answers the name that at least three of four points agree on, else `unknown`.
function pictureOf(video, canvas) {
  if (video.readyState < 2) return 'unknown';
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(video, 0, 0, canvas.width, canvas.height);
  const votes = {};
  for (const [x, y] of [[1, 1], [30, 1], [1, 9], [30, 9]]) {
    const name = nameOf([...context.getImageData(x, y, 1, 1).data]);
    if (name) votes[name] = (votes[name] ?? 0) + 1;
  }
  return Object.keys(votes).find((name) => votes[name] >= 3) ?? 'unknown';
}

// Starts watching; `window.watched` grows. `dateOf` answers the wall clock of the picture in milliseconds, or null.
window.watch = (video, dateOf = () => null) => {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [32, 18];
  window.watched = { samples: [], started: false, ended: false, mediaError: null };
  video.addEventListener('playing', () => { window.watched.started = true; });
  video.addEventListener('ended', () => { window.watched.ended = true; });
  video.addEventListener('error', () => { window.watched.mediaError = `${video.error?.code}: ${video.error?.message}`; });
  setInterval(() => {
    if (!window.watched.started || window.watched.ended) return;
    window.watched.samples.push({
      wall: performance.now() / 1000,
      time: video.currentTime,
      picture: pictureOf(video, canvas),
      date: dateOf(),
    });
  }, 100);
};
