proctype p() { skip }
init { (run p()) + 1 }
// error: 2:8: `run` inside an expression
// instead: run NAME
