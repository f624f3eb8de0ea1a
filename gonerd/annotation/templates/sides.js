// One pass, or two side by side, line by line, with what there is to say beside them.

// The spans of one side as they are drawn, and in the places of items where it has none, a gap.
function drawnSpans(doc, side, { isShown, hasLabel }) {
  const drawn = doc.passes[side].filter((span) => hasLabel(span.label)).map((span) => ({ ...span, item: -1 }));
  const gaps = [];
  doc.items.forEach((item, number) => {
    if (!isShown(item)) return;
    for (const span of drawn) if (span.item < 0 && overlap(span, item)) span.item = number;
    const taken = doc.passes[side].some((span) => overlap(span, item)) || gaps.some((gap) => overlap(gap, item));
    if (!taken) gaps.push({ start: item.start, end: item.end, label: -1, item: number });
  });
  return [...drawn, ...gaps].sort((one, other) => one.start - other.start);
}

function makeSideMark(span, compares) {
  const mark = span.label < 0 ? element("span", "gap") : markOf(span.label, data.labels);
  if (span.label < 0) mark.dataset.label = compares ? "none" : "";
  if (span.item >= 0) {
    mark.dataset.item = span.item;
    mark.classList.add("hit");
  }
  return mark;
}

// Draw a document { text, lines, names, passes, items } into `place`.
// options: isShown(item), hasLabel(label), only (lines with an item), beside(items): what stands beside them, or null.
function drawSides(place, doc, options) {
  const compares = doc.passes.length === 2;
  const sides = doc.passes.map((_, side) => drawnSpans(doc, side, options));
  const rows = [], placed = new Set();
  const firstHere = (item) => !placed.has(item) && placed.add(item);
  for (const line of doc.lines) {
    const items = doc.items.filter((item) => options.isShown(item) && overlap(item, line));
    if (options.only && !items.length) continue;
    const row = element("div", "row" + (line.apart ? " apart" : "") + (items.length ? " hit" : " same"));
    sides.forEach((spans, side) => {
      const paragraph = lineOf(line);
      paragraph.dataset.name = doc.names[side];
      fillLine(paragraph, doc.text, line, spans.filter((span) => overlap(span, line)), (span) => makeSideMark(span, compares));
      row.append(paragraph);
    });
    const beside = options.beside(items.filter(firstHere));
    if (beside) row.append(beside);
    rows.push(row);
  }
  const names = element("div", "names");
  if (compares) names.append(...doc.names.map((name) => element("bdi", "", name)));
  place.classList.toggle("two", compares);
  place.replaceChildren(names, ...rows);
  return rows.length;
}

// Mark an item as the current one, and bring it into view.
function showItem(number) {
  for (const old of document.querySelectorAll(".now")) old.classList.remove("now");
  const found = document.querySelectorAll("[data-item='" + number + "']");
  for (const mark of found) mark.classList.add("now");
  if (found.length) found[0].scrollIntoView({ block: "center" });
}

// What a side has over an item, in words.
function sideSays(doc, side, item) {
  const part = element("span", "side");
  part.append(element("bdi", "", doc.names[side] + ": "));
  const spans = doc.passes[side].filter((span) => overlap(span, item));
  for (const span of spans)
    part.append(element("bdi", "", "“" + shortened(doc.text.slice(span.start, span.end), 80) + "” "), chipOf(span.label, data.labels), " ");
  if (!spans.length) part.append("nothing");
  return part;
}

function kindName(kind, names) { // the two sides by their names
  if (kind === "first only") return "only " + names[0];
  return kind === "second only" ? "only " + names[1] : kind;
}
