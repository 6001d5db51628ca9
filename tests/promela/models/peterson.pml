/* Peterson's algorithm for two processes (G. L. Peterson, 1981). */
bool want[2];
byte turn, inside;

active [2] proctype user() {
    do
    :: want[_pid] = true;
       turn = 1 - _pid;
       !want[1 - _pid] || turn == _pid;
       inside++;
       assert(inside == 1);
       inside--;
       want[_pid] = false
    od
}
