"use strict";
(function () {
  // Rows laid out at once: the rest are there, sorted and searched, but cost no layout. A small screen shows cards.
  const STEP = window.matchMedia("(max-width: 760px)").matches ? 25 : 50;
  const alphabet = new Intl.Collator("en", { sensitivity: "base", numeric: true });

  function prepare(section) {
    const table = section.querySelector("table");
    const body = table.tBodies[0];
    const headers = Array.from(table.tHead.rows[0].cells).filter((header) => header.querySelector("button"));
    const numeric = headers.map((header) => header.classList.contains("number"));
    const titles = headers.map((header) => header.textContent);
    const tools = section.querySelector(".tools");
    const find = (role) => section.querySelector("[data-role=" + role + "]");
    const filters = Array.from(tools.querySelectorAll("[data-filter]"));
    const more = find("more");
    const further = find("further");
    const all = [...body.rows, ...(more ? more.content.querySelectorAll("tr") : [])].map((row, place) => ({ row, place, text: null, values: [] }));
    let order = all, limit = STEP;

    // What a cell is sorted by: read once, when its column is first sorted.
    function valueOf(item, column) {
      if (item.values[column] === undefined) {
        const cell = item.row.cells[column];
        const value = cell.dataset.value === undefined ? cell.firstChild.textContent : cell.dataset.value;
        item.values[column] = cell.classList.contains("none") ? null : numeric[column] ? Number(value) : value;
      }
      return item.values[column];
    }

    function sort(column, ascending) {
      const compare = numeric[column] ? (left, right) => left - right : alphabet.compare;
      order = [...all].sort((a, b) => {
        const left = valueOf(a, column), right = valueOf(b, column);
        if (left === null || right === null) return (left === null) - (right === null) || a.place - b.place;
        return (ascending ? 1 : -1) * compare(left, right) || a.place - b.place;
      });
      headers.forEach((header, index) => {
        if (index === column) header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        else header.removeAttribute("aria-sort");
      });
      find("sort").value = String(column);
      limit = STEP;
      show();
    }

    // A first click shows what one looks for first: the best score, the least time, the alphabet.
    const startsAscending = (column) => headers[column].dataset.first === "ascending";

    // On a small screen every cell names its column; a row gets the names when it is first shown.
    function name(item) {
      if (item.named) return item.row;
      item.named = true;
      titles.forEach((title, column) => { item.row.cells[column].dataset.title = title; });
      return item.row;
    }

    // What is searched: names and the like, not figures.
    function textOf(row) {
      return Array.from(row.querySelectorAll(".text"), (cell) => cell.textContent + " " + cell.title).join(" ").toLowerCase();
    }

    function fits(item, words, chosen) {
      if (!chosen.every((filter) => item.row.dataset[filter.dataset.filter] === filter.value)) return false;
      if (words.length && item.text === null) item.text = textOf(item.row);
      return words.every((word) => item.text.includes(word));
    }

    function show() {
      const words = find("search").value.toLowerCase().split(/\s+/).filter(Boolean);
      const chosen = filters.filter((filter) => filter.value !== "");
      const found = order.filter((item) => fits(item, words, chosen));
      body.replaceChildren(...found.slice(0, limit).map(name));
      const of = found.length === all.length ? "" : " of " + all.length;
      find("count").textContent = found.length + of + (all.length === 1 ? " entry" : " entries");
      if (!further) return;
      further.hidden = found.length <= limit;
      further.textContent = "Show " + Math.min(STEP, found.length - limit) + " more of " + (found.length - limit);
    }

    function again() {
      limit = STEP;
      show();
    }

    headers.forEach((header, column) => {
      header.querySelector("button").addEventListener("click", () => {
        const now = header.getAttribute("aria-sort");
        sort(column, now === null ? startsAscending(column) : now === "descending");
      });
    });
    find("sort").addEventListener("change", (event) => {
      const column = Number(event.target.value);
      sort(column, startsAscending(column));
    });
    find("search").addEventListener("input", again);
    for (const filter of filters) filter.addEventListener("change", again);
    if (further) further.addEventListener("click", () => {
      const next = limit;
      limit += STEP;
      show();
      body.rows[next].cells[0].tabIndex = -1;
      body.rows[next].cells[0].focus();
    });
    tools.hidden = false;
    show();
  }

  document.querySelectorAll("section.board").forEach(prepare);
})();
