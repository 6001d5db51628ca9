"use strict";
// The model's source where each task stands: its call path, and the lines around the current one.

lastput.source = {};

lastput.source.AROUND = { active: 5, idle: 1 };
lastput.source.CALLS = 4;

// The frames that `task` stands in after step `number`: of the step just taken, or of its next one.
lastput.source.frames = (violation, task, number) => {
  const step = violation.steps[number - 1];
  if (lastput.source.isBlocked(violation, task, number)) return violation.tasks[task].frames;
  if (step && step.thread === task) return step.frames;
  const next = violation.steps.slice(number).find((later) => later.thread === task);
  return next ? next.frames : violation.tasks[task].frames;
};

lastput.source.isBlocked = (violation, task, number) =>
  number === violation.steps.length && violation.tasks[task].state === "blocked";

lastput.source.draw = (container, violation, number) => {
  const step = violation.steps[number - 1];
  const parts = violation.tasks.map((task, index) => {
    const active = step !== undefined && step.thread === index;
    const frames = lastput.source.frames(violation, index, number);
    const state = lastput.source.isBlocked(violation, index, number) ? "blocked" : active ? "has just run" : "";
    return lastput.source.task(violation, index, frames, state || (frames.length ? "stands before" : task.state), active);
  });
  container.replaceChildren(...parts);
};

lastput.source.task = (violation, index, frames, state, active) => {
  const head = lastput.element(
    "h4",
    {},
    lastput.taskMark(index),
    " " + violation.tasks[index].name + " ",
    lastput.element("span", { class: "soft" }, state),
  );
  const crumbs = lastput.source.path(frames.map((frame) => violation.frames[frame][0]).reverse());
  const code = frames.length ? lastput.source.excerpt(violation, violation.frames[frames[0]], active) : "";
  return lastput.element("div", { class: "where " + lastput.taskClass(index) + (active ? " active" : "") }, head, crumbs, code);
};

// The innermost calls; all of them to who points at it.
lastput.source.path = (calls) => {
  if (!calls.length) return "";
  const shown = calls.slice(-lastput.source.CALLS);
  const more = shown.length < calls.length ? "… › " : "";
  return lastput.element("p", { class: "path soft code", title: calls.join(" › ") }, more + shown.join(" › "));
};

lastput.source.excerpt = (violation, [, file, line, number], active) => {
  const source = violation.sources[number];
  if (!source) return lastput.element("p", { class: "code" }, file + ":" + line);
  const around = active ? lastput.source.AROUND.active : lastput.source.AROUND.idle;
  const at = line - source.line;
  const first = Math.max(0, at - around);
  const last = Math.min(source.lines.length - 1, at + around);
  const rows = [];
  for (let i = first; i <= last; i += 1) rows.push(lastput.source.line(source.line + i, source.lines[i], i === at));
  return lastput.element(
    "figure",
    {},
    lastput.element("figcaption", { class: "soft code" }, file + ":" + line),
    lastput.element("div", { class: "code excerpt" }, ...rows),
  );
};

lastput.source.line = (number, text, current) =>
  lastput.element(
    "div",
    { class: current ? "line current" : "line", "aria-current": current ? "step" : null },
    lastput.element("span", { class: "at", "aria-hidden": "true" }, (current ? "▶ " : "") + number),
    lastput.element("span", { class: "text" }, text),
  );
