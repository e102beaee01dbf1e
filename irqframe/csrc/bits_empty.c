/* What three calls cost that do nothing but take their arguments: the benchmarks' measure for a cycle. */
#include "bits.h"

static PyObject *empty_intid(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    (void)self;
    if (count != 1) {
        bits_count_arguments("an empty method", count, 1);
        return NULL;
    }
    Py_ssize_t intid = PyLong_AsSsize_t(arguments[0]);
    if (intid == -1 && PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *empty_nothing(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    (void)self;
    (void)arguments;
    if (count) {
        bits_count_arguments("an empty method", count, 0);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef METHODS[] = {
    {"pend", (PyCFunction)(void (*)(void))empty_intid, METH_FASTCALL, NULL},
    {"acknowledge", (PyCFunction)(void (*)(void))empty_nothing, METH_FASTCALL, NULL},
    {"unmask", (PyCFunction)(void (*)(void))empty_intid, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot SLOTS[] = {{Py_tp_methods, METHODS}, {0, NULL}};

static PyType_Spec SPEC = {
    .name = "irqframe._native.Empty",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = SLOTS,
};

PyTypeObject *bits_add_empty(PyObject *module)
{
    return bits_add_type(module, &SPEC, "Empty");
}
