/* The numbers of a replay's operations, and of why a record is refused; `irqframe/bits/_records.py` has the table. */
#ifndef IRQFRAME_BITS_RECORDS_H
#define IRQFRAME_BITS_RECORDS_H

#include "bits.h"

enum operation {
    OP_PEND, OP_ACKNOWLEDGE, OP_UNMASK, OP_MASK, OP_SET, OP_CLEAR, OP_TEST, OP_FIRST, OP_SET_PRIORITY, OPERATIONS
};

enum refusal {
    APPLIED, NO_RECORD, NO_OPERATION, NO_VCPU, NO_ROOM, NO_INTID, NO_BITS, NO_PRIORITIES, NO_MEMORY
};

enum { RECORD = 8, RESULT = 4 };

typedef struct {
    unsigned op, value, vcpu;
    size_t intid;
} Record;

/* What an operation leaves is its result, at least -1, or this. */
static inline int32_t refused_as(enum refusal refusal)
{
    return -2 - (int32_t)refusal;
}

static inline Record decode(const uint8_t *from)
{
    return (Record){from[0], from[1], (unsigned)(from[2] | from[3] << 8),
                    from[4] | (size_t)from[5] << 8 | (size_t)from[6] << 16 | (size_t)from[7] << 24};
}

#endif
