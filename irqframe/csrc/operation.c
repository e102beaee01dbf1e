/* The type `Operation`: its life, and what Python sees of it. */
#include "operation.h"

#include <stddef.h>
#include <stdlib.h>
#include <structmember.h>

Operation *operation_new(PyTypeObject *type, const OperationKind *kind, size_t size, PyObject *owner)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Operation *operation = (Operation *)allocate(type, 0);
    if (!operation)
        return NULL;
    operation->data = calloc(1, size);
    if (!operation->data) {
        Py_DECREF((PyObject *)operation);
        PyErr_NoMemory();
        return NULL;
    }
    operation->kind = kind;
    operation->owner = Py_NewRef(owner);
    return operation;
}

static int operation_traverse(Operation *operation, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE((PyObject *)operation));
    Py_VISIT(operation->owner);
    return 0;
}

static void operation_dealloc(Operation *operation)
{
    PyTypeObject *type = Py_TYPE((PyObject *)operation);
    PyObject_GC_UnTrack(operation);
    if (operation->kind && operation->kind->release)
        operation->kind->release(operation);
    free(operation->data);
    Py_XDECREF(operation->owner);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(operation);
    Py_DECREF((PyObject *)type);
}

/* Nothing is derived from the type, so its destructor tells it. */
Operation *operation_of(PyObject *object)
{
    if (PyType_GetSlot(Py_TYPE(object), Py_tp_dealloc) == (void *)operation_dealloc)
        return (Operation *)object;
    PyErr_Format(PyExc_TypeError, "%R is no operation", object);
    return NULL;
}

int operation_words(PyObject *tuple, uint64_t words[OPERATION_WORDS])
{
    if (!PyTuple_Check(tuple) || PyTuple_Size(tuple) > OPERATION_WORDS) {
        PyErr_Format(PyExc_TypeError, "%R is no tuple of up to %d words", tuple, OPERATION_WORDS);
        return -1;
    }
    for (Py_ssize_t at = 0; at < OPERATION_WORDS; at++)
        words[at] = at < PyTuple_Size(tuple) ? PyLong_AsUnsignedLongLong(PyTuple_GetItem(tuple, at)) : 0;
    return PyErr_Occurred() ? -1 : 0;
}

/* As the engine calls it: what comes out; None if Python has to do this one. */
static PyObject *call(Operation *operation, PyObject *arguments)
{
    uint64_t in[OPERATION_WORDS], out[OPERATION_WORDS] = {0};
    if (operation_words(arguments, in))
        return NULL;
    if (!operation_call(operation, in, out))
        Py_RETURN_NONE;
    return Py_BuildValue("(KKKK)", (unsigned long long)out[0], (unsigned long long)out[1], (unsigned long long)out[2],
                         (unsigned long long)out[3]);
}

static PyObject *lines(Operation *operation, PyObject *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLong(operation->kind->lines(operation));
}

static PyObject *counts(Operation *operation, PyObject *unused)
{
    (void)unused;
    return operation->kind->counts ? operation->kind->counts(operation) : PyDict_New();
}

static PyMethodDef METHODS[] = {
    {"call", (PyCFunction)call, METH_VARARGS, NULL},
    {"lines", (PyCFunction)lines, METH_NOARGS, NULL},
    {"counts", (PyCFunction)counts, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef MEMBERS[] = {
    {"done", T_ULONGLONG, offsetof(Operation, done), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot SLOTS[] = {
    {Py_tp_dealloc, (void *)operation_dealloc},
    {Py_tp_traverse, (void *)operation_traverse},
    {Py_tp_methods, METHODS},
    {Py_tp_members, MEMBERS},
    {0, NULL},
};

/* Without Py_tp_clear: what an operation works on stays as long as it does. */
static PyType_Spec SPEC = {
    .name = "irqframe._native.Operation",
    .basicsize = sizeof(Operation),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = SLOTS,
};

PyTypeObject *add_operation(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &SPEC, NULL);
    if (type && PyModule_AddObjectRef(module, "Operation", type))
        Py_CLEAR(type);
    return (PyTypeObject *)type;
}
