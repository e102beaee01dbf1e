/* What the module has of `irqframe.bits`. */
#include "bits.h"

PyTypeObject *bits_add_empty(PyObject *module);
PyTypeObject *bits_add_fifo(PyObject *module);
PyTypeObject *bits_add_lowest(PyObject *module);
PyTypeObject *bits_add_priority(PyObject *module);
PyTypeObject *bits_add_view(PyObject *module);
PyObject *bits_replay(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

static PyMethodDef FUNCTIONS[] = {
    {"replay", (PyCFunction)(void (*)(void))bits_replay, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

int add_bits(PyObject *module)
{
    Native *native = PyModule_GetState(module);
    PyTypeObject *empty = bits_add_empty(module);
    Py_XDECREF((PyObject *)empty);
    return empty && (native->view = bits_add_view(module)) && (native->targets[0] = bits_add_lowest(module)) &&
                   (native->targets[1] = bits_add_fifo(module)) && (native->targets[2] = bits_add_priority(module)) &&
                   !PyModule_AddFunctions(module, FUNCTIONS)
               ? 0
               : -1;
}

int bits_traverse(PyObject *module, visitproc visit, void *arg)
{
    Native *native = PyModule_GetState(module);
    Py_VISIT((PyObject *)native->view);
    Py_VISIT((PyObject *)native->operation);
    Py_VISIT((PyObject *)native->directory);
    for (int at = 0; at < 3; at++)
        Py_VISIT((PyObject *)native->targets[at]);
    return 0;
}

/* The types outlive their targets, each of which has its own type: only the views' type is needed by others. */
void bits_free(void *module)
{
    Native *native = PyModule_GetState(module);
    Py_XDECREF((PyObject *)native->view);
    Py_XDECREF((PyObject *)native->operation);
    Py_XDECREF((PyObject *)native->directory);
    for (int at = 0; at < 3; at++)
        Py_XDECREF((PyObject *)native->targets[at]);
}
