/* `replay`: many operations in one call. `irqframe/bits/_replay.py` is the reference, and tells what the answer means.

   Records in a buffer are replayed without the GIL: the buffers are locked by their exports, the targets by `busy`. */
#include "bits.h"
#include "bits_records.h"

#include <string.h>

typedef struct {
    PyObject *tuple; /* keeps the targets */
    Target **targets;
    size_t targets_count;
    Py_buffer out;
    bool has_out;
    size_t room;     /* results that `out` has room for */
    size_t done;
    enum refusal refusal;
} Replay;

static int take_targets(Replay *replay, const Native *native, PyObject *targets)
{
    replay->tuple = PySequence_Tuple(targets);
    if (!replay->tuple)
        return -1;
    replay->targets_count = (size_t)PyTuple_Size(replay->tuple);
    replay->targets = PyMem_Calloc(replay->targets_count + 1, sizeof *replay->targets);
    if (!replay->targets) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t at = 0; at < replay->targets_count; at++) {
        PyObject *target = PyTuple_GetItem(replay->tuple, (Py_ssize_t)at);
        if (!PyObject_TypeCheck(target, native->targets[0]) && !PyObject_TypeCheck(target, native->targets[1]) &&
            !PyObject_TypeCheck(target, native->targets[2])) {
            PyErr_Format(PyExc_TypeError, "target %zu is none of this make", at);
            return -1;
        }
        replay->targets[at] = (Target *)target;
    }
    return 0;
}

static int take_out(Replay *replay, PyObject *out)
{
    replay->room = SIZE_MAX;
    if (out == Py_None)
        return 0;
    if (PyObject_GetBuffer(out, &replay->out, PyBUF_WRITABLE))
        return -1;
    replay->has_out = true;
    replay->room = (size_t)replay->out.len / RESULT;
    return 0;
}

static void release(Replay *replay)
{
    if (replay->has_out)
        PyBuffer_Release(&replay->out);
    PyMem_Free(replay->targets);
    Py_XDECREF(replay->tuple);
}

/* The fields are looked at in the order in which they stand in the record. */
static enum refusal apply_record(Replay *replay, const Record *record)
{
    if (record->op >= OPERATIONS)
        return NO_OPERATION;
    if (record->vcpu >= replay->targets_count)
        return NO_VCPU;
    if (replay->done >= replay->room)
        return NO_ROOM;
    Target *target = replay->targets[record->vcpu];
    int32_t result = target->policy->apply(target, record->op, record->value, record->intid);
    if (result < -1)
        return (enum refusal)(-2 - result);
    if (replay->has_out)
        memcpy((char *)replay->out.buf + replay->done * RESULT, &result, RESULT);
    replay->done++;
    return APPLIED;
}

/* The order of delivery that all targets have, NULL if they differ. */
static const Policy *common_policy(const Replay *replay)
{
    const Policy *policy = replay->targets_count ? replay->targets[0]->policy : NULL;
    for (size_t at = 1; policy && at < replay->targets_count; at++)
        if (replay->targets[at]->policy != policy)
            policy = NULL;
    return policy;
}

/* A loop of its own for each order of delivery; what it stops at, and what it cannot do, is done one by one. */
static void run(Replay *replay, const uint8_t *records, size_t count)
{
    const Policy *policy = common_policy(replay);
    size_t last = count < replay->room ? count : replay->room;
    while (replay->done < count && !replay->refusal) {
        if (policy && replay->done < last) {
            char *out = replay->has_out ? (char *)replay->out.buf + replay->done * RESULT : NULL;
            replay->done += policy->apply_many(replay->targets, replay->targets_count, records + replay->done * RECORD,
                                               last - replay->done, out);
        }
        if (replay->done < count) {
            Record record = decode(records + replay->done * RECORD);
            replay->refusal = apply_record(replay, &record);
        }
    }
}

static int lock(Replay *replay)
{
    for (size_t at = 0; at < replay->targets_count; at++)
        if (bits_idle(replay->targets[at]))
            return -1;
    for (size_t at = 0; at < replay->targets_count; at++) {
        replay->targets[at]->busy = true;
        replay->targets[at]->limit = 0;
    }
    return 0;
}

static void unlock(Replay *replay)
{
    for (size_t at = 0; at < replay->targets_count; at++) {
        replay->targets[at]->busy = false;
        replay->targets[at]->limit = replay->targets[at]->size;
    }
}

static int run_buffer(Replay *replay, PyObject *records)
{
    Py_buffer buffer;
    if (PyObject_GetBuffer(records, &buffer, PyBUF_SIMPLE))
        return -1;
    int failed = -1;
    if (buffer.len % RECORD) {
        PyErr_Format(PyExc_ValueError, "the records are %zd bytes, not a multiple of %d", buffer.len, RECORD);
    } else if (!lock(replay)) {
        PyThreadState *thread = PyEval_SaveThread();
        run(replay, buffer.buf, (size_t)buffer.len / RECORD);
        PyEval_RestoreThread(thread);
        unlock(replay);
        failed = 0;
    }
    PyBuffer_Release(&buffer);
    return failed;
}

/* Records as tuples. Their methods may do anything, so each finds the targets as they are then. */

static const unsigned long MOST[] = {UINT8_MAX, UINT8_MAX, UINT16_MAX, UINT32_MAX};

/* 1 if it is a record, 0 if it is none, -1 with an exception that is not about that. */
static int fields_of(PyObject *tuple, unsigned long *fields)
{
    if (PyTuple_Size(tuple) != 4)
        return 0;
    for (int at = 0; at < 4; at++) {
        PyObject *number = PyNumber_Index(PyTuple_GetItem(tuple, at));
        if (!number)
            return PyErr_ExceptionMatches(PyExc_TypeError) ? 0 : -1;
        fields[at] = PyLong_AsUnsignedLong(number);
        Py_DECREF(number);
        if (PyErr_Occurred() || fields[at] > MOST[at])
            return 0;
    }
    return 1;
}

static int read_item(PyObject *item, Record *record)
{
    unsigned long fields[4];
    PyObject *tuple = PyTuple_Check(item) ? Py_NewRef(item) : PySequence_Tuple(item);
    int is_record = tuple ? fields_of(tuple, fields) : PyErr_ExceptionMatches(PyExc_TypeError) ? 0 : -1;
    Py_XDECREF(tuple);
    if (!is_record)
        PyErr_Clear();
    if (is_record == 1)
        *record = (Record){(unsigned)fields[0], (unsigned)fields[1], (unsigned)fields[2], fields[3]};
    return is_record;
}

static int run_item(Replay *replay, PyObject *item)
{
    Record record;
    int is_record = read_item(item, &record);
    if (is_record < 0 || (is_record && record.vcpu < replay->targets_count && bits_idle(replay->targets[record.vcpu])))
        return -1;
    replay->refusal = is_record ? apply_record(replay, &record) : NO_RECORD;
    return 0;
}

static int run_items(Replay *replay, PyObject *records)
{
    PyObject *iterator = PyObject_GetIter(records), *item = NULL;
    while (iterator && !replay->refusal && (item = PyIter_Next(iterator))) {
        int failed = run_item(replay, item);
        Py_DECREF(item);
        if (failed)
            break;
    }
    Py_XDECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

/* (targets, records, out) -> (records applied, why the next one was not). */
PyObject *bits_replay(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    Replay replay = {.done = 0};
    if (bits_count_arguments("replay", count, 3))
        return NULL;
    int failed = take_targets(&replay, PyModule_GetState(module), arguments[0]) || take_out(&replay, arguments[2]) ||
                 (PyObject_CheckBuffer(arguments[1]) ? run_buffer(&replay, arguments[1])
                                                     : run_items(&replay, arguments[1]));
    release(&replay);
    return failed ? NULL : Py_BuildValue("(ni)", (Py_ssize_t)replay.done, (int)replay.refusal);
}
