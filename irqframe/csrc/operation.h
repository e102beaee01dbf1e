/* Operations: what serves an exit of a guest without Python.

   They are called by the thread that owns the vCPU, without the GIL, and touch no Python object. */
#ifndef IRQFRAME_OPERATION_H
#define IRQFRAME_OPERATION_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

/* The lines of a vCPU. */
enum { LINE_IRQ = 1, LINE_FIQ = 2 };

/* Words that go in, and that come out:
     hypercall              x1 to x3          x0 to x3
     load from a device     size              value
     store to a device      size, value
     MRS                                      value
     MSR                    value */
enum { OPERATION_WORDS = 4 };

typedef struct Operation Operation;

typedef struct {
    /* How many of the words that go in it looks at. */
    unsigned takes;
    /* False: Python has to do this one, and nothing was changed. */
    bool (*call)(Operation *, const uint64_t in[OPERATION_WORDS], uint64_t out[OPERATION_WORDS]);
    /* What the irqchip's flush would make of the lines, after a call that was served. */
    unsigned (*lines)(const Operation *);
    /* How often it did its work for each number, a dictionary; NULL where numbers are not told apart. */
    PyObject *(*counts)(const Operation *);
    /* Frees what `data` points to, but not `data`; NULL if there is nothing. */
    void (*release)(Operation *);
} OperationKind;

struct Operation {
    PyObject_HEAD
    const OperationKind *kind;
    uint64_t done;   /* how often it served an exit */
    void *data;      /* of the kind */
    PyObject *owner; /* keeps alive what `data` points to */
};

/* operation.c: a new one, whose `data` is `size` bytes of 0; NULL with an exception. */
Operation *operation_new(PyTypeObject *type, const OperationKind *kind, size_t size, PyObject *owner);
/* The operation that an object is; NULL with an exception if it is none. */
Operation *operation_of(PyObject *object);
/* Up to OPERATION_WORDS numbers of a tuple; -1 with an exception. */
int operation_words(PyObject *tuple, uint64_t words[OPERATION_WORDS]);

static inline bool operation_call(Operation *operation, const uint64_t *in, uint64_t *out)
{
    if (!operation->kind->call(operation, in, out))
        return false;
    operation->done++;
    return true;
}

#endif
