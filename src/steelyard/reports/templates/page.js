"use strict";
(() => {
  // Sorting: numbers by number, words by word, absent ones last either way.
  const keyOf = (row, place) => {
    const cell = row.cells[place];
    return (cell.dataset.sort ?? cell.textContent).trim();
  };
  const compare = (a, b) => {
    const x = Number(a), y = Number(b);
    return Number.isNaN(x) || Number.isNaN(y)
      ? a.localeCompare(b, "en", { numeric: true })
      : x - y;
  };
  const sortBy = (heading) => {
    const body = heading.closest("table").tBodies[0];
    const up = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of heading.parentNode.cells) other.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const place = heading.cellIndex;
    const rows = [...body.rows].sort((one, two) => {
      const a = keyOf(one, place), b = keyOf(two, place);
      if (a === "" || b === "") return (a === "") - (b === "");
      return up ? compare(a, b) : compare(b, a);
    });
    body.append(...rows);
  };
  for (const button of document.querySelectorAll("table.sortable button.sort")) {
    button.addEventListener("click", () => sortBy(button.closest("th")));
  }

  // Filtering the table of variants, on a page that has one.
  const byId = (id) => document.getElementById(id);
  const filterTable = (table) => {
    const [text, verdict, clean, count] =
      ["filter-text", "filter-verdict", "filter-clean", "filter-count"].map(byId);
    const rows = [...table.tBodies[0].rows];
    const filter = () => {
      const wanted = text.value.trim().toLowerCase();
      let shown = 0;
      for (const row of rows) {
        row.hidden =
          !row.dataset.text.toLowerCase().includes(wanted) ||
          (verdict.value !== "" && row.dataset.verdict !== verdict.value) ||
          (clean.checked && row.dataset.quality !== "CLEAN");
        shown += !row.hidden;
      }
      count.textContent = `${shown} of ${rows.length}`;
    };
    for (const field of [text, verdict, clean]) field.addEventListener("input", filter);
    text.form.addEventListener("submit", (event) => event.preventDefault());
    filter();
  };
  if (byId("variant-table")) filterTable(byId("variant-table"));

  // One tooltip for the page: a box inside a scrolling table would be cut off.
  const tip = byId("tip");
  let owner = null;
  const hide = () => {
    tip.hidden = true;
    owner?.removeAttribute("aria-describedby");
    owner = null;
  };
  const show = (target) => {
    hide();
    owner = target;
    tip.textContent = target.dataset.tip;
    tip.hidden = false;
    target.setAttribute("aria-describedby", "tip");
    const at = target.getBoundingClientRect(), own = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, at.left), document.documentElement.clientWidth - own.width - 8);
    const below = at.bottom + 6;
    tip.style.left = `${left}px`;
    tip.style.top = `${below + own.height > innerHeight ? at.top - own.height - 6 : below}px`;
  };
  const about = (event) => event.target.closest?.("[data-tip]");
  document.addEventListener("pointerover", (event) => {
    const target = about(event);
    if (target) show(target);
    else if (owner) hide();
  });
  document.addEventListener("focusin", (event) => {
    const target = about(event);
    if (target) show(target);
  });
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", hide, true);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());

  // Paper shows what a click would have opened.
  addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
  });
})();
