/* Exits: what leaves the guest is collected and handed to Python in one call. */
#include "engine.h"

/* Takes the GIL, which the guest runs without. */
static bool enter_python(Engine *engine, const char *kind, uint64_t key)
{
    if (engine->failed)
        return false;
    note(engine, kind, engine->block, key);
    PyEval_RestoreThread(engine->thread);
    return true;
}

/* After the call: the lines as they are now, and the guest stops if something was raised. */
static void leave_python(Engine *engine, PyObject *result)
{
    PyObject *lines = PyErr_Occurred() ? NULL : PyObject_CallNoArgs(engine->exits[EXIT_LINES]);
    if (lines) {
        engine->lines = (int)PyLong_AsLong(lines);
        Py_DECREF(lines);
    }
    Py_XDECREF(result);
    if (PyErr_Occurred()) {
        engine->failed = 1;
        engine->held = 1;
    }
    engine->thread = PyEval_SaveThread();
}

/* Calls an exit with up to four numbers. */
static PyObject *call(Engine *engine, enum exit exit, unsigned count, const uint64_t *values)
{
    PyObject *arguments = PyTuple_New(count);
    if (!arguments)
        return NULL;
    for (unsigned at = 0; at < count; at++) {
        PyObject *item = PyLong_FromUnsignedLongLong(values[at]);
        if (!item || PyTuple_SetItem(arguments, at, item)) {
            Py_DECREF(arguments);
            return NULL;
        }
    }
    PyObject *result = PyObject_CallObject(engine->exits[exit], arguments);
    Py_DECREF(arguments);
    return result;
}

/* A result that is a number; bits beyond 64 are dropped. */
static uint64_t value_of(PyObject *result)
{
    return result ? PyLong_AsUnsignedLongLongMask(result) : 0;
}

void call_hypercall(Engine *engine, const char *kind)
{
    uint64_t x[4];
    for (unsigned at = 0; at < 4; at++)
        x[at] = read_register(engine, register_number(engine, at));
    if (!enter_python(engine, kind, x[0]))
        return;
    PyObject *result = call(engine, EXIT_HYPERCALL, 4, x);
    if (result && (!PyTuple_Check(result) || PyTuple_Size(result) != 4)) {
        PyErr_SetString(PyExc_TypeError, "a hypercall returns a tuple of four");
        Py_CLEAR(result);
    }
    for (unsigned at = 0; result && at < 4; at++)
        x[at] = value_of(PyTuple_GetItem(result, at));
    leave_python(engine, result);
    if (engine->failed)
        return;
    for (unsigned at = 0; at < 4; at++)
        write_register(engine, register_number(engine, at), x[at]);
}

uint64_t call_mmio_read(Engine *engine, uint64_t gpa, unsigned size)
{
    if (!enter_python(engine, "read", gpa))
        return 0;
    PyObject *result = call(engine, EXIT_MMIO_READ, 2, (const uint64_t[]){gpa, size});
    uint64_t value = value_of(result);
    leave_python(engine, result);
    return value;
}

void call_mmio_write(Engine *engine, uint64_t gpa, unsigned size, uint64_t value)
{
    if (!enter_python(engine, "write", gpa))
        return;
    leave_python(engine, call(engine, EXIT_MMIO_WRITE, 3, (const uint64_t[]){gpa, size, value}));
}

bool call_sysreg_read(Engine *engine, uint32_t encoding, uint64_t *value)
{
    if (!enter_python(engine, "mrs", encoding))
        return true;
    PyObject *result = call(engine, EXIT_SYSREG_READ, 1, (const uint64_t[]){encoding});
    bool served = result != Py_None;
    *value = served ? value_of(result) : 0;
    leave_python(engine, result);
    return served;
}

bool call_sysreg_write(Engine *engine, uint32_t encoding, uint64_t value)
{
    if (!enter_python(engine, "msr", encoding))
        return true;
    PyObject *result = call(engine, EXIT_SYSREG_WRITE, 2, (const uint64_t[]){encoding, value});
    bool served = result == Py_True;
    leave_python(engine, result);
    return served || engine->failed;
}
