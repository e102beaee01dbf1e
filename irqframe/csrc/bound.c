/* Exits that an operation serves without Python: the table of them, and what Python is told of it afterwards. */
#include "engine.h"

/* What the exit `lines` says beside the lines: the vCPU has to be entered anew, so the next exit is Python's. */
enum { UNSETTLED = 1 << 2 };

enum { MOST_BOUND = 1 << 16 };

static size_t place_of(const Engine *engine, enum exit exit, uint64_t key)
{
    return (size_t)((key ^ (uint64_t)exit << 61) * 0x9E3779B97F4A7C15u >> engine->bound_shift);
}

/* The place of an exit among `places`, or the free one where it belongs. */
static unsigned *find_place(const Engine *engine, enum exit exit, uint64_t key)
{
    size_t last = ((size_t)1 << (64 - engine->bound_shift)) - 1;
    for (size_t at = place_of(engine, exit, key);; at = (at + 1) & last) {
        unsigned *place = &engine->places[at];
        if (!*place || (engine->bound[*place - 1].key == key && engine->bound[*place - 1].exit == exit))
            return place;
    }
}

Bound *find_bound(const Engine *engine, enum exit exit, uint64_t key)
{
    /* Python comes first with what it was asked to do, and with what it failed at. */
    if (!engine->settled || engine->attention || engine->failed)
        return NULL;
    unsigned place = *find_place(engine, exit, key);
    return place ? &engine->bound[place - 1] : NULL;
}

bool serve(Engine *engine, Bound *bound, const char *kind, uint64_t key, const uint64_t *in, uint64_t *out)
{
    if (!operation_call(bound->operation, in, out))
        return false;
    note(engine, kind, engine->block, key);
    if (!bound->count++)
        engine->untold[engine->untold_count++] = (unsigned)(bound - engine->bound);
    engine->lines = (int)(bound->operation->kind->lines(bound->operation) & (LINE_IRQ | LINE_FIQ));
    return true;
}

/* With the GIL: asks for the lines. */
void ask_lines(Engine *engine)
{
    PyObject *lines = PyObject_CallNoArgs(engine->exits[EXIT_LINES]);
    if (!lines)
        return;
    long bits = PyLong_AsLong(lines);
    Py_DECREF(lines);
    engine->lines = (int)(bits & (LINE_IRQ | LINE_FIQ));
    engine->settled = engine->bound && !(bits & UNSETTLED);
}

static PyObject *list_untold(const Engine *engine)
{
    PyObject *list = PyList_New(0);
    for (unsigned at = 0; list && at < engine->untold_count; at++) {
        unsigned place = engine->untold[at];
        PyObject *item = Py_BuildValue("(IK)", place, (unsigned long long)engine->bound[place].count);
        if (!item || PyList_Append(list, item))
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

/* With the GIL: Python's counts, and its lines, become what they would be had it served everything; -1 if it raises. */
int tell_bound(Engine *engine)
{
    if (!engine->untold_count)
        return 0;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *list = list_untold(engine);
    while (list && engine->untold_count)
        engine->bound[engine->untold[--engine->untold_count]].count = 0;
    PyObject *result = list ? PyObject_CallFunction(engine->tell, "iO", engine->lines, list) : NULL;
    Py_XDECREF(list);
    Py_XDECREF(result);
    if (type)
        PyErr_Restore(type, value, traceback);
    return result ? 0 : -1;
}

/* Making */

static int take_row(Engine *engine, PyObject *row)
{
    int exit;
    unsigned long long key;
    PyObject *object;
    if (!PyTuple_Check(row)) {
        PyErr_SetString(PyExc_TypeError, "a row is (exit, key, operation)");
        return -1;
    }
    if (!PyArg_ParseTuple(row, "iKO", &exit, &key, &object))
        return -1;
    Operation *operation = operation_of(object);
    if (!operation)
        return -1;
    unsigned *place = exit >= 0 && exit < EXIT_LINES ? find_place(engine, (enum exit)exit, key) : NULL;
    if (!place || *place) {
        PyErr_Format(PyExc_ValueError, "exit %d with key %llu cannot be bound, or is bound already", exit, key);
        return -1;
    }
    engine->bound[engine->bound_count++] = (Bound){(Operation *)Py_NewRef(object), key, 0, (enum exit)exit};
    *place = engine->bound_count;
    return 0;
}

static int make_places(Engine *engine, size_t count)
{
    unsigned bits = 1;
    while ((size_t)1 << bits < 2 * count)
        bits++;
    engine->bound_shift = 64 - bits;
    engine->places = PyMem_Calloc((size_t)1 << bits, sizeof *engine->places);
    engine->bound = PyMem_Calloc(count + 1, sizeof *engine->bound);
    engine->untold = PyMem_Calloc(count + 1, sizeof *engine->untold);
    if (engine->places && engine->bound && engine->untold)
        return 0;
    PyErr_NoMemory();
    return -1;
}

void forget_bound(Engine *engine)
{
    engine->settled = 0;
    engine->untold_count = 0;
    for (unsigned at = 0; engine->bound && at < engine->bound_count; at++)
        Py_DECREF((PyObject *)engine->bound[at].operation);
    PyMem_Free(engine->bound);
    PyMem_Free(engine->places);
    PyMem_Free(engine->untold);
    engine->bound = NULL;
    engine->places = NULL;
    engine->untold = NULL;
    engine->bound_count = 0;
    Py_CLEAR(engine->tell);
}

int take_bound(Engine *engine, PyObject *rows, PyObject *tell)
{
    Py_ssize_t count = PyTuple_Size(rows);
    if (count > MOST_BOUND) {
        PyErr_SetString(PyExc_ValueError, "too many operations");
        return -1;
    }
    int failed = make_places(engine, (size_t)count);
    for (Py_ssize_t row = 0; !failed && row < count; row++)
        failed = take_row(engine, PyTuple_GetItem(rows, row));
    if (failed)
        forget_bound(engine);
    else
        engine->tell = Py_NewRef(tell);
    return failed;
}
