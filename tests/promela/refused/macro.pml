#define twice(x) ((x) * 2)
init { assert(twice(1, 2) == 2) }
// error: 2:15: twice takes 1 arguments, not 2
// instead: twice(x)
