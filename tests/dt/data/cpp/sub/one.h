#define ONE 1
one
