"use strict";
// A walk: every action is asked of the server, which answers with what there is to see then.

lastput.explore = {
  fixed: lastput.data(),
  root: document.querySelector(".walk"),
  state: null,
  waiting: Promise.resolve(),
  timer: 0,
};

lastput.explore.part = (selector) => lastput.explore.root.querySelector(selector);

// One action after the other, in the order in which they were asked for.
lastput.explore.act = (action) => {
  lastput.explore.waiting = lastput.explore.waiting.then(() => lastput.explore.ask(action)).catch(lastput.explore.lost);
  return lastput.explore.waiting;
};

lastput.explore.ask = async (action) => {
  const answer = await fetch("act", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(action),
  });
  if (!answer.ok) throw new Error(answer.statusText);
  const found = await answer.json();
  if (found.file !== undefined) lastput.explore.download(found.file);
  else lastput.explore.show(found);
};

lastput.explore.lost = () => {
  const now = lastput.explore.part(".now");
  now.classList.add("wrong");
  now.textContent = "lastput does not answer: has it ended? Nothing is lost if it was started with --save.";
};

lastput.explore.show = (state) => {
  const { part, act } = lastput.explore;
  const focus = document.activeElement && document.activeElement.dataset.key;
  lastput.explore.state = state;
  part(".tasks").replaceChildren(...lastput.parts.tasks(state, lastput.explore.take));
  part(".way").replaceChildren(...lastput.parts.way(state, (number) => act({ do: "goto", number })));
  part(".broken").replaceChildren(...lastput.parts.broken(state));
  part(".now").classList.toggle("wrong", Boolean(state.error));
  const said = lastput.parts.said(state);
  if (part(".now").textContent !== said) part(".now").textContent = said;
  lastput.explore.buttons();
  lastput.explore.draw();
  lastput.explore.refocus(focus);
  lastput.explore.scroll();
  window.clearTimeout(lastput.explore.timer);
  if (state.searching) lastput.explore.timer = window.setTimeout(() => act({ do: "look" }), 250);
};

lastput.explore.buttons = () => {
  const { path, ahead, options } = lastput.explore.state;
  const impossible = {
    start: !path.length,
    back: !path.length,
    on: !ahead,
    end: !ahead,
    free: !options.length,
    lock: !options.length,
    branch: !options.length,
    violation: !options.length,
  };
  lastput.explore.root.querySelectorAll("[data-do]").forEach((button) => {
    button.disabled = Boolean(impossible[button.dataset.do]);
  });
};

lastput.explore.draw = () => {
  const all = lastput.explore.part("[data-all]").checked;
  const view = lastput.parts.memory(lastput.explore.state.memory, all);
  const memory = lastput.explore.part(".memory");
  lastput.memory.draw(memory, lastput.explore.fixed.things, view);
  lastput.memory.reveal(memory, lastput.explore.part(".picture"));
};

// Buttons are made anew: who works with the keyboard stays at the same one, or at the first that there is.
lastput.explore.refocus = (key) => {
  if (!key) return;
  const same = lastput.explore.root.querySelector(`[data-key="${key}"]`);
  const other = lastput.explore.root.querySelector(key.startsWith("take") ? ".steps button" : "li[aria-current] button");
  const found = same || other || lastput.explore.part(".way li[aria-current] button");
  if (found) found.focus({ preventScroll: true });
};

lastput.explore.scroll = () => {
  const way = lastput.explore.part(".way");
  const current = way.querySelector("li[aria-current]");
  if (current) way.scrollTop = current.offsetTop - way.offsetTop - way.clientHeight / 2;
};

lastput.explore.take = (option) => lastput.explore.act({ do: "take", thread: option.thread, choice: option.choice });

lastput.explore.download = (text) => {
  const link = lastput.element("a", { download: lastput.explore.fixed.scenario.replace(/\W+/g, "-") + ".json" });
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};

lastput.explore.DO = {
  start: () => ({ do: "goto", number: 0 }),
  back: () => ({ do: "by", steps: -1 }),
  on: () => ({ do: "by", steps: 1 }),
  end: () => ({ do: "by", steps: lastput.explore.state.ahead }),
  violation: () => ({ do: "violation" }),
  free: () => ({ do: "moment", kinds: ["free"] }),
  lock: () => ({ do: "moment", kinds: ["lock"] }),
  branch: () => ({ do: "moment", kinds: ["branch"] }),
  any: () => ({ do: "moment", kinds: ["free", "lock", "branch"] }),
  save: () => ({ do: "save" }),
};

lastput.explore.KEYS = {
  ArrowLeft: "back", k: "back", Backspace: "back", ArrowRight: "on", j: "on", Home: "start", End: "end",
  v: "violation", f: "free", l: "lock", b: "branch", n: "any", s: "save",
};

lastput.explore.help = () => {
  const help = lastput.explore.part(".help");
  help.hidden = !help.hidden;
  lastput.explore.part("[data-help]").setAttribute("aria-expanded", String(!help.hidden));
};

lastput.explore.key = (event) => {
  if (!lastput.explore.state || event.ctrlKey || event.metaKey || event.altKey) return false;
  const input = lastput.explore.part("#expression");
  if (event.key === "Escape") {
    if (lastput.explore.state.searching) lastput.explore.act({ do: "cancel" });
    input.blur();
    return true;
  }
  if (event.target === input) return false;
  const name = lastput.explore.KEYS[event.key];
  const option = /^[1-9]$/.test(event.key) && lastput.explore.state.options[Number(event.key) - 1];
  if (option) lastput.explore.take(option);
  else if (name) lastput.explore.act(lastput.explore.DO[name]());
  else if (event.key === "e" || event.key === "/") input.focus();
  else if (event.key === "?") lastput.explore.help();
  else return false;
  return true;
};

lastput.explore.begin = () => {
  const { root, part, act, DO } = lastput.explore;
  root.querySelectorAll("[data-do]").forEach((button) => {
    button.addEventListener("click", () => act(DO[button.dataset.do]()));
  });
  part("[data-help]").addEventListener("click", lastput.explore.help);
  part("[data-all]").addEventListener("change", lastput.explore.draw);
  part("[data-find]").addEventListener("submit", (event) => {
    event.preventDefault();
    act({ do: "find", expression: part("#expression").value });
  });
  document.addEventListener("keydown", (event) => {
    if (lastput.explore.key(event)) event.preventDefault();
  });
  window.addEventListener("resize", () => lastput.explore.state && lastput.explore.draw());
  act({ do: "look" });
};

lastput.explore.begin();
