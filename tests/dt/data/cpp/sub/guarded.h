#ifndef GUARDED
#define GUARDED 1
#include "one.h"
#endif
