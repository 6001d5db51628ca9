chan c = [1] of { byte, bit };
init { c!1 }
// error: 2:8: c has 2 fields, not 1
// instead: as many values as fields
