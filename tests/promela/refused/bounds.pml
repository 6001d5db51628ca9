byte a[3];
init { a[3] = 1 }
// error: 2:8: a has 3 elements
// instead: an index below that
