"use strict";
// Arrows from the pointers that the last step read or wrote to what they point to, over a drawn state.

lastput.arrows = {};

lastput.arrows.NS = "http://www.w3.org/2000/svg";

lastput.arrows.draw = (container, things, view) => {
  const old = container.querySelector(":scope > svg.arrows");
  if (old) old.remove();
  const svg = lastput.arrows.make("svg", { class: "arrows", "aria-hidden": "true" });
  const origin = container.getBoundingClientRect();
  if (!origin.width) return;
  for (const key of new Set([...view.touched, ...view.changed.keys()])) {
    const [thing, cell] = key.split(",").map(Number);
    const target = lastput.memory.target(view, thing, cell);
    if (target === undefined || target === thing) continue;
    const from = container.querySelector(`[data-cell="${key}"] .chip`);
    const to = container.querySelector(`[data-thing="${target}"] > header`);
    if (from && to) svg.append(...lastput.arrows.curve(origin, from, to));
  }
  svg.setAttribute("width", container.scrollWidth);
  svg.setAttribute("height", container.scrollHeight);
  container.append(svg);
};

// From the edge of a chip to the nearer edge of a box's head, with a point at its end.
lastput.arrows.curve = (origin, from, to) => {
  const a = (from.closest(".chain") || from).getBoundingClientRect(); // a list is left at its end
  const b = to.getBoundingClientRect();
  const y1 = (a.top + a.bottom) / 2 - origin.top;
  const y2 = (b.top + b.bottom) / 2 - origin.top;
  const right = b.left >= a.right;
  const x1 = a.right - origin.left;
  const x2 = (right ? b.left : b.right) - origin.left;
  const bend = Math.max(18, Math.min(60, Math.abs(x2 - x1) / 2));
  const turn = right ? -bend : bend;
  const side = right ? -6 : 6;
  return [
    lastput.arrows.make("path", { class: "line", d: `M${x1},${y1} C${x1 + bend},${y1} ${x2 + turn},${y2} ${x2 + side},${y2}` }),
    lastput.arrows.make("path", { class: "point", d: `M${x2},${y2} l${side * 1.4},-4 v8 z` }),
  ];
};

lastput.arrows.make = (tag, attributes) => {
  const made = document.createElementNS(lastput.arrows.NS, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};
