init {
    skip;
here: goto here
}
// error: 3:7: this goto comes back to itself
// instead: a statement between
