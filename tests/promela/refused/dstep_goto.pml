init {
    d_step { skip; goto out };
out: skip
}
// error: 2:20: a goto out of a d_step
// instead: the goto after the d_step
