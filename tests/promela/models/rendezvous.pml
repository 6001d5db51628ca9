/* Rendezvous: with constants to match, several receivers, in atomic blocks on either side. */
mtype = { ask, answer, stop };
chan ask_for = [0] of { mtype, byte };
chan back = [0] of { mtype, byte };
byte sum, served;

active [2] proctype client() {
    byte got;
    ask_for!ask, _pid + 1;
    back?answer, got;
    atomic {
        sum = sum + got;
        ask_for!stop, _pid;
        served++
    }
}

active proctype server() {
    byte who, left = 2;
    do
    :: ask_for?ask, who -> back!answer, who * 2
    :: atomic { ask_for?stop, who -> left--; sum = sum ^ who }
    :: left == 0 -> break
    od
}

active proctype snoop() {
    byte who;
end:
    do
    :: ask_for?eval(stop), who
    od
}
