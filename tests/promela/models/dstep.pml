/* d_step: one step, with loops, else and the first of several options. */
byte a[4], i, sum;

active [2] proctype worker() {
    byte mine;
    d_step {
        i < 4 -> mine = i;
        i++
    };
    d_step {
        a[mine] = 1;
        sum = 0;
        mine = 0;
        do
        :: mine < 4 -> sum = sum + a[mine]; mine++
        :: mine < 9 -> assert(mine == 4); break
        od;
        if
        :: sum > 100 -> sum = 0
        :: else
        fi
    };
    atomic { sum > 0 -> d_step { i = i + 1; a[0] = 2 }; sum = 0 }
}
