/* What one CPU of a GIC is signalled, compiled: `irqframe/bits/_preemption.py` has the rules and is the reference.

   The functions here need no GIL; the thread that runs the CPU calls them, and no other. */
#ifndef IRQFRAME_BITS_PREEMPTION_H
#define IRQFRAME_BITS_PREEMPTION_H

#include "bits_bank.h"

enum { PREEMPTION_IDLE = 256, PRIORITY_LEVELS = 256, MOST_SOURCES = 32 };

/* Instead of an INTID. */
enum { TAKE_NOTHING = -1, TAKE_REFUSED = -2, TAKE_LEFT = -3 };

/* What became of a whole access that may be left to the caller. */
enum { ACCESS_NO_MEMORY = -1, ACCESS_LEFT, ACCESS_DONE };

/* Levels of `preemption_lines`. */
enum { PREEMPTION_IRQ = 1, PREEMPTION_FIQ = 2 };

/* A bank as this CPU sees it: bitmaps of its interrupts. */
typedef struct {
    Bank *bank;              /* NULL: there is none */
    uint32_t reached, alone; /* as they were placed */
    uint32_t waiting;        /* deliverable here, as they were placed */
    uint64_t *acknowledged;  /* of each, how often */
} Row;

/* The interrupts of one priority that wait: a bit each, and a bit for each word of those that is not 0. */
typedef struct {
    uint64_t *rows;
    uint32_t *waiting;
} Level;

typedef struct {
    PyObject_HEAD
    unsigned pmr, groups, passed, takes;
    char held, split, fiq_group0, irq, fiq;
    int running, best;
    unsigned masks[2];
    unsigned shift;
    uint64_t active[2][2]; /* per group, two words; the lower one first */
    int offered;
    uint32_t offered_intid;
    uint32_t intids, banks;
    Row *rows;
    uint8_t *priority;     /* of each INTID, as it was placed */
    uint64_t used[PRIORITY_LEVELS / 64];
    Level levels[PRIORITY_LEVELS];
    Account *account;
    uint8_t *sources;      /* the contents of the next */
    uint32_t sources_count;
    PyObject *sources_bytes;
    Py_buffer sources_view;
    PyObject *others;      /* how often each INTID without a bank was acknowledged */
} Preemption;

/* bits_preemption.c */
bool preemption_reserve(Preemption *cpu, unsigned priority);
bool preemption_place(Preemption *cpu, Row *row, unsigned n, bool reached, bool alone);
int preemption_first_priority(const Preemption *cpu);
int64_t preemption_first(const Preemption *cpu);
unsigned preemption_group(const Preemption *cpu, uint64_t intid);
void preemption_update(Preemption *cpu);
void preemption_run(Preemption *cpu, unsigned priority, unsigned group);
void preemption_drop(Preemption *cpu, unsigned group);
void preemption_recompute(Preemption *cpu);
int64_t preemption_take(Preemption *cpu, unsigned groups);
int preemption_end(Preemption *cpu, uint64_t intid, unsigned groups);
int preemption_finish(Preemption *cpu, uint64_t intid, unsigned group);
int preemption_release(Preemption *cpu, uint64_t intid);

static inline Row *preemption_row(const Preemption *cpu, uint64_t intid)
{
    uint64_t number = intid / BANK_SIZE;
    return number < cpu->banks && cpu->rows[number].bank ? &cpu->rows[number] : NULL;
}

static inline unsigned preemption_lines(const Preemption *cpu)
{
    return (cpu->irq ? PREEMPTION_IRQ : 0) | (cpu->fiq ? PREEMPTION_FIQ : 0);
}

/* bits_preemption_type.c: NULL, with an exception, if the object is none. */
Preemption *preemption_of(PyObject *object);
int add_preemption(PyObject *module);

#endif
