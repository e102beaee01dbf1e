/* The methods of a target, written once and compiled for each order of delivery.

   The file that includes this has defined, static and inline:
     reserve(target, intid)   memory for its becoming deliverable; -1 if there is none
     enter(target, intid)     it became deliverable
     leave(target, intid)     it ceased to be
     select_next(target)      which is delivered next; there is one
     set_level(target, intid, level)  the operation SET_PRIORITY of a replay, and its result
   The table of operations is in `irqframe/bits/_records.py`. */
#include "bits.h"
#include "bits_records.h"

#include <string.h>

/* Give an interrupt another byte. -1, and nothing has changed, if there is no memory for it; needs no GIL. */
static inline int change(Target *target, size_t intid, unsigned before, unsigned after)
{
    if (before == after)
        return 0;
    if (after == PENDING && reserve(target, intid))
        return -1;
    if (!target->more && after & ~(unsigned)(PENDING | MASKED) && bits_make_more(target))
        return -1;
    bits_flip(target, intid, before ^ after);
    if (after == PENDING) {
        target->deliverable++;
        enter(target, intid);
    } else if (before == PENDING) {
        target->deliverable--;
        leave(target, intid);
    }
    BITS_CHECK(target);
    return 0;
}

/* 1 if it became pending, 0 if it was, -1 without memory. */
static inline int pend(Target *target, size_t intid)
{
    Word *word = &target->words[intid >> 6];
    uint64_t bit = bit_of(intid);
    BITS_ASSERT(intid < target->size);
    if (word->pending & bit) {
        count_one(&target->raised);
        count_one(&target->coalesced);
        return 0;
    }
    if (!((word->masked | bits_more(target, intid)) & bit)) {
        if (reserve(target, intid))
            return -1;
        target->deliverable++;
        enter(target, intid);
    }
    word->pending |= bit;
    count_one(&target->raised);
    BITS_CHECK(target);
    return 1;
}

static inline int change_bits(Target *target, size_t intid, unsigned set, unsigned clear)
{
    unsigned before = bits_byte(target, intid);
    return change(target, intid, before, (before | set) & ~clear) ? -1 : (int)before;
}

/* The byte as it was before, -1 without memory. */
static inline int unmask(Target *target, size_t intid)
{
    Word *word = &target->words[intid >> 6];
    uint64_t bit = bit_of(intid);
    int before = (int)bits_byte(target, intid);
    if (!(word->masked & bit))
        return before;
    if (word->pending & ~bits_more(target, intid) & bit) {
        if (reserve(target, intid))
            return -1;
        target->deliverable++;
        enter(target, intid);
    }
    word->masked &= ~bit;
    BITS_CHECK(target);
    return before;
}

/* Of the interrupt that is next. */
static inline void acknowledge(Target *target, size_t intid)
{
    Word *word = &target->words[intid >> 6];
    word->pending &= ~bit_of(intid);
    word->masked |= bit_of(intid);
    target->deliverable--;
    count_one(&target->delivered);
    leave(target, intid);
    BITS_CHECK(target);
}

static inline int named(Target *target, PyObject *argument, size_t *intid)
{
    *intid = PyLong_AsSize_t(argument);
    return LIKELY(*intid < target->limit) ? 0 : bits_intid(target, argument, intid);
}

/* (INTID, bits): the second one's methods may have changed the target, so the first is looked at again. */
static inline int named_bits(Target *target, const char *name, PyObject *const *arguments, Py_ssize_t count,
                             size_t *intid, unsigned *bits, bool *outside)
{
    if (count != 2)
        return bits_count_arguments(name, count, 2);
    if (named(target, arguments[0], intid) || bits_bits(arguments[1], bits, outside))
        return -1;
    return LIKELY(*intid < target->limit) ? 0 : bits_intid(target, arguments[0], intid);
}

static PyObject *target_set(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    size_t intid;
    unsigned bits;
    bool outside;
    if (named_bits((Target *)self, "set", arguments, count, &intid, &bits, &outside))
        return NULL;
    if (outside) {
        PyErr_Format(PyExc_ValueError, "%S has bits that mean nothing", arguments[1]);
        return NULL;
    }
    int before = change_bits((Target *)self, intid, bits, 0);
    return before < 0 ? PyErr_NoMemory() : PyLong_FromLong(before);
}

static PyObject *target_clear(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    size_t intid;
    unsigned bits;
    bool outside;
    if (named_bits((Target *)self, "clear", arguments, count, &intid, &bits, &outside))
        return NULL;
    int before = change_bits((Target *)self, intid, 0, bits);
    return before < 0 ? PyErr_NoMemory() : PyLong_FromLong(before);
}

static PyObject *target_test(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    size_t intid;
    unsigned bits;
    bool outside;
    if (named_bits((Target *)self, "test", arguments, count, &intid, &bits, &outside))
        return NULL;
    return Py_NewRef(bits_byte((Target *)self, intid) & bits ? Py_True : Py_False);
}

static PyObject *target_pend(PyObject *self, PyObject *argument)
{
    size_t intid;
    if (named((Target *)self, argument, &intid))
        return NULL;
    int fresh = pend((Target *)self, intid);
    return fresh < 0 ? PyErr_NoMemory() : Py_NewRef(fresh ? Py_True : Py_False);
}

static PyObject *target_mask(PyObject *self, PyObject *argument)
{
    size_t intid;
    if (named((Target *)self, argument, &intid))
        return NULL;
    if (change_bits((Target *)self, intid, MASKED, 0) < 0)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *target_unmask(PyObject *self, PyObject *argument)
{
    size_t intid;
    if (named((Target *)self, argument, &intid))
        return NULL;
    if (unmask((Target *)self, intid) < 0)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *target_first(PyObject *self, PyObject *unused)
{
    Target *target = (Target *)self;
    (void)unused;
    if (!LIKELY(!target->busy) && bits_idle(target))
        return NULL;
    return target->deliverable ? PyLong_FromSize_t(select_next(target)) : PyLong_FromLong(-1);
}

static PyObject *target_acknowledge(PyObject *self, PyObject *unused)
{
    Target *target = (Target *)self;
    (void)unused;
    if (!LIKELY(!target->busy) && bits_idle(target))
        return NULL;
    if (!target->deliverable)
        return PyLong_FromLong(-1);
    size_t intid = select_next(target);
    PyObject *number = PyLong_FromSize_t(intid);
    if (number)
        acknowledge(target, intid);
    return number;
}

/* One record: its result, or why it was refused, with nothing changed. Needs no GIL. */
static inline int32_t apply_inline(Target *target, unsigned op, unsigned value, size_t intid)
{
    int32_t result;
    if (op == OP_ACKNOWLEDGE || op == OP_FIRST) {
        if (!target->deliverable)
            return -1;
        size_t next = select_next(target);
        if (op == OP_ACKNOWLEDGE)
            acknowledge(target, next);
        return (int32_t)next;
    }
    if (op >= OPERATIONS)
        return refused_as(NO_OPERATION);
    if (intid >= target->size)
        return refused_as(NO_INTID);
    switch (op) {
    case OP_PEND:
        result = pend(target, intid);
        break;
    case OP_UNMASK:
        result = unmask(target, intid);
        break;
    case OP_MASK:
        result = change_bits(target, intid, MASKED, 0);
        break;
    case OP_SET:
        if (value > STATE_BITS)
            return refused_as(NO_BITS);
        result = change_bits(target, intid, value, 0);
        break;
    case OP_CLEAR:
        result = change_bits(target, intid, 0, value);
        break;
    case OP_TEST:
        return (bits_byte(target, intid) & value) != 0;
    default:
        return set_level(target, intid, value);
    }
    return result < 0 ? refused_as(NO_MEMORY) : result;
}

static int32_t apply(Target *target, unsigned op, unsigned value, size_t intid)
{
    return apply_inline(target, op, value, intid);
}

/* Records for targets that all have this order of delivery, up to the first that is refused: how many were done. */
static size_t apply_many(Target *const *targets, size_t targets_count, const uint8_t *records, size_t count, char *out)
{
    for (size_t done = 0; done < count; done++) {
        Record record = decode(records + done * RECORD);
        if (record.vcpu >= targets_count)
            return done;
        int32_t result = apply_inline(targets[record.vcpu], record.op, record.value, record.intid);
        if (result < -1)
            return done;
        if (out)
            memcpy(out + done * RESULT, &result, RESULT);
    }
    return count;
}

#define TARGET_METHODS                                                                                                 \
    {"set", (PyCFunction)(void (*)(void))target_set, METH_FASTCALL, NULL},                                             \
    {"clear", (PyCFunction)(void (*)(void))target_clear, METH_FASTCALL, NULL},                                         \
    {"test", (PyCFunction)(void (*)(void))target_test, METH_FASTCALL, NULL},                                           \
    {"pend", target_pend, METH_O, NULL},                                                                               \
    {"mask", target_mask, METH_O, NULL},                                                                               \
    {"unmask", target_unmask, METH_O, NULL},                                                                           \
    {"first", target_first, METH_NOARGS, NULL},                                                                        \
    {"acknowledge", target_acknowledge, METH_NOARGS, NULL},                                                            \
    {"reset", bits_reset, METH_NOARGS, NULL},                                                                          \
    {"__sizeof__", bits_sizeof, METH_NOARGS, NULL}

#define TARGET_MEMBERS                                                                                                 \
    {"raised", T_LONGLONG, offsetof(Target, raised), 0, NULL},                                                         \
    {"coalesced", T_LONGLONG, offsetof(Target, coalesced), 0, NULL},                                                   \
    {"delivered", T_LONGLONG, offsetof(Target, delivered), 0, NULL},                                                   \
    {"enabled", T_BOOL, offsetof(Target, enabled), 0, NULL},                                                            \
    {"deliverable", T_PYSSIZET, offsetof(Target, deliverable), READONLY, NULL}
