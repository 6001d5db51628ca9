/* Small models of progress, each with what should happen as `ltl goal`; MODEL says which.
 *
 * They are those of tests/lasso/models.py and examples/ticket_lock.py, written again by hand. The step that ends
 * a process says so in the same step, for there is no other way to ask whether it has ended.
 */

bool a, b, first, second;
byte turn, ticket;

#if MODEL == 1 /* spinning */
active proctype spin_until_a() { do :: d_step { a -> first = true }; break :: else od }
active proctype set_a() { d_step { a = true; second = true } }
ltl goal { <> first && <> second }

#elif MODEL == 2 /* flickering */
active proctype wait_for_a() { d_step { a -> first = true } }
active proctype flicker() { bool seen; do :: seen = a; a = !seen od }
ltl goal { <> first }

#elif MODEL == 3 /* tossing */
active proctype toss() {
    do
    :: !b -> if :: b = true :: skip fi
    :: d_step { b -> first = true }; break
    od
}
ltl goal { <> first }

#elif MODEL == 4 /* two_polite */
active proctype one() {
    do
    :: a = true; if :: d_step { !b -> first = true }; break :: else fi; a = false
    od
}
active proctype two() {
    do
    :: b = true; if :: d_step { !a -> second = true }; break :: else fi; b = false
    od
}
ltl goal { <> first && <> second }

#elif MODEL == 5 /* answered */
active proctype spin_until_b() { do :: b -> break :: else od }
active proctype ask() { a = true }
active proctype answer() { a; b = true }
ltl goal { [] (a -> <> b) }

#elif MODEL == 6 /* ends_unanswered */
active proctype ask() { a = true }
ltl goal { [] (a -> <> b) }

#elif MODEL == 7 /* sooner_or_later */
active proctype set_b() { b = true }
active proctype flicker() { bool seen; do :: seen = a; a = !seen od }
ltl goal { <> b }

#elif MODEL == 8 /* ticket_lock, broken */
active proctype once() { d_step { !a -> a = true }; d_step { a = false; first = true } }
active proctype again() { do :: d_step { !a -> a = true }; a = false od }
ltl goal { <> first }

#elif MODEL == 9 /* ticket_lock, fixed */
active proctype once() {
    byte mine;
    d_step { mine = ticket; ticket = (ticket + 1) % 4 };
    turn == mine;
    d_step { turn = (turn + 1) % 4; first = true }
}
active proctype again() {
    byte mine;
    do
    :: d_step { mine = ticket; ticket = (ticket + 1) % 4 }; turn == mine; turn = (turn + 1) % 4
    od
}
ltl goal { <> first }
#endif
