"use strict";
// The keyboard: steps, where the controls of a violation can be seen.

lastput.keys = {
  ArrowRight: (stepper) => stepper.go(stepper.number + 1),
  ArrowDown: (stepper) => stepper.go(stepper.number + 1),
  j: (stepper) => stepper.go(stepper.number + 1),
  ArrowLeft: (stepper) => stepper.go(stepper.number - 1),
  ArrowUp: (stepper) => stepper.go(stepper.number - 1),
  k: (stepper) => stepper.go(stepper.number - 1),
  Home: (stepper) => stepper.go(0),
  End: (stepper) => stepper.go(stepper.last),
  n: (stepper) => stepper.other(1),
  p: (stepper) => stepper.other(-1),
  "?": (stepper) => stepper.help(),
};

// What scrolls the page, as long as the lanes are not all there is on the screen.
lastput.SCROLLING = new Set(["ArrowDown", "ArrowUp", "Home", "End"]);

// The stepper that the user looks at: the one with the focus, else the first whose controls are on the screen.
lastput.looked = () => {
  const focused = lastput.steppers.find((stepper) => stepper.root.contains(document.activeElement));
  return focused || lastput.steppers.find((stepper) => lastput.isVisible(stepper.root.querySelector(".controls")));
};

lastput.isVisible = (element) => {
  const box = element.getBoundingClientRect();
  return box.height > 0 && box.bottom > 0 && box.top < window.innerHeight;
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("select, textarea, input:not([type=range], [type=checkbox])");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const action = lastput.keys[event.key];
  const stepper = action && lastput.looked();
  if (!stepper || (lastput.SCROLLING.has(event.key) && !stepper.isInFront())) return;
  event.preventDefault();
  action(stepper);
  stepper.show();
});
