/* One interrupt target, compiled: what the three orders of delivery share.

   `irqframe/bits/_target.py` has the rules and is the reference. There an interrupt is a byte; here each bit of that byte
   is a plane of its own, 64 interrupts to a word, because most targets are idle and most bits of them never used. */
#ifndef IRQFRAME_BITS_H
#define IRQFRAME_BITS_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* A build for the tests looks at what the code takes for granted; it ends the process where that does not hold. */
#ifdef IRQFRAME_ASSERTS
#undef NDEBUG
#include <assert.h>
#define BITS_ASSERT(holds) assert(holds)
#define BITS_CHECK(target) bits_check(target)
#else
#define BITS_ASSERT(holds) ((void)0)
#define BITS_CHECK(target) ((void)0)
#endif

#define LIKELY(holds) __builtin_expect(!!(holds), 1)

enum { PENDING = 1, MASKED = 2, ACTIVE = 4, UNTARGETED = 8, GROUP_OFF = 16, STATE_BITS = 31 };
enum { MOST_INTIDS = 1 << 24, PRIORITIES = 256 };

typedef struct {
    uint64_t pending, masked;
} Word;

/* Reasons not to deliver that only some irqchips have. */
typedef struct {
    uint64_t active, untargeted, group_off;
} More;

typedef struct Target Target;

/* What an order of delivery brings, where no call may be inlined. */
typedef struct {
    int (*reserve)(Target *, unsigned priority); /* memory for one that becomes deliverable; -1 if there is none */
    void (*enter)(Target *, size_t intid);
    void (*forget)(Target *);
    void (*release)(Target *);
    void (*take)(Target *, const uint8_t *priorities); /* of every interrupt, none of which is deliverable; NULL if it has none */
    size_t (*held)(const Target *); /* bytes beside the object */
    int32_t (*apply)(Target *, unsigned op, unsigned value, size_t intid);
    size_t (*apply_many)(Target *const *, size_t targets, const uint8_t *records, size_t count, char *out);
} Policy;

/* What the module keeps. */
typedef struct {
    PyTypeObject *view;
    PyTypeObject *targets[3];
    PyTypeObject *operation, *directory;
} Native;

struct Target {
    PyObject_HEAD
    long long raised, coalesced, delivered;
    Py_ssize_t deliverable;
    size_t limit;           /* INTIDs that may be named: `size`, and 0 while a replay runs without the GIL */
    Word *words;
    More *more;             /* made when one of its bits is first set */
    const Policy *policy;
    const Native *native;
    uint32_t size;
    uint8_t initial;
    bool busy;              /* such a replay runs */
    char enabled;           /* the irqchip's: whether what is deliverable is delivered; no method looks at it */
};

/* bits_target.c */
PyObject *bits_new(PyTypeObject *type, const Policy *policy);
int bits_init(PyObject *self, PyObject *arguments, PyObject *keywords);
void bits_dealloc(PyObject *self);
PyObject *bits_reset(PyObject *self, PyObject *unused);
PyObject *bits_sizeof(PyObject *self, PyObject *unused);
int bits_make_more(Target *target);
void bits_fill(Target *target, unsigned byte);
void bits_check(const Target *target);
PyTypeObject *bits_add_type(PyObject *module, PyType_Spec *spec, const char *name);

/* bits_arguments.c: what is 0 is right, what is -1 has set an exception. */
int bits_intid(Target *target, PyObject *argument, size_t *intid);
int bits_bits(PyObject *argument, unsigned *bits, bool *outside);
int bits_priority_fits(PyObject *argument);
int bits_count_arguments(const char *name, Py_ssize_t count, Py_ssize_t expected);
int bits_idle(const Target *target);

/* bits_load.c */
int bits_load(Target *target, PyObject *state, const uint8_t *priority, const uint32_t *order);

/* bits_view.c */
PyObject *bits_state_view(PyObject *self, void *unused);
PyObject *bits_priority_view(PyObject *self, void *unused);

/* bits_priority.c: of a target by priority only; NULL while every priority is 0. */
const uint8_t *bits_priorities(const Target *target);

static inline uint64_t bit_of(size_t intid)
{
    return (uint64_t)1 << (intid & 63);
}

static inline unsigned bits_byte(const Target *target, size_t intid)
{
    BITS_ASSERT(intid < target->size);
    const Word *word = &target->words[intid >> 6];
    unsigned at = intid & 63;
    unsigned byte = (word->pending >> at & 1) | (word->masked >> at & 1) << 1;
    if (target->more) {
        const More *more = &target->more[intid >> 6];
        byte |= (more->active >> at & 1) << 2 | (more->untargeted >> at & 1) << 3 | (more->group_off >> at & 1) << 4;
    }
    return byte;
}

/* The less common reasons not to deliver, of 64 interrupts. */
static inline uint64_t bits_more(const Target *target, size_t intid)
{
    if (LIKELY(!target->more))
        return 0;
    const More *more = &target->more[intid >> 6];
    return more->active | more->untargeted | more->group_off;
}

static inline void bits_flip(Target *target, size_t intid, unsigned changed)
{
    Word *word = &target->words[intid >> 6];
    unsigned at = intid & 63;
    word->pending ^= (uint64_t)(changed & 1) << at;
    word->masked ^= (uint64_t)(changed >> 1 & 1) << at;
    if (changed & ~(unsigned)(PENDING | MASKED)) {
        More *more = &target->more[intid >> 6];
        more->active ^= (uint64_t)(changed >> 2 & 1) << at;
        more->untargeted ^= (uint64_t)(changed >> 3 & 1) << at;
        more->group_off ^= (uint64_t)(changed >> 4 & 1) << at;
    }
}

/* A counter that Python may have written anything into. */
static inline void count_one(long long *counter)
{
    *counter = (long long)((unsigned long long)*counter + 1);
}

#endif
