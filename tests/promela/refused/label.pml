init { goto there }
// error: 1:8: no label there in init
// instead: a label of this process
