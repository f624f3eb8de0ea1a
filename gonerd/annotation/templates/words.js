// Words of a text, and how what is selected on the page becomes a stretch of the text: all in UTF-16 units.

const segmenter = (granularity) => new Intl.Segmenter("en", { granularity });

const POSSESSIVE = /(?<=.)['’]s$/i; // outside a name, as a rule: a word of its own

function wordsOf(text, lines) {
  const words = [];
  const parts = segmenter("word");
  for (const line of lines)
    for (const part of parts.segment(text.slice(line.start, line.end))) {
      if (!part.isWordLike) continue;
      const start = line.start + part.index, end = start + part.segment.length;
      const cut = end - (POSSESSIVE.exec(part.segment) || [""])[0].length;
      words.push({ start, end: cut });
      if (cut < end) words.push({ start: cut, end });
    }
  return words;
}

// What a double click selects, without the possessive that the browser takes with a word.
function withoutPossessive(text, { start, end }) {
  return { start, end: end - (POSSESSIVE.exec(text.slice(start, end)) || [""])[0].length };
}

// Bounds between what a reader sees as characters, so that no emoji and no accent is cut in two.
function characterBounds(text, around) {
  const from = Math.max(0, around - 200), bounds = [];
  for (const part of segmenter("grapheme").segment(text.slice(from, around + 200))) bounds.push(from + part.index);
  bounds.push(Math.min(text.length, around + 200));
  return bounds;
}

function atCharacter(text, unit, forward) {
  const bounds = characterBounds(text, unit);
  if (bounds.includes(unit)) return unit;
  return forward ? bounds.find((bound) => bound > unit) : bounds.filter((bound) => bound < unit).pop();
}

const stepCharacter = (text, unit, forward) => {
  const bounds = characterBounds(text, unit);
  const next = forward ? bounds.find((bound) => bound > unit) : bounds.filter((bound) => bound < unit).pop();
  return next === undefined ? unit : next;
};

// Without the blanks at its ends; null if nothing is left.
function trimmed(text, { start, end }) {
  while (start < end && /\s/.test(text[start])) start += 1;
  while (end > start && /\s/.test(text[end - 1])) end -= 1;
  return start < end ? { start, end } : null;
}

// A stretch widened to whole words, or at least to whole characters.
function snapped(text, words, stretch, whole) {
  const found = trimmed(text, stretch);
  if (!found) return null;
  let start = atCharacter(text, found.start, false), end = atCharacter(text, found.end, true);
  if (whole) {
    const first = words.find((word) => word.start < start && start < word.end);
    const last = words.find((word) => word.start < end && end < word.end);
    if (first) start = first.start;
    if (last) end = last.end;
  }
  return { start, end };
}

// All places of a surface as whole words that none of `taken` overlaps.
function sameSurfaces(text, surface, taken) {
  const isWord = (character) => character !== undefined && /[\p{L}\p{N}\p{M}]/u.test(character);
  const found = [];
  for (let at = text.indexOf(surface); at >= 0; at = text.indexOf(surface, at + surface.length)) {
    const end = at + surface.length;
    const before = [...text.slice(Math.max(0, at - 2), at)].pop(), after = [...text.slice(end, end + 2)][0];
    const first = [...surface][0], last = [...surface].pop();
    if ((isWord(first) && isWord(before)) || (isWord(last) && isWord(after))) continue;
    if (!taken.some((span) => overlap(span, { start: at, end }))) found.push({ start: at, end });
  }
  return found;
}

// A place on the page as a unit of the text; null outside the lines.
function unitAt(node, offset) {
  const from = node.nodeType === Node.TEXT_NODE ? node.parentElement : node;
  const paragraph = from.closest(".line");
  if (!paragraph) return null;
  const range = document.createRange();
  range.setStart(paragraph, 0);
  range.setEnd(node, offset);
  return Number(paragraph.dataset.start) + range.toString().length;
}

function selectedStretch() {
  const selection = window.getSelection();
  if (!selection.rangeCount || selection.isCollapsed) return null;
  const range = selection.getRangeAt(0);
  const start = unitAt(range.startContainer, range.startOffset), end = unitAt(range.endContainer, range.endOffset);
  return start === null || end === null || start >= end ? null : { start, end };
}

// A stretch of the text as a range of the page, within `place`, or null.
function rangeOf(place, { start, end }) {
  const lines = [...place.querySelectorAll(".line")];
  const find = (unit, isEnd) => {
    const paragraph = lines.filter((line) => Number(line.dataset.start) <= (isEnd ? unit - 1 : unit)).pop();
    let left = unit - Number(paragraph.dataset.start);
    const walker = document.createTreeWalker(paragraph, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (left < node.length || (isEnd && left === node.length)) return [node, left];
      left -= node.length;
    }
    return null;
  };
  const first = lines.length ? find(start, false) : null, last = first && find(end, true);
  if (!first || !last) return null;
  const range = document.createRange();
  range.setStart(...first);
  range.setEnd(...last);
  return range;
}

// Show what is picked: on its own where the browser can, else as the selection. `keep` leaves the selection as it is,
// for fingers that are still moving its ends.
function highlight(range, keep) {
  const own = window.CSS && CSS.highlights;
  if (own && range) CSS.highlights.set("picked", new Highlight(range));
  else if (own) CSS.highlights.delete("picked");
  if (keep) return;
  window.getSelection().removeAllRanges();
  if (!own && range) window.getSelection().addRange(range);
}

// Whether the end of a drag, or a click, is about the text and not about what stands around it.
const isAboutText = (event) => !event.target.closest(".top, .bar, dialog");
