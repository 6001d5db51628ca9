"use strict";
// The parts of the page of a walk, made from what the server tells: see lastput/explore/view.py.

lastput.parts = {};

// The steps that can be taken, task by task; `take` is called with one of state.options.
lastput.parts.tasks = (state, take) => {
  const last = state.path.length ? state.path[state.path.length - 1].thread : -1;
  return state.tasks.map((task, index) => {
    const steps = state.options.map((option, number) => ({ option, number })).filter(({ option }) => option.thread === index);
    return lastput.element(
      "div",
      { class: "where " + lastput.taskClass(index) + (index === last ? " active" : "") },
      lastput.element("h3", {}, lastput.taskMark(index), " " + task.name + " ", lastput.element("span", { class: "soft" }, task.state)),
      lastput.source.path(task.frames.map((frame) => state.frames[frame][0]).reverse()),
      lastput.parts.why(task, steps.length),
      steps.length ? lastput.element("div", { class: "steps" }, ...steps.map((step) => lastput.parts.step(task, step, take))) : "",
      task.holds.length ? lastput.element("p", { class: "holds soft" }, "holds " + task.holds.join(", ")) : "",
      task.frames.length ? lastput.source.excerpt(state, state.frames[task.frames[0]], index === last) : "",
    );
  });
};

lastput.parts.why = (task, steps) => {
  if (steps || task.state === "finished") return "";
  const whom = task.waits.length ? " for " + task.waits.join(", ") : "";
  const words = { blocked: "waits" + whom + " in ", running: "broke a rule in ", ready: "stands before " }[task.state];
  return lastput.element("p", { class: "why" }, words, lastput.element("code", {}, task.statement));
};

lastput.parts.step = (task, { option, number }, take) => {
  const bad = option.wrong || (option.breaks && "breaks a rule: " + option.breaks);
  const button = lastput.element(
    "button",
    { type: "button", "data-key": "take-" + option.thread },
    number < 9 ? lastput.element("kbd", {}, String(number + 1)) : "",
    lastput.element("code", {}, task.statement),
    option.label ? lastput.element("span", { class: "soft" }, option.label) : "",
    bad ? lastput.element("span", { class: "breaks" }, "⚠ " + bad) : "",
  );
  button.addEventListener("click", () => take(option));
  return button;
};

// The path: a button for each step, and one for the start; `go` is called with a number of steps.
lastput.parts.way = (state, go) => {
  const start = lastput.parts.place(0, null, state, go, "the start");
  const steps = state.path.map((step, index) => lastput.parts.place(index + 1, step, state, go, step.statement));
  const ahead = state.ahead ? [lastput.element("li", { class: "ahead soft" }, state.ahead + " more ahead: →")] : [];
  return [start, ...steps, ...ahead];
};

lastput.parts.place = (number, step, state, go, text) => {
  const before = state.path[number - 2];
  const current = number === state.path.length;
  const button = lastput.element(
    "button",
    { type: "button", class: step ? lastput.taskClass(step.thread) : "", "data-key": "go-" + number },
    lastput.element("span", { class: "at" }, String(number)),
    step ? lastput.taskMark(step.thread) : lastput.element("span", {}),
    lastput.element(
      "span",
      { class: "what" },
      step ? lastput.element("span", { class: "hidden" }, state.tasks[step.thread].name + ": ") : "",
      lastput.element("code", {}, text),
      step && step.note ? lastput.element("span", { class: "note soft" }, step.note) : "",
    ),
  );
  button.addEventListener("click", () => go(number));
  const turn = step && before && before.thread !== step.thread;
  return lastput.element("li", { class: turn ? "switch" : "", "aria-current": current ? "step" : null }, button);
};

// What is broken here.
lastput.parts.broken = (state) => {
  const found = state.violations.map((violation) =>
    lastput.element(
      "div",
      { class: "headline" },
      violation.headline,
      lastput.element("p", {}, [violation.message, violation.where].filter(Boolean).join(" - ")),
    ),
  );
  const bound = state.bound ? [lastput.element("div", { class: "card" }, "A bound of the model, not a violation: " + state.bound)] : [];
  return [...found, ...bound];
};

// A view of memory as memory.js draws one. Without `all`, only objects that this path has to do with.
lastput.parts.memory = (memory, all) => {
  const used = new Set(memory.used);
  const pairs = (list) => list.map(([thing, cell]) => thing + "," + cell);
  return {
    contents: memory.contents,
    boxes: all ? null : used,
    freed: new Set(memory.freed),
    changed: new Map(memory.changed.map(([thing, cell, before]) => [thing + "," + cell, before])),
    touched: new Set(pairs(memory.touched)),
    allocated: new Set(memory.allocated),
    released: new Set(memory.released),
    shown: null,
    all,
  };
};

lastput.parts.said = (state) => {
  if (state.error) return state.error;
  if (state.searching) {
    const what = state.searching.expression === null ? "a violation" : state.searching.expression;
    return `Searching for ${what}: ${Math.round(state.searching.seconds)} s. Esc gives up.`;
  }
  const at = state.path.length === 1 ? "1 step" : state.path.length + " steps";
  const over = state.options.length || state.violations.length || state.bound ? "" : ", nothing more can be done: no rule is broken";
  return (state.said ? state.said + " - " : "") + at + " taken" + over;
};
