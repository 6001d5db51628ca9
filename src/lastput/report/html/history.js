"use strict";
// The states of memory of a replayed schedule: lastput.history.of(scene)[n] is a view after step n, 0 before any.

lastput.history = {};

lastput.history.of = (scene) => {
  const views = [lastput.history.view(scene.start, scene.start.map(() => false), {}, null)];
  for (const moment of scene.moments) views.push(lastput.history.after(scene, views[views.length - 1], moment));
  const states = views.map((view) => view.contents);
  const parents = lastput.memory.parents(scene.things, states);
  const shown = scene.moments.length ? lastput.history.shown(scene) : null;
  return views.map((view) => ({ ...view, parents, shown }));
};

lastput.history.after = (scene, last, moment) => {
  const contents = last.contents.slice();
  const gone = scene.things.map((_, thing) => last.freed.has(thing));
  for (const thing of moment.freed || []) {
    contents[thing] = null;
    gone[thing] = true;
  }
  for (const thing of moment.allocated || []) {
    contents[thing] = scene.things[thing].cells.map(() => "never written");
    gone[thing] = false;
  }
  const before = contents.slice();
  for (const [thing, cell, content] of moment.changes || []) {
    if (!contents[thing]) continue;
    if (contents[thing] === before[thing]) contents[thing] = contents[thing].slice();
    contents[thing][cell] = content;
  }
  return lastput.history.view(contents, gone, moment, before);
};

lastput.history.view = (contents, gone, moment, before) => {
  const fresh = new Set(moment.allocated || []);
  const changed = new Map();
  for (const [thing, cell] of moment.changes || []) {
    if (contents[thing]) changed.set(thing + "," + cell, fresh.has(thing) ? "" : lastput.memory.text(before[thing][cell]));
  }
  return {
    contents,
    freed: new Set(gone.flatMap((is, thing) => (is ? [thing] : []))),
    changed,
    touched: new Set((moment.touched || []).map(([thing, cell]) => thing + "," + cell)),
    allocated: fresh,
    released: new Set(moment.freed || []),
  };
};

// Cells that a step touches or changes, and pointers between the things: the others are left out at first.
lastput.history.shown = (scene) => {
  const shown = new Set();
  for (const moment of scene.moments) {
    for (const [thing, cell] of moment.touched || []) shown.add(thing + "," + cell);
    const fresh = new Set(moment.allocated || []);
    for (const [thing, cell, content] of moment.changes || []) {
      if (!fresh.has(thing) || Array.isArray(content)) shown.add(thing + "," + cell);
    }
  }
  scene.start.forEach((contents, thing) => {
    (contents || []).forEach((content, cell) => {
      if (Array.isArray(content)) shown.add(thing + "," + cell);
    });
  });
  return shown;
};
