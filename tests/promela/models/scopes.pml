/* Macros, inlines, scopes; a declaration in the middle of a body is a step. */
#define LIMIT 2
#define max(a, b) ((a) > (b) -> (a) : (b))
#ifdef NOWHERE
this is not read
#elif LIMIT > 1 && !defined(NOWHERE)
byte total;
#else
neither is this
#endif

inline add(x, y) {
    byte held;
    held = x;
    x = max(held, y) + 1
}

active [LIMIT] proctype p() {
    byte t = 3;
    { byte here; here = 1; total = total + here };
    { byte here; total = total + here };
    add(total, t);
    byte late = 2;
    skip;
    printf("%d\n", late);
    total = (late << 2) % 5 + total / 2
}
