"use strict";
// Draws a state of memory: objects as boxes, lists as lists, tables of pointers as trees, what changed marked.
//
// `things` are [{name, struct, cells: [[path, type, kind], ...]}, ...]. A `view` is one state of them:
//   contents  for each thing its cells' contents, or null where it is not allocated now; a content is
//             "text", or ["text", thing, cell] for a pointer to a thing
//   freed     Set of things that were allocated and are freed now
//   changed   Map of "thing,cell" to the text before (or ""), touched: Set of "thing,cell"
//   allocated, released  Sets of things that the last step allocated, freed
//   shown     Set of "thing,cell" worth a line, or null: all that is not empty; all: true shows every cell
//   boxes     Set of things worth a box, or nothing: all that are or were allocated
//   parents   from lastput.memory.parents, so that boxes keep their place from state to state
//   task      number of the task that did it

lastput.memory = {};

lastput.memory.EMPTY = new Set(["0", "NULL", "free", "nobody", "never written"]);

lastput.memory.text = (content) => (Array.isArray(content) ? content[0] : content);

lastput.memory.draw = (container, things, view) => {
  const parents = view.parents || lastput.memory.parents(things, [view.contents]);
  const children = new Map();
  parents.forEach((parent, thing) => {
    if (parent) children.set(parent.thing, [...(children.get(parent.thing) || []), thing]);
  });
  const trees = lastput.element("div", { class: "trees" });
  const boxes = lastput.element("div", { class: "boxes" });
  things.forEach((thing, number) => {
    if (parents[number]) return;
    if (children.has(number)) trees.append(lastput.memory.tree(things, view, number, parents, children));
    else if (lastput.memory.worth(things, view, number)) boxes.append(lastput.memory.box(things, view, number));
  });
  container.replaceChildren(...[boxes, trees].filter((part) => part.childNodes.length));
  container.classList.add("memory", "task-colour");
  lastput.arrows.draw(container, things, view);
};

// Whether a thing is worth a box: it is, or was, or will be allocated, and there is something to show of it.
lastput.memory.worth = (things, view, number) => {
  if (view.boxes && !view.boxes.has(number)) return false;
  if (!view.shown) return Boolean(view.contents[number]) || view.freed.has(number);
  if (view.all || view.allocated.has(number) || view.released.has(number)) return true;
  return things[number].cells.some((_, cell) => lastput.memory.isShown(view, number, cell));
};

// For each thing the one entry of a table that ever points to it, {thing, cell}; null where there is none.
lastput.memory.parents = (things, states) => {
  const found = things.map(() => null);
  const shared = new Set();
  for (const contents of states) {
    contents.forEach((cells, thing) => {
      (cells || []).forEach((content, cell) => {
        if (!Array.isArray(content) || content[1] === thing || content[2] !== 0) return;
        const entry = things[thing].cells[cell];
        if (!entry[0].includes("[") || entry[2] === "ghost") return;
        const known = found[content[1]];
        if (known && known.thing !== thing) shared.add(content[1]);
        if (!known) found[content[1]] = { thing, cell };
      });
    });
  }
  shared.forEach((thing) => (found[thing] = null));
  found.forEach((parent, thing) => {
    if (parent && lastput.memory.isAbove(found, thing, parent.thing)) found[thing] = null;
  });
  return found;
};

lastput.memory.isAbove = (parents, thing, start) => {
  for (let at = start, turns = 0; at !== undefined && turns <= parents.length; turns += 1) {
    if (at === thing) return true;
    at = parents[at] ? parents[at].thing : undefined;
  }
  return false;
};

lastput.memory.tree = (things, view, number, parents, children) => {
  const below = (children.get(number) || []).map((child) => {
    const linked = lastput.memory.target(view, parents[child].thing, parents[child].cell) === child;
    return lastput.element(
      "li",
      { class: linked ? "" : "unlinked" },
      lastput.memory.tree(things, view, child, parents, children),
    );
  });
  const list = below.length ? lastput.element("ul", {}, ...below) : "";
  return lastput.element("div", { class: "tree" }, lastput.memory.box(things, view, number), list);
};

lastput.memory.target = (view, thing, cell) => {
  const content = view.contents[thing] && view.contents[thing][cell];
  return Array.isArray(content) ? content[1] : undefined;
};

lastput.memory.life = (view, number) => {
  if (view.contents[number]) return view.allocated.has(number) ? "allocated now" : "";
  if (!view.freed.has(number)) return "not allocated yet";
  return view.released.has(number) ? "freed now" : "freed";
};

lastput.memory.box = (things, view, number) => {
  const thing = things[number];
  const life = lastput.memory.life(view, number);
  const now = view.allocated.has(number) || view.released.has(number) ? " now" : "";
  const kind = view.contents[number] ? "" : view.freed.has(number) ? " freed" : " unborn";
  const rows = thing.cells
    .map((cell, index) => index)
    .filter((index) => lastput.memory.isShown(view, number, index))
    .map((index) => lastput.memory.row(things, view, number, index));
  const left = thing.cells.length - rows.length;
  return lastput.element(
    "section",
    { class: "thing" + kind + now, "data-thing": number, "aria-label": thing.name + (life && ", " + life) },
    lastput.element(
      "header",
      {},
      lastput.element("b", {}, thing.name),
      thing.struct !== thing.name ? lastput.element("span", { class: "soft" }, " " + thing.struct) : "",
      life ? lastput.element("span", { class: "life" }, life) : "",
    ),
    rows.length ? lastput.element("dl", {}, ...rows) : "",
    left ? lastput.element("p", { class: "soft left" }, left + (left > 1 ? " more fields" : " more field")) : "",
  );
};

lastput.memory.isShown = (view, thing, cell) => {
  const key = thing + "," + cell;
  if (view.all || view.touched.has(key) || view.changed.has(key)) return true;
  if (view.shown) return view.shown.has(key);
  const contents = view.contents[thing];
  return Boolean(contents) && !lastput.memory.EMPTY.has(lastput.memory.text(contents[cell]));
};

lastput.memory.row = (things, view, thing, cell) => {
  const key = thing + "," + cell;
  const [path, type, kind] = things[thing].cells[cell];
  const changed = view.changed.has(key);
  const touched = view.touched.has(key);
  const gone = touched && !view.contents[thing] && !view.released.has(thing);
  const mark = gone ? "⚠" : changed ? "✎" : touched ? "◉" : "";
  const word = gone ? "touched after free" : changed ? "written" : touched ? "read" : "";
  return lastput.element(
    "div",
    { class: ["cell", kind, gone ? "gone" : changed ? "changed" : touched ? "touched" : ""].join(" "), "data-cell": key },
    lastput.element("dt", { title: path + ": " + type }, kind === "count" ? path.replace(/(\.refs)?\.counter$/, "") : path),
    lastput.element(
      "dd",
      {},
      word ? lastput.element("span", { class: "sign", title: word, role: "img", "aria-label": word }, mark) : "",
      " ",
      changed && view.changed.get(key) ? lastput.element("del", {}, view.changed.get(key)) : "",
      " ",
      ...lastput.memory.value(things, view, thing, cell),
    ),
  );
};

lastput.memory.value = (things, view, thing, cell) => {
  if (!view.contents[thing]) return [lastput.element("span", { class: "soft" }, view.freed.has(thing) ? "gone" : "-")];
  const content = view.contents[thing][cell];
  if (!Array.isArray(content)) return [lastput.element("span", { class: "text" }, content)];
  const chain = lastput.lists.chain(things, view, thing, cell);
  if (chain) return [lastput.memory.chain(things, view, chain)];
  return [lastput.memory.chip(view, content[1], content[0])];
};

// A pointer: the name of what it points to, marked if that is freed.
lastput.memory.chip = (view, target, text) => {
  const freed = view.freed.has(target);
  return lastput.element(
    "span",
    { class: "chip" + (freed ? " dangling" : ""), "data-target": target },
    "→ " + text + (freed ? " (freed)" : ""),
  );
};

lastput.memory.chain = (things, view, chain) => {
  const parts = chain.nodes.map((node) => lastput.memory.chip(view, node.thing, things[node.thing].name));
  if (!parts.length) return lastput.element("span", { class: "chain" }, "(empty list)");
  parts.push(lastput.element("span", { class: "soft" }, chain.ring ? "↩ head" : "→ " + chain.end));
  return lastput.element("span", { class: "chain", title: "a list of " + chain.nodes.length }, ...parts);
};

// What the last step did that matters most: the box around it, if that is drawn.
lastput.memory.news = (container) => {
  const kinds = [".gone", ".thing.now", ".changed", ".touched"];
  const found = kinds.map((kind) => container.querySelector(kind)).find(Boolean);
  return found ? found.closest(".thing") : null;
};

// Scroll `scroller`, which holds the drawing, so that this can be seen.
lastput.memory.reveal = (container, scroller) => lastput.reveal(lastput.memory.news(container), scroller);
