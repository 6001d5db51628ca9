"use strict";
// What all scripts of a page share: its data, and how they make elements. Text is always text, never markup.

const lastput = {};

lastput.data = () => JSON.parse(document.getElementById("data").textContent);

// lastput.element("p", { class: "note", "aria-label": "..." }, "text", child, ...)
lastput.element = (tag, attributes, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== undefined && child !== null && child !== ""));
  return made;
};

lastput.TASK_MARKS = "●■▲◆▼★✚⬢";
lastput.taskClass = (index) => "task" + (index % lastput.TASK_MARKS.length);
lastput.taskMark = (index) =>
  lastput.element(
    "span",
    { class: "mark " + lastput.taskClass(index), "aria-hidden": "true" },
    lastput.TASK_MARKS[index % lastput.TASK_MARKS.length],
  );

// Scroll a part of the page that scrolls by itself, so that `found` can be seen in it.
lastput.reveal = (found, scroller) => {
  if (!found || scroller.scrollHeight <= scroller.clientHeight) return;
  const box = found.getBoundingClientRect();
  const room = scroller.getBoundingClientRect();
  if (box.top >= room.top && box.bottom <= room.bottom) return;
  scroller.scrollTop += box.top - room.top - Math.max(0, Math.min(30, (room.height - box.height) / 2));
};
