// The table of claims: filters, order, and the address that remembers both. Without this script all rows are shown.
"use strict";
(function () {
  const table = document.getElementById("claims");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const selects = Array.from(document.querySelectorAll("#filters select"));
  const buttons = Array.from(table.querySelectorAll("thead button"));
  const count = document.getElementById("count");
  let order = { by: "", down: false };

  function matches(row) {
    return selects.every(function (select) {
      return !select.value || row.dataset[select.name].split("|").includes(select.value);
    });
  }

  // Empty values stay at the end in either direction.
  function compare(a, b) {
    const x = a.dataset[order.by], y = b.dataset[order.by];
    if (x === "" || y === "") return (x === "") - (y === "");
    const difference = order.by === "effect" || order.by === "place" ? x - y : x.localeCompare(y, "en", { numeric: true });
    return order.down ? -difference : difference;
  }

  function show() {
    rows.forEach(function (row) { row.hidden = !matches(row); });
    const shown = rows.filter(function (row) { return !row.hidden; }).length;
    count.textContent = shown + " of " + rows.length + " claims";
    const ordered = rows.slice();
    if (order.by) ordered.sort(compare);
    ordered.forEach(function (row) { body.appendChild(row); });
    buttons.forEach(function (button) {
      const own = button.dataset.by === order.by;
      button.closest("th").setAttribute("aria-sort", own ? (order.down ? "descending" : "ascending") : "none");
    });
  }

  function remember() {
    const chosen = new URLSearchParams();
    selects.forEach(function (select) { if (select.value) chosen.set(select.name, select.value); });
    if (order.by) chosen.set("sort", (order.down ? "-" : "") + order.by);
    history.replaceState(null, "", "#" + chosen.toString());
  }

  function recall() {
    const chosen = new URLSearchParams(location.hash.slice(1));
    selects.forEach(function (select) { select.value = chosen.get(select.name) || ""; });
    const sort = chosen.get("sort") || "";
    order = { by: sort.replace(/^-/, ""), down: sort.startsWith("-") };
    if (!buttons.some(function (button) { return button.dataset.by === order.by; })) order.by = "";
    show();
  }

  selects.forEach(function (select) {
    select.addEventListener("change", function () { show(); remember(); });
  });
  buttons.forEach(function (button) {
    button.addEventListener("click", function () {
      const first = button.dataset.by === "effect";  // the largest effect first
      order = { by: button.dataset.by, down: order.by === button.dataset.by ? !order.down : first };
      show();
      remember();
    });
  });
  document.getElementById("reset").addEventListener("click", function () {
    selects.forEach(function (select) { select.value = ""; });
    order = { by: "", down: false };
    show();
    remember();
  });
  window.addEventListener("hashchange", recall);
  document.getElementById("filters").hidden = false;
  recall();
})();
