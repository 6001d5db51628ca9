/* Channels in variables, parameters and messages. */
chan first = [1] of { byte };
chan second = [1] of { byte };
chan names = [0] of { chan, bit };

proctype user(chan c; byte v) {
    chan other;
    c!v;
    names?other, 1;
    other?v;
    assert(v == 1 || v == 2);
    assert(other == first || other == second)
}

init {
    chan mine;
    atomic { run user(first, 1); run user(second, 2) };
    names!second, 1;
    mine = first;
    names!mine, 1
}
