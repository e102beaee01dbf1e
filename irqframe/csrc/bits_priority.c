/* Delivery by priority, then by INTID: `irqframe/bits/_priority.py`, compiled.

   Each priority in use has a set of its own, and a bit in `used` while something is in it: selection looks at one set.
   A set stays when it is empty, because what was used is used again. */
#include "bits.h"
#include "bits_index.h"

#include <string.h>
#include <structmember.h>

typedef struct {
    Target target;
    uint8_t *priority; /* made with the first one that is not 0 */
    Index **sets;      /* by priority; made when an interrupt first becomes deliverable */
    uint64_t used[PRIORITIES / 64];
} Priority;

static inline unsigned level_of(const Target *target, size_t intid)
{
    const uint8_t *priority = ((const Priority *)target)->priority;
    return priority ? priority[intid] : 0;
}

static int reserve_level(Target *target, unsigned level)
{
    Priority *by = (Priority *)target;
    if (!by->sets)
        by->sets = calloc(PRIORITIES, sizeof *by->sets);
    if (by->sets && !by->sets[level])
        by->sets[level] = index_new(target->size);
    return by->sets && by->sets[level] ? 0 : -1;
}

static inline int reserve(Target *target, size_t intid)
{
    const Priority *by = (const Priority *)target;
    unsigned level = level_of(target, intid);
    return LIKELY(by->sets && by->sets[level]) ? 0 : reserve_level(target, level);
}

static inline void enter(Target *target, size_t intid)
{
    Priority *by = (Priority *)target;
    unsigned level = level_of(target, intid);
    index_add(by->sets[level], intid);
    by->used[level >> 6] |= bit_of(level);
}

static inline void leave(Target *target, size_t intid)
{
    Priority *by = (Priority *)target;
    unsigned level = level_of(target, intid);
    index_remove(by->sets[level], intid);
    if (index_is_empty(by->sets[level]))
        by->used[level >> 6] &= ~bit_of(level);
}

/* PRIORITIES if nothing is deliverable. */
static inline unsigned first_level(const Target *target)
{
    const Priority *by = (const Priority *)target;
    for (unsigned at = 0; at < PRIORITIES / 64; at++)
        if (by->used[at])
            return at << 6 | (unsigned)__builtin_ctzll(by->used[at]);
    return PRIORITIES;
}

static inline size_t select_next(const Target *target)
{
    return index_first(((const Priority *)target)->sets[first_level(target)]);
}

static inline int32_t set_level(Target *target, size_t intid, unsigned level);

#include "bits_methods.h"

/* -1, and nothing has changed, if there is no memory. */
static int change_level(Target *target, size_t intid, unsigned level)
{
    Priority *by = (Priority *)target;
    if (level_of(target, intid) == level)
        return 0;
    bool waits = bits_byte(target, intid) == PENDING;
    if (!by->priority && !(by->priority = calloc(target->size, 1)))
        return -1;
    if (waits && reserve_level(target, level))
        return -1;
    if (waits)
        leave(target, intid);
    by->priority[intid] = (uint8_t)level;
    if (waits)
        enter(target, intid);
    return 0;
}

static inline int32_t set_level(Target *target, size_t intid, unsigned level)
{
    return change_level(target, intid, level) ? refused_as(NO_MEMORY) : 0;
}

static void priority_enter(Target *target, size_t intid)
{
    enter(target, intid);
}

/* Every priority is 0 then; the sets stay, empty. */
static void priority_forget(Target *target)
{
    Priority *by = (Priority *)target;
    for (unsigned level = 0; by->sets && level < PRIORITIES; level++)
        if (by->sets[level] && by->used[level >> 6] & bit_of(level))
            index_forget(by->sets[level]);
    memset(by->used, 0, sizeof by->used);
    if (by->priority)
        memset(by->priority, 0, target->size);
}

static void priority_take(Target *target, const uint8_t *priorities)
{
    memcpy(((Priority *)target)->priority, priorities, target->size);
}

static void priority_release(Target *target)
{
    Priority *by = (Priority *)target;
    for (unsigned level = 0; by->sets && level < PRIORITIES; level++)
        free(by->sets[level]);
    free(by->sets);
    free(by->priority);
    by->sets = NULL;
    by->priority = NULL;
    memset(by->used, 0, sizeof by->used);
}

static size_t priority_held(const Target *target)
{
    const Priority *by = (const Priority *)target;
    size_t bytes = (by->priority ? target->size : 0) + (by->sets ? PRIORITIES * sizeof *by->sets : 0);
    for (unsigned level = 0; by->sets && level < PRIORITIES; level++)
        bytes += by->sets[level] ? index_bytes(target->size) : 0;
    return bytes;
}

/* What init asks for is nothing: the target has no interrupts yet. */
static int priority_reserve(Target *target, unsigned level)
{
    return target->limit ? reserve_level(target, level) : 0;
}

static const Policy POLICY = {priority_reserve, priority_enter, priority_forget, priority_release,
                              priority_take,    priority_held,  apply,           apply_many};

const uint8_t *bits_priorities(const Target *target)
{
    return ((const Priority *)target)->priority;
}

static PyObject *priority_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    (void)arguments;
    (void)keywords;
    return bits_new(type, &POLICY);
}

static PyObject *priority_first_priority(PyObject *self, PyObject *unused)
{
    (void)unused;
    return bits_idle((Target *)self) ? NULL : PyLong_FromLong((long)first_level((Target *)self));
}

static PyObject *priority_set_priority(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    Target *target = (Target *)self;
    size_t intid;
    if (bits_count_arguments("set_priority", count, 2) || bits_priority_fits(arguments[1]) ||
        named(target, arguments[0], &intid))
        return NULL;
    Py_ssize_t level = PyNumber_AsSsize_t(arguments[1], NULL);
    if (level == -1 && PyErr_Occurred())
        return NULL;
    /* What the priority's own methods said may not be true any more. */
    if (level < 0 || level >= PRIORITIES) {
        PyErr_SetString(PyExc_ValueError, "the priority is not in 0..255");
        return NULL;
    }
    if (intid >= target->limit && bits_intid(target, arguments[0], &intid))
        return NULL;
    if (change_level(target, intid, (unsigned)level))
        return PyErr_NoMemory();
    BITS_CHECK(target);
    Py_RETURN_NONE;
}

/* Every state byte, and every priority. */
static PyObject *priority_load(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    Priority *by = (Priority *)self;
    Py_buffer priority;
    if (bits_count_arguments("_load", count, 2) || PyObject_GetBuffer(arguments[1], &priority, PyBUF_SIMPLE))
        return NULL;
    int failed = 1;
    if (priority.len != (Py_ssize_t)by->target.size)
        PyErr_SetString(PyExc_ValueError, "there must be a priority for every interrupt");
    else if (bits_idle(&by->target))
        ;
    else if (!by->priority && !(by->priority = calloc((size_t)by->target.size + 1, 1)))
        PyErr_NoMemory();
    else
        failed = bits_load(&by->target, arguments[0], priority.buf, NULL);
    PyBuffer_Release(&priority);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef METHODS[] = {
    TARGET_METHODS,
    {"first_priority", priority_first_priority, METH_NOARGS, NULL},
    {"set_priority", (PyCFunction)(void (*)(void))priority_set_priority, METH_FASTCALL, NULL},
    {"_load", (PyCFunction)(void (*)(void))priority_load, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef MEMBERS[] = {TARGET_MEMBERS, {NULL, 0, 0, 0, NULL}};

static PyGetSetDef GETTERS[] = {
    {"state", bits_state_view, NULL, NULL, NULL},
    {"priority", bits_priority_view, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot SLOTS[] = {
    {Py_tp_new, (void *)priority_new},
    {Py_tp_init, (void *)bits_init},
    {Py_tp_dealloc, (void *)bits_dealloc},
    {Py_tp_methods, METHODS},
    {Py_tp_members, MEMBERS},
    {Py_tp_getset, GETTERS},
    {0, NULL},
};

static PyType_Spec SPEC = {
    .name = "irqframe._native.Priority",
    .basicsize = sizeof(Priority),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = SLOTS,
};

PyTypeObject *bits_add_priority(PyObject *module)
{
    return bits_add_type(module, &SPEC, "Priority");
}
