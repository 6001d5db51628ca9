inline f(a) { f(a) }
byte x;
active proctype P() { f(x) }
// error: 1:15: inlines call each other without end
// instead: a loop
