"use strict";
// Leaves of long tables only the rows that have all the words that are typed.

lastput.filter = (input, rows, told) => {
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  rows.forEach((row, number) => {
    row.hidden = !words.every((word) => texts[number].includes(word));
    shown += row.hidden ? 0 : 1;
  });
  told.textContent = words.length ? shown + " of " + rows.length : "";
};

for (const form of document.querySelectorAll("#tables [data-filter]")) {
  const rows = [...form.nextElementSibling.querySelectorAll("tbody > tr")];
  const input = form.querySelector("input");
  form.hidden = false;
  input.addEventListener("input", () => lastput.filter(input, rows, form.querySelector("[role=status]")));
}
