"use strict";
// Steps through a violation: one number, the step just taken, and all that shows it.

lastput.steppers = [];

lastput.Stepper = class {
  constructor(root, violation) {
    this.root = root;
    this.violation = violation;
    this.last = violation.steps.length;
    this.views = violation.scene ? lastput.history.of(violation.scene) : null;
    this.rows = [...root.querySelectorAll("table.lanes tbody tr[id]")];
    this.slider = root.querySelector("input[type=range]");
    this.slider.max = this.last;
    this.ended = new AbortController();
    this.all = root.querySelector("[data-all]");
    root.querySelectorAll(".controls, .panel").forEach((part) => part.removeAttribute("hidden"));
    root.querySelector(".stage").classList.add("stepping");
    this.listen();
    this.go(this.asked());
  }

  // The step that the address names, else the last one: the violation.
  asked() {
    return this.isAsked() ? this.rows.findIndex((row) => "#" + row.id === window.location.hash) : this.last;
  }

  isAsked() {
    return this.rows.some((row) => "#" + row.id === window.location.hash);
  }

  listen() {
    const moves = { first: () => 0, back: () => this.number - 1, next: () => this.number + 1, last: () => this.last };
    this.root.querySelectorAll("[data-go]").forEach((button) => {
      button.addEventListener("click", () => this.go(moves[button.dataset.go]()));
    });
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.all.addEventListener("change", () => this.draw());
    this.rows.forEach((row, number) => {
      row.addEventListener("click", (event) => {
        const link = event.target.closest("a");
        if (link) {
          event.preventDefault();
          window.history.replaceState(null, "", link.hash);
        }
        this.go(number, { follow: false });
      });
    });
    this.root.querySelector("[data-help]").addEventListener("click", () => this.help());
    const until = { signal: this.ended.signal };
    window.addEventListener("resize", () => this.arrows(), until);
    window.addEventListener("hashchange", () => this.isAsked() && this.go(this.asked()), until);
  }

  help() {
    const help = this.root.querySelector(".help");
    help.hidden = !help.hidden;
    this.root.querySelector("[data-help]").setAttribute("aria-expanded", String(!help.hidden));
  }

  go(number, { follow = true } = {}) {
    this.number = Math.max(0, Math.min(this.last, number));
    this.slider.value = this.number;
    this.slider.setAttribute("aria-valuetext", this.said());
    this.rows.forEach((row, at) => {
      row.classList.toggle("current", at === this.number);
      row.classList.toggle("later", at > this.number);
      if (at === this.number) row.setAttribute("aria-current", "step");
      else row.removeAttribute("aria-current");
    });
    if (follow) this.follow();
    this.draw();
  }

  // The next step, from here on or back, of another task than the one that ran.
  other(direction) {
    const { steps } = this.violation;
    const from = Math.max(1, this.number);
    let at = from + direction;
    while (at > 1 && at < this.last && steps[at - 1].thread === steps[from - 1].thread) at += direction;
    this.go(at);
  }

  said() {
    const step = this.violation.steps[this.number - 1];
    if (!step) return "Before any step";
    const noted = step.note ? ": " + step.note : "";
    return `Step ${this.number} of ${this.last}, ${this.violation.tasks[step.thread].name}: ${step.statement}${noted}`;
  }

  // Have the lanes on the screen. Not for who uses the mouse: it would then point at something else.
  show() {
    const room = this.root.querySelector(".scroll").getBoundingClientRect();
    if (this.scrolls() && (room.bottom > window.innerHeight || room.top < 0)) this.root.scrollIntoView();
  }

  // Whether somebody works with it, or has the lanes before them.
  isInFront() {
    const lanes = this.root.querySelector(".scroll").getBoundingClientRect();
    const whole = lanes.top >= 0 && lanes.bottom <= window.innerHeight;
    return whole || this.root.contains(document.activeElement);
  }

  // Whether the lanes scroll by themselves.
  scrolls() {
    return window.getComputedStyle(this.root.querySelector(".scroll")).overflowY !== "visible";
  }

  // Have the row in sight, where the lanes scroll by themselves.
  follow() {
    const scroller = this.root.querySelector(".scroll");
    if (!this.scrolls()) return;
    const row = this.rows[this.number].getBoundingClientRect();
    const room = scroller.getBoundingClientRect();
    const top = room.top + this.root.querySelector("thead").getBoundingClientRect().height;
    if (row.top < top || row.bottom > room.bottom) scroller.scrollTop += (row.top + row.bottom - top - room.bottom) / 2;
  }

  draw() {
    const step = this.violation.steps[this.number - 1];
    const now = this.root.querySelector(".now");
    now.replaceChildren(...(step ? [lastput.taskMark(step.thread), " "] : []), this.said());
    if (this.number === this.last) now.append(lastput.element("b", { class: "broken" }, " " + this.violation.oops.headline));
    const sources = this.root.querySelector(".sources");
    lastput.source.draw(sources, this.violation, this.number);
    lastput.reveal(sources.querySelector(".where.active"), sources.parentElement);
    if (this.views) this.picture();
  }

  picture() {
    const view = { ...this.views[this.number], all: this.all.checked };
    const memory = this.root.querySelector(".memory");
    lastput.memory.draw(memory, this.violation.scene.things, view);
    lastput.memory.reveal(memory, this.root.querySelector(".state"));
  }

  arrows() {
    if (this.views) lastput.arrows.draw(this.root.querySelector(".memory"), this.violation.scene.things, this.views[this.number]);
  }
};

// Bring a section of violation.py to life; `violation` is its data.
lastput.mount = (root, violation) => {
  lastput.steppers.push(new lastput.Stepper(root, violation));
};

// End those that are to leave the page.
lastput.unmount = () => {
  lastput.steppers.splice(0).forEach((stepper) => stepper.ended.abort());
};

for (const root of document.querySelectorAll("[data-violation]")) {
  lastput.mount(root, lastput.data().violations[root.dataset.violation]);
}
