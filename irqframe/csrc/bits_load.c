/* A whole state at once: it is looked at first, then there is memory for it, and only then anything changes. */
#include "bits.h"

static PyObject *refused(const char *why)
{
    PyErr_SetString(PyExc_ValueError, why);
    return NULL;
}

/* How many are deliverable, -1 with an exception; `*all` is every bit that occurs. */
static Py_ssize_t ready_in(const uint8_t *state, size_t size, unsigned *all)
{
    Py_ssize_t ready = 0;
    for (size_t intid = 0; intid < size; intid++) {
        *all |= state[intid];
        ready += state[intid] == PENDING;
    }
    if (*all & ~(unsigned)STATE_BITS) {
        refused("a state byte has bits that mean nothing");
        return -1;
    }
    return ready;
}

/* Whether an order names every deliverable interrupt once. */
static int check_order(const uint8_t *state, size_t size, Py_ssize_t ready, const uint32_t *order)
{
    uint8_t *seen = calloc(size + 1, 1);
    if (!seen) {
        PyErr_NoMemory();
        return -1;
    }
    Py_ssize_t count = 0;
    bool right = true;
    for (; right && order[count] != UINT32_MAX; count++) {
        right = state[order[count]] == PENDING && !seen[order[count]];
        seen[order[count]] = 1;
    }
    free(seen);
    if (!right || count != ready)
        refused("an order names every deliverable interrupt once");
    return right && count == ready ? 0 : -1;
}

static int reserve_all(Target *target, const uint8_t *state, const uint8_t *priority, unsigned all)
{
    if (all & ~(unsigned)(PENDING | MASKED) && !target->more && bits_make_more(target))
        return -1;
    for (size_t intid = 0; intid < target->size; intid++)
        if (state[intid] == PENDING && target->policy->reserve(target, priority ? priority[intid] : 0))
            return -1;
    return 0;
}

static void take(Target *target, const uint8_t *state, const uint8_t *priority, const uint32_t *order)
{
    bits_fill(target, 0);
    target->policy->forget(target);
    if (target->policy->take)
        target->policy->take(target, priority);
    for (size_t intid = 0; intid < target->size; intid++)
        bits_flip(target, intid, state[intid]);
    if (order) {
        for (; *order != UINT32_MAX; order++)
            target->policy->enter(target, *order);
        return;
    }
    for (size_t intid = 0; intid < target->size; intid++)
        if (state[intid] == PENDING)
            target->policy->enter(target, intid);
}

/* `priority` is for a target that has them, `order` for one that has that; an order ends with UINT32_MAX. */
int bits_load(Target *target, PyObject *argument, const uint8_t *priority, const uint32_t *order)
{
    Py_buffer state;
    if (bits_idle(target) || PyObject_GetBuffer(argument, &state, PyBUF_SIMPLE))
        return -1;
    int result = -1;
    unsigned all = 0;
    Py_ssize_t ready = -1;
    if (state.len != (Py_ssize_t)target->size)
        refused("there must be a state byte for every interrupt");
    else
        ready = ready_in(state.buf, target->size, &all);
    if (ready >= 0 && (!order || !check_order(state.buf, target->size, ready, order))) {
        if (reserve_all(target, state.buf, priority, all)) {
            PyErr_NoMemory();
        } else {
            take(target, state.buf, priority, order);
            target->deliverable = ready;
            BITS_CHECK(target);
            result = 0;
        }
    }
    PyBuffer_Release(&state);
    return result;
}
