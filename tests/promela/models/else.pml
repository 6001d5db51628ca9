/* `else` only where no other option can be executed; nested options; options that are gotos. */
byte x, y;

active proctype chooser() {
    byte n;
again:
    if
    :: x < 3 -> x++
    :: x > 4 -> goto out
    :: else ->
        if
        :: y == 0 -> y = 1
        :: y == 1 && x == 3 -> x = 5
        :: else -> skip
        fi
    fi;
    n++;
    if
    :: n < 6 -> goto again
    :: else
    fi;
out:
    do
    :: if
       :: y > 0 -> y--
       :: x > 0 -> x--
       fi
    :: else -> break
    od
}
