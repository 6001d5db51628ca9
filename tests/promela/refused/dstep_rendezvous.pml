chan c = [0] of { byte };
init { d_step { skip; c!1 } }
// error: 2:23: a rendezvous in a d_step
// instead: atomic
