/* Delivery in INTID order: `irqframe/bits/_lowest.py`, compiled. */
#include "bits.h"
#include "bits_index.h"

#include <structmember.h>

typedef struct {
    Target target;
    Index *ready;
} LowestFirst;

static int lowest_reserve(Target *target, unsigned priority)
{
    LowestFirst *lowest = (LowestFirst *)target;
    (void)priority;
    if (!lowest->ready)
        lowest->ready = index_new(target->size);
    return lowest->ready ? 0 : -1;
}

/* The set is made with the target. */
static inline int reserve(Target *target, size_t intid)
{
    (void)target;
    (void)intid;
    return 0;
}

static inline void enter(Target *target, size_t intid)
{
    index_add(((LowestFirst *)target)->ready, intid);
}

static inline void leave(Target *target, size_t intid)
{
    index_remove(((LowestFirst *)target)->ready, intid);
}

static inline size_t select_next(const Target *target)
{
    return index_first(((const LowestFirst *)target)->ready);
}

static inline int32_t set_level(Target *target, size_t intid, unsigned level);

#include "bits_methods.h"

static inline int32_t set_level(Target *target, size_t intid, unsigned level)
{
    (void)target;
    (void)intid;
    (void)level;
    return refused_as(NO_PRIORITIES);
}

static void lowest_enter(Target *target, size_t intid)
{
    enter(target, intid);
}

static void lowest_forget(Target *target)
{
    LowestFirst *lowest = (LowestFirst *)target;
    if (lowest->ready)
        index_forget(lowest->ready);
}

static void lowest_release(Target *target)
{
    LowestFirst *lowest = (LowestFirst *)target;
    free(lowest->ready);
    lowest->ready = NULL;
}

static size_t lowest_held(const Target *target)
{
    return ((const LowestFirst *)target)->ready ? index_bytes(target->size) : 0;
}

static const Policy POLICY = {lowest_reserve, lowest_enter, lowest_forget, lowest_release, NULL, lowest_held, apply, apply_many};

static PyObject *lowest_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    (void)arguments;
    (void)keywords;
    return bits_new(type, &POLICY);
}

/* Every state byte, all at once. */
static PyObject *lowest_load(PyObject *self, PyObject *state)
{
    if (bits_load((Target *)self, state, NULL, NULL))
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef METHODS[] = {
    TARGET_METHODS,
    {"_load", lowest_load, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef MEMBERS[] = {TARGET_MEMBERS, {NULL, 0, 0, 0, NULL}};

static PyGetSetDef GETTERS[] = {{"state", bits_state_view, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot SLOTS[] = {
    {Py_tp_new, (void *)lowest_new},
    {Py_tp_init, (void *)bits_init},
    {Py_tp_dealloc, (void *)bits_dealloc},
    {Py_tp_methods, METHODS},
    {Py_tp_members, MEMBERS},
    {Py_tp_getset, GETTERS},
    {0, NULL},
};

static PyType_Spec SPEC = {
    .name = "irqframe._native.LowestFirst",
    .basicsize = sizeof(LowestFirst),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = SLOTS,
};

PyTypeObject *bits_add_lowest(PyObject *module)
{
    return bits_add_type(module, &SPEC, "LowestFirst");
}
