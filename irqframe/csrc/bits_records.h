/* The numbers of a replay's operations, and of why a record is refused; `irqframe/bits/_records.py` has the table. */
#ifndef IRQFRAME_BITS_RECORDS_H
#define IRQFRAME_BITS_RECORDS_H

enum operation {
    OP_PEND, OP_ACKNOWLEDGE, OP_UNMASK, OP_MASK, OP_SET, OP_CLEAR, OP_TEST, OP_FIRST, OP_SET_PRIORITY, OPERATIONS
};

enum refusal {
    APPLIED, NO_RECORD, NO_OPERATION, NO_VCPU, NO_ROOM, NO_INTID, NO_BITS, NO_PRIORITIES, NO_MEMORY
};

#endif
