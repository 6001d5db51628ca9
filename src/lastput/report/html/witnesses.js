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
  name: null, // the witness that is open
  from: null, // the link that the reader came by, to go back to

  // The name of a witness, or of one of its steps.
  async route() {
    const asked = location.hash.slice(1);
    const name = Object.hasOwn(this.all, asked) ? asked : asked.replace(/-s\d+$/, "");
    if (name === this.name) return;
    if (Object.hasOwn(this.all, name)) await this.open(name);
    else this.close();
  },

  async open(name) {
    const { title, command, packed } = this.all[name];
    this.name = name;
    lastput.unmount();
    const heading = lastput.element("h2", { id: "witness-title", tabindex: "-1" }, title);
    const view = lastput.element("div", { class: "view", "aria-busy": "true" });
    this.place.replaceChildren(this.ways(name), heading, this.shell(command), view);
    this.tables.hidden = true;
    this.place.hidden = false;
    document.title = title + " - " + this.title;
    window.scrollTo(0, 0);
    heading.focus();
    try {
      const value = await lastput.unpack(packed);
      if (view.isConnected) this.draw(view, value);
    } catch (error) {
      view.append(lastput.element("p", { role: "alert" }, "This browser cannot show it (" + error.message + "): the command above does."));
    }
    view.removeAttribute("aria-busy");
  },

  // The markup was made and escaped by lastput; as in the rest of the page, none of its text is markup.
  draw(view, { markup, violation }) {
    const made = new DOMParser().parseFromString(markup, "text/html");
    view.append(...made.body.childNodes);
    const root = view.querySelector("[data-violation]");
    if (root) lastput.mount(root, violation);
  },

  close() {
    if (this.name === null) return;
    this.name = null;
    lastput.unmount();
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
