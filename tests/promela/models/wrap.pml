/* Values are cut to the width of what they are stored in: byte, short, bit, unsigned, fields of messages. */
byte b = 250;
short s = 32765;
bit flip;
unsigned u : 3 = 6;
bit bits[2];
int wide = 2147483646;
chan q = [2] of { byte, short, bit };

active proctype counter() {
    byte seen;
    short back;
    bit one;
    do
    :: b != 3 -> b = b + 1
    :: b == 3 -> break
    od;
    s = s + 3;
    assert(s == -32768);
    u = u + 3;
    assert(u == 1);
    flip = 3;
    assert(flip == 1);
    bits[1] = 2;        /* an array of bits is one of bytes */
    assert(bits[1] == 2);
    wide = wide + 3;
    assert(wide < 0);
    q!300, 70000, 2;
    q?seen, back, one;
    assert(seen == 44 && back == 4464 && one == 0);
    b = -b - 1;
    assert(b == 252)
}
