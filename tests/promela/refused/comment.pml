init { skip } /* no end
// error: 1:15: this comment has no end
// instead: Promela
