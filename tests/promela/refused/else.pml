init { if :: skip; else :: skip fi }
// error: 1:20: else is not the guard of an option
// instead: :: else
