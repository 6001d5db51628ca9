active proctype p() priority 3 { skip }
// error: 1:21: `priority` is outside
// instead: the model without
