/* Exits: what leaves the guest is served by an operation, or collected and handed to Python in one call. */
#include "engine.h"

/* After the call: the lines as they are now, and the guest stops if something was raised. */
static void leave_python(Engine *engine, PyObject *result)
{
    if (!PyErr_Occurred())
        ask_lines(engine);
    Py_XDECREF(result);
    if (PyErr_Occurred()) {
        engine->failed = 1;
        engine->held = 1;
    }
    engine->thread = PyEval_SaveThread();
}

/* Takes the GIL, which the guest runs without. */
static bool enter_python(Engine *engine, const char *kind, uint64_t key)
{
    if (engine->failed)
        return false;
    note(engine, kind, engine->block, key);
    PyEval_RestoreThread(engine->thread);
    if (!tell_bound(engine))
        return true;
    leave_python(engine, NULL);
    return false;
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

/* By the operation that is bound to it, if there is one, and it can. */
static bool serve_hypercall(Engine *engine, const char *kind, uint64_t x[CALL_REGISTERS])
{
    Bound *bound = find_bound(engine, EXIT_HYPERCALL, x[0] & UINT32_MAX);
    if (!bound)
        return false;
    if (bound->operation->kind->takes)
        read_arguments(engine, x);
    uint64_t in[OPERATION_WORDS] = {x[1], x[2], x[3]}, out[OPERATION_WORDS] = {0};
    if (!serve(engine, bound, kind, x[0], in, out))
        return false;
    write_results(engine, out);
    return true;
}

void call_hypercall(Engine *engine, const char *kind)
{
    uint64_t x[CALL_REGISTERS] = {read_register(engine, engine->api.ARM64_REG_X0)};
    if (serve_hypercall(engine, kind, x) || !enter_python(engine, kind, x[0]))
        return;
    read_arguments(engine, x);
    PyObject *result = call(engine, EXIT_HYPERCALL, CALL_REGISTERS, x);
    if (result && (!PyTuple_Check(result) || PyTuple_Size(result) != CALL_REGISTERS)) {
        PyErr_SetString(PyExc_TypeError, "a hypercall returns a tuple of four");
        Py_CLEAR(result);
    }
    for (unsigned at = 0; result && at < CALL_REGISTERS; at++)
        x[at] = value_of(PyTuple_GetItem(result, at));
    leave_python(engine, result);
    if (!engine->failed)
        write_results(engine, x);
}

uint64_t call_mmio_read(Engine *engine, uint64_t gpa, unsigned size)
{
    Bound *bound = find_bound(engine, EXIT_MMIO_READ, gpa);
    uint64_t out[OPERATION_WORDS] = {0};
    if (bound && serve(engine, bound, "read", gpa, (const uint64_t[OPERATION_WORDS]){size}, out))
        return out[0];
    if (!enter_python(engine, "read", gpa))
        return 0;
    PyObject *result = call(engine, EXIT_MMIO_READ, 2, (const uint64_t[]){gpa, size});
    uint64_t value = value_of(result);
    leave_python(engine, result);
    return value;
}

void call_mmio_write(Engine *engine, uint64_t gpa, unsigned size, uint64_t value)
{
    Bound *bound = find_bound(engine, EXIT_MMIO_WRITE, gpa);
    uint64_t out[OPERATION_WORDS], cut = size < 8 ? value & (((uint64_t)1 << 8 * size) - 1) : value;
    if (bound && serve(engine, bound, "write", gpa, (const uint64_t[OPERATION_WORDS]){size, cut}, out))
        return;
    if (!enter_python(engine, "write", gpa))
        return;
    leave_python(engine, call(engine, EXIT_MMIO_WRITE, 3, (const uint64_t[]){gpa, size, value}));
}

bool call_sysreg_read(Engine *engine, uint32_t encoding, uint64_t *value)
{
    Bound *bound = find_bound(engine, EXIT_SYSREG_READ, encoding);
    uint64_t out[OPERATION_WORDS] = {0};
    if (bound && serve(engine, bound, "mrs", encoding, (const uint64_t[OPERATION_WORDS]){0}, out)) {
        *value = out[0];
        return true;
    }
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
    Bound *bound = find_bound(engine, EXIT_SYSREG_WRITE, encoding);
    uint64_t out[OPERATION_WORDS];
    if (bound && serve(engine, bound, "msr", encoding, (const uint64_t[OPERATION_WORDS]){value}, out))
        return true;
    if (!enter_python(engine, "msr", encoding))
        return true;
    PyObject *result = call(engine, EXIT_SYSREG_WRITE, 2, (const uint64_t[]){encoding, value});
    bool served = result == Py_True;
    leave_python(engine, result);
    return served || engine->failed;
}
