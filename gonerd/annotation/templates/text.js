// What all pages of annotated text share: the data, offsets, lines, and marks. Everything foreign becomes text nodes.
const SLOTS = 8; // colours that the style sheet knows; more labels share them, and every mark names its label

function element(tag, classes, text) {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  if (text !== undefined) made.textContent = text;
  return made;
}

const role = (name) => document.querySelector("[data-role=" + name + "]");

function button(text, title, action) {
  const made = element("button", "", text);
  made.type = "button";
  if (title) made.title = title;
  made.addEventListener("click", action);
  return made;
}

// Offsets come in code points; a JavaScript text counts UTF-16 units, of which an emoji takes two.
function offsetsOf(text) {
  if (!/[\ud800-\udbff]/.test(text)) return { toUnits: (point) => point, toPoints: (unit) => unit };
  const units = [0];
  for (const character of text) units.push(units[units.length - 1] + character.length);
  function toPoints(unit) { // the code point that holds the unit
    let low = 0, high = units.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (units[middle] <= unit) low = middle;
      else high = middle - 1;
    }
    return low;
  }
  return { toUnits: (point) => units[point], toPoints };
}

// The lines of a text that hold anything, and whether an empty one stands before each.
function linesOf(text) {
  const lines = [];
  let start = 0, apart = false;
  for (const line of text.split("\n")) {
    if (/\S/.test(line)) {
      lines.push({ start, end: start + line.length, apart });
      apart = false;
    } else apart = true;
    start += line.length + 1;
  }
  return lines;
}

function lineOf(line) {
  const paragraph = element("p", "line");
  paragraph.dir = "auto";
  paragraph.dataset.start = line.start;
  return paragraph;
}

const overlap = (one, other) => one.start < other.end && other.start < one.end;

// Fill a paragraph with a line of text and its spans, which are flat and in order, in UTF-16 units.
function fillLine(paragraph, text, line, spans, make) {
  const parts = [];
  let at = line.start;
  for (const span of spans) {
    const start = Math.max(span.start, at), end = Math.min(span.end, line.end);
    if (start >= end) continue;
    if (start > at) parts.push(text.slice(at, start));
    const mark = make(span);
    mark.append(text.slice(start, end));
    if (span.end > line.end) mark.classList.add("open"); // it goes on in the next line, where its label stands
    parts.push(mark);
    at = end;
  }
  parts.push(text.slice(at, line.end));
  paragraph.replaceChildren(...parts);
}

function markOf(label, labels) {
  const mark = element("mark", "l" + (label % SLOTS));
  mark.dataset.label = labels[label].name;
  return mark;
}

function chipOf(label, labels) {
  const chip = element("span", "chip-label l" + (label % SLOTS), labels[label].name);
  chip.title = labels[label].definition;
  return chip;
}

function linkTo(url, text) {
  try {
    if (["https:", "http:"].includes(new URL(url).protocol)) {
      const link = element("a", "", text);
      link.href = url;
      link.rel = "noopener noreferrer nofollow";
      return link;
    }
  } catch { /* no address: its text is shown all the same */ }
  return element("span", "", text);
}

const shortened = (text, limit) => (text.length > limit ? text.slice(0, limit).replace(/[\ud800-\udbff]$/, "") + "…" : text);

// Keys do nothing where they are typed into something.
function isTyping(target) {
  return target.matches("select, textarea, input:not([type=checkbox])");
}
