"use strict";
// The table of workloads: searched and filtered here, PAGE rows at a time. All text
// goes in as text nodes.
(() => {
  const PAGE = 200;
  const all = JSON.parse(document.getElementById("data").textContent) || [];
  const body = document.querySelector("#workloads tbody");
  const search = document.getElementById("search");
  const shown = document.getElementById("shown");
  const more = document.getElementById("more");
  const tiles = [...document.querySelectorAll(".tile")];
  const words = (v) => v.replaceAll("-", " ");
  const text = (w) => [w.namespace, w.kind, w.name, w.reason, w.do, ...(w.on || []), ...(w.exposed || []).map(words), w.budget,
    ...(w.images || []).flatMap((i) => [i.image, i.reason, i.policy, ...(i.before || []), ...(i.after || [])])].join("\n").toLowerCase();
  const index = all.map(text);
  let matches = [], drawn = 0;

  function add(parent, tag, content, cls) {
    const e = document.createElement(tag);
    if (content !== undefined) e.textContent = content;
    if (cls) e.className = cls;
    return parent.appendChild(e);
  }

  function images(cell, w) {
    const d = add(cell, "details");
    const n = (w.images || []).length;
    add(d, "summary", n === 1 ? "1 image" : n + " images");
    for (const i of w.images || []) {
      const p = add(d, "p");
      add(p, "b", i.image);
      add(p, "small", `${i.kind} ${i.container}, ${i.policy}: ${words(i.verdict)}; ${i.reason}`);
      add(p, "small", `lacking on ${i.lacking} of ${i.nodes} nodes` + (i.unknown ? `, not known of ${i.unknown}` : ""));
      if ((i.before || []).length) add(p, "small", "before: " + i.before.join(", then "));
      if ((i.after || []).length) add(p, "small", "after: " + i.after.join(", then "));
    }
  }

  function row(w) {
    const tr = add(body, "tr");
    const v = add(tr, "td", words(w.verdict), "verdict " + w.verdict);
    if (w.cause === "already") add(v, "small", "not by the change");
    const name = add(tr, "td", w.namespace + "/" + w.name);
    add(name, "small", [w.kind, ...(w.exposed || []).map(words)].join(", "));
    if (w.budget) add(name, "small", "budget " + w.budget);
    if (w.due) add(name, "small", "due " + w.due);
    const why = add(tr, "td", w.reason);
    if (w.do) add(why, "p", w.do, "do");
    images(why, w);
    const pods = add(tr, "td", String(w.pods), "n");
    if (w.onNodes) add(pods, "small", w.onNodes === 1 ? w.on[0] : w.onNodes + " nodes");
  }

  function draw() {
    const until = Math.min(drawn + PAGE, matches.length);
    for (; drawn < until; drawn++) row(all[matches[drawn]]);
    more.hidden = drawn === matches.length;
    shown.textContent = `${drawn} of ${matches.length} shown` + (matches.length < all.length ? `, of ${all.length} in all` : "");
  }

  function filter() {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const verdicts = tiles.filter((t) => t.getAttribute("aria-pressed") === "true").map((t) => t.dataset.verdict);
    matches = [];
    all.forEach((w, i) => {
      if ((!verdicts.length || verdicts.includes(w.verdict)) && wanted.every((x) => index[i].includes(x))) matches.push(i);
    });
    body.replaceChildren();
    drawn = 0;
    draw();
  }

  search.addEventListener("input", filter);
  more.addEventListener("click", draw);
  for (const t of tiles) t.addEventListener("click", () => {
    t.setAttribute("aria-pressed", String(t.getAttribute("aria-pressed") !== "true"));
    filter();
  });
  filter();
})();
