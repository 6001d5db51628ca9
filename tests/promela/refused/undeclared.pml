init { x = 1 }
// error: 1:8: no variable is called x
// instead: a name that is declared before
