/* Delivery in the order in which interrupts became deliverable: `irqframe/bits/_fifo.py`, compiled.

   The queue is a ring of links, one for each interrupt and one, the last, for where it begins and ends. */
#include "bits.h"

#include <structmember.h>

typedef struct {
    uint32_t next, before;
} Link;

typedef struct {
    Target target;
    Link *links; /* made when an interrupt first becomes deliverable */
} Fifo;

static void fifo_forget(Target *target)
{
    Link *links = ((Fifo *)target)->links;
    if (links)
        links[target->size] = (Link){target->size, target->size};
}

static inline int reserve(Target *target, size_t intid)
{
    Fifo *fifo = (Fifo *)target;
    (void)intid;
    if (!fifo->links) {
        fifo->links = malloc(((size_t)target->size + 1) * sizeof(Link));
        fifo_forget(target);
    }
    return fifo->links ? 0 : -1;
}

static inline void enter(Target *target, size_t intid)
{
    Link *links = ((Fifo *)target)->links;
    uint32_t end = target->size, last = links[end].before;
    links[intid] = (Link){end, last};
    links[last].next = (uint32_t)intid;
    links[end].before = (uint32_t)intid;
}

static inline void leave(Target *target, size_t intid)
{
    Link *links = ((Fifo *)target)->links;
    Link link = links[intid];
    BITS_ASSERT(links[link.before].next == intid && links[link.next].before == intid);
    links[link.before].next = link.next;
    links[link.next].before = link.before;
}

static inline size_t select_next(const Target *target)
{
    size_t first = ((const Fifo *)target)->links[target->size].next;
    BITS_ASSERT(first < target->size);
    return first;
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

static int fifo_reserve(Target *target, unsigned priority)
{
    (void)priority;
    /* While nothing was ever deliverable there is no queue. */
    return target->limit ? reserve(target, 0) : 0;
}

static void fifo_enter(Target *target, size_t intid)
{
    enter(target, intid);
}

static void fifo_release(Target *target)
{
    Fifo *fifo = (Fifo *)target;
    free(fifo->links);
    fifo->links = NULL;
}

static size_t fifo_held(const Target *target)
{
    return ((const Fifo *)target)->links ? ((size_t)target->size + 1) * sizeof(Link) : 0;
}

static const Policy POLICY = {fifo_reserve, fifo_enter, fifo_forget, fifo_release, NULL, fifo_held, apply, apply_many};

static PyObject *fifo_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    (void)arguments;
    (void)keywords;
    return bits_new(type, &POLICY);
}

static PyObject *fifo_order(PyObject *self, PyObject *unused)
{
    Target *target = (Target *)self;
    const Link *links = ((Fifo *)self)->links;
    (void)unused;
    PyObject *list = bits_idle(target) ? NULL : PyList_New(0);
    if (!list || !links)
        return list;
    for (uint32_t at = links[target->size].next; at != target->size; at = links[at].next) {
        PyObject *number = PyLong_FromUnsignedLong(at);
        int failed = !number || PyList_Append(list, number);
        Py_XDECREF(number);
        if (failed) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

/* The INTIDs of a list, in memory that the caller frees; NULL with an exception. */
static uint32_t *order_of(const Target *target, PyObject *list)
{
    if (!PyList_Check(list) || PyList_Size(list) > (Py_ssize_t)target->size) {
        PyErr_SetString(PyExc_ValueError, "an order is a list of INTIDs");
        return NULL;
    }
    Py_ssize_t count = PyList_Size(list);
    uint32_t *order = malloc(((size_t)count + 1) * sizeof *order);
    if (!order) {
        PyErr_NoMemory();
        return NULL;
    }
    order[count] = UINT32_MAX;
    for (Py_ssize_t at = 0; at < count; at++) {
        PyObject *item = PyList_GetItem(list, at);
        size_t intid = PyLong_Check(item) ? PyLong_AsSize_t(item) : SIZE_MAX;
        if (intid >= target->size) {
            PyErr_Clear();
            PyErr_SetString(PyExc_ValueError, "an order is a list of INTIDs");
            free(order);
            return NULL;
        }
        order[at] = (uint32_t)intid;
    }
    return order;
}

/* Every state byte, and the deliverable interrupts in their order. */
static PyObject *fifo_load(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (bits_count_arguments("_load", count, 2))
        return NULL;
    uint32_t *order = order_of((Target *)self, arguments[1]);
    int failed = !order || bits_load((Target *)self, arguments[0], NULL, order);
    free(order);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef METHODS[] = {
    TARGET_METHODS,
    {"order", fifo_order, METH_NOARGS, NULL},
    {"_load", (PyCFunction)(void (*)(void))fifo_load, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef MEMBERS[] = {TARGET_MEMBERS, {NULL, 0, 0, 0, NULL}};

static PyGetSetDef GETTERS[] = {{"state", bits_state_view, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot SLOTS[] = {
    {Py_tp_new, (void *)fifo_new},
    {Py_tp_init, (void *)bits_init},
    {Py_tp_dealloc, (void *)bits_dealloc},
    {Py_tp_methods, METHODS},
    {Py_tp_members, MEMBERS},
    {Py_tp_getset, GETTERS},
    {0, NULL},
};

static PyType_Spec SPEC = {
    .name = "irqframe._native.Fifo",
    .basicsize = sizeof(Fifo),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = SLOTS,
};

PyTypeObject *bits_add_fifo(PyObject *module)
{
    return bits_add_type(module, &SPEC, "Fifo");
}
