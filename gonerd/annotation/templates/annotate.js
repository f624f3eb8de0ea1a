// Marking spans in a whole document: by mouse, by touch, and by keys alone.
let doc = null; // the document: text, lines, words, spans and suggestions in UTF-16 units, and what was before
let picked = null; // the stretch that a label would be given to
let current = null; // the mark or suggestion that is selected: { span, suggestion: whether it is one }
let settling = 0; // the timer of a selection that fingers may still change
const SETTLED = 350; // milliseconds

const place = role("text");
place.classList.add("marking");
place.tabIndex = 0;
const sameSpan = (one, other) => one.start === other.start && one.end === other.end && one.label === other.label;
const wording = (span) => "“" + shortened(doc.text.slice(span.start, span.end), 60) + "”";

function open(number, raw) {
  const offsets = offsetsOf(raw.text);
  const names = data.labels.map((label) => label.name);
  const inUnits = ([start, end, label]) => ({ start: offsets.toUnits(start), end: offsets.toUnits(end), label: names.indexOf(label) });
  const lines = linesOf(raw.text);
  doc = {
    raw, offsets, lines, text: raw.text, words: wordsOf(raw.text, lines), done: raw.done, drawn: [],
    spans: (raw.content.spans || []).map(inUnits), refused: (raw.content.refused || []).map(inUnits),
    suggestions: raw.suggestions.map(inUnits).filter((span) => span.label >= 0), undo: [], redo: [],
  };
  picked = current = null;
  watch(number, raw.revision, content);
  const facts = [element("span", "", raw.id)];
  if (raw.source) facts.push(element("span", "", raw.source));
  if (raw.url) facts.push(linkTo(raw.url, shortened(raw.url, 80)));
  role("facts").replaceChildren(...facts, element("span", "count"));
  role("title").textContent = data.annotator + ": " + (data.queue[number].title || raw.id);
  place.replaceChildren(...lines.map((line) => {
    const row = element("div", "row" + (line.apart ? " apart" : ""));
    row.append(lineOf(line));
    return row;
  }));
  draw();
}

function content() {
  const inPoints = (span) => [doc.offsets.toPoints(span.start), doc.offsets.toPoints(span.end), data.labels[span.label].name];
  return { done: doc.done, content: { spans: doc.spans.map(inPoints), refused: doc.refused.map(inPoints) } };
}

// Suggestions that wait: neither refused nor in the place of a mark.
function waiting() {
  return doc.suggestions.filter((span) => !doc.refused.some((other) => sameSpan(span, other)) && !doc.spans.some((other) => overlap(span, other)));
}

// Change the work; undo brings back what was.
function change(next) {
  doc.undo.push({ spans: doc.spans, refused: doc.refused });
  doc.redo = [];
  Object.assign(doc, next);
  changed();
}

function turn(from, to) {
  if (!from.length) return;
  to.push({ spans: doc.spans, refused: doc.refused });
  Object.assign(doc, from.pop());
  picked = current = null;
  changed();
  draw();
}

const inOrder = (spans) => [...spans].sort((one, other) => one.start - other.start);
const without = (spans, stretch) => spans.filter((span) => !overlap(span, stretch));

function label(number) {
  settle();
  const stretch = current ? current.span : picked && trimmed(doc.text, picked);
  if (!stretch || !data.labels[number]) return;
  const span = { start: stretch.start, end: stretch.end, label: number };
  if (current && !current.suggestion && sameSpan(current.span, span)) return;
  change({ spans: inOrder([...without(doc.spans, span), span]) });
  select(span, false);
}

function remove() {
  if (!current) return;
  const { span, suggestion } = current;
  if (suggestion) change({ refused: [...doc.refused, span] });
  else change({ spans: doc.spans.filter((other) => !sameSpan(other, span)), refused: [...doc.refused, ...doc.suggestions.filter((other) => sameSpan(other, span))] });
  const after = marks().find((mark) => mark.span.start >= span.end);
  if (suggestion && after) select(after.span, after.suggestion);
  else {
    current = null;
    picked = null;
    draw();
  }
}

function accept() {
  if (!current || !current.suggestion) return;
  const { span } = current;
  change({ spans: inOrder([...doc.spans, span]) });
  const after = waiting().find((other) => other.start >= span.end);
  if (after) select(after, true);
  else select(span, false);
}

function others() {
  return current ? sameSurfaces(doc.text, doc.text.slice(current.span.start, current.span.end), [...doc.spans, current.span]) : [];
}

function applyToAll() {
  const found = others();
  if (!found.length) return;
  const { span } = current;
  const all = [...without(doc.spans, span), span, ...found.map((stretch) => ({ ...stretch, label: span.label }))];
  change({ spans: inOrder(all) });
  select(span, false);
  role("says").append(" Marked in " + found.length + (found.length === 1 ? " other place." : " other places."));
}

function acceptAll() {
  const found = waiting();
  change({ spans: inOrder([...doc.spans, ...found]) });
  picked = current = null;
  draw();
}

// Marks and waiting suggestions, in order.
function marks() {
  const all = [...doc.spans.map((span) => ({ span, suggestion: false })), ...waiting().map((span) => ({ span, suggestion: true }))];
  return all.sort((one, other) => one.span.start - other.span.start);
}

function select(span, suggestion) {
  current = { span, suggestion };
  picked = null;
  draw();
  const mark = place.querySelector(".now");
  if (mark) mark.scrollIntoView({ block: "nearest" });
}

function pick(stretch, keep = false) {
  picked = stretch;
  current = null;
  draw(keep);
  const range = stretch && rangeOf(place, stretch);
  if (range) range.startContainer.parentElement.scrollIntoView({ block: "nearest" });
}

// Draw what has changed: a line is filled again only if its marks are others than before.
function draw(keep = false) {
  const all = marks();
  doc.lines.forEach((line, number) => {
    const here = all.filter((mark) => overlap(mark.span, line));
    const key = here.map(({ span, suggestion }) => [span.start, span.end, span.label, suggestion, isCurrent(span)].join()).join(" ");
    if (doc.drawn[number] === key) return;
    doc.drawn[number] = key;
    const spans = here.map(({ span, suggestion }) => ({ ...span, suggestion }));
    fillLine(place.children[number].firstChild, doc.text, line, spans, makeMark);
  });
  highlight(picked && rangeOf(place, picked), keep);
  drawBar();
  drawHead();
}

const isCurrent = (span) => current !== null && sameSpan(current.span, span);

function makeMark(span) {
  const mark = markOf(span.label, data.labels);
  let made = mark;
  if (span.suggestion) {
    made = element("span", mark.className + " suggested");
    made.dataset.label = mark.dataset.label;
  }
  made.dataset.span = span.start;
  if (isCurrent(span)) made.classList.add("now");
  return made;
}

function drawHead() {
  const left = waiting().length;
  const count = doc.spans.length + (doc.spans.length === 1 ? " mark" : " marks") + (left ? ", " + left + " suggested" : "");
  role("facts").lastChild.textContent = count;
  role("undo").disabled = !doc.undo.length;
  role("redo").disabled = !doc.redo.length;
  role("accept-all").hidden = !left;
  role("accept-all").textContent = "Accept " + left + (left === 1 ? " suggestion" : " suggestions");
  role("done").checked = doc.done;
}

const keyed = (made, key) => {
  made.append(element("kbd", "", key));
  return made;
};

function labelButtons() {
  return data.labels.map((one, number) => {
    const made = button(one.name, one.definition, () => label(number));
    made.classList.add("l" + (number % SLOTS));
    if (current && !current.suggestion) made.setAttribute("aria-pressed", String(current.span.label === number));
    return number < 9 ? keyed(made, String(number + 1)) : made;
  });
}

function drawBar() {
  const says = role("says"), actions = role("actions");
  if (!picked && !current) {
    says.textContent = doc.lines.length ? "Select text to mark it, or press → to go word by word." : "The text is empty.";
    actions.replaceChildren();
    return;
  }
  const parts = [...labelButtons()];
  if (current) {
    const { span, suggestion } = current;
    says.replaceChildren(element("bdi", "", wording(span)), " ", chipOf(span.label, data.labels), suggestion ? " suggested" : "");
    parts.push(element("span", "apart"));
    if (suggestion) {
      const made = keyed(button("Accept", "", accept), "↵");
      made.classList.add("main");
      parts.push(made);
    }
    parts.push(keyed(button(suggestion ? "Refuse" : "Delete", "", remove), "x"));
    const more = others().length;
    if (more) parts.push(keyed(button("All same (" + more + ")", "Mark all other places of these words alike", applyToAll), "a"));
  } else says.replaceChildren(element("bdi", "", wording(picked)), " as …");
  actions.replaceChildren(...parts);
}

// From word to word, by keys.
function nextWord(forward) {
  const from = picked || (current && current.span);
  const { words } = doc;
  if (!from) return forward ? firstVisible() : words[words.length - 1];
  if (forward) return words.find((word) => word.start >= from.end) || words[words.length - 1];
  return words.filter((word) => word.end <= from.start).pop() || words[0];
}

function firstVisible() {
  const rows = [...place.children];
  const top = document.querySelector(".top").getBoundingClientRect().bottom;
  const number = rows.findIndex((row) => row.getBoundingClientRect().bottom > Math.max(top, 0) + 10);
  const line = doc.lines[Math.max(number, 0)];
  return doc.words.find((word) => line && word.start >= line.start) || doc.words[0];
}

function grow(forward, byCharacter) {
  const from = picked || (current && current.span);
  if (!from) return;
  let end;
  if (byCharacter) end = stepCharacter(doc.text, from.end, forward);
  else {
    const word = forward ? doc.words.find((one) => one.end > from.end) : doc.words.filter((one) => one.end < from.end).pop();
    end = word ? word.end : from.end;
  }
  if (end > from.start) pick({ start: from.start, end });
}

function nextLine(forward) {
  const from = picked || (current && current.span);
  const range = from && rangeOf(place, from);
  if (!range) {
    pick(firstVisible());
    return;
  }
  const box = range.getClientRects()[0];
  const middle = (found) => { // distance of a word in the neighbouring line to where we are
    const other = rangeOf(place, found).getClientRects()[0];
    return Math.abs((other.left + other.right) / 2 - (box.left + box.right) / 2);
  };
  const words = forward ? doc.words.filter((word) => word.start >= from.end).slice(0, 60) : doc.words.filter((word) => word.end <= from.start).slice(-60).reverse();
  const away = (word) => Math.abs(rangeOf(place, word).getClientRects()[0].top - box.top) > box.height / 2;
  const first = words.findIndex(away);
  if (first < 0) return;
  const top = rangeOf(place, words[first]).getClientRects()[0].top;
  const line = words.slice(first).filter((word) => Math.abs(rangeOf(place, word).getClientRects()[0].top - top) < box.height / 2);
  pick(line.reduce((best, word) => (middle(word) < middle(best) ? word : best)));
}

function stepMark(forward, suggestionsOnly) {
  const at = current ? current.span : picked;
  const all = marks().filter((mark) => !suggestionsOnly || mark.suggestion);
  if (!all.length) return;
  let found;
  if (!at) found = forward ? all[0] : all[all.length - 1];
  else if (forward) found = all.find((mark) => mark.span.start > at.start) || all[0];
  else found = all.filter((mark) => mark.span.start < at.start).pop() || all[all.length - 1];
  select(found.span, found.suggestion);
}

function setDone(done) {
  doc.done = done;
  changed();
  draw();
}

async function doneNext() {
  setDone(true);
  if (!(await save())) return;
  const next = nextOpen();
  if (next >= 0) go(next);
}

function takeSelection(exact, clicks) {
  const stretch = selectedStretch();
  if (!stretch) return false;
  const meant = clicks === 2 ? withoutPossessive(doc.text, stretch) : stretch;
  const found = snapped(doc.text, doc.words, meant, role("whole").checked && !exact);
  if (found) pick(found, clicks === 0);
  return found !== null;
}

// By touch, a selection is done when it has not changed for a moment, or when a label is chosen.
function settle() {
  if (!settling) return;
  clearTimeout(settling);
  settling = 0;
  takeSelection(false, 0);
}

const go = buildQueue(open);

document.addEventListener("mouseup", (event) => {
  if (!doc || !isAboutText(event) || takeSelection(event.altKey, event.detail)) return;
  const mark = event.target.closest("[data-span]");
  const found = mark && marks().find(({ span }) => span.start === Number(mark.dataset.span));
  if (found) select(found.span, found.suggestion);
  else pick(null);
});
document.addEventListener("selectionchange", () => {
  clearTimeout(settling);
  settling = doc && window.matchMedia("(pointer: coarse)").matches ? setTimeout(settle, SETTLED) : 0;
});
role("undo").addEventListener("click", () => turn(doc.undo, doc.redo));
role("redo").addEventListener("click", () => turn(doc.redo, doc.undo));
role("accept-all").addEventListener("click", acceptAll);
role("done").addEventListener("change", (event) => setDone(event.target.checked));
role("done-next").addEventListener("click", doneNext);

const KEYS = {
  ArrowRight: () => pick(nextWord(true)), ArrowLeft: () => pick(nextWord(false)),
  ArrowDown: () => nextLine(true), ArrowUp: () => nextLine(false),
  n: () => stepMark(true, false), p: () => stepMark(false, false), s: () => stepMark(true, true),
  Enter: accept, x: remove, Delete: remove, Backspace: remove, a: applyToAll, u: () => turn(doc.undo, doc.redo),
  "[": () => go(saver.number - 1), "]": () => go(saver.number + 1),
  Escape: () => pick(null), "?": () => role("help").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (!doc || isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const command = event.ctrlKey || event.metaKey;
  if (command && event.key.toLowerCase() === "z") event.shiftKey ? turn(doc.redo, doc.undo) : turn(doc.undo, doc.redo);
  else if (command && event.key.toLowerCase() === "y") turn(doc.redo, doc.undo);
  else if (command && event.key === "Enter") doneNext();
  else if (command) return;
  else if (event.shiftKey && ["ArrowRight", "ArrowLeft"].includes(event.key)) grow(event.key === "ArrowRight", event.altKey);
  else if (event.altKey) return;
  else if (/^[1-9]$/.test(event.key)) label(Number(event.key) - 1);
  else if (event.key === "Enter" && event.target.matches("button")) return; // a button does what it says
  else if (KEYS[event.key]) KEYS[event.key]();
  else return;
  event.preventDefault();
});
