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
  return (prepared[number] = { raw, text: raw.text, lines: linesOf(raw.text), passes, items });
}

const isShown = (item) => shown.kinds.has(item.kind) &&
  (item.labels.length === 0 || item.labels.some((label) => shown.labels.has(label)));

// The spans of one side as they are drawn, and in the places of items where it has none, a gap.
function drawnSpans(doc, side) {
  const spans = doc.passes[side].filter((span) => shown.labels.has(span.label));
  const drawn = spans.map((span) => ({ ...span, item: -1 }));
  const gaps = [];
  doc.items.forEach((item, number) => {
    if (!isShown(item)) return;
    const there = drawn.filter((span) => overlap(span, item));
    for (const span of there) if (span.item < 0) span.item = number;
    const free = !there.length && !gaps.some((gap) => overlap(gap, item)) && !doc.passes[side].some((span) => overlap(span, item));
    if (free) gaps.push({ start: item.start, end: item.end, label: -1, item: number });
  });
  return [...drawn, ...gaps].sort((one, other) => one.start - other.start);
}

function makeMark(span) {
  const mark = span.label < 0 ? element("span", "gap") : markOf(span.label, data.labels);
  if (span.label < 0) mark.dataset.label = compares ? "none" : "";
  if (span.item >= 0) {
    mark.dataset.item = span.item;
    mark.classList.add("hit");
  }
  return mark;
}

function drawText() {
  const doc = prepare(sheet);
  const sides = doc.passes.map((_, side) => drawnSpans(doc, side));
  const hasNotes = doc.items.some((item) => item.says);
  const rows = [];
  for (const line of doc.lines) {
    const items = doc.items.filter((item) => isShown(item) && overlap(item, line));
    if (shown.only && !items.length) continue;
    const row = element("div", "row" + (line.apart ? " apart" : "") + (items.length ? " hit" : " same"));
    sides.forEach((spans, side) => {
      const paragraph = element("p", "line");
      paragraph.dir = "auto";
      paragraph.dataset.name = doc.raw.names[side];
      fillLine(paragraph, doc.text, line, spans.filter((span) => overlap(span, line)), makeMark);
      row.append(paragraph);
    });
    if (hasNotes) row.append(notesOf(doc, items.filter((item) => item.says && item.start >= line.start)));
    rows.push(row);
  }
  const place = role("text");
  place.className = "text rows" + (compares ? " two" : "") + (hasNotes ? " notes" : "");
  const names = element("div", "names");
  if (compares) names.append(...doc.raw.names.map((name) => element("bdi", "", name)));
  place.replaceChildren(names, ...rows);
  if (!rows.length) place.append(element("p", "empty", shown.only ? "No " + thing + " of these kinds and labels here." : "The text is empty."));
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
  else doc.raw.names.forEach((name, side) => {
    const part = element("span", "side");
    part.append(element("bdi", "", name + ": "));
    const spans = doc.passes[side].filter((span) => overlap(span, item));
    for (const span of spans)
      part.append(element("bdi", "", "“" + shortened(doc.text.slice(span.start, span.end), 80) + "” "), chipOf(span.label, data.labels), " ");
    if (!spans.length) part.append("nothing");
    says.push(part);
  });
  return says;
}

function drawSays() {
  const items = prepare(sheet).items.filter(isShown);
  const total = items.length === 1 ? "1 " + thing : items.length + " " + thing + "s";
  role("says").replaceChildren(...(now < 0 ? [total + " in this document"] : say(prepare(sheet).items[now])));
}

function select(number) {
  now = number;
  for (const old of document.querySelectorAll(".now")) old.classList.remove("now");
  const found = document.querySelectorAll("[data-item='" + number + "']");
  for (const mark of found) mark.classList.add("now");
  if (found.length) found[0].scrollIntoView({ block: "center" });
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

function kindName(kind) { // the two sides by their names
  if (kind === "first only") return "only " + data.sheets[0].names[0];
  return kind === "second only" ? "only " + data.sheets[0].names[1] : kind;
}

function build() {
  role("title").textContent = data.title;
  role("kinds-name").textContent = compares ? "Differences" : "Notes";
  data.labels.forEach((label, number) => {
    const [box, count] = checkbox(shown.labels, number, " l" + (number % SLOTS), label.name, label.definition);
    count.dataset.ofLabel = number;
    role("labels").append(box);
  });
  if (compares) data.kinds = data.kinds.map(kindName);
  data.kinds.forEach((kind, number) => {
    const [box, count] = checkbox(shown.kinds, number, "", kind, "");
    count.dataset.kind = number;
    role("kinds").append(box);
  });
  data.sheets.forEach((one, number) => {
    const option = element("option", "", number + 1 + ". " + shortened(one.title || one.id, 70) + " (" + one.items.length + ")");
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
