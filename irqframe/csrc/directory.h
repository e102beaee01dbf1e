/* The targets of a VM, by the number with which a guest names them. */
#ifndef IRQFRAME_DIRECTORY_H
#define IRQFRAME_DIRECTORY_H

#include "bits.h"

typedef struct {
    uint64_t key;
    Target *target; /* NULL: the slot is free */
} Slot;

typedef struct {
    PyObject_HEAD
    PyObject *targets; /* a tuple, which keeps them alive */
    Slot *slots;       /* twice as many as targets, at least, and a power of two */
    size_t last;       /* place of the last slot */
    unsigned shift;
} Directory;

/* The target, or NULL. */
static inline Target *directory_find(const Directory *directory, uint64_t key)
{
    size_t at = (size_t)(key * 0x9E3779B97F4A7C15u >> directory->shift);
    for (; directory->slots[at].target; at = (at + 1) & directory->last)
        if (directory->slots[at].key == key)
            return directory->slots[at].target;
    return NULL;
}

/* directory.c */
PyTypeObject *add_directory(PyObject *module);
/* Whether an object is a compiled target. */
bool is_target(const Native *native, PyObject *object);

#endif
