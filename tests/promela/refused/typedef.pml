typedef pair { byte a, b };
// error: 1:1: `typedef` is outside the part of Promela that is read
// instead: one variable or array for each field
