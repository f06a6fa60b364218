"use strict";
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const figures = read("figures"), files = read("files"), environment = read("environment");
const root = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)");

// Theme: that of the system until the button chooses.
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
function themed({ data, layout }, dark) {
  const count = data.filter((trace) => trace.showlegend !== false).length;
  const text = dark ? "#e8e8ea" : "#1c1c1e", line = dark ? "#3a3d45" : "#d5d5dc", zero = dark ? "#a9a9b3" : "#5b5b63";
  const made = structuredClone(layout);
  Object.assign(made, { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: text, size: 13 } });
  const entries = made.showlegend ? count : 0, more = innerWidth < 600 ? 24 * (entries - Math.ceil(entries / 3)) : 0; // a column on a phone
  made.height += more;
  made.margin.b += more;
  for (const axis of ["xaxis", "yaxis"]) {
    made[axis] = { gridcolor: line, zerolinecolor: zero, linecolor: line, ...made[axis] };
  }
  for (const menu of made.updatemenus || []) Object.assign(menu, { bgcolor: dark ? "#20232a" : "#f4f5f7", bordercolor: line, font: { color: text } });
  return made;
}
const settings = { responsive: true, displaylogo: false, displayModeBar: false };
function draw(dark = isDark()) {
  for (const [id, figure] of Object.entries(figures)) {
    Plotly.react(`plot-${id}`, figure.data, themed(figure, dark), settings);
  }
  const button = document.getElementById("theme");
  button.setAttribute("aria-pressed", String(dark));
  button.textContent = dark ? "Light" : "Dark";
}
document.getElementById("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  draw();
});
system.addEventListener("change", () => draw());
addEventListener("beforeprint", () => { root.dataset.printed = root.dataset.theme || ""; root.dataset.theme = "light"; draw(false); });
addEventListener("afterprint", () => {
  if (root.dataset.printed) root.dataset.theme = root.dataset.printed; else delete root.dataset.theme;
  draw();
});

// Tables: sorted by a click on a heading, filtered by text.
function sortable(table) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const places = new Map([...body.rows].map((row, place) => [row, place]));
  const value = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    return cell.textContent;
  };
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const order = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    heads.forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const compare = (a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      if (x === "" || y === "") return (x === "") - (y === ""); // missing values last
      const found = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
      return sign * found || places.get(a) - places.get(b);
    };
    body.append(...[...body.rows].sort(compare));
  }));
}
function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = `${name.replace(/[^\w.-]+/g, "_")}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
function build(parent, columns, rows) {
  const table = document.createElement("table"), head = table.createTHead().insertRow(), body = table.createTBody();
  for (const name of columns) {
    const cell = document.createElement("th"), button = document.createElement("button");
    cell.scope = "col";
    cell.setAttribute("aria-sort", "none");
    button.type = "button";
    button.textContent = name;
    cell.append(button);
    head.append(cell);
  }
  for (const row of rows) {
    const line = body.insertRow();
    for (const item of row) {
      const cell = line.insertCell();
      cell.textContent = typeof item === "number" ? item.toLocaleString("en") : item;
      if (typeof item === "number") { cell.className = "number"; cell.dataset.value = item; }
    }
  }
  const scroll = document.createElement("div");
  scroll.className = "scroll";
  scroll.append(table);
  parent.append(scroll);
}
const rules = document.getElementById("rules"), about = document.getElementById("about");
if (rules && environment.rules.length) {
  const columns = ["rule", ...Object.keys(environment.rules[0]).filter((name) => name !== "rule")];
  build(rules, columns, environment.rules.map((row) => columns.map((name) => row[name])));
}
if (about) build(about, ["what", "value"], Object.entries(environment.about));
document.querySelectorAll("table").forEach(sortable);
document.querySelectorAll("[data-filter]").forEach((input) => input.addEventListener("input", () => {
  const rows = [...document.getElementById(`table-${input.dataset.filter}`).tBodies[0].rows];
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows) {
    const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
  const shown = rows.filter((row) => !row.hidden).length;
  document.querySelector(`[data-count="${input.dataset.filter}"]`).textContent = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
}));
document.querySelectorAll("[data-csv]").forEach((button) => button.addEventListener("click", () => {
  const file = files[button.dataset.csv];
  download(file.name, file.csv);
}));
draw();
