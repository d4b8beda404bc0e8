/* The report's own behaviour: draws the run's charts from the page's data, sorts tables, prints on white. */
(() => {
  "use strict";

  const holder = document.getElementById("run-charts");
  if (holder) {
    const model = JSON.parse(document.getElementById(holder.dataset.source).textContent);
    window.Penstock.runCharts(holder, model);
  }

  // Paper is white, whatever theme the reader chose.
  const root = document.documentElement;
  let chosen;
  window.addEventListener("beforeprint", () => {
    chosen = root.dataset.theme;
    root.dataset.theme = "light";
  });
  window.addEventListener("afterprint", () => {
    if (chosen === undefined) delete root.dataset.theme;
    else root.dataset.theme = chosen;
  });

  /** What a cell is sorted by: its number where it has one; unknown ones come last either way. */
  const worth = (cell) => (cell.dataset.sort === undefined ? (cell.classList.contains("number") ? null : cell.textContent) : Number(cell.dataset.sort));

  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));

  function sortBy(table, column, isDescending) {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => [worth(row.cells[column]), row]);
    const known = rows.filter(([value]) => value !== null).sort(([a], [b]) => (isDescending ? compare(b, a) : compare(a, b)));
    const unknown = rows.filter(([value]) => value === null);
    body.append(...known.concat(unknown).map(([, row]) => row));
    Array.from(table.tHead.rows[0].cells).forEach((head, index) => {
      if (index === column) head.setAttribute("aria-sort", isDescending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      // Numbers begin with the largest, names with A.
      const first = head.classList.contains("number");
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        sortBy(table, column, now === null ? first : now === "ascending");
      });
    });
  }
})();
