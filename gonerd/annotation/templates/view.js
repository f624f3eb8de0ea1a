// A page of annotated documents: which is shown, what is filtered out, and the way from item to item.
const data = JSON.parse(document.getElementById("data").textContent);
const compares = data.sheets[0].passes.length === 2;
const thing = compares ? "difference" : "note";
const shown = { labels: new Set(data.labels.keys()), kinds: new Set(data.kinds.keys()), only: false };
let sheet = 0; // number of the document that is shown
let now = -1; // number of the current item among all items of the document
const prepared = []; // by document, made when it is first shown

// A document with its offsets in UTF-16 units.
function prepare(number) {
  if (prepared[number]) return prepared[number];
  const raw = data.sheets[number];
  const offsets = offsetsOf(raw.text);
  const inUnits = ([start, end, label]) => ({ start: offsets.toUnits(start), end: offsets.toUnits(end), label });
  const items = raw.items.map((item) => ({ ...item, start: offsets.toUnits(item.start), end: offsets.toUnits(item.end) }));
  const passes = raw.passes.map((spans) => spans.map(inUnits));
  return (prepared[number] = { raw, text: raw.text, lines: linesOf(raw.text), names: raw.names, passes, items });
}

const isShown = (item) => shown.kinds.has(item.kind) &&
  (item.labels.length === 0 || item.labels.some((label) => shown.labels.has(label)));

function drawText() {
  const doc = prepare(sheet);
  const place = role("text");
  const hasNotes = doc.items.some((item) => item.says);
  place.classList.toggle("notes", hasNotes);
  const beside = (items) => (hasNotes ? notesOf(doc, items.filter((item) => item.says)) : null);
  const hasLabel = (label) => shown.labels.has(label);
  const rows = drawSides(place, doc, { isShown, hasLabel, only: shown.only, beside });
  if (!rows) place.append(element("p", "empty", shown.only ? "No " + thing + " of these kinds and labels here." : "The text is empty."));
}

function notesOf(doc, items) {
  const beside = element("div", "beside");
  for (const item of items) {
    const note = button("", "", () => select(doc.items.indexOf(item)));
    note.className = "note";
    note.dataset.item = doc.items.indexOf(item);
    note.append(element("strong", "", data.kinds[item.kind]), element("bdi", "", item.says));
    beside.append(note);
  }
  return beside;
}

function drawFacts() {
  const { raw, items } = prepare(sheet);
  const facts = role("facts");
  const count = (spans) => spans.length + (spans.length === 1 ? " span" : " spans");
  facts.replaceChildren(element("span", "", raw.id));
  if (raw.source) facts.append(element("span", "", raw.source));
  if (raw.url) facts.append(linkTo(raw.url, shortened(raw.url, 80)));
  raw.names.forEach((name, side) => facts.append(element("span", "", name + ": " + count(raw.passes[side]))));
  facts.append(element("span", "", items.length + " " + thing + (items.length === 1 ? "" : "s")));
  for (const counter of document.querySelectorAll("[data-kind]"))
    counter.textContent = items.filter((item) => item.kind === Number(counter.dataset.kind)).length;
  for (const counter of document.querySelectorAll("[data-of-label]"))
    counter.textContent = raw.passes.map((spans) => spans.filter((span) => span[2] === Number(counter.dataset.ofLabel)).length).join(" / ");
}

function show(number) {
  sheet = number;
  now = -1;
  role("document").value = String(number);
  role("before").disabled = number === 0;
  role("after").disabled = number === data.sheets.length - 1;
  drawFacts();
  drawText();
  drawSays();
  window.scrollTo(0, 0);
}

function say(item) {
  const doc = prepare(sheet);
  const visible = doc.items.filter(isShown);
  const surface = doc.text.slice(item.start, item.end);
  const says = [element("span", "where", visible.indexOf(item) + 1 + " of " + visible.length + ", " + data.kinds[item.kind])];
  if (item.says) says.push(element("bdi", "", "“" + shortened(surface, 120) + "”: " + item.says));
  else says.push(...doc.names.map((_, side) => sideSays(doc, side, item)));
  return says;
}

function drawSays() {
  const items = prepare(sheet).items.filter(isShown);
  const total = items.length === 1 ? "1 " + thing : items.length + " " + thing + "s";
  role("says").replaceChildren(...(now < 0 ? [total + " in this document"] : say(prepare(sheet).items[now])));
}

function select(number) {
  now = number;
  showItem(number);
  drawSays();
}

// The next item that is shown, on this document or another, in a circle.
function step(direction) {
  for (let turn = 0; turn <= data.sheets.length; turn += 1) {
    const count = data.sheets.length;
    const number = (((sheet + direction * turn) % count) + count) % count;
    const items = prepare(number).items;
    const order = [...items.keys()];
    if (direction < 0) order.reverse();
    const found = order.find((place) => isShown(items[place]) && (turn > 0 || now < 0 || direction * (place - now) > 0));
    if (found === undefined) continue;
    if (number !== sheet) show(number);
    select(found);
    return;
  }
}

function redraw() {
  drawText();
  const items = prepare(sheet).items;
  if (now >= 0 && isShown(items[now])) select(now);
  else {
    now = -1;
    drawSays();
  }
}

function checkbox(set, number, classes, name, title) {
  const label = element("label", "check" + classes);
  const box = element("input");
  box.type = "checkbox";
  box.checked = true;
  box.addEventListener("change", () => {
    if (box.checked) set.add(number);
    else set.delete(number);
    redraw();
  });
  const count = element("span", "count");
  label.append(box, element("bdi", "", name), count);
  label.title = title;
  return [label, count];
}

function build() {
  role("title").textContent = data.title;
  role("kinds-name").textContent = compares ? "Differences" : "Notes";
  data.labels.forEach((label, number) => {
    const [box, count] = checkbox(shown.labels, number, " l" + (number % SLOTS), label.name, label.definition);
    count.dataset.ofLabel = number;
    role("labels").append(box);
  });
  if (compares) data.kinds = data.kinds.map((kind) => kindName(kind, data.sheets[0].names));
  data.kinds.forEach((kind, number) => {
    const [box, count] = checkbox(shown.kinds, number, "", kind, "");
    count.dataset.kind = number;
    role("kinds").append(box);
  });
  data.sheets.forEach((one, number) => {
    const option = element("option", "", number + 1 + ". " + shortened(one.title || one.text.trimStart().split("\n", 1)[0] || one.id, 70) + " (" + one.items.length + ")");
    option.value = String(number);
    role("document").append(option);
  });
  role("pick").hidden = data.sheets.length === 1;
  role("kinds").hidden = role("bar").hidden = role("only").parentElement.hidden = !data.kinds.length;
}

build();
role("document").addEventListener("change", (event) => show(Number(event.target.value)));
role("before").addEventListener("click", () => show(sheet - 1));
role("after").addEventListener("click", () => show(sheet + 1));
role("previous").addEventListener("click", () => step(-1));
role("next").addEventListener("click", () => step(1));
role("only").addEventListener("change", (event) => {
  shown.only = event.target.checked;
  redraw();
});
role("text").addEventListener("click", (event) => {
  const mark = event.target.closest("[data-item]");
  if (mark) select(Number(mark.dataset.item));
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (["n", "j", "ArrowRight"].includes(event.key)) step(1);
  else if (["p", "k", "ArrowLeft"].includes(event.key)) step(-1);
  else if (event.key === "[" && sheet > 0) show(sheet - 1);
  else if (event.key === "]" && sheet < data.sheets.length - 1) show(sheet + 1);
  else return;
  event.preventDefault();
});
show(Math.min(Math.max(Number(location.hash.slice(1)) - 1, 0) || 0, data.sheets.length - 1));
