c_code { int x; };
init { skip }
// error: 1:1: `c_code` is outside
// instead: the same in Promela
