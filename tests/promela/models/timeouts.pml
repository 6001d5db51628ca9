/* timeout: only when no process can do anything else. */
byte tries, lost;
chan line = [1] of { byte };

active proctype sender() {
    do
    :: tries < 3 -> line!tries; tries++
    :: timeout -> lost++; if :: lost > 2 -> break :: else -> tries = 0 fi
    od
}

active proctype receiver() {
    byte v;
end:
    do
    :: atomic { line?v; v != 1 -> v = 0 }
    od
}
