init { skip unless skip }
// error: 1:13: `unless` is outside the part of Promela that is read
// instead: the escape as an option
