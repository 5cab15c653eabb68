'use strict';
// Interactive parts of the report: copy buttons and the timeline. No network, no innerHTML; text
// from the run reaches the page through textContent and canvas text only.
(() => {
const $ = (id) => document.getElementById(id);
const on = (node, names, run, options) => names.split(' ').forEach((n) => node.addEventListener(n, run, options));
const clamp = (x, low, high) => Math.max(low, Math.min(high, x));

for (const button of document.querySelectorAll('.copy')) {
  button.hidden = false;
  on(button, 'click', async () => {
    const source = $(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = 'Press Ctrl+C';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 1600);
  });
}

// A copied moment, such as #R-1@t=12.418, leads to its finding.
const place = () => {
  const found = /^#(R-\d+)@/.exec(location.hash), finding = found && $(found[1]);
  if (finding) finding.scrollIntoView();
};
on(window, 'hashchange', place);
place();

const holder = $('tl-data');
if (!holder) return;
const root = $('tl'), main = $('tl-main'), map = $('tl-map'), read = $('tl-read');
const NAMES = ['read', 'write', 'cas', 'txn', 'append', 'set-add', 'set-remove', 'set-contains', 'set-read', 'counter-add',
  'counter-read', 'enqueue', 'dequeue', 'peek', 'acquire', 'release', 'generate'], OUTCOMES = ['ok', 'fail', 'info', 'info'];
const BINS = 8192, BOXES = 6000, RAW = 60000, BLOCK = 512, READABLE = 700, TEXT_LANE = 18;

// ---- data ------------------------------------------------------------------------------------

async function unpack(text) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

class Stream {
  constructor(bytes, at) { this.bytes = bytes; this.at = at; }
  next() {
    let value = 0, scale = 1, byte;
    do { byte = this.bytes[this.at++]; value += (byte & 127) * scale; scale *= 128; } while (byte > 127);
    return value;
  }
  signed() { const z = this.next(); return z % 2 ? -(z + 1) / 2 : z / 2; }
  byte() { return this.bytes[this.at++]; }
}

function numbering() {
  const numbers = new Map(), list = [];
  return { list, of(value) {
    let number = numbers.get(value);
    if (number === undefined) { number = list.length; numbers.set(value, number); list.push(value); }
    return number;
  } };
}

function decode(bytes, meta) {
  const streams = []; let at = 0;
  for (const length of meta.columns) { streams.push(new Stream(bytes, at)); at += length; }
  const [sStart, sDur, sProc, sTag, sNode, sKey, sA, sB, sErr] = streams;
  const n = meta.n, keys = numbering(), processes = numbering();
  const d = { n, start: new Float64Array(n), end: new Float64Array(n), proc: new Uint32Array(n), tag: new Uint8Array(n),
    node: new Uint16Array(n), key: new Uint32Array(n), a: new Float64Array(n), b: new Float64Array(n), error: new Uint8Array(n),
    late: new Float64Array(Math.ceil(n / BLOCK)), keys: keys.list, processes: processes.list };
  const nodes = [], values = []; let time = 0;
  for (let i = 0; i < n; i++) {
    time += sStart.next();
    const tag = sTag.byte(), f = tag & 63, p = processes.of(sProc.next());
    d.start[i] = time; d.end[i] = time + sDur.next(); d.tag[i] = tag; d.proc[i] = p;
    d.node[i] = nodes[p] = (nodes[p] || 0) + sNode.signed();
    if (tag > 63) d.error[i] = sErr.byte();
    const block = (i / BLOCK) | 0;
    if (d.end[i] > d.late[block]) d.late[block] = d.end[i];
    if (f >= 3) { d.key[i] = keys.of(f === 3 ? -1 : sKey.next()); d.a[i] = sA.next(); continue; }
    const key = keys.of(sKey.next());
    d.key[i] = key;
    const a = (values[key] || 0) + sA.signed();
    let now = a;
    if (f === 2) now = d.b[i] = a + sB.signed();
    d.a[i] = a;
    if (now > 1) values[key] = now;
  }
  return d;
}

// ---- view ------------------------------------------------------------------------------------

let meta, data, lanes, colors, pyramid;
const view = { from: 0, to: 1, scroll: 0, finding: -1, hover: -1, center: -1 };
const filter = { lanes: 'process', kind: '', outcome: '', key: '', value: '', process: '' };
let dirty = false;
const invalidate = () => { if (!dirty) { dirty = true; requestAnimationFrame(() => { dirty = false; draw(); }); } };

function valueText(number) {
  if (number === 0) return '?';
  if (number === 1) return 'nil';
  return number % 2 ? meta.strings[(number - 3) / 2] : String((number - 2) / 2);
}
function label(i) {
  switch (data.tag[i] & 63) {
    case 0: return 'read → ' + valueText(data.a[i]);
    case 1: return 'write ' + valueText(data.a[i]);
    case 2: return 'cas ' + valueText(data.a[i]) + ' → ' + valueText(data.b[i]);
    default: return valueText(data.a[i]);
  }
}
const keyText = (i) => { const key = data.keys[data.key[i]]; return key < 0 ? '' : valueText(key); };
const nodeText = (i) => data.node[i] ? meta.nodes[data.node[i] - 1] || 'n' + data.node[i] : '';
const outcome = (i) => data.tag[i] >> 6;
// Never a value cut short without saying so: `31` must not read as `3`.
const fitted = (text, chars) => text.length <= chars ? text : chars < 4 ? '' : text.slice(0, chars - 1) + '…';
const clock = (t, digits) => meta.axis === 'rank' ? '#' + Math.round(t) : (t / 1e6).toFixed(digits) + ' s';

// A worker's processes follow one another on one lane: a lane is free once its process ended.
function buildLanes() {
  const count = data.processes.length, first = new Float64Array(count).fill(Infinity), last = new Float64Array(count);
  for (let i = 0; i < data.n; i++) {
    const p = data.proc[i];
    if (data.start[i] < first[p]) first[p] = data.start[i];
    if (data.end[i] > last[p]) last[p] = data.end[i];
  }
  const order = [...first.keys()].sort((x, y) => first[x] - first[y] || x - y), free = [], slot = new Uint32Array(count);
  for (const p of order) {
    let at = free.findIndex((time) => time <= first[p]);
    if (at < 0) { at = free.length; free.push(0); }
    free[at] = last[p]; slot[p] = at;
  }
  // Where lanes do not fit, those of a proof come first: it is seen whole without scrolling.
  const proof = new Set();
  for (const finding of meta.findings.slice(0, 5)) for (const i of finding.ops.slice(-40)) proof.add(slot[data.proc[i]]);
  if (free.length > 24 && proof.size <= 24) {
    const sorted = [...free.keys()].sort((x, y) => proof.has(y) - proof.has(x) || x - y), place = new Uint32Array(free.length);
    sorted.forEach((lane, at) => { place[lane] = at; });
    for (let p = 0; p < count; p++) slot[p] = place[slot[p]];
  }
  if (filter.lanes === 'process') {
    const names = new Array(free.length).fill('');
    for (let p = 0; p < count; p++) names[slot[p]] = count === free.length ? 'p' + data.processes[p] : String(slot[p] + 1);
    return { count: free.length, of: (i) => slot[data.proc[i]], name: (at) => names[at], group: null };
  }
  const width = free.length, used = new Set();
  for (let i = 0; i < data.n; i++) used.add(data.node[i] * width + slot[data.proc[i]]);
  const list = [...used].sort((x, y) => x - y), place = new Map(list.map((id, at) => [id, at]));
  const group = list.map((id) => Math.floor(id / width));
  const lane = new Uint32Array(data.n);
  for (let i = 0; i < data.n; i++) lane[i] = place.get(data.node[i] * width + slot[data.proc[i]]);
  const name = (at) => at === 0 || group[at] !== group[at - 1] ? (group[at] ? meta.nodes[group[at] - 1] || 'n' + group[at] : '–') : '';
  return { count: list.length, of: (i) => lane[i], name, group };
}

let matches = () => true;
function buildFilter() {
  const tests = [];
  const { kind, key, value, process } = filter, wanted = filter.outcome;
  if (kind) { const f = NAMES.indexOf(kind); tests.push((i) => (data.tag[i] & 63) === f); }
  if (wanted) tests.push((i) => OUTCOMES[outcome(i)] === wanted);
  if (process) { const text = process.replace(/^p/, ''); tests.push((i) => String(data.processes[data.proc[i]]) === text); }
  if (key) {
    const good = data.keys.map((k) => k >= 0 && (valueText(k) === key || valueText(k) === '"' + key + '"'));
    tests.push((i) => good[data.key[i]]);
  }
  if (value) {
    const same = (number) => { const text = valueText(number); return text === value || text === '"' + value + '"'; };
    const known = new Map(), test = (number) => { let yes = known.get(number); if (yes === undefined) known.set(number, yes = same(number)); return yes; };
    tests.push((i) => (data.tag[i] & 63) >= 3 ? valueText(data.a[i]).includes(value) : test(data.a[i]) || ((data.tag[i] & 63) === 2 && test(data.b[i])));
  }
  matches = tests.length === 0 ? () => true : (i) => tests.every((test) => test(i));
  matches.all = tests.length === 0;
}

// Counts per lane and time bin, halved until they are coarse: far views never touch operations.
function buildPyramid() {
  const levels = []; let bins = BINS;
  const counts = lanes.count * bins <= 2e7 ? [new Uint16Array(lanes.count * bins), new Uint16Array(lanes.count * bins), new Uint16Array(lanes.count * bins)] : null;
  if (!counts) { pyramid = null; return; }
  const scale = bins / meta.end;
  for (let i = 0; i < data.n; i++) {
    if (!matches(i)) continue;
    const row = counts[Math.min(outcome(i), 2)], at = lanes.of(i) * bins + Math.min(bins - 1, (data.start[i] * scale) | 0);
    if (row[at] < 65535) row[at]++;
  }
  levels.push({ bins, counts });
  while (bins > 512) {
    const half = bins / 2, before = levels[levels.length - 1].counts;
    const next = before.map((row) => {
      const out = new Uint16Array(lanes.count * half);
      for (let at = 0; at < out.length; at++) out[at] = Math.min(65535, row[2 * at] + row[2 * at + 1]);
      return out;
    });
    bins = half; levels.push({ bins, counts: next });
  }
  pyramid = levels;
}

function rebuild() { lanes = buildLanes(); buildFilter(); buildPyramid(); layout(); invalidate(); }

// First operation that starts at or after `time`.
function lower(time) {
  let low = 0, high = data.n;
  while (low < high) { const middle = (low + high) >> 1; if (data.start[middle] < time) low = middle + 1; else high = middle; }
  return low;
}
// Operations that may touch the view: whole blocks that ended before it are passed over.
function* visible(from, to) {
  const high = lower(to), near = lower(from);
  for (let block = 0; block * BLOCK < near; block++) {
    if (data.late[block] < from) continue;
    const stop = Math.min(near, (block + 1) * BLOCK);
    for (let i = block * BLOCK; i < stop; i++) if (data.end[i] >= from || outcome(i) > 1) yield i;
  }
  for (let i = near; i < high; i++) yield i;
}

// ---- drawing ---------------------------------------------------------------------------------

const box = { width: 0, height: 0, left: 60, top: 0, lane: 12, fit: 12, fault: 12 };
function layout() {
  const narrow = root.clientWidth < 560;
  box.left = narrow ? 42 : 64;
  const faults = meta.faults.length;
  box.fault = faults ? Math.min(15, 220 / faults) : 0;
  box.top = 24 + faults * box.fault + (faults ? 6 : 0);
  const room = narrow ? 330 : 430;
  box.fit = clamp(room / lanes.count, 5, 24);
  main.style.height = Math.round(box.top + Math.min(room, lanes.count * box.fit) + 4) + 'px';
  for (const canvas of [main, map]) {
    const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
    canvas.getContext('2d').setTransform(ratio, 0, 0, ratio, 0, 0);
  }
  box.width = main.clientWidth - box.left; box.height = main.clientHeight;
  const style = getComputedStyle(document.documentElement), color = (name) => style.getPropertyValue('--' + name).trim();
  colors = {};
  for (const name of ['panel', 'ink', 'soft', 'muted', 'line', 'stripe', 'ok', 'fail', 'info', 'bad', 'fault', 'fault-bg', 'fault-line', 'bar-ink', 'link']) colors[name] = color(name);
  colors.rgb = ['ok', 'fail', 'info'].map((name) => { const hex = parseInt(colors[name].slice(1), 16); return [hex >> 16, hex >> 8 & 255, hex & 255]; });
}

const X = (time) => box.left + (time - view.from) / (view.to - view.from) * box.width;
const T = (x) => view.from + (x - box.left) / box.width * (view.to - view.from);
const laneY = (at) => box.top + at * box.lane - view.scroll;

function draw() {
  if (!lanes) return;
  const c = main.getContext('2d');
  const span = lower(view.to) - lower(view.from), room = box.height - box.top - 3;
  // Near enough to read, lanes grow until their text fits; the lane in the middle stays there.
  const lane = span <= READABLE ? Math.max(box.fit, TEXT_LANE) : box.fit;
  if (lane !== box.lane) { view.scroll = (view.scroll + room / 2) / box.lane * lane - room / 2; box.lane = lane; }
  if (view.center >= 0) { view.scroll = (view.center + .5) * lane - room / 2; view.center = -1; }
  const most = Math.max(0, lanes.count * lane - room);
  view.scroll = clamp(view.scroll, 0, most);
  view.top = Math.floor(view.scroll / lane);
  view.rows = Math.min(lanes.count - view.top, Math.ceil(room / lane) + 1);
  c.clearRect(0, 0, main.clientWidth, box.height);
  c.font = '11px ' + 'ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';
  c.textBaseline = 'middle';
  drawLanes(c);
  drawFaults(c);
  c.save(); c.beginPath(); c.rect(box.left, box.top, box.width, box.height - box.top); c.clip();
  if (span > RAW && pyramid) drawPyramid(c); else if (span > BOXES) drawDense(c); else drawBoxes(c);
  drawProof(c);
  c.restore();
  if (most > lane) {
    const share = room / (room + most), y = box.top + view.scroll / (room + most) * room;
    c.fillStyle = colors.muted; c.globalAlpha = .55; c.fillRect(box.left + box.width - 5, y, 4, share * room); c.globalAlpha = 1;
  }
  drawAxis(c);
  drawMap();
}

function drawLanes(c) {
  c.textAlign = 'right';
  let last = -99;
  for (let at = view.top; at < view.top + view.rows; at++) {
    const y = laneY(at);
    if (y + box.lane < box.top || y > box.height) continue;
    const odd = lanes.group ? lanes.group[at] % 2 : at % 2;
    if (odd) { c.fillStyle = colors.stripe; c.fillRect(box.left, y, box.width, box.lane); }
    const name = lanes.name(at);
    if (name && y - last >= 12 && y >= box.top - 1) { c.fillStyle = colors.muted; c.fillText(name.slice(0, 9), box.left - 7, y + Math.max(box.lane, 10) / 2, box.left - 10); last = y; }
  }
}

function drawFaults(c) {
  let named = -99;
  meta.faults.forEach((fault, at) => {
    const y = 24 + at * box.fault;
    const x0 = clamp(X(fault.from), box.left, box.left + box.width), x1 = clamp(X(fault.to), box.left, box.left + box.width);
    if (y - named >= 12) { c.fillStyle = colors.muted; c.textAlign = 'right'; c.fillText(fault.id, box.left - 7, y + box.fault / 2, box.left - 10); named = y; }
    if (x1 <= box.left || x0 >= box.left + box.width) return;
    const width = Math.max(1.5, x1 - x0);
    c.fillStyle = colors['fault-bg']; c.fillRect(x0, box.top, width, box.height - box.top);
    c.fillStyle = fault.bit ? colors.fault : colors.bad; c.globalAlpha = fault.bit ? .85 : .5;
    const high = Math.max(1, box.fault > 6 ? box.fault - 2 : box.fault * .8);
    c.fillRect(x0, y + (box.fault - high) / 2, width, high); c.globalAlpha = 1;
    const text = fault.name + (fault.bit ? '' : ' (did not bite)'), need = text.length * 6.7;
    if (box.fault < 12) return;
    c.textAlign = 'left';
    if (need < width - 8) { c.fillStyle = colors.panel; c.fillText(text, Math.max(x0, box.left) + 4, y + box.fault / 2 + .5); }
    else if (x1 + need + 8 < box.left + box.width) { c.fillStyle = colors.soft; c.fillText(text, x1 + 5, y + box.fault / 2 + .5); }
  });
}

let sheet;
function paint(c, grids, width) {
  const rows = view.rows;
  if (!sheet) sheet = document.createElement('canvas');
  if (sheet.width !== width || sheet.height !== rows) { sheet.width = width; sheet.height = rows; }
  const s = sheet.getContext('2d'), image = s.createImageData(width, rows), pixels = image.data, [ok, fail, info] = grids;
  let most = 1;
  for (let at = 0; at < ok.length; at++) if (ok[at] > most) most = ok[at];
  const scale = 165 / Math.log(1 + most);
  for (let at = 0; at < ok.length; at++) {
    const count = ok[at] + fail[at] + info[at];
    if (!count) continue;
    const rgb = colors.rgb[info[at] ? 2 : fail[at] > ok[at] ? 1 : 0], p = at * 4;
    pixels[p] = rgb[0]; pixels[p + 1] = rgb[1]; pixels[p + 2] = rgb[2];
    pixels[p + 3] = info[at] ? 255 : Math.min(255, 90 + Math.log(1 + count) * scale);
  }
  s.putImageData(image, 0, 0);
  c.imageSmoothingEnabled = false;
  c.drawImage(sheet, box.left, laneY(view.top), box.width, rows * box.lane);
  if (box.lane >= 7) { c.fillStyle = colors.panel; for (let at = 0; at <= rows; at++) c.fillRect(box.left, laneY(view.top + at) - .75, box.width, 1.5); }
}

function drawPyramid(c) {
  const share = (view.to - view.from) / meta.end, width = Math.max(1, Math.round(box.width));
  let level = pyramid[0];
  for (const coarse of pyramid) if (coarse.bins * share >= width) level = coarse;
  const grids = [0, 1, 2].map(() => new Uint32Array(width * view.rows));
  const first = clamp(Math.floor(view.from / meta.end * level.bins), 0, level.bins - 1), last = clamp(Math.ceil(view.to / meta.end * level.bins), 1, level.bins);
  const perBin = meta.end / level.bins, scale = width / (view.to - view.from), thick = Math.max(1, Math.ceil(perBin * scale));
  for (let kind = 0; kind < 3; kind++) {
    const counts = level.counts[kind], grid = grids[kind];
    for (let lane = 0; lane < view.rows; lane++) {
      const row = (view.top + lane) * level.bins, out = lane * width;
      for (let bin = first; bin < last; bin++) {
        const count = counts[row + bin];
        if (!count) continue;
        const x = ((bin * perBin - view.from) * scale) | 0;
        for (let px = Math.max(0, x); px < x + thick && px < width; px++) grid[out + px] += count;
      }
    }
  }
  paint(c, grids, width);
}

function drawDense(c) {
  const width = Math.max(1, Math.round(box.width)), scale = width / (view.to - view.from);
  const grids = [0, 1, 2].map(() => new Uint32Array(width * view.rows));
  for (const i of visible(view.from, view.to)) {
    if (!matches(i)) continue;
    const lane = lanes.of(i) - view.top;
    if (lane < 0 || lane >= view.rows) continue;
    const grid = grids[Math.min(outcome(i), 2)], row = lane * width;
    const x0 = Math.max(0, ((data.start[i] - view.from) * scale) | 0), x1 = Math.min(width - 1, ((data.end[i] - view.from) * scale) | 0);
    for (let px = x0; px <= x1; px++) grid[row + px]++;
  }
  paint(c, grids, width);
}

function drawBoxes(c) {
  const fills = [colors.ok, colors.fail, colors.info, colors.info], gap = box.lane >= 10 ? 2 : .5, high = box.lane - 2 * gap;
  const room = box.lane >= 13, right = box.left + box.width;
  c.textAlign = 'left';
  for (const i of visible(view.from, view.to)) {
    const y = laneY(lanes.of(i)) + gap;
    if (y + high < box.top || y > box.height) continue;
    const x0 = X(data.start[i]), x1 = Math.max(x0 + 1.2, X(data.end[i])), unknown = outcome(i) > 1;
    if (x0 > right || (x1 < box.left && !unknown)) continue;
    const yes = matches(i);
    c.globalAlpha = yes ? 1 : .16;
    c.fillStyle = fills[outcome(i)];
    const from = Math.max(x0, box.left - 3), to = Math.min(x1, right + 3);
    if (to > from) c.fillRect(from, y, Math.max(1, to - from - (to - from > 4 ? .8 : 0)), high);
    if (unknown && x1 >= box.left) { c.beginPath(); c.moveTo(x1, y); c.lineTo(x1 + 7, y + high / 2); c.lineTo(x1, y + high); c.fill(); }
    if (room && yes && to - from > 30) {
      const left = Math.max(x0, box.left) + 4, text = fitted(label(i), Math.floor((to - left - 2) / 6.65));
      if (text) { c.fillStyle = colors['bar-ink']; c.fillText(text, left, y + high / 2 + .5); }
    }
  }
  c.globalAlpha = 1;
}

function drawProof(c) {
  const close = lower(view.to) - lower(view.from) <= RAW;
  meta.findings.forEach((finding, at) => {
    const x = X(finding.at);
    if (x >= box.left && x <= box.left + box.width) {
      c.strokeStyle = colors.bad; c.globalAlpha = at === view.finding ? .9 : .4; c.setLineDash([3, 3]);
      c.beginPath(); c.moveTo(x, box.top); c.lineTo(x, box.height); c.stroke(); c.setLineDash([]); c.globalAlpha = 1;
    }
    if (!close && at !== view.finding) return;
    for (const i of finding.ops) outline(c, i, colors.ink, 1.4, null);
    if (finding.failed !== null) outline(c, finding.failed, colors.bad, 2.5, colors.bad);
  });
  if (view.hover >= 0) outline(c, view.hover, colors.link, 2, null);
}
function outline(c, i, stroke, width, fill) {
  const x0 = X(data.start[i]), x1 = Math.max(x0 + 3, X(data.end[i])), y = laneY(lanes.of(i)) + 1;
  if (x1 < box.left || x0 > box.left + box.width) return;
  const from = Math.max(x0, box.left - 4), to = Math.min(x1, box.left + box.width + 4);
  if (fill) {
    c.fillStyle = fill; c.fillRect(from, y, to - from, box.lane - 2);
    const text = fitted(label(i), Math.floor((to - from - 5) / 6.65));
    if (box.lane >= 13 && text) { c.fillStyle = colors.panel; c.textAlign = 'left'; c.fillText(text, Math.max(from, box.left) + 4, y + box.lane / 2 - .5); }
  }
  c.strokeStyle = stroke; c.lineWidth = width; c.strokeRect(from, y, to - from, box.lane - 2); c.lineWidth = 1;
}

const STEPS = [1, 2, 5], LETTER = 6.7;
// A row of labels between `low` and `high`: takes a place, unless another label stands there.
const row = (low, high) => {
  const taken = [];
  return (from, to) => {
    if (from < low || to > high || taken.some((it) => from < it[1] + 5 && it[0] < to + 5)) return false;
    taken.push([from, to]);
    return true;
  };
};
function drawAxis(c) {
  const span = view.to - view.from, target = span / Math.max(2, box.width / 110);
  let step = 10 ** Math.floor(Math.log10(target));
  step *= STEPS.find((it) => it * step >= target) || 10;
  step = Math.max(1, step);
  const digits = clamp(Math.ceil(-Math.log10(step / 1e6)), 0, 6);
  c.fillStyle = colors.panel; c.fillRect(box.left, 0, box.width, 22);
  const axis = row(box.left, box.left + box.width);
  drawFindings(c, axis);
  c.textAlign = 'center';
  for (let time = Math.ceil(view.from / step) * step; time <= view.to; time += step) {
    const x = X(time), text = clock(time, digits), half = text.length * LETTER / 2;
    c.fillStyle = colors.line; c.fillRect(x, 18, 1, 6);
    if (axis(x - half, x + half)) { c.fillStyle = colors.muted; c.fillText(text, x, 10); }
  }
  drawMarks(c);
}
// Findings come before times: what was broken is named, and the time beside it is not.
function drawFindings(c, axis) {
  const findings = meta.findings.map((finding, at) => ({ finding, at, x: X(finding.at) })).filter(({ x }) => x >= box.left && x <= box.left + box.width);
  findings.sort((one, other) => (other.at === view.finding) - (one.at === view.finding) || one.x - other.x);
  for (const { finding, at, x } of findings) {
    c.fillStyle = colors.bad; c.beginPath(); c.moveTo(x - 5, 16); c.lineTo(x + 5, 16); c.lineTo(x, 23); c.fill();
    const wide = finding.name.length * LETTER + 7, left = x + wide > box.left + box.width;
    if (at !== view.finding && findings.length >= 40) continue;
    if (left ? axis(x - wide, x - 5) : axis(x + 5, x + wide)) { c.textAlign = left ? 'right' : 'left'; c.fillText(finding.name, x + (left ? -7 : 7), 17); }
  }
}
// Names of marks run upwards; one that would stand on another stands above it.
function drawMarks(c) {
  const bottom = box.height - 5;
  let last = -99, top = bottom;
  for (const [time, name] of meta.marks) {
    const x = X(time), long = name.length * LETTER;
    if (x < box.left || x > box.left + box.width) continue;
    c.strokeStyle = colors.muted; c.globalAlpha = .5; c.beginPath(); c.moveTo(x, 18); c.lineTo(x, box.height); c.stroke(); c.globalAlpha = 1;
    const at = Math.min(x + 3, box.left + box.width - 12), y = at - last < 13 ? top - 10 : bottom;
    if (y - long < box.top) continue;
    c.save(); c.translate(at, y); c.rotate(-Math.PI / 2);
    c.fillStyle = colors.panel; c.globalAlpha = .8; c.fillRect(-2, 0, long + 4, 12); c.globalAlpha = 1;
    c.textAlign = 'left'; c.fillStyle = colors.muted; c.fillText(name, 0, 6); c.restore();
    last = at; top = y - long;
  }
}

const mapX = (time) => box.left + time / meta.end * box.width;
function drawMap() {
  const c = map.getContext('2d'), height = map.clientHeight, bins = meta.density.length;
  c.clearRect(0, 0, map.clientWidth, height);
  const most = Math.max(1, ...meta.density);
  c.fillStyle = colors.ok; c.beginPath(); c.moveTo(box.left, height);
  const width = Math.max(1, Math.round(box.width));
  for (let px = 0; px < width; px++) {
    const first = Math.floor(px / width * bins), last = Math.max(first + 1, Math.floor((px + 1) / width * bins));
    let top = 0;
    for (let at = first; at < last; at++) top = Math.max(top, meta.density[at]);
    const y = height - 1 - top / most * (height - 14);
    c.lineTo(box.left + px, y); c.lineTo(box.left + px + 1, y);
  }
  c.lineTo(box.left + width, height); c.fill();
  for (const fault of meta.faults) {
    const x = mapX(fault.from), wide = Math.max(1.5, mapX(fault.to) - x);
    c.fillStyle = colors['fault-bg']; c.fillRect(x, 0, wide, height);
    c.fillStyle = fault.bit ? colors.fault : colors.bad; c.fillRect(x, 0, wide, 3);
  }
  for (const finding of meta.findings) { c.fillStyle = colors.bad; c.fillRect(mapX(finding.at) - 1, 0, 2, height); c.beginPath(); c.arc(mapX(finding.at), 8, 4, 0, 7); c.fill(); }
  const x0 = mapX(view.from), x1 = mapX(view.to);
  c.fillStyle = colors.panel; c.globalAlpha = .62; c.fillRect(box.left, 0, x0 - box.left, height); c.fillRect(x1, 0, box.left + box.width - x1, height); c.globalAlpha = 1;
  c.strokeStyle = colors.ink; c.lineWidth = 1.5; c.strokeRect(x0, .75, Math.max(3, x1 - x0), height - 1.5); c.lineWidth = 1;
  c.fillStyle = colors.muted; c.textAlign = 'right'; c.textBaseline = 'middle'; c.font = '11px system-ui, sans-serif'; c.fillText('run', box.left - 7, height / 2);
}

// ---- interaction -----------------------------------------------------------------------------

function show(from, to) {
  const least = meta.axis === 'rank' ? 4 : 20, span = clamp(to - from, least, meta.end), middle = (from + to) / 2;
  view.from = clamp(middle - span / 2, 0, meta.end - span); view.to = view.from + span;
  invalidate();
}
const zoom = (factor, x) => { const t = T(x === undefined ? box.left + box.width / 2 : x); show(t - (t - view.from) * factor, t + (view.to - t) * factor); };
const pan = (share) => { const by = (view.to - view.from) * share; const span = view.to - view.from; const from = clamp(view.from + by, 0, meta.end - span); show(from, from + span); };
function jump(at) {
  if (!meta.findings.length) return;
  view.finding = (at + meta.findings.length) % meta.findings.length;
  const finding = meta.findings[view.finding], wide = Math.max((finding.to - finding.from) * 1.3, meta.end / 2e4, 50);
  const middle = (finding.from + finding.to) / 2;
  // A proof may span the run: then what counts is around its end.
  if (wide > meta.end / 20) show(finding.at - meta.end / 60, finding.at + meta.end / 120); else show(middle - wide / 2, middle + wide / 2);
  if (finding.failed !== null) {
    view.center = lanes.of(finding.failed);
    describe(finding.failed, finding.name + ': ');
  }
}
function describe(i, prefix) {
  view.hover = i;
  if (i < 0) { read.textContent = ''; return; }
  const parts = [(prefix || '') + 'p' + data.processes[data.proc[i]] + (nodeText(i) ? ' at ' + nodeText(i) : ''), label(i)];
  if (keyText(i)) parts.push('key ' + keyText(i));
  parts.push(OUTCOMES[outcome(i)] + (data.error[i] ? ' (' + meta.errors[data.error[i] - 1] + ')' : ''), clock(data.start[i], 6));
  if (meta.axis === 'time' && outcome(i) < 3) parts.push(((data.end[i] - data.start[i]) / 1e3).toFixed(3) + ' ms');
  read.textContent = parts.join(' · ');
}
function pick(x, y) {
  if (x < box.left || y < box.top || lower(view.to) - lower(view.from) > RAW) return -1;
  const lane = Math.floor((y - box.top + view.scroll) / box.lane), time = T(x), slack = 4 * (view.to - view.from) / box.width;
  let best = -1, distance = Infinity;
  for (const i of visible(time - slack, time + slack)) {
    if (lanes.of(i) !== lane) continue;
    const away = time < data.start[i] ? data.start[i] - time : time > data.end[i] ? time - data.end[i] : 0;
    if (away <= slack && away <= distance) { best = i; distance = away; }
  }
  return best;
}

function describeFault(x, y) {
  const fault = y >= 24 && y < box.top && x >= box.left && meta.faults[Math.floor((y - 24) / box.fault)];
  if (!fault) return false;
  view.hover = -1;
  read.textContent = fault.id + ' · ' + fault.name + ' · ' + clock(fault.from, 3) + ' – ' + clock(fault.to, 3) + (fault.bit ? '' : ' · did not bite');
  return true;
}

function pointers() {
  const touches = new Map(); let moved = 0;
  on(main, 'pointerdown', (event) => { touches.set(event.pointerId, event); moved = 0; try { main.setPointerCapture(event.pointerId); } catch { /* synthetic events have no capture */ } });
  on(main, 'pointerup pointercancel', (event) => { touches.delete(event.pointerId); });
  on(main, 'pointermove', (event) => {
    const before = touches.get(event.pointerId);
    if (!before) { if (describeFault(event.offsetX, event.offsetY)) { invalidate(); return; } const i = pick(event.offsetX, event.offsetY); if (i !== view.hover) { describe(i); invalidate(); } return; }
    if (touches.size === 2) {
      const other = [...touches.values()].find((it) => it.pointerId !== event.pointerId);
      const was = Math.abs(before.offsetX - other.offsetX), now = Math.abs(event.offsetX - other.offsetX);
      zoom(clamp(Math.max(was, 8) / Math.max(now, 8), .5, 2), (event.offsetX + other.offsetX) / 2);
    } else {
      const dx = event.offsetX - before.offsetX;
      moved += Math.abs(dx);
      pan(-dx / box.width);
      if (event.pointerType === 'mouse') view.scroll -= event.offsetY - before.offsetY;
    }
    touches.set(event.pointerId, event);
  });
  on(main, 'click', (event) => { if (moved < 5 && !describeFault(event.offsetX, event.offsetY)) { describe(pick(event.offsetX, event.offsetY)); invalidate(); } });
  on(main, 'wheel', (event) => {
    if (document.activeElement !== main && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    if (event.shiftKey) { view.scroll += event.deltaY; invalidate(); }
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(event.deltaX / box.width);
    else zoom(Math.exp(clamp(event.deltaY, -120, 120) / 300), event.offsetX);
  }, { passive: false });
  on(main, 'dblclick', (event) => zoom(.4, event.offsetX));
  let brush = null;
  const time = (event) => clamp((event.offsetX - box.left) / box.width, 0, 1) * meta.end;
  on(map, 'pointerdown', (event) => { brush = time(event); try { map.setPointerCapture(event.pointerId); } catch { /* synthetic */ } });
  on(map, 'pointermove', (event) => { if (brush !== null) { const at = time(event); if (Math.abs(at - brush) > meta.end / 200) show(Math.min(at, brush), Math.max(at, brush)); } });
  on(map, 'pointerup', (event) => {
    const at = time(event);
    if (brush !== null && Math.abs(at - brush) <= meta.end / 200) { const half = Math.min((view.to - view.from) / 2, meta.end / 20); show(at - half, at + half); }
    brush = null;
  });
  on(map, 'pointercancel', () => { brush = null; });
}

const ACTIONS = { in: () => zoom(.5), out: () => zoom(2), left: () => pan(-.25), right: () => pan(.25), all: () => show(0, meta.end), next: () => jump(view.finding + 1), prev: () => jump(view.finding < 0 ? -1 : view.finding - 1) };
const KEYS = { '+': 'in', '=': 'in', '-': 'out', ArrowLeft: 'left', ArrowRight: 'right', 0: 'all' }, ANYWHERE = { n: 'next', p: 'prev' };
function controls() {
  for (const button of root.querySelectorAll('[data-tl]')) on(button, 'click', ACTIONS[button.dataset.tl]);
  for (const input of root.querySelectorAll('[data-f]')) on(input, 'change', () => { filter[input.dataset.f] = input.value.trim(); rebuild(); });
  on(document, 'keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const local = document.activeElement === main;
    const action = ANYWHERE[event.key] || (local && KEYS[event.key]);
    if (action) { event.preventDefault(); ACTIONS[action](); }
    else if (local && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) { event.preventDefault(); view.scroll += event.key === 'ArrowUp' ? -40 : 40; invalidate(); }
    else if (event.key === '/') { event.preventDefault(); root.querySelector('[data-f=value]').focus(); }
  });
  for (const button of document.querySelectorAll('.jump')) {
    const at = meta.findings.findIndex((finding) => finding.name === button.dataset.jump);
    if (at < 0) continue;
    button.hidden = false;
    on(button, 'click', () => { jump(at); $('timeline').scrollIntoView(); main.focus({ preventScroll: true }); });
  }
  let size = root.clientWidth;
  new ResizeObserver(() => { if (root.clientWidth !== size) { size = root.clientWidth; layout(); invalidate(); } }).observe(root);
  on(matchMedia('(prefers-color-scheme: dark)'), 'change', () => { layout(); invalidate(); });
}

async function start() {
  const packed = JSON.parse(holder.textContent);
  holder.textContent = '';
  meta = packed.meta;
  data = decode(await unpack(packed.gzip), meta);
  root.hidden = false;
  for (const hint of document.querySelectorAll('.tl-hint')) hint.hidden = false;
  view.from = 0; view.to = meta.end;
  rebuild(); pointers(); controls(); draw();
  root.dataset.state = 'ready';
}
start().catch((error) => {
  const note = $('tl-error');
  note.hidden = false;
  note.textContent = 'The timeline could not be drawn (' + error.message + '). It needs a browser of 2023 or later; the rest of this page does not.';
});
})();
