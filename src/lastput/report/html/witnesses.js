// Opens the witness that the page's address names, in place of the tables, and goes back to them.

lastput.unpack = async (packed) => {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
};

lastput.tables = {
  all: lastput.data().witnesses,
  title: document.title,
  tables: document.getElementById("tables"),
  place: document.getElementById("witness"),
  from: null, // the link that the reader came by, to go back to

  async route() {
    const name = decodeURIComponent(location.hash.slice(1));
    if (Object.hasOwn(this.all, name)) await this.open(name);
    else this.close();
  },

  async open(name) {
    const { title, command, packed } = this.all[name];
    const heading = lastput.element("h2", { id: "witness-title", tabindex: "-1" }, title);
    const view = lastput.element("div", { class: "view", "aria-busy": "true" });
    this.place.replaceChildren(this.ways(name), heading, this.shell(command), view);
    this.tables.hidden = true;
    this.place.hidden = false;
    document.title = title + " - " + this.title;
    window.scrollTo(0, 0);
    heading.focus();
    try {
      this.draw(view, await lastput.unpack(packed));
    } catch (error) {
      view.append(lastput.element("p", { role: "alert" }, "This browser cannot show it (" + error.message + "): the command above does."));
    }
    view.removeAttribute("aria-busy");
  },

  draw(view, value) {
    view.append(lastput.element("pre", { class: "card" }, value.report));
  },

  close() {
    if (this.place.hidden) return;
    this.place.hidden = true;
    this.place.replaceChildren();
    this.tables.hidden = false;
    document.title = this.title;
    if (this.from) this.from.focus();
  },

  ways(name) {
    const names = Object.keys(this.all);
    const at = names.indexOf(name);
    return lastput.element(
      "nav",
      { class: "ways screen", "aria-label": "Witnesses" },
      lastput.element("a", { href: "#tables" }, "← All results"),
      lastput.element("span", { class: "soft" }, "Witness " + (at + 1) + " of " + names.length),
      this.way(names[at - 1], "Previous"),
      this.way(names[at + 1], "Next"),
    );
  },

  way(name, word) {
    return name === undefined ? "" : lastput.element("a", { href: "#" + name, title: this.all[name].title }, word);
  },

  shell(command) {
    return lastput.element("p", { class: "shell" }, lastput.element("code", {}, command));
  },
};

lastput.tables.tables.addEventListener("click", (event) => {
  const link = event.target.closest("a.witness");
  if (link) lastput.tables.from = link;
});
window.addEventListener("hashchange", () => lastput.tables.route());
lastput.tables.route();
