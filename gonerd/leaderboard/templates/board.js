"use strict";
(function () {
  function compare(left, right, numeric) {
    if (left === right) return 0;
    return numeric ? left - right : left.localeCompare(right, "en", { sensitivity: "base", numeric: true });
  }

  function prepare(section) {
    const table = section.querySelector("table");
    const body = table.tBodies[0];
    const headers = Array.from(table.tHead.rows[0].cells).filter((header) => header.querySelector("button"));
    const tools = section.querySelector(".tools");
    const find = (role) => tools.querySelector("[data-role=" + role + "]");
    const attentionColumn = headers.findIndex((header) => header.classList.contains("c-attention"));
    const rows = Array.from(body.rows).map((row, place) => ({
      row,
      place,
      text: row.textContent.toLowerCase(),
      values: headers.map((header, column) => {
        const value = row.cells[column].dataset.value;
        return value === "" ? null : header.classList.contains("number") ? Number(value) : value;
      }),
    }));

    function sort(column, ascending) {
      const numeric = headers[column].classList.contains("number");
      rows.sort((a, b) => {
        const left = a.values[column], right = b.values[column];
        if (left === null || right === null) return (left === null) - (right === null) || a.place - b.place;
        return (ascending ? 1 : -1) * compare(left, right, numeric) || a.place - b.place;
      });
      body.append(...rows.map((item) => item.row));
      headers.forEach((header, index) => {
        if (index === column) header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        else header.removeAttribute("aria-sort");
      });
      find("sort").value = String(column);
    }

    // A first click shows what one looks for first: the best score, the most words a second, the alphabet.
    function startsAscending(header) {
      return !header.classList.contains("number") || header.matches(".c-rank, .c-parameters, .c-layers, .c-memory");
    }

    function filter() {
      const words = find("search").value.toLowerCase().split(/\s+/).filter(Boolean);
      const attention = find("attention") ? find("attention").value : "";
      let shown = 0;
      rows.forEach((item) => {
        const fits = words.every((word) => item.text.includes(word)) &&
          (attention === "" || item.values[attentionColumn] === attention);
        item.row.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      find("count").textContent = shown === rows.length ? rows.length + " entries" : shown + " of " + rows.length + " entries";
    }

    headers.forEach((header, column) => {
      header.querySelector("button").addEventListener("click", () => {
        const now = header.getAttribute("aria-sort");
        sort(column, now === null ? startsAscending(header) : now === "descending");
      });
    });
    find("sort").addEventListener("change", (event) => {
      const column = Number(event.target.value);
      sort(column, startsAscending(headers[column]));
    });
    find("search").addEventListener("input", filter);
    if (find("attention")) find("attention").addEventListener("change", filter);
    tools.hidden = false;
    filter();
  }

  document.querySelectorAll("section.board").forEach(prepare);
})();
