"use strict";

// Dark or light: as the system has it until someone presses the button.
{
  const button = document.getElementById("theme"), root = document.documentElement;
  const dark = () =>
    (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const say = () => { button.textContent = dark() ? "Light" : "Dark"; };
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; say(); });
  button.hidden = false;
  say();
}

// Tables: a button in each head sorts by that column, first up, then down, then as it was.
{
  const PREFIXES = { n: 1e-9, "µ": 1e-6, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15 };
  const NUMBER = /^[×≥≤~]?\s*([-+−]?\d+(?:\.\d+)?)\s*(?:([nµmkMGTP])(?=s\b|Hz\b|B\b|B\/s|W\b|J\b|FLOP|OP))?/;
  const UNKNOWN = new Set(["", "–"]);
  const number = (text) => {
    const found = NUMBER.exec(text);
    return found && parseFloat(found[1].replace("−", "-")) * (PREFIXES[found[2]] || 1);
  };
  const sort = (body, rows, column, down) => {
    const keyed = rows.map((row) => {
      const text = row.cells[column].textContent.trim();
      return { row, text, unknown: UNKNOWN.has(text), value: number(text) };
    });
    const numbers = keyed.every((each) => each.unknown || each.value !== null);
    keyed.sort((a, b) => {
      if (a.unknown || b.unknown) return a.unknown - b.unknown;  // what is not known comes last, up or down
      const order = numbers ? a.value - b.value : a.text.localeCompare(b.text, "en", { numeric: true });
      return down ? -order : order;
    });
    body.append(...keyed.map((each) => each.row));
  };
  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
    if (rows.length < 2) continue;
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
        heads.forEach((each) => each.removeAttribute("aria-sort"));
        if (next === null) {
          body.append(...rows);
          return;
        }
        head.setAttribute("aria-sort", next || "ascending");
        sort(body, rows, column, next === "descending");
      });
    });
  }
}

// Frames: the handle uncovers the decoded one; of several frames in a row one is shown, and a list chooses it.
{
  for (const frame of document.querySelectorAll(".frame")) {
    const stage = frame.querySelector(".stage");
    const split = frame.querySelector("input[type=range]"), difference = frame.querySelector("input[type=checkbox]");
    split?.addEventListener("input", () => stage.style.setProperty("--at", `${split.value}%`));
    difference?.addEventListener("change", () => stage.classList.toggle("difference", difference.checked));
  }
  const follows = (frame) => frame.previousElementSibling?.classList.contains("frame");
  for (const first of document.querySelectorAll(".frame")) {
    if (follows(first)) continue;
    const frames = [first];
    while (frames.at(-1).nextElementSibling?.classList.contains("frame")) frames.push(frames.at(-1).nextElementSibling);
    if (frames.length < 2) continue;
    const label = document.createElement("label"), list = document.createElement("select");
    list.append(...frames.map((frame) => new Option(frame.querySelector("figcaption").textContent)));
    list.addEventListener("change", () => frames.forEach((each, place) => { each.hidden = place !== list.selectedIndex; }));
    label.className = "choice";
    label.append("Frame ", list);
    first.before(label);
    frames.forEach((each, place) => { each.hidden = place > 0; });
  }
}
