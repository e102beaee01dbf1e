/* Operations on targets: acknowledge the caller's next interrupt, and by (target, INTID) pend and unmask.

   Each does what the target's method of that name does. A target of another vCPU is changed only if its line stays as it
   is: whoever changes the line has to kick. */
#include "directory.h"
#include "operation.h"

#include <stdlib.h>
#include <string.h>

#include "bits_records.h"

static unsigned line_of(const Target *target)
{
    return target->enabled && target->deliverable ? LINE_IRQ : 0;
}

/* At least 0 if it was done. */
static int32_t apply(Target *target, enum operation op, size_t intid)
{
    return target->policy->apply(target, op, 0, intid);
}

static bool answer(uint64_t out[OPERATION_WORDS], const uint64_t words[OPERATION_WORDS])
{
    memcpy(out, words, OPERATION_WORDS * sizeof *words);
    return true;
}

/* Acknowledge */

typedef struct {
    Target *target;
    uint64_t disabled[OPERATION_WORDS], nothing[OPERATION_WORDS];
    size_t places;    /* of `counts`, which is made when it is first needed */
    uint64_t *counts; /* how often each INTID was handed out */
} Acknowledging;

/* Whether there is a place for each INTID, which there is not if the target was made anew, and larger. */
static bool can_count(Acknowledging *of)
{
    if (!of->counts && (of->counts = calloc((size_t)of->target->size + 1, sizeof *of->counts)))
        of->places = of->target->size;
    return of->counts && of->target->size <= of->places;
}

static bool acknowledge(Operation *operation, const uint64_t *in, uint64_t *out)
{
    Acknowledging *of = operation->data;
    Target *target = of->target;
    (void)in;
    if (target->busy)
        return false;
    if (!target->enabled)
        return answer(out, of->disabled);
    if (!target->deliverable)
        return answer(out, of->nothing);
    int32_t intid = can_count(of) ? apply(target, OP_ACKNOWLEDGE, 0) : -1;
    if (intid < 0)
        return false;
    of->counts[intid]++;
    return answer(out, (const uint64_t[OPERATION_WORDS]){0, (uint64_t)intid});
}

static unsigned acknowledge_lines(const Operation *operation)
{
    return line_of(((const Acknowledging *)operation->data)->target);
}

static PyObject *acknowledge_counts(const Operation *operation)
{
    const Acknowledging *of = operation->data;
    PyObject *counts = PyDict_New();
    for (size_t intid = 0; counts && intid < of->places; intid++) {
        if (!of->counts[intid])
            continue;
        PyObject *number = PyLong_FromSize_t(intid), *count = PyLong_FromUnsignedLongLong(of->counts[intid]);
        if (!number || !count || PyDict_SetItem(counts, number, count))
            Py_CLEAR(counts);
        Py_XDECREF(number);
        Py_XDECREF(count);
    }
    return counts;
}

static void acknowledge_release(Operation *operation)
{
    free(((Acknowledging *)operation->data)->counts);
}

static const OperationKind ACKNOWLEDGE = {0, acknowledge, acknowledge_lines, acknowledge_counts, acknowledge_release};

/* By target and INTID */

typedef struct {
    const Directory *directory;
    const Target *own;
    uint64_t disabled[OPERATION_WORDS];
} Named;

/* The target that the exit names, if it has the INTID. */
static Target *named_target(const Named *of, const uint64_t *in)
{
    Target *target = directory_find(of->directory, in[0]);
    return target && in[1] < target->limit ? target : NULL;
}

/* Whether a change that makes an interrupt of that state deliverable is another vCPU's line. */
static bool kicks(const Named *of, const Target *target, size_t intid, unsigned state)
{
    return target != of->own && target->enabled && !target->deliverable && bits_byte(target, intid) == state;
}

static bool pend(Operation *operation, const uint64_t *in, uint64_t *out)
{
    const Named *of = operation->data;
    Target *target = named_target(of, in);
    if (!target)
        return false;
    if (!target->enabled)
        return answer(out, of->disabled);
    if (kicks(of, target, in[1], 0) || apply(target, OP_PEND, in[1]) < 0)
        return false;
    return answer(out, (const uint64_t[OPERATION_WORDS]){0});
}

static bool unmask(Operation *operation, const uint64_t *in, uint64_t *out)
{
    const Named *of = operation->data;
    Target *target = named_target(of, in);
    if (!target || kicks(of, target, in[1], PENDING | MASKED) || apply(target, OP_UNMASK, in[1]) < 0)
        return false;
    return answer(out, (const uint64_t[OPERATION_WORDS]){0});
}

static unsigned named_lines(const Operation *operation)
{
    return line_of(((const Named *)operation->data)->own);
}

static const OperationKind PEND = {2, pend, named_lines, NULL, NULL};
static const OperationKind UNMASK = {2, unmask, named_lines, NULL, NULL};

/* Making */

static int check_target(const Native *native, PyObject *object)
{
    if (is_target(native, object))
        return 0;
    PyErr_Format(PyExc_TypeError, "%R is no compiled target", object);
    return -1;
}

/* acknowledging(target, disabled, nothing) */
static PyObject *acknowledging(PyObject *module, PyObject *arguments)
{
    const Native *native = PyModule_GetState(module);
    uint64_t disabled[OPERATION_WORDS], nothing[OPERATION_WORDS];
    PyObject *target, *when_disabled, *when_nothing;
    if (!PyArg_ParseTuple(arguments, "OOO", &target, &when_disabled, &when_nothing) || check_target(native, target) ||
        operation_words(when_disabled, disabled) || operation_words(when_nothing, nothing))
        return NULL;
    Operation *operation = operation_new(native->operation, &ACKNOWLEDGE, sizeof(Acknowledging), target);
    if (operation) {
        Acknowledging *of = operation->data;
        of->target = (Target *)target;
        answer(of->disabled, disabled);
        answer(of->nothing, nothing);
    }
    return (PyObject *)operation;
}

static PyObject *named_operation(const Native *native, const OperationKind *kind, PyObject *own, PyObject *directory,
                                 const uint64_t disabled[OPERATION_WORDS])
{
    if (check_target(native, own))
        return NULL;
    if (!PyObject_TypeCheck(directory, native->directory)) {
        PyErr_Format(PyExc_TypeError, "%R is no directory", directory);
        return NULL;
    }
    PyObject *owner = PyTuple_Pack(2, own, directory);
    Operation *operation = owner ? operation_new(native->operation, kind, sizeof(Named), owner) : NULL;
    Py_XDECREF(owner);
    if (operation) {
        Named *of = operation->data;
        of->directory = (const Directory *)directory;
        of->own = (const Target *)own;
        answer(of->disabled, disabled);
    }
    return (PyObject *)operation;
}

/* pending(own, directory, disabled) */
static PyObject *pending(PyObject *module, PyObject *arguments)
{
    uint64_t disabled[OPERATION_WORDS];
    PyObject *own, *directory, *when_disabled;
    if (!PyArg_ParseTuple(arguments, "OOO", &own, &directory, &when_disabled) ||
        operation_words(when_disabled, disabled))
        return NULL;
    return named_operation(PyModule_GetState(module), &PEND, own, directory, disabled);
}

/* unmasking(own, directory) */
static PyObject *unmasking(PyObject *module, PyObject *arguments)
{
    PyObject *own, *directory;
    if (!PyArg_ParseTuple(arguments, "OO", &own, &directory))
        return NULL;
    return named_operation(PyModule_GetState(module), &UNMASK, own, directory, (const uint64_t[OPERATION_WORDS]){0});
}

static PyMethodDef FUNCTIONS[] = {
    {"acknowledging", acknowledging, METH_VARARGS, NULL},
    {"pending", pending, METH_VARARGS, NULL},
    {"unmasking", unmasking, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject *add_operation(PyObject *module);

int add_operations(PyObject *module)
{
    Native *native = PyModule_GetState(module);
    return (native->operation = add_operation(module)) && (native->directory = add_directory(module)) &&
                   !PyModule_AddFunctions(module, FUNCTIONS)
               ? 0
               : -1;
}
