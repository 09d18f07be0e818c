// Folding, filtering and keys of the lineage. The page is whole without it.
"use strict";
(() => {
  const tree = document.getElementById("lineage");
  if (!tree) return;
  const items = [...tree.querySelectorAll("li")];
  const controls = document.getElementById("lineage-controls");
  const words = document.getElementById("lineage-words");
  const wanted = document.getElementById("lineage-wanted");
  const count = document.getElementById("lineage-count");
  const head = (item) => item.querySelector(":scope > .place summary, :scope > .place .root");
  const button = (item) => item.querySelector(":scope > .place > .fold");
  const above = (item) => item.parentElement.closest("li");
  const texts = new Map(items.map((item) => [item, head(item).textContent.toLowerCase()]));
  const MANY = 60;

  function fold(item, isFolded) {
    if (!item.querySelector(":scope > ul")) return;
    item.classList.toggle("folded", isFolded);
    button(item).setAttribute("aria-expanded", String(!isFolded));
    button(item).firstChild.data = isFolded ? "+" : "−";
  }

  const kinds = {
    all: () => true,
    improved: (item) => item.dataset.verdict === "improved",
    fell: (item) => item.dataset.verdict === "fell",
    best: (item) => item.classList.contains("best"),
  };

  function filter() {
    const text = words.value.trim().toLowerCase();
    const isKind = kinds[wanted.value];
    const isAll = text === "" && wanted.value === "all";
    const found = items.filter((item) => isKind(item) && texts.get(item).includes(text));
    const shown = new Set();
    for (const item of found) {
      for (let at = item; at && !shown.has(at); at = above(at)) shown.add(at);
    }
    for (const item of items) {
      item.hidden = !shown.has(item);
      if (!isAll && shown.has(item)) fold(item, false);
    }
    count.textContent = `${found.length} of ${items.length} shown`;
    move(current.hidden ? visible()[0] : current, false);
  }

  const visible = () => items.filter((item) => item.getClientRects().length > 0);
  let current = items[0];

  function move(item, isFocused = true) {
    if (!item) return;
    head(current).tabIndex = -1;
    current = item;
    head(current).tabIndex = 0;
    if (isFocused) head(current).focus();
  }

  function step(by) {
    const there = visible();
    move(there[Math.min(Math.max(there.indexOf(current) + by, 0), there.length - 1)]);
  }

  const keys = {
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Home: () => move(visible()[0]),
    End: () => move(visible().at(-1)),
    ArrowLeft: () => {
      const isOpen = current.querySelector(":scope > ul") && !current.classList.contains("folded");
      if (isOpen) fold(current, true);
      else move(above(current));
    },
    ArrowRight: () => {
      if (current.classList.contains("folded")) fold(current, false);
      else move(current.querySelector(":scope > ul > li"));
    },
  };

  tree.addEventListener("keydown", (event) => {
    const item = event.target.closest("li");
    const isOurs = item && event.target === head(item) && keys[event.key];
    if (!isOurs || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(item, false);
    keys[event.key]();
  });
  tree.addEventListener("click", (event) => {
    const item = event.target.closest("li");
    if (!item) return;
    if (event.target === button(item)) fold(item, !item.classList.contains("folded"));
    else if (event.target.closest("summary")) move(item, false);
  });
  words.addEventListener("input", filter);
  wanted.addEventListener("change", filter);
  document.getElementById("lineage-fold").addEventListener("click", () => {
    for (const item of items) fold(item, true);
    move(items[0], false);
  });
  document.getElementById("lineage-unfold").addEventListener("click", () => {
    for (const item of items) fold(item, false);
  });

  for (const item of items) {
    head(item).tabIndex = -1;
    if (!item.querySelector(":scope > ul")) continue;
    button(item).hidden = false;
    fold(item, items.length > MANY && !item.classList.contains("best"));
  }
  controls.hidden = false;
  filter();
})();
