/* `target.state` and `target.priority`: bytes that are there when they are looked at.

   A view reads one interrupt, or a slice, as it is now. For the rest that one can ask of bytes (`find`, `hex`,
   `translate`, the buffer) it makes them all, and asks these. */
#include "bits.h"

typedef struct {
    PyObject_HEAD
    Target *target;
    bool priority; /* priorities, not states */
} View;

static View *make(PyObject *self, bool priority)
{
    Target *target = (Target *)self;
    PyTypeObject *type = target->native->view;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    View *view = (View *)allocate(type, 0);
    if (view) {
        view->target = (Target *)Py_NewRef(self);
        view->priority = priority;
    }
    return view;
}

PyObject *bits_state_view(PyObject *self, void *unused)
{
    (void)unused;
    return (PyObject *)make(self, false);
}

PyObject *bits_priority_view(PyObject *self, void *unused)
{
    (void)unused;
    return (PyObject *)make(self, true);
}

static int view_traverse(View *view, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE((PyObject *)view));
    Py_VISIT((PyObject *)view->target);
    return 0;
}

static int view_clear(View *view)
{
    PyObject *target = (PyObject *)view->target;
    view->target = NULL;
    Py_XDECREF(target);
    return 0;
}

static void view_dealloc(View *view)
{
    PyTypeObject *type = Py_TYPE((PyObject *)view);
    PyObject_GC_UnTrack(view);
    view_clear(view);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(view);
    Py_DECREF((PyObject *)type);
}

/* Reading */

static uint8_t byte_at(const View *view, size_t intid)
{
    if (!view->priority)
        return (uint8_t)bits_byte(view->target, intid);
    const uint8_t *priority = bits_priorities(view->target);
    return priority ? priority[intid] : 0;
}

/* A bit of eight interrupts as the lowest bit of eight bytes. */
static uint64_t spread(uint64_t plane, unsigned at)
{
    uint64_t bits = (plane >> at & 0xff) * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
    return (bits + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7 & UINT64_C(0x0101010101010101);
}

static void eight_states(const Target *target, size_t intid, char *to)
{
    unsigned at = intid & 63;
    const Word *word = &target->words[intid >> 6];
    uint64_t bytes = spread(word->pending, at) | spread(word->masked, at) << 1;
    if (target->more) {
        const More *more = &target->more[intid >> 6];
        bytes |= spread(more->active, at) << 2 | spread(more->untargeted, at) << 3 | spread(more->group_off, at) << 4;
    }
    for (unsigned each = 0; each < 8; each++)
        to[each] = (char)(bytes >> 8 * each);
}

static PyObject *copy(const View *view, size_t start, size_t end)
{
    PyObject *bytes = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)(end - start));
    if (!bytes)
        return NULL;
    char *to = PyByteArray_AsString(bytes);
    size_t at = start;
    while (at < end) {
        if (!view->priority && !(at & 7) && end - at >= 8) {
            eight_states(view->target, at, to + (at - start));
            at += 8;
        } else {
            to[at - start] = (char)byte_at(view, at);
            at++;
        }
    }
    return bytes;
}

static PyObject *copy_all(const View *view)
{
    return bits_idle(view->target) ? NULL : copy(view, 0, view->target->size);
}

static Py_ssize_t view_length(View *view)
{
    return (Py_ssize_t)view->target->size;
}

static PyObject *view_item(View *view, Py_ssize_t at)
{
    if ((size_t)at < view->target->limit)
        return PyLong_FromLong(byte_at(view, (size_t)at));
    if (!bits_idle(view->target))
        PyErr_SetString(PyExc_IndexError, "there is no such INTID");
    return NULL;
}

static PyObject *view_slice(View *view, PyObject *slice)
{
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(slice, &start, &stop, &step) || bits_idle(view->target))
        return NULL;
    Py_ssize_t count = PySlice_AdjustIndices((Py_ssize_t)view->target->size, &start, &stop, step);
    if (step == 1)
        return copy(view, (size_t)start, (size_t)(start + count));
    PyObject *all = copy_all(view);
    PyObject *part = all ? PyObject_GetItem(all, slice) : NULL;
    Py_XDECREF(all);
    return part;
}

static PyObject *view_subscript(View *view, PyObject *key)
{
    if (PyLong_Check(key)) {
        size_t at = PyLong_AsSize_t(key);
        if (LIKELY(at < view->target->limit))
            return PyLong_FromLong(byte_at(view, at));
        PyErr_Clear();
    }
    if (PyObject_TypeCheck(key, &PySlice_Type))
        return view_slice(view, key);
    Py_ssize_t at = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (at == -1 && PyErr_Occurred())
        return NULL;
    return view_item(view, at < 0 ? at + view_length(view) : at);
}

/* Everything else */

static PyObject *view_getattr(PyObject *self, PyObject *name)
{
    PyObject *found = PyObject_GenericGetAttr(self, name);
    if (found || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return found;
    /* What bytes can is what only reads. */
    PyErr_Clear();
    PyObject *reads = PyObject_GetAttr((PyObject *)&PyBytes_Type, name);
    if (!reads)
        return NULL;
    Py_DECREF(reads);
    PyObject *bytes = copy_all((View *)self);
    found = bytes ? PyObject_GetAttr(bytes, name) : NULL;
    Py_XDECREF(bytes);
    return found;
}

static PyObject *view_compare(PyObject *self, PyObject *other, int how)
{
    PyObject *bytes = copy_all((View *)self);
    PyObject *result = bytes ? PyObject_RichCompare(bytes, other, how) : NULL;
    Py_XDECREF(bytes);
    return result;
}

static PyObject *view_repr(PyObject *self)
{
    PyObject *bytes = copy_all((View *)self);
    PyObject *text = bytes ? PyObject_Repr(bytes) : NULL;
    Py_XDECREF(bytes);
    return text;
}

static int view_contains(PyObject *self, PyObject *part)
{
    PyObject *bytes = copy_all((View *)self);
    int found = bytes ? PySequence_Contains(bytes, part) : -1;
    Py_XDECREF(bytes);
    return found;
}

/* A buffer of bytes that nobody else has: what is written to it is not written to the target, so it cannot be. */
static int view_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    buffer->obj = NULL;
    PyObject *all = copy_all((View *)self);
    PyObject *bytes = all ? PyBytes_FromObject(all) : NULL;
    Py_XDECREF(all);
    int failed = bytes ? PyObject_GetBuffer(bytes, buffer, flags) : -1;
    Py_XDECREF(bytes);
    return failed;
}

static PyType_Slot SLOTS[] = {
    {Py_tp_dealloc, (void *)view_dealloc},
    {Py_tp_traverse, (void *)view_traverse},
    {Py_tp_clear, (void *)view_clear},
    {Py_tp_getattro, (void *)view_getattr},
    {Py_tp_richcompare, (void *)view_compare},
    {Py_tp_repr, (void *)view_repr},
    {Py_sq_item, (void *)view_item},
    {Py_sq_length, (void *)view_length},
    {Py_sq_contains, (void *)view_contains},
    {Py_mp_length, (void *)view_length},
    {Py_mp_subscript, (void *)view_subscript},
    {Py_bf_getbuffer, (void *)view_buffer},
    {0, NULL},
};

static PyType_Spec SPEC = {
    .name = "irqframe._native.View",
    .basicsize = sizeof(View),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = SLOTS,
};

PyTypeObject *bits_add_view(PyObject *module)
{
    return bits_add_type(module, &SPEC, "View");
}
