/* Channels that hold messages: full and empty ones, polls, random receives, sorted sends, probes, arrays. */
chan fifo = [3] of { byte, bit };
chan pair[2] = [2] of { byte };
byte last, got;

active proctype writer() {
    byte n = 1;
    do
    :: n < 4 && nfull(fifo) -> fifo!n, n & 1; n++
    :: n == 4 -> break
    od;
    atomic { pair[0]!7; pair[0]!5 };
    pair[1]!!9;
    pair[1]!!4
}

active proctype reader() {
    byte v;
    bit odd;
    do
    :: fifo?[2, odd] -> fifo?v, odd; last = v
    :: fifo?<v, 1> -> fifo?v, odd; last = v + 10
    :: len(fifo) == 3 -> fifo??3, odd; last = 33
    :: full(pair[1]) && empty(fifo) -> break
    od;
    pair[1]?v;
    assert(v == 4);
    pair[0]??5;
    pair[0]?got;
    assert(got == 7 && empty(pair[0]) && nempty(pair[1]))
}
