proctype p(byte a) { a = 1 }
init { run p() }
// error: 2:8: p takes 1 arguments, not 0
// instead: p(a)
