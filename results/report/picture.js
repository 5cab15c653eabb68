// The pictures of proofs: both scales, stepping along the legal order, the states at each step.
(() => {
const CHAR = 7.3, NAMES = 76;
const clamp = (x, low, high) => Math.max(low, Math.min(high, x));
const both = (node, name) => node.dataset[name].split(' ').map(Number);
// As the drawing does it: never cut without saying so.
const fitted = (text, width) => {
  const letters = [...text], room = Math.max(0, Math.floor((width - 12) / CHAR));
  return letters.length <= room ? text : room >= 4 ? letters.slice(0, room - 1).join('') + '…' : '';
};
const make = (name, kind, text) => {
  const node = document.createElement(name);
  node.className = kind; node.textContent = text;
  return node;
};

function bind(figure) {
  const svg = figure.querySelector('svg'), box = figure.querySelector('.picture'), out = figure.querySelector('.readout');
  const names = svg.querySelector('.names'), marks = [...svg.querySelectorAll('.mark')], ops = [...svg.querySelectorAll('.op')], states = [...svg.querySelectorAll('.state')];
  const dead = marks.findIndex((mark) => mark.classList.contains('dead'));
  let scale = 0, chosen = -1;

  const x = (node) => both(node, 'x')[scale];
  function place() {
    for (const node of [...marks, ...ops, ...states]) {
      node.setAttribute('transform', 'translate(' + x(node) + ' ' + node.dataset.y + ')');
      if (!node.dataset.w) continue;
      const width = both(node, 'w')[scale];
      node.querySelector('rect').setAttribute('width', width);
      node.querySelector('text').textContent = fitted(node.dataset.text, width);
    }
    const at = (mark) => x(mark) + ' ' + mark.dataset.y, steps = marks.filter((_, it) => it !== dead);
    svg.querySelector('.order').setAttribute('d', steps.map((mark, it) => (it ? 'L' : 'M') + at(mark)).join(''));
    const link = svg.querySelector('.deadlink');
    if (link && steps.length) link.setAttribute('d', 'M' + at(steps[steps.length - 1]) + 'L' + at(marks[dead]));
    svg.setAttribute('width', both(svg, 'w')[scale]);
    svg.classList.toggle('true-time', scale === 1);
    pin();
  }
  // Scrolled, the names of the lanes stay, and so does the text of what began before the edge.
  function pin() {
    const left = box.scrollLeft, edge = left ? left + NAMES : 0;
    names.setAttribute('transform', 'translate(' + left + ' 0)');
    names.classList.toggle('pinned', left > 0);
    for (const node of [...ops, ...states]) {
      const own = node.classList.contains('op') ? 7 : 6, text = node.querySelector('text'), from = x(node), width = both(node, 'w')[scale];
      const hidden = clamp(edge - from, 0, Math.max(0, width - 24));
      if (!hidden && !node.dataset.pinned) continue;
      text.setAttribute('x', own + hidden);
      text.textContent = fitted(node.dataset.text, width - hidden);
      if (hidden) node.dataset.pinned = 'yes'; else delete node.dataset.pinned;
    }
  }

  // What is said of a mark: the step, the state before it and the state after it.
  function say(mark) {
    out.replaceChildren();
    out.classList.toggle('bad', mark === marks[dead]);
    if (mark === marks[dead]) { out.append(make('b', 'stepno', '✗'), make('span', '', mark.dataset.say)); return; }
    out.append(make('b', 'stepno', mark.dataset.step), make('span', 'what', mark.dataset.what));
    if (mark.dataset.before || mark.dataset.after) {
      out.append(make('span', 'label', 'before'), make('code', '', mark.dataset.before || '?'), make('span', 'label', 'after'), make('code', '', mark.dataset.after || '?'));
    }
  }
  function light(mark) {
    const step = Number(mark && mark.dataset.step);
    for (const node of marks) node.classList.toggle('on', node === mark);
    for (const op of ops) op.classList.toggle('on', step > 0 && Number(op.dataset.step) === step);
    const holds = (state, at) => Number(state.dataset.from) <= at && at <= Number(state.dataset.to);
    for (const state of states) state.classList.toggle('on', step > 0 && (holds(state, step) || holds(state, step - 1)));
  }
  const tell = (mark) => { light(mark); if (mark) say(mark); };
  function settle() {
    if (chosen >= 0) { tell(marks[chosen]); return; }
    light(null);
    out.classList.remove('bad');
    out.replaceChildren(make('span', 'faint', 'Hover over a point, or step with the arrow keys: each step with the state before and after it.'));
  }
  function show(mark) {
    const at = x(mark) - box.scrollLeft;
    if (at < NAMES + 24 || at > box.clientWidth - 40) box.scrollLeft += at - box.clientWidth / 2;
  }
  function choose(at, focus) {
    chosen = clamp(at, 0, marks.length - 1);
    const mark = marks[chosen];
    marks.forEach((node) => { node.setAttribute('tabindex', node === mark ? '0' : '-1'); });
    show(mark);
    if (focus) mark.focus({ preventScroll: true });
    tell(mark);
  }
  const error = () => {
    if (dead < 0) return;
    marks[dead].scrollIntoView({ block: 'center', inline: 'center' });
    choose(dead, true);
  };

  marks.forEach((mark, at) => {
    mark.addEventListener('pointerenter', () => tell(mark));
    mark.addEventListener('pointerleave', settle);
    mark.addEventListener('click', () => choose(at, true));
    mark.addEventListener('focus', () => { if (chosen !== at) choose(at, false); });
  });
  for (const op of ops) {
    const own = marks.find((mark) => mark.dataset.step === op.dataset.step) || (op.querySelector('.failed') && marks[dead]);
    op.addEventListener('pointerenter', () => {
      if (own) { tell(own); return; }
      light(null);
      out.classList.remove('bad');
      out.replaceChildren(make('span', 'what', op.querySelector('title').textContent), make('span', 'label', 'not in this order'));
    });
    op.addEventListener('pointerleave', settle);
    if (own) op.addEventListener('click', () => choose(marks.indexOf(own), true));
  }
  box.addEventListener('keydown', (event) => {
    if (event.target === box || event.ctrlKey || event.metaKey || event.altKey) return;
    const to = { ArrowRight: chosen + 1, ArrowLeft: chosen - 1, Home: 0, End: marks.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(to, true);
  });
  for (const button of figure.querySelectorAll('[data-step]')) {
    if (button.tagName === 'BUTTON') button.addEventListener('click', () => choose(chosen < 0 ? 0 : chosen + Number(button.dataset.step), false));
  }
  const scales = [...figure.querySelectorAll('[data-scale]')];
  for (const button of scales) {
    button.addEventListener('click', () => {
      scale = Number(button.dataset.scale);
      for (const other of scales) other.setAttribute('aria-pressed', String(other === button));
      place();
      if (chosen >= 0) show(marks[chosen]);
    });
  }
  let waiting = false;
  box.addEventListener('scroll', () => {
    if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; pin(); }); }
  });
  const jump = figure.querySelector('[data-error]');
  if (jump) jump.addEventListener('click', error);
  figure.querySelector('.tools').hidden = false;
  if (marks.length) { out.hidden = false; settle(); }
  // A long proof opens at its end, where it dies.
  if (dead >= 0) show(marks[dead]);
  return error;
}

const errors = new Map();
for (const figure of document.querySelectorAll('figure.proof')) errors.set(figure.id, bind(figure));
const first = document.querySelector('.first-error');
if (!first) return;
const jump = (event) => { event.preventDefault(); errors.get(first.hash.slice(1))(); };
first.addEventListener('click', jump);
document.addEventListener('keydown', (event) => {
  if (event.key === 'e' && !event.ctrlKey && !event.metaKey && !event.altKey && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) jump(event);
});
})();
