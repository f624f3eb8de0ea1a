// Settling, difference by difference, what two passes over a document do not agree on.
let doc = null; // the document: text, lines, passes and items (its differences) in UTF-16 units, and what is decided
let now = -1; // number of the current difference
let picked = null; // a stretch of the adjudicator's own

const place = role("text");
place.classList.add("two", "notes");
const settled = (number) => doc.taken[number] !== undefined;

function open(number, raw) {
  const offsets = offsetsOf(raw.text);
  const names = data.labels.map((label) => label.name);
  const inUnits = ([start, end, label]) => ({ start: offsets.toUnits(start), end: offsets.toUnits(end), label: names.indexOf(label) });
  const lines = linesOf(raw.text);
  const taken = {};
  for (const [name, choice] of Object.entries(raw.content.taken || {})) taken[name] = { spans: choice.spans.map(inUnits), why: choice.why };
  doc = {
    raw, offsets, lines, text: raw.text, words: wordsOf(raw.text, lines), names: raw.names, taken, undo: [], redo: [],
    passes: raw.passes.map((spans) => spans.map(inUnits)),
    items: raw.differences.map(([start, end, kind]) => ({ start: offsets.toUnits(start), end: offsets.toUnits(end), kind })),
  };
  watch(number, raw.revision, content);
  const facts = [element("span", "", raw.id), element("span", "", raw.names.join(" and "))];
  if (raw.url) facts.push(linkTo(raw.url, shortened(raw.url, 80)));
  role("facts").replaceChildren(...facts, element("span", "count"));
  role("title").textContent = data.annotator + ": " + (data.queue[number].title || raw.id);
  now = -1;
  picked = null;
  draw();
  const first = doc.items.findIndex((_, item) => !settled(item));
  if (first >= 0) select(first);
  else if (!raw.done) changed(); // nothing differs here: that is saved once, so that the document counts as done
}

function content() {
  const inPoints = (span) => [doc.offsets.toPoints(span.start), doc.offsets.toPoints(span.end), data.labels[span.label].name];
  const taken = {};
  for (const [name, choice] of Object.entries(doc.taken)) taken[name] = { spans: choice.spans.map(inPoints), why: choice.why };
  return { done: doc.items.every((_, number) => settled(number)), content: { taken } };
}

function change(taken) {
  doc.undo.push(doc.taken);
  doc.redo = [];
  doc.taken = taken;
  changed();
  draw();
}

function turn(from, to) {
  if (!from.length) return;
  to.push(doc.taken);
  doc.taken = from.pop();
  changed();
  draw();
}

const ofSide = (side) => doc.passes[side].filter((span) => overlap(span, doc.items[now]));

function settle(spans) {
  if (now < 0) return;
  const typed = role("actions").querySelector(".reason").value.trim();
  const here = now;
  change({ ...doc.taken, [here]: { spans, why: typed } });
  picked = null;
  const after = doc.items.findIndex((_, number) => number > here && !settled(number));
  if (after >= 0) select(after);
  else select(here);
}

// A span of the adjudicator's own: what is selected if it touches the difference, or else the whole stretch.
function settleOwn(label) {
  if (now < 0 || !data.labels[label]) return;
  const stretch = picked && overlap(picked, doc.items[now]) ? picked : doc.items[now];
  settle([{ start: stretch.start, end: stretch.end, label }]);
}

function reopen() {
  if (now < 0 || !settled(now)) return;
  const taken = { ...doc.taken };
  delete taken[now];
  change(taken);
}

function explain(why) {
  if (now < 0 || !settled(now) || doc.taken[now].why === why.trim()) return;
  change({ ...doc.taken, [now]: { ...doc.taken[now], why: why.trim() } });
}

function verdict(number) {
  const { spans, why } = doc.taken[number];
  const made = element("p", "verdict");
  for (const span of spans) made.append(element("bdi", "", "“" + shortened(doc.text.slice(span.start, span.end), 60) + "” "), chipOf(span.label, data.labels), " ");
  if (!spans.length) made.append("no name: ", element("bdi", "", "“" + shortened(doc.text.slice(doc.items[number].start, doc.items[number].end), 60) + "”"));
  if (why) made.append(element("small", "", why));
  return made;
}

function besideOf(items) {
  const beside = element("div", "beside");
  for (const item of items) {
    const number = doc.items.indexOf(item);
    if (settled(number)) beside.append(verdict(number));
  }
  return beside;
}

function draw() {
  drawSides(place, doc, { isShown: () => true, hasLabel: () => true, only: role("only").checked, beside: besideOf });
  if (!doc.items.length) place.prepend(element("p", "empty", "The two passes over this document are the same."));
  for (const row of place.querySelectorAll(".row.hit")) {
    const here = [...row.querySelectorAll("[data-item]")].map((mark) => Number(mark.dataset.item));
    row.classList.toggle("settled", here.every(settled));
  }
  for (const mark of place.querySelectorAll("[data-item]")) mark.classList.toggle("is-settled", settled(Number(mark.dataset.item)));
  const open = doc.items.filter((_, number) => !settled(number)).length;
  role("facts").lastChild.textContent = doc.items.length + (doc.items.length === 1 ? " difference, " : " differences, ") + open + " open";
  role("undo").disabled = !doc.undo.length;
  role("redo").disabled = !doc.redo.length;
  if (now >= 0) showItem(now);
  highlight(picked && rangeOf(place, picked), false);
  drawBar();
}

function choiceButton(text, key, title, classes, action) {
  const made = button("", title, action);
  made.className = classes;
  made.append(...text, element("kbd", "", key));
  return made;
}

function drawBar() {
  const says = role("says"), actions = role("actions");
  if (now < 0) {
    says.textContent = doc.items.length ? "Every difference of this document is settled." : "Nothing to settle here.";
    actions.replaceChildren();
    return;
  }
  const item = doc.items[now];
  const where = element("span", "where", now + 1 + " of " + doc.items.length + ", " + kindName(item.kind, doc.names) + (settled(now) ? ", settled" : ""));
  says.replaceChildren(where, sideSays(doc, 0, item), sideSays(doc, 1, item));
  const sides = doc.names.map((name, side) => choiceButton([element("bdi", "", name)], String(side + 1), "As " + name + " says", "", () => settle(ofSide(side))));
  const none = choiceButton(["no name"], "0", "No name stands there", "", () => settle([]));
  const own = data.labels.map((one, number) => choiceButton([one.name], number < 7 ? String(number + 3) : "", one.definition, "l" + (number % SLOTS), () => settleOwn(number)));
  const why = element("input", "reason");
  Object.assign(why, { type: "text", placeholder: "why (w)", value: settled(now) ? doc.taken[now].why : "", maxLength: 500 });
  why.setAttribute("aria-label", "Why");
  why.addEventListener("change", () => explain(why.value));
  const stretch = picked && overlap(picked, item) ? picked : item;
  const owner = element("bdi", "quiet", "“" + shortened(doc.text.slice(stretch.start, stretch.end), 30) + "” as");
  actions.replaceChildren(...sides, none, element("span", "apart"), owner, ...own, element("span", "apart"), why);
  if (settled(now)) actions.append(choiceButton(["Take back"], "x", "Open the difference again", "", reopen));
}

function select(number) {
  now = number;
  picked = null;
  showItem(number);
  highlight(null, false);
  drawBar();
}

function step(direction) {
  if (!doc.items.length) return;
  select((now + direction + doc.items.length) % doc.items.length);
}

async function nextOpenItem() {
  const here = [...doc.items.keys()].filter((number) => !settled(number));
  const found = here.find((number) => number > now) ?? here[0];
  if (found !== undefined && found !== now) return select(found);
  if (here.length > 1 || !(await save())) return undefined;
  const next = nextOpen();
  return next >= 0 && next !== saver.number ? go(next) : undefined;
}

// The column that a place on the page is in: both columns hold the same text.
function rowOf(node) {
  const line = (node.nodeType === Node.TEXT_NODE ? node.parentElement : node).closest(".line");
  return line && { querySelectorAll: () => [line] };
}

const go = buildQueue(open);

document.addEventListener("mouseup", (event) => {
  if (!doc || !isAboutText(event)) return;
  const selection = window.getSelection();
  const row = selection.rangeCount ? rowOf(selection.getRangeAt(0).startContainer) : null;
  const stretch = selectedStretch();
  const found = stretch && snapped(doc.text, doc.words, stretch, role("whole").checked && !event.altKey);
  const mark = event.target.closest("[data-item]");
  if (found) {
    picked = found;
    const near = doc.items.findIndex((item) => overlap(item, found));
    if (near >= 0 && (now < 0 || !overlap(doc.items[now], found))) {
      now = near;
      showItem(near);
    }
    highlight(rangeOf(row || place, found), false);
    drawBar();
  } else if (mark) select(Number(mark.dataset.item));
});
role("undo").addEventListener("click", () => turn(doc.undo, doc.redo));
role("redo").addEventListener("click", () => turn(doc.redo, doc.undo));
role("only").addEventListener("change", draw);
role("previous").addEventListener("click", () => step(-1));
role("next").addEventListener("click", () => step(1));
role("next-open").addEventListener("click", nextOpenItem);

const KEYS = {
  n: () => step(1), ArrowRight: () => step(1), p: () => step(-1), ArrowLeft: () => step(-1), o: nextOpenItem, x: reopen,
  0: () => settle([]), 1: () => now >= 0 && settle(ofSide(0)), 2: () => now >= 0 && settle(ofSide(1)),
  w: () => now >= 0 && role("actions").querySelector(".reason").focus(), u: () => turn(doc.undo, doc.redo),
  "[": () => go(saver.number - 1), "]": () => go(saver.number + 1), "?": () => role("help").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (!doc || document.querySelector("dialog[open]")) return;
  if (isTyping(event.target)) {
    if (["Enter", "Escape"].includes(event.key)) event.target.blur();
    return;
  }
  const command = event.ctrlKey || event.metaKey;
  if (command && event.key.toLowerCase() === "z") event.shiftKey ? turn(doc.redo, doc.undo) : turn(doc.undo, doc.redo);
  else if (command && event.key.toLowerCase() === "y") turn(doc.redo, doc.undo);
  else if (command || event.altKey) return;
  else if (/^[3-9]$/.test(event.key)) settleOwn(Number(event.key) - 3);
  else if (KEYS[event.key]) KEYS[event.key]();
  else return;
  event.preventDefault();
});
