/* run, parameters, numbers; a process can only end when it is the last one. */
byte n, order;
bit done[4];

proctype child(byte me; bool spawn) {
    byte kid;
    n++;
    if
    :: spawn -> kid = run child(me + 1, 0); assert(kid > _pid)
    :: else -> skip
    fi;
    done[me] = 1;
    order = order * 2 + me
}

init {
    pid p;
    int i = 0;
    p = run child(0, 1);
    do
    :: i < 2 -> run child(2, false); i++
    :: else -> break
    od;
    (_nr_pr == 1);
    assert(n == 4 && done[1])
}
