/* The life of a target, which is the same under every order of delivery. */
#include "bits.h"

static size_t words_of(size_t size)
{
    return (size + 63) / 64;
}

/* The module's types, which the type of the object may be derived from. */
static const Native *native_of(PyTypeObject *type)
{
    for (; type; type = PyType_GetSlot(type, Py_tp_base)) {
        void *native = PyType_GetFlags(type) & Py_TPFLAGS_HEAPTYPE ? PyType_GetModuleState(type) : NULL;
        if (native)
            return native;
        PyErr_Clear();
    }
    return NULL;
}

PyObject *bits_new(PyTypeObject *type, const Policy *policy)
{
    const Native *native = native_of(type);
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Target *target = native ? (Target *)allocate(type, 0) : NULL;
    if (target) {
        target->policy = policy;
        target->native = native;
    }
    return (PyObject *)target;
}

static void release(Target *target)
{
    target->policy->release(target);
    free(target->words);
    free(target->more);
    target->words = NULL;
    target->more = NULL;
    target->size = 0;
    target->limit = 0;
    target->deliverable = 0;
}

int bits_make_more(Target *target)
{
    target->more = calloc(words_of(target->size), sizeof(More));
    return target->more ? 0 : -1;
}

/* `byte` for every interrupt; bits beyond the last one stay 0. */
void bits_fill(Target *target, unsigned byte)
{
    for (size_t at = 0; at < words_of(target->size); at++) {
        size_t left = target->size - at * 64;
        uint64_t all = left >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << left) - 1;
        target->words[at] = (Word){byte & PENDING ? all : 0, byte & MASKED ? all : 0};
        if (target->more)
            target->more[at] = (More){byte & ACTIVE ? all : 0, byte & UNTARGETED ? all : 0, byte & GROUP_OFF ? all : 0};
    }
}

static int initial_byte(PyObject *argument, unsigned *initial)
{
    bool outside;
    if (bits_bits(argument, initial, &outside))
        return -1;
    if (!outside && *initial != PENDING)
        return 0;
    PyErr_Format(PyExc_ValueError, "initial %S is deliverable, or no state byte", argument);
    return -1;
}

int bits_init(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"size", "initial", NULL};
    Target *target = (Target *)self;
    PyObject *size_argument, *initial_argument = NULL;
    unsigned initial = MASKED;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O", names, &size_argument, &initial_argument) ||
        (initial_argument && initial_byte(initial_argument, &initial)))
        return -1;
    Py_ssize_t size = PyNumber_AsSsize_t(size_argument, NULL);
    if (size == -1 && PyErr_Occurred())
        return -1;
    if (size < 0 || size > MOST_INTIDS) {
        PyErr_Format(PyExc_ValueError, "size %S is not in 0..%d", size_argument, MOST_INTIDS);
        return -1;
    }
    if (bits_idle(target))
        return -1;
    release(target);
    target->words = calloc(words_of((size_t)size) + 1, sizeof(Word));
    if (!target->words) {
        PyErr_NoMemory();
        return -1;
    }
    target->size = (uint32_t)size;
    target->initial = (uint8_t)initial;
    if ((initial & ~(unsigned)(PENDING | MASKED) && bits_make_more(target)) || target->policy->reserve(target, 0)) {
        release(target);
        PyErr_NoMemory();
        return -1;
    }
    target->limit = target->size;
    bits_fill(target, initial);
    target->raised = target->coalesced = target->delivered = 0;
    target->enabled = 0;
    return 0;
}

void bits_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    release((Target *)self);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free_object(self);
    Py_DECREF((PyObject *)type);
}

PyObject *bits_reset(PyObject *self, PyObject *unused)
{
    Target *target = (Target *)self;
    (void)unused;
    if (bits_idle(target))
        return NULL;
    bits_fill(target, target->initial);
    target->policy->forget(target);
    target->deliverable = 0;
    target->raised = target->coalesced = target->delivered = 0;
    Py_RETURN_NONE;
}

PyObject *bits_sizeof(PyObject *self, PyObject *unused)
{
    const Target *target = (const Target *)self;
    (void)unused;
    PyObject *basic = PyObject_GetAttrString((PyObject *)Py_TYPE(self), "__basicsize__");
    size_t bytes = basic ? PyLong_AsSize_t(basic) : 0;
    Py_XDECREF(basic);
    if (PyErr_Occurred())
        return NULL;
    bytes += (words_of(target->size) + 1) * sizeof(Word) + (target->more ? words_of(target->size) * sizeof(More) : 0);
    return PyLong_FromSize_t(bytes + target->policy->held(target));
}

/* What every operation leaves behind; of large targets it would take too long. */
void bits_check(const Target *target)
{
    Py_ssize_t ready = 0;
    if (target->size > 256)
        return;
    for (size_t intid = 0; intid < target->size; intid++)
        ready += bits_byte(target, intid) == PENDING;
    BITS_ASSERT(ready == target->deliverable);
    (void)ready;
}

PyTypeObject *bits_add_type(PyObject *module, PyType_Spec *spec, const char *name)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type && PyModule_AddObjectRef(module, name, type))
        Py_CLEAR(type);
    return (PyTypeObject *)type;
}
