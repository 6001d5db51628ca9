byte x;
init { x = 1 }
never { do :: x == 0 od }
// error: 3:1: `never` is outside
// instead: an assertion
