init {
    chan c = [1] of { byte };
    c!1
}
// error: 2:14: a channel of a process is outside
// instead: a global channel
