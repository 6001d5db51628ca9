proctype p() { skip }
// error: 1:21: no process is active
// instead: init
