/* One step of each kind that breaks a rule, and guards that break one where nobody must look. */
byte a[3], i, zero;
chan known = [1] of { byte };

active proctype index() {
    do
    :: i < 5 -> i++
    :: i < 3 && a[i] == 0 -> a[i] = 1
    :: a[i] == 1 -> a[i + 1] = 2; break
    od
}

active proctype division() {
    if
    :: zero != 0 && 1 / zero == 1 -> skip
    :: 5 / i > 1 -> skip
    :: (zero == 0 -> 0 : 7 % zero) == 0 -> zero = 1 << (i * 20)
    fi
}

active proctype others() {
    chan unknown;
    if
    :: unknown!1
    :: d_step { skip; i == 4; zero = 0 }
    :: assert(i != 2)
    fi
}
