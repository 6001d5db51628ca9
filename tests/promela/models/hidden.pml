/* A global that is never read is no part of a state; a local one is. */
byte unread, unread_array[3];
byte shown;

active [2] proctype p() {
    byte local_unread;
    unread = unread_array[0] * 0 + _pid;
    unread_array[1] = _pid;
    shown = 1 - shown;
    local_unread = _pid
}
