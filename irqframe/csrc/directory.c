/* The type `Directory`: made once of a dictionary, never changed. */
#include "directory.h"

#include <stdlib.h>

bool is_target(const Native *native, PyObject *object)
{
    for (int at = 0; at < 3; at++)
        if (PyObject_TypeCheck(object, native->targets[at]))
            return true;
    return false;
}

static int make_slots(Directory *directory, size_t count)
{
    unsigned bits = 1;
    while ((size_t)1 << bits < 2 * count)
        bits++;
    directory->slots = calloc((size_t)1 << bits, sizeof *directory->slots);
    directory->last = ((size_t)1 << bits) - 1;
    directory->shift = 64 - bits;
    if (directory->slots)
        return 0;
    PyErr_NoMemory();
    return -1;
}

static int take(Directory *directory, const Native *native, PyObject *name, PyObject *target)
{
    uint64_t key = PyLong_AsUnsignedLongLong(name);
    if (PyErr_Occurred())
        return -1;
    if (!is_target(native, target)) {
        PyErr_Format(PyExc_TypeError, "%R is no compiled target", target);
        return -1;
    }
    size_t at = (size_t)(key * 0x9E3779B97F4A7C15u >> directory->shift);
    while (directory->slots[at].target)
        at = (at + 1) & directory->last;
    directory->slots[at] = (Slot){key, (Target *)target};
    return 0;
}

static PyObject *directory_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    PyObject *named, *name, *target;
    if (keywords || !PyArg_ParseTuple(arguments, "O!", &PyDict_Type, &named)) {
        PyErr_SetString(PyExc_TypeError, "a directory is made of a dictionary");
        return NULL;
    }
    const Native *native = PyType_GetModuleState(type);
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Directory *directory = native ? (Directory *)allocate(type, 0) : NULL;
    PyObject *values = directory ? PyDict_Values(named) : NULL;
    int failed = !values || !(directory->targets = PyList_AsTuple(values)) ||
                 make_slots(directory, (size_t)PyTuple_Size(directory->targets));
    Py_ssize_t at = 0;
    while (!failed && PyDict_Next(named, &at, &name, &target))
        failed = take(directory, native, name, target);
    Py_XDECREF(values);
    if (failed)
        Py_CLEAR(directory);
    return (PyObject *)directory;
}

static int directory_traverse(Directory *directory, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE((PyObject *)directory));
    Py_VISIT(directory->targets);
    return 0;
}

static void directory_dealloc(Directory *directory)
{
    PyTypeObject *type = Py_TYPE((PyObject *)directory);
    PyObject_GC_UnTrack(directory);
    free(directory->slots);
    Py_XDECREF(directory->targets);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(directory);
    Py_DECREF((PyObject *)type);
}

static PyType_Slot SLOTS[] = {
    {Py_tp_new, (void *)directory_new},
    {Py_tp_dealloc, (void *)directory_dealloc},
    {Py_tp_traverse, (void *)directory_traverse},
    {0, NULL},
};

static PyType_Spec SPEC = {
    .name = "irqframe._native.Directory",
    .basicsize = sizeof(Directory),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = SLOTS,
};

PyTypeObject *add_directory(PyObject *module)
{
    return bits_add_type(module, &SPEC, "Directory");
}
