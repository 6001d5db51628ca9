/* Four ways to remove an mmu notifier, by hand and for Spin: shares no line with lastput's own model.
 *
 * One notifier, one page. E is exit_mmap, U is mmu_notifier_unregister, A ages, I frees the page.
 * DESIGN is D0, D1, D2AI or D2B; PROPERTY is the one assertion that is compiled in (DEAD: none, Spin's
 * own search for invalid end states).
 */

#define D0 0
#define D1 1
#define D2AI 2
#define D2B 3
#define P_NULL 1
#define P_ONCE 2
#define P_STALE 3
#define P_DEAD 4
#define P_UAF 5

#define E_ID 0
#define U_ID 1
#define A_ID 2
#define I_ID 3

bool hashed = 1;      /* the notifier is on the list */
bool root = 1;        /* the secondary table is there */
bool entry = 1;       /* ... and maps the page */
bool page = 1;        /* the page is allocated */
bool notifier = 1;    /* the notifier's memory is allocated */
byte calls;           /* of release */
bool mutex;           /* D2AI: in the notifier; D2B: in the address space */
bool user_lock;
bool inside[4];       /* SRCU readers */
byte left[4];         /* how often each has left; a grace period notices a change */

#define CHECK(p, e) if :: PROPERTY == p -> assert(e) :: else fi
#define LOCK(l) atomic { !l -> l = 1 }
#define UNLOCK(l) l = 0
#define ENTER(me) inside[me] = 1
#define LEAVE(me) d_step { inside[me] = 0; left[me]++ }
#define WAITED(i) (!was[i] || left[i] != then[i])

inline grace_period(me) {
    d_step {
        was[0] = inside[0]; was[1] = inside[1]; was[2] = inside[2]; was[3] = inside[3];
        then[0] = left[0]; then[1] = left[1]; then[2] = left[2]; then[3] = left[3];
    }
    WAITED(0) && WAITED(1) && WAITED(2) && WAITED(3);
    d_step { was[0] = 0; was[1] = 0; was[2] = 0; was[3] = 0; then[0] = 0; then[1] = 0; then[2] = 0; then[3] = 0 }
}

inline release() {
    CHECK(P_UAF, notifier);
    d_step { CHECK(P_ONCE, calls == 0); calls++ };
    LOCK(user_lock);
    entry = 0;
    root = 0;
    UNLOCK(user_lock)
}

inline unhash(won) {
    d_step { won = hashed; hashed = 0; if :: won -> CHECK(P_UAF, notifier) :: else fi }
}

active proctype E() {
    bool won, was[4];
    byte then[4];
    if
    :: DESIGN == D0 ->
        ENTER(E_ID);
        if :: hashed -> release() :: !hashed fi;
        hashed = 0;
        LEAVE(E_ID);
        grace_period(E_ID)
    :: DESIGN == D1 ->
        ENTER(E_ID);
        unhash(won);
        if :: won -> release() :: else fi;
        LEAVE(E_ID);
        grace_period(E_ID)
    :: DESIGN == D2AI ->
        ENTER(E_ID);
        if
        :: hashed ->
            LOCK(mutex);
            LEAVE(E_ID);
            unhash(won);
            if :: won -> grace_period(E_ID); release() :: else fi;
            UNLOCK(mutex)
        :: !hashed -> LEAVE(E_ID)
        fi
    :: DESIGN == D2B ->
        LOCK(mutex);
        unhash(won);
        if :: won -> grace_period(E_ID); release() :: else fi;
        UNLOCK(mutex)
    fi;
    atomic { if :: page -> page = 0; CHECK(P_STALE, !entry) :: else fi }
}

active proctype U() {
    bool won, was[4];
    byte then[4];
    if
    :: DESIGN == D0 ->
        if
        :: hashed ->
            ENTER(U_ID);
            release();
            LEAVE(U_ID);
            hashed = 0
        :: !hashed
        fi;
        grace_period(U_ID)
    :: DESIGN == D1 ->
        ENTER(U_ID);
        unhash(won);
        if :: won -> release() :: else fi;
        LEAVE(U_ID);
        grace_period(U_ID)
    :: DESIGN == D2AI || DESIGN == D2B ->
        LOCK(mutex);
        unhash(won);
        if :: won -> grace_period(U_ID); release() :: else fi;
        UNLOCK(mutex)
    fi;
    notifier = 0
}

active proctype A() {
    ENTER(A_ID);
    if
    :: hashed ->
        CHECK(P_UAF, notifier);
        LOCK(user_lock);
        CHECK(P_NULL, root);
        UNLOCK(user_lock)
    :: !hashed
    fi;
    LEAVE(A_ID)
}

active proctype I() {
    ENTER(I_ID);
    if
    :: hashed ->
        CHECK(P_UAF, notifier);
        LOCK(user_lock);
        entry = 0;
        UNLOCK(user_lock)
    :: !hashed
    fi;
    LEAVE(I_ID);
    atomic { if :: page -> page = 0; CHECK(P_STALE, !entry) :: else fi }
}
