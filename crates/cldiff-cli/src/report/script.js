// Tables that sort, and figures that can be kept. Nothing is fetched; without this script everything can still be read.
"use strict";
(() => {
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.sort ?? cell.textContent.trim();
    const number = parseFloat(text.replace("−", "-"));
    return { number, text };
  };
  // A value that was not measured goes to the end in both directions.
  const compare = (a, b, sign) => {
    const numbers = !Number.isNaN(a.number) && !Number.isNaN(b.number);
    if (numbers) return sign * (a.number - b.number);
    const missing = (v) => v.text === "" || v.text === "–";
    if (missing(a) !== missing(b)) return missing(a) ? 1 : -1;
    return sign * a.text.localeCompare(b.text);
  };
  // The first click sorts upwards, the second downwards, the third restores the order of the page. Families are taken apart
  // while a table is sorted; bounds stay below.
  const places = new Map();
  const sort = (table, header, column) => {
    const order = header.getAttribute("aria-sort");
    table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    const bodies = [...table.tBodies].filter((body) => !body.classList.contains("bounds"));
    if (!places.has(table)) {
      places.set(table, bodies.map((body) => [...body.rows]));
    }
    const groups = places.get(table);
    table.querySelectorAll("tr.family button").forEach((button) => button.setAttribute("aria-expanded", "true"));
    groups.flat().forEach((row) => { row.hidden = false; });
    const isHeading = (row) => row.classList.contains("family");
    if (order === "descending") {
      bodies.forEach((body, i) => body.append(...groups[i]));
      return;
    }
    header.setAttribute("aria-sort", order === "ascending" ? "descending" : "ascending");
    const sign = order === "ascending" ? -1 : 1;
    const rows = groups.flat().filter((row) => !isHeading(row)).map((row) => ({ row, key: value(row, column) }));
    rows.sort((a, b) => compare(a.key, b.key, sign));
    groups.flat().filter(isHeading).forEach((row) => { row.hidden = true; });
    bodies[0].append(...rows.map((entry) => entry.row));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => sort(table, header, column));
    });
  }
  const save = (svg, name) => {
    const copy = svg.cloneNode(true);
    copy.setAttribute("style", "color: #1b1f24; background: #ffffff; font-family: Helvetica, Arial, sans-serif");
    // Title, notes and legend are there, outside of the window that the page shows.
    const whole = copy.dataset.whole;
    if (whole) {
      const [, , width, height] = whole.split(" ");
      copy.setAttribute("viewBox", whole);
      copy.setAttribute("width", width);
      copy.setAttribute("height", height);
    }
    const file = new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = name.replace(/[^\p{L}\p{N}._-]+/gu, "-") + ".svg";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  for (const figure of document.querySelectorAll(".figures figure")) {
    const svg = figure.querySelector("svg");
    if (!svg) continue;
    const name = svg.getAttribute("aria-label") || "figure";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "save";
    button.textContent = "SVG";
    button.title = "Save this figure as an SVG file";
    button.setAttribute("aria-label", "Save as SVG: " + name);
    button.addEventListener("click", () => save(svg, name));
    figure.append(button);
  }
})();
