/* Atomic blocks: nested, with choices, blocked in the middle, left by a goto and by a break. */
byte a, b, turns;

active proctype one() {
    atomic {
        a = 1;
        b == 1;
        a = 2
    };
    do
    :: atomic { turns < 2 -> turns++; { a = a + 1; b = b + 1 } }
    :: atomic { turns >= 2 -> break }
    od;
    atomic {
        if
        :: a = 7
        :: a = 8; if :: b = 3 :: b = 4 fi
        fi
    };
    a = 9
}

active proctype two() {
    atomic { skip; b = 1; goto inside };
    a = 99;
    atomic {
        a = 5;
inside: a > 0;
        b = b + 2
    }
}
