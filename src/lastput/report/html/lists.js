"use strict";
// Finds linked lists in a state of memory: a pointer to a node, whose `next` points to the next node, and so on.

lastput.lists = {};

lastput.lists.IS_NEXT = /(^|[._])next$/;
lastput.lists.IS_BACK = /(^|[._])p?prev$/;
lastput.lists.LONGEST = 12;

// The list that begins at a cell: {nodes: [{thing, cell}], ring, end}; null if it begins none.
lastput.lists.chain = (things, view, thing, cell) => {
  const path = things[thing].cells[cell][0];
  if (lastput.lists.IS_BACK.test(path)) return null;
  const inside = lastput.lists.IS_NEXT.test(path);
  if (inside && !lastput.lists.isHead(things, view, thing, cell)) return null;
  const nodes = [];
  const seen = new Set([thing + "," + cell]);
  let content = view.contents[thing][cell];
  while (Array.isArray(content) && nodes.length < lastput.lists.LONGEST) {
    const next = lastput.lists.next(things, content[1], content[2]);
    if (next === null) return null;
    const key = content[1] + "," + next;
    if (seen.has(key)) return { nodes, ring: key === thing + "," + cell, end: "…" };
    seen.add(key);
    nodes.push({ thing: content[1], cell: next });
    if (!view.contents[content[1]]) return { nodes, ring: false, end: "?" };
    content = view.contents[content[1]][next];
  }
  return { nodes, ring: false, end: Array.isArray(content) ? "…" : content };
};

// The cell that holds the successor of a node at (thing, cell): that very cell, or the struct's own `next`.
lastput.lists.next = (things, thing, cell) => {
  const cells = things[thing].cells;
  if (lastput.lists.IS_NEXT.test(cells[cell][0])) return cell;
  if (cell !== 0) return null;
  const own = cells.findIndex(([path]) => lastput.lists.IS_NEXT.test(path) && !path.includes("."));
  return own < 0 ? null : own;
};

// In a ring of next pointers the head is the one that is unlike the others; of two, the one that is in no pool.
lastput.lists.isHead = (things, view, thing, cell) => {
  const like = (other, at) => things[other].struct + "." + things[other].cells[at][0];
  const seen = [like(thing, cell)];
  const members = [];
  let content = view.contents[thing][cell];
  for (let turns = 0; turns < lastput.lists.LONGEST && Array.isArray(content); turns += 1) {
    if (content[1] === thing && content[2] === cell) {
      return seen.length === 1 || (lastput.lists.isOdd(seen) && lastput.lists.isFirst(things, thing, members));
    }
    if (!lastput.lists.IS_NEXT.test(things[content[1]].cells[content[2]][0])) return false;
    seen.push(like(content[1], content[2]));
    members.push(content[1]);
    if (!view.contents[content[1]]) return false;
    content = view.contents[content[1]][content[2]];
  }
  return false;
};

lastput.lists.isOdd = ([first, ...others]) => !others.includes(first) && new Set(others).size === 1;

lastput.lists.isFirst = (things, thing, [other, ...more]) => {
  if (more.length) return true;
  const [mine, its] = [thing, other].map((number) => things[number].name.includes("#"));
  return mine === its ? thing < other : its;
};
