/* The type `Engine`: one AArch64 CPU of the emulator, run until something happens that Python has to know. */
#include "engine.h"

static const char *const FUNCTION_NAMES[] = {
#define X(name, returns, takes) "uc_" #name,
    UC_FUNCTIONS(X)
#undef X
    NULL};

static const char *const NUMBER_NAMES[] = {
#define X(name) "UC_" #name,
    UC_NUMBERS(X)
#undef X
    NULL};

static const char *const EXIT_NAMES[EXITS] = {"hypercall",   "mmio_read",    "mmio_write",
                                              "sysreg_read", "sysreg_write", "lines"};

static PyObject *engine_run(Engine *engine, PyObject *arguments)
{
    long long budget, deadline = 0;
    if (!PyArg_ParseTuple(arguments, "L|L", &budget, &deadline))
        return NULL;
    if (engine->thread) {
        PyErr_SetString(PyExc_RuntimeError, "the CPU is running");
        return NULL;
    }
    if (engine->tell)
        ask_lines(engine);
    if (PyErr_Occurred())
        return NULL;
    engine->thread = PyEval_SaveThread();
    int stop = run_engine(engine, budget, deadline);
    PyEval_RestoreThread(engine->thread);
    engine->thread = NULL;
    return tell_bound(engine) || engine->failed ? NULL : PyLong_FromLong(stop);
}

/* bind(rows, tell): each row is (exit, key, operation). Once. */
static PyObject *engine_bind(Engine *engine, PyObject *arguments)
{
    PyObject *rows, *tell;
    if (!PyArg_ParseTuple(arguments, "O!O", &PyTuple_Type, &rows, &tell))
        return NULL;
    if (engine->thread || engine->tell) {
        PyErr_SetString(PyExc_RuntimeError, "operations are bound once, before the CPU runs");
        return NULL;
    }
    if (take_bound(engine, rows, tell))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *engine_attend(Engine *engine, PyObject *unused)
{
    (void)unused;
    engine->attention = 1;
    engine->held = 1;
    Py_RETURN_NONE;
}

/* What is executed stays as it is: budget and rest lose the same. */
static PyObject *engine_shorten(Engine *engine, PyObject *argument)
{
    long long limit = PyLong_AsLongLong(argument);
    if (limit == -1 && PyErr_Occurred())
        return NULL;
    if (engine->deadline) {
        if (limit < engine->deadline)
            engine->deadline = limit;
    } else if (limit < engine->left) {
        engine->chunk -= engine->left - limit;
        engine->left = limit;
    }
    Py_RETURN_NONE;
}

static PyObject *engine_flush_tlb(Engine *engine, PyObject *unused)
{
    (void)unused;
    engine->flush_tlb = 1;
    engine->held = 1;
    Py_RETURN_NONE;
}

static PyObject *engine_flush_code(Engine *engine, PyObject *unused)
{
    (void)unused;
    engine->flush_code = 1;
    engine->held = 1;
    Py_RETURN_NONE;
}

/* The other CPUs: a tuple of engines. Once. */
static PyObject *engine_connect(Engine *engine, PyObject *peers)
{
    if (!PyTuple_Check(peers) || engine->peers) {
        PyErr_SetString(PyExc_TypeError, "connect takes a tuple of engines, once");
        return NULL;
    }
    Py_ssize_t count = PyTuple_Size(peers);
    for (Py_ssize_t at = 0; at < count; at++) {
        if (Py_TYPE(PyTuple_GetItem(peers, at)) != Py_TYPE((PyObject *)engine)) {
            PyErr_SetString(PyExc_TypeError, "a peer is no engine");
            return NULL;
        }
    }
    engine->others = PyMem_Calloc((size_t)count + 1, sizeof *engine->others);
    if (!engine->others)
        return PyErr_NoMemory();
    for (Py_ssize_t at = 0; at < count; at++)
        engine->others[at] = (Engine *)PyTuple_GetItem(peers, at);
    engine->others_count = (unsigned)count;
    engine->peers = Py_NewRef(peers);
    if (count && add_peer_hook(engine)) {
        PyErr_SetString(PyExc_OSError, "the emulator takes no hook for cache maintenance");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *engine_recent(Engine *engine, PyObject *unused)
{
    (void)unused;
    PyObject *list = PyList_New(0);
    unsigned first = engine->recent_count > RECENT ? engine->recent_count - RECENT : 0;
    for (unsigned at = first; list && at < engine->recent_count; at++) {
        Recent *entry = &engine->recent[at % RECENT];
        PyObject *item = Py_BuildValue("(sKK)", entry->kind, entry->pc, entry->key);
        if (!item || PyList_Append(list, item))
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

/* Making */

static int take_api(Engine *engine, PyObject *functions, PyObject *numbers)
{
    void **function = (void **)(void *)&engine->api;
    for (Py_ssize_t at = 0; FUNCTION_NAMES[at]; at++)
        function[at] = PyLong_AsVoidPtr(PyTuple_GetItem(functions, at));
    int *value = (int *)(void *)((char *)&engine->api + offsetof(UcApi, ARM64_REG_X0));
    for (Py_ssize_t at = 0; NUMBER_NAMES[at]; at++)
        value[at] = (int)PyLong_AsLong(PyTuple_GetItem(numbers, at));
    return PyErr_Occurred() ? -1 : 0;
}

static int take_exits(Engine *engine, PyObject *exits)
{
    for (int at = 0; at < EXITS; at++)
        if (!(engine->exits[at] = PyObject_GetAttrString(exits, EXIT_NAMES[at])))
            return -1;
    return 0;
}

static int take_served(Engine *engine, PyObject *served)
{
    Py_ssize_t count = PyTuple_Size(served);
    engine->served = PyMem_Calloc(SYSREGS / 8, 1);
    if (!engine->served) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t at = 0; at < count; at++) {
        unsigned long encoding = PyLong_AsUnsignedLong(PyTuple_GetItem(served, at)) & (SYSREGS - 1);
        engine->served[encoding >> 3] |= (unsigned char)(1 << (encoding & 7));
    }
    return PyErr_Occurred() ? -1 : 0;
}

static int take_frames(Engine *engine, PyObject *frames)
{
    Py_ssize_t count = PyTuple_Size(frames);
    engine->frames = PyMem_Calloc((size_t)count + 1, sizeof *engine->frames);
    if (!engine->frames) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t at = 0; at < count; at++) {
        unsigned long long base, size;
        if (!PyArg_ParseTuple(PyTuple_GetItem(frames, at), "KK", &base, &size))
            return -1;
        engine->frames[at] = (Frame){engine, base};
        int error = map_frame(engine, &engine->frames[at], size);
        if (error) {
            PyErr_Format(PyExc_OSError, "the emulator refuses the frame at 0x%llx with error %d", base, error);
            return -1;
        }
    }
    return 0;
}

static int prepare(Engine *engine)
{
    engine->stop = STOP_NONE;
    engine->last_exception = INT64_MIN / 2;
    int error = engine->api.context_alloc(engine->uc, &engine->context);
    error = error ? error : add_hooks(engine);
    if (error)
        PyErr_Format(PyExc_OSError, "the emulator refuses to be hooked, with error %d", error);
    return error ? -1 : 0;
}

static PyObject *engine_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"uc",     "functions", "numbers",      "syndrome_offset", "exits", "frames",
                            "served", "virtual",   "smc",          NULL};
    unsigned long long uc;
    Py_ssize_t syndrome_offset;
    PyObject *functions, *numbers, *exits, *frames, *served;
    int virtual_time, smc;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "KO!O!nOO!O!pp", names, &uc, &PyTuple_Type, &functions,
                                     &PyTuple_Type, &numbers, &syndrome_offset, &exits, &PyTuple_Type, &frames,
                                     &PyTuple_Type, &served, &virtual_time, &smc))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Engine *engine = (Engine *)allocate(type, 0);
    if (!engine)
        return NULL;
    engine->uc = (Uc *)(uintptr_t)uc;
    engine->syndrome_offset = (size_t)syndrome_offset;
    engine->virtual_time = virtual_time;
    engine->smc = smc;
    if (take_api(engine, functions, numbers) || take_exits(engine, exits) || take_served(engine, served) ||
        take_frames(engine, frames) || prepare(engine)) {
        Py_DECREF((PyObject *)engine);
        return NULL;
    }
    return (PyObject *)engine;
}

static int engine_traverse(Engine *engine, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE((PyObject *)engine));
    for (int at = 0; at < EXITS; at++)
        Py_VISIT(engine->exits[at]);
    Py_VISIT(engine->peers);
    Py_VISIT(engine->tell);
    for (unsigned at = 0; at < engine->bound_count; at++)
        Py_VISIT((PyObject *)engine->bound[at].operation);
    return 0;
}

static int engine_clear(Engine *engine)
{
    engine->others_count = 0;
    for (int at = 0; at < EXITS; at++)
        Py_CLEAR(engine->exits[at]);
    Py_CLEAR(engine->peers);
    forget_bound(engine);
    return 0;
}

static void engine_dealloc(Engine *engine)
{
    PyTypeObject *type = Py_TYPE((PyObject *)engine);
    PyObject_GC_UnTrack(engine);
    engine_clear(engine);
    if (engine->context)
        engine->api.context_free(engine->context);
    PyMem_Free(engine->others);
    PyMem_Free(engine->frames);
    PyMem_Free(engine->served);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(engine);
    Py_DECREF((PyObject *)type);
}

/* The table of the type */

static PyObject *get_executed(Engine *engine, void *unused)
{
    (void)unused;
    return PyLong_FromLongLong(executed(engine));
}

static PyObject *get_fault(Engine *engine, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(engine->fault);
}

static PyMethodDef METHODS[] = {
    {"run", (PyCFunction)engine_run, METH_VARARGS, NULL},
    {"attend", (PyCFunction)engine_attend, METH_NOARGS, NULL},
    {"shorten", (PyCFunction)engine_shorten, METH_O, NULL},
    {"flush_tlb", (PyCFunction)engine_flush_tlb, METH_NOARGS, NULL},
    {"flush_code", (PyCFunction)engine_flush_code, METH_NOARGS, NULL},
    {"connect", (PyCFunction)engine_connect, METH_O, NULL},
    {"bind", (PyCFunction)engine_bind, METH_VARARGS, NULL},
    {"recent", (PyCFunction)engine_recent, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

#include <structmember.h>

static PyMemberDef MEMBERS[] = {
    {"lines", T_INT, offsetof(Engine, lines), 0, NULL},
    {"counter_base", T_LONGLONG, offsetof(Engine, counter_base), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef GETTERS[] = {
    {"executed", (getter)get_executed, NULL, NULL, NULL},
    {"fault", (getter)get_fault, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot SLOTS[] = {
    {Py_tp_new, (void *)engine_new},
    {Py_tp_dealloc, (void *)engine_dealloc},
    {Py_tp_traverse, (void *)engine_traverse},
    {Py_tp_clear, (void *)engine_clear},
    {Py_tp_methods, METHODS},
    {Py_tp_members, MEMBERS},
    {Py_tp_getset, GETTERS},
    {0, NULL},
};

static PyType_Spec SPEC = {
    .name = "irqframe._native.Engine",
    .basicsize = sizeof(Engine),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = SLOTS,
};

static PyObject *names_of(const char *const *names)
{
    PyObject *list = PyList_New(0);
    for (; list && *names; names++) {
        PyObject *name = PyUnicode_FromString(*names);
        if (!name || PyList_Append(list, name))
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    PyObject *tuple = list ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple;
}

int add_engine(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &SPEC, NULL);
    PyObject *functions = names_of(FUNCTION_NAMES), *numbers = names_of(NUMBER_NAMES);
    int failed = !type || !functions || !numbers || PyModule_AddObjectRef(module, "Engine", type) ||
                 PyModule_AddObjectRef(module, "FUNCTIONS", functions) ||
                 PyModule_AddObjectRef(module, "NUMBERS", numbers);
    Py_XDECREF(type);
    Py_XDECREF(functions);
    Py_XDECREF(numbers);
    return failed ? -1 : 0;
}
