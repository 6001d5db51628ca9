byte a[2] = { 1, 2 };
init { a[0] = 1 }
// error: 1:13: lists of initial values are not read
// instead: assignments
