init { int i; for (i : 1 .. 3) { skip } }
// error: 1:15: `for` is outside
// instead: do ::
