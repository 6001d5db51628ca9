init { byte x = 1 x = 2 }
// error: 1:19: `x` where `;` should be
// instead: `;`
