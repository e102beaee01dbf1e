/* `Preemption` as Python has it. Its twin in Python takes the same calls; what drives the lines is told as there. */
#include "bits_preemption.h"

#include <structmember.h>

static void release_sources(Preemption *cpu)
{
    PyObject *bytes = cpu->sources_bytes;
    cpu->sources = NULL;
    cpu->sources_count = 0;
    cpu->sources_bytes = NULL;
    if (bytes)
        PyBuffer_Release(&cpu->sources_view);
    Py_XDECREF(bytes);
}

static void release_all(Preemption *cpu)
{
    release_sources(cpu);
    for (uint32_t number = 0; number < cpu->banks; number++) {
        Py_XDECREF((PyObject *)cpu->rows[number].bank);
        free(cpu->rows[number].acknowledged);
    }
    for (unsigned priority = 0; priority < PRIORITY_LEVELS; priority++)
        free(cpu->levels[priority].rows);
    free(cpu->rows);
    free(cpu->priority);
    Py_XDECREF((PyObject *)cpu->account);
    Py_XDECREF(cpu->others);
}

static void preemption_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    release_all((Preemption *)self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF((PyObject *)type);
}

static PyObject *preemption_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    (void)arguments;
    (void)keywords;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Preemption *cpu = (Preemption *)allocate(type, 0);
    if (cpu) {
        cpu->running = cpu->offered = PREEMPTION_IDLE;
        cpu->best = -1;
        cpu->shift = 1;
    }
    return (PyObject *)cpu;
}

/* One pair of `banks`; its row is there and empty. */
static int take_bank(Preemption *cpu, PyObject *pair, PyObject *own)
{
    PyObject *number_argument, *bank;
    if (!PyArg_ParseTuple(pair, "OO", &number_argument, &bank) || !is_bank(bank))
        return -1;
    long long number = PyLong_AsLongLong(number_argument);
    if (number == -1 && PyErr_Occurred())
        return -1;
    if (number < 0 || number >= cpu->banks || ((Bank *)bank)->first / BANK_SIZE != number || cpu->rows[number].bank) {
        PyErr_Format(PyExc_ValueError, "there is no place for bank %lld", number);
        return -1;
    }
    int is_own = PySequence_Contains(own, number_argument);
    if (is_own < 0)
        return -1;
    Row *row = &cpu->rows[number];
    row->acknowledged = calloc(BANK_SIZE, sizeof *row->acknowledged);
    if (!row->acknowledged) {
        PyErr_NoMemory();
        return -1;
    }
    row->bank = (Bank *)Py_NewRef(bank);
    row->alone = is_own ? UINT32_MAX : 0;
    return 0;
}

static int preemption_init(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"banks", "own", "intids", "group_bits", "account", NULL};
    Preemption *cpu = (Preemption *)self;
    PyObject *banks, *own, *account;
    long long intids, group_bits;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOLLO", names, &banks, &own, &intids, &group_bits, &account))
        return -1;
    if (!is_account(account))
        return -1;
    if (group_bits < 1 || group_bits > 7 || intids < 1 || intids > 1 << 24) {
        PyErr_Format(PyExc_ValueError, "1 to 7 bits can count for preemption, not %lld, of up to 2**24 INTIDs, not %lld",
                     group_bits, intids);
        return -1;
    }
    PyObject *pairs = PyMapping_Items(banks);
    if (!pairs)
        return -1;
    if (cpu->rows) {
        Py_DECREF(pairs);
        PyErr_SetString(PyExc_RuntimeError, "a Preemption is initialised once");
        return -1;
    }
    uint32_t count = (uint32_t)(intids + BANK_SIZE - 1) / BANK_SIZE;
    cpu->rows = calloc(count, sizeof *cpu->rows);
    cpu->priority = calloc(count, BANK_SIZE);
    cpu->others = PyDict_New();
    int failed = !cpu->rows || !cpu->priority || !cpu->others;
    if (failed) {
        PyErr_NoMemory();
    } else {
        cpu->banks = count;
        cpu->intids = (uint32_t)intids;
        cpu->shift = (unsigned)(8 - group_bits);
        cpu->account = (Account *)Py_NewRef(account);
    }
    for (Py_ssize_t at = 0; !failed && at < PyList_Size(pairs); at++)
        failed = take_bank(cpu, PyList_GetItem(pairs, at), own);
    Py_DECREF(pairs);
    return failed ? -1 : 0;
}

Preemption *preemption_of(PyObject *object)
{
    for (PyTypeObject *type = Py_TYPE(object); type; type = PyType_GetSlot(type, Py_tp_base))
        if ((destructor)PyType_GetSlot(type, Py_tp_dealloc) == preemption_dealloc)
            return (Preemption *)object;
    PyErr_Format(PyExc_TypeError, "expected a Preemption, not %S", (PyObject *)Py_TYPE(object));
    return NULL;
}

/* Arguments. What is -1 or false has set an exception. */

static bool given(const char *name, Py_ssize_t count, Py_ssize_t expected)
{
    if (count == expected)
        return true;
    PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments (%zd given)", name, expected, count);
    return false;
}

static int number_of(PyObject *argument, const char *what, unsigned long long most, unsigned long long *number)
{
    unsigned long long value = PyLong_AsUnsignedLongLong(argument);
    if (value == (unsigned long long)-1 && PyErr_Occurred())
        return -1;
    if (value > most) {
        PyErr_Format(PyExc_ValueError, "%s %S is not in 0..%llu", what, argument, most);
        return -1;
    }
    *number = value;
    return 0;
}

static int intid_of(PyObject *argument, unsigned long long *intid)
{
    return number_of(argument, "INTID", UINT32_MAX, intid);
}

static int group_of(PyObject *argument, unsigned long long *group)
{
    return number_of(argument, "group", 1, group);
}

/* Tell a subclass what became of the lines, if they have changed since `before`; `result` is returned, or dropped. */
static PyObject *driven(Preemption *cpu, unsigned before, PyObject *result)
{
    unsigned now = preemption_lines(cpu);
    if (now == before || !result)
        return result;
    PyObject *done = PyObject_CallMethod((PyObject *)cpu, "drive", "OOO", cpu->irq ? Py_True : Py_False,
                                         cpu->fiq ? Py_True : Py_False, now & ~before ? Py_True : Py_False);
    if (!done)
        Py_CLEAR(result);
    Py_XDECREF(done);
    return result;
}

static PyObject *done(Preemption *cpu, unsigned before, int outcome)
{
    if (outcome == ACCESS_NO_MEMORY)
        return PyErr_NoMemory();
    return driven(cpu, before, Py_NewRef(outcome == ACCESS_DONE ? Py_True : Py_False));
}

/* Methods */

static PyObject *method_place(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    Preemption *cpu = (Preemption *)self;
    unsigned long long n, reach;
    if (!given("place", count, 3) || number_of(arguments[1], "interrupt", BANK_SIZE - 1, &n) ||
        number_of(arguments[2], "reach", 2, &reach) || !is_bank(arguments[0]))
        return NULL;
    Row *row = preemption_row(cpu, ((Bank *)arguments[0])->first);
    if (!row || row->bank != (Bank *)arguments[0]) {
        PyErr_SetString(PyExc_ValueError, "the bank is none of this CPU's");
        return NULL;
    }
    return preemption_place(cpu, row, (unsigned)n, reach, reach == 2) ? Py_NewRef(Py_None) : PyErr_NoMemory();
}

static PyObject *method_reaches(PyObject *self, PyObject *argument)
{
    unsigned long long intid;
    if (intid_of(argument, &intid))
        return NULL;
    const Row *row = preemption_row((Preemption *)self, intid);
    return Py_NewRef(row && row->reached >> intid % BANK_SIZE & 1 ? Py_True : Py_False);
}

static PyObject *method_offer(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    Preemption *cpu = (Preemption *)self;
    unsigned long long priority, intid = 0;
    if (!given("offer", count, 2) || number_of(arguments[0], "priority", PREEMPTION_IDLE, &priority) ||
        (priority < PREEMPTION_IDLE && number_of(arguments[1], "INTID", INT32_MAX, &intid)))
        return NULL;
    if (priority < PREEMPTION_IDLE && preemption_row(cpu, intid)) {
        PyErr_Format(PyExc_ValueError, "INTID %S is in a bank", arguments[1]);
        return NULL;
    }
    cpu->offered = (int)priority;
    cpu->offered_intid = (uint32_t)intid;
    Py_RETURN_NONE;
}

static PyObject *method_first_priority(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLong(preemption_first_priority((Preemption *)self));
}

static PyObject *method_first(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLongLong(preemption_first((Preemption *)self));
}

static PyObject *method_group_of(PyObject *self, PyObject *argument)
{
    unsigned long long intid;
    return intid_of(argument, &intid) ? NULL : PyLong_FromLong((long)preemption_group((Preemption *)self, intid));
}

static PyObject *method_update(PyObject *self, PyObject *unused)
{
    (void)unused;
    Preemption *cpu = (Preemption *)self;
    unsigned before = preemption_lines(cpu);
    preemption_update(cpu);
    return driven(cpu, before, Py_NewRef(Py_None));
}

static PyObject *method_drive(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    (void)self;
    (void)arguments;
    return given("drive", count, 3) ? Py_NewRef(Py_None) : NULL;
}

static PyObject *method_level(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    const Preemption *cpu = (const Preemption *)self;
    unsigned long long priority, group;
    if (!given("level", count, 2) || number_of(arguments[0], "priority", 255, &priority) ||
        group_of(arguments[1], &group))
        return NULL;
    return PyLong_FromUnsignedLong((unsigned long)((priority & cpu->masks[group]) >> cpu->shift));
}

/* Of an INTID that is in no bank: its entry in a dictionary. */
static int count_other(Preemption *cpu, PyObject *intid)
{
    PyObject *before = PyDict_GetItemWithError(cpu->others, intid);
    if (!before && PyErr_Occurred())
        return -1;
    unsigned long long count = before ? PyLong_AsUnsignedLongLongMask(before) : 0;
    PyObject *now = PyLong_FromUnsignedLongLong(count + 1);
    int failed = now ? PyDict_SetItem(cpu->others, intid, now) : -1;
    Py_XDECREF(now);
    return failed;
}

static PyObject *method_run(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    Preemption *cpu = (Preemption *)self;
    unsigned long long intid, priority, group;
    if (!given("run", count, 3) || intid_of(arguments[0], &intid) ||
        number_of(arguments[1], "priority", 255, &priority) || group_of(arguments[2], &group))
        return NULL;
    if (!cpu->account) {
        PyErr_SetString(PyExc_RuntimeError, "the Preemption was not initialised");
        return NULL;
    }
    Row *row = preemption_row(cpu, intid);
    if (row)
        row->acknowledged[intid % BANK_SIZE]++;
    else if (count_other(cpu, arguments[0]))
        return NULL;
    preemption_run(cpu, (unsigned)priority, (unsigned)group);
    Py_RETURN_NONE;
}

static PyObject *method_drop(PyObject *self, PyObject *argument)
{
    unsigned long long group;
    if (group_of(argument, &group))
        return NULL;
    preemption_drop((Preemption *)self, (unsigned)group);
    Py_RETURN_NONE;
}

static PyObject *method_take(PyObject *self, PyObject *argument)
{
    Preemption *cpu = (Preemption *)self;
    unsigned long long groups;
    if (number_of(argument, "groups", UINT32_MAX, &groups))
        return NULL;
    unsigned before = preemption_lines(cpu);
    return driven(cpu, before, PyLong_FromLongLong(preemption_take(cpu, (unsigned)groups)));
}

static PyObject *method_end(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    Preemption *cpu = (Preemption *)self;
    unsigned long long intid, groups;
    if (!given("end", count, 2) || intid_of(arguments[0], &intid) ||
        number_of(arguments[1], "groups", UINT32_MAX, &groups))
        return NULL;
    unsigned before = preemption_lines(cpu);
    return done(cpu, before, preemption_end(cpu, intid, (unsigned)groups));
}

static PyObject *method_finish(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    Preemption *cpu = (Preemption *)self;
    unsigned long long intid, group;
    if (!given("finish", count, 2) || intid_of(arguments[0], &intid) || group_of(arguments[1], &group))
        return NULL;
    unsigned before = preemption_lines(cpu);
    return done(cpu, before, preemption_finish(cpu, intid, (unsigned)group));
}

static PyObject *method_release(PyObject *self, PyObject *argument)
{
    Preemption *cpu = (Preemption *)self;
    unsigned long long intid;
    if (intid_of(argument, &intid))
        return NULL;
    unsigned before = preemption_lines(cpu);
    return done(cpu, before, preemption_release(cpu, intid));
}

static PyMethodDef METHODS[] = {
    {"place", (PyCFunction)(void (*)(void))method_place, METH_FASTCALL, NULL},
    {"reaches", method_reaches, METH_O, NULL},
    {"offer", (PyCFunction)(void (*)(void))method_offer, METH_FASTCALL, NULL},
    {"first_priority", method_first_priority, METH_NOARGS, NULL},
    {"first", method_first, METH_NOARGS, NULL},
    {"group_of", method_group_of, METH_O, NULL},
    {"update", method_update, METH_NOARGS, NULL},
    {"drive", (PyCFunction)(void (*)(void))method_drive, METH_FASTCALL, NULL},
    {"level", (PyCFunction)(void (*)(void))method_level, METH_FASTCALL, NULL},
    {"run", (PyCFunction)(void (*)(void))method_run, METH_FASTCALL, NULL},
    {"drop", method_drop, METH_O, NULL},
    {"take", method_take, METH_O, NULL},
    {"end", (PyCFunction)(void (*)(void))method_end, METH_FASTCALL, NULL},
    {"finish", (PyCFunction)(void (*)(void))method_finish, METH_FASTCALL, NULL},
    {"release", method_release, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

/* Attributes */

static int cannot_delete(PyObject *value)
{
    if (value)
        return 0;
    PyErr_SetString(PyExc_AttributeError, "it cannot be deleted");
    return -1;
}

static PyObject *get_account(PyObject *self, void *unused)
{
    (void)unused;
    PyObject *account = (PyObject *)((Preemption *)self)->account;
    return Py_NewRef(account ? account : Py_None);
}

static int set_account(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    Preemption *cpu = (Preemption *)self;
    if (cannot_delete(value) || !is_account(value))
        return -1;
    PyObject *before = (PyObject *)cpu->account;
    cpu->account = (Account *)Py_NewRef(value);
    Py_XDECREF(before);
    return 0;
}

static PyObject *get_masks(PyObject *self, void *unused)
{
    (void)unused;
    const Preemption *cpu = (const Preemption *)self;
    return Py_BuildValue("(II)", cpu->masks[0], cpu->masks[1]);
}

/* Two numbers of a sequence. */
static int pair_of(PyObject *value, PyObject **first, PyObject **second)
{
    *first = *second = NULL;
    if (cannot_delete(value))
        return -1;
    Py_ssize_t size = PySequence_Size(value);
    if (size >= 0 && size != 2)
        PyErr_SetString(PyExc_ValueError, "expected one number for each of two groups");
    if (size != 2)
        return -1;
    *first = PySequence_GetItem(value, 0);
    *second = *first ? PySequence_GetItem(value, 1) : NULL;
    if (*second)
        return 0;
    Py_CLEAR(*first);
    return -1;
}

static int set_masks(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    Preemption *cpu = (Preemption *)self;
    PyObject *first, *second;
    unsigned long long masks[2];
    if (pair_of(value, &first, &second))
        return -1;
    int failed = number_of(first, "mask", 255, &masks[0]) || number_of(second, "mask", 255, &masks[1]);
    Py_DECREF(first);
    Py_DECREF(second);
    if (failed)
        return -1;
    cpu->masks[0] = (unsigned)masks[0];
    cpu->masks[1] = (unsigned)masks[1];
    return 0;
}

static PyObject *wide(const uint64_t words[2])
{
    PyObject *low = PyLong_FromUnsignedLongLong(words[0]);
    if (!low || !words[1])
        return low;
    PyObject *high = PyLong_FromUnsignedLongLong(words[1]), *shift = PyLong_FromLong(64);
    PyObject *shifted = high && shift ? PyNumber_Lshift(high, shift) : NULL;
    PyObject *both = shifted ? PyNumber_Or(low, shifted) : NULL;
    Py_DECREF(low);
    Py_XDECREF(high);
    Py_XDECREF(shift);
    Py_XDECREF(shifted);
    return both;
}

static PyObject *get_active(PyObject *self, void *unused)
{
    (void)unused;
    const Preemption *cpu = (const Preemption *)self;
    PyObject *group0 = wide(cpu->active[0]), *group1 = group0 ? wide(cpu->active[1]) : NULL;
    if (!group1) {
        Py_XDECREF(group0);
        return NULL;
    }
    return Py_BuildValue("[NN]", group0, group1);
}

/* What is beyond 128 bits is no level. */
static int narrow(PyObject *number, uint64_t words[2])
{
    PyObject *shift = PyLong_FromLong(64), *high = shift ? PyNumber_Rshift(number, shift) : NULL;
    Py_XDECREF(shift);
    if (!high)
        return -1;
    words[0] = PyLong_AsUnsignedLongLongMask(number);
    words[1] = PyLong_AsUnsignedLongLongMask(high);
    Py_DECREF(high);
    return PyErr_Occurred() ? -1 : 0;
}

static int set_active(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    Preemption *cpu = (Preemption *)self;
    PyObject *first, *second;
    uint64_t active[2][2];
    if (pair_of(value, &first, &second))
        return -1;
    int failed = narrow(first, active[0]) || narrow(second, active[1]);
    Py_DECREF(first);
    Py_DECREF(second);
    if (failed)
        return -1;
    memcpy(cpu->active, active, sizeof active);
    preemption_recompute(cpu);
    return 0;
}

static PyObject *get_sources(PyObject *self, void *unused)
{
    (void)unused;
    PyObject *bytes = ((Preemption *)self)->sources_bytes;
    return Py_NewRef(bytes ? bytes : Py_None);
}

static int set_sources(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    Preemption *cpu = (Preemption *)self;
    Py_buffer view;
    if (cannot_delete(value))
        return -1;
    if (value == Py_None) {
        release_sources(cpu);
        return 0;
    }
    if (!PyObject_TypeCheck(value, &PyByteArray_Type)) {
        PyErr_Format(PyExc_TypeError, "expected a bytearray, not %S", (PyObject *)Py_TYPE(value));
        return -1;
    }
    if (PyObject_GetBuffer(value, &view, PyBUF_WRITABLE))
        return -1;
    if (view.len > MOST_SOURCES) {
        PyBuffer_Release(&view);
        PyErr_SetString(PyExc_ValueError, "only interrupts of the first bank have senders");
        return -1;
    }
    release_sources(cpu);
    cpu->sources_view = view;
    cpu->sources_bytes = Py_NewRef(value);
    cpu->sources = view.buf;
    cpu->sources_count = (uint32_t)view.len;
    return 0;
}

static PyObject *get_acknowledged(PyObject *self, void *unused)
{
    (void)unused;
    const Preemption *cpu = (const Preemption *)self;
    PyObject *counts = cpu->others ? PyDict_Copy(cpu->others) : PyDict_New();
    for (uint32_t intid = 0; counts && intid < cpu->banks * BANK_SIZE; intid++) {
        const Row *row = &cpu->rows[intid / BANK_SIZE];
        uint64_t times = row->bank ? row->acknowledged[intid % BANK_SIZE] : 0;
        if (!times)
            continue;
        PyObject *key = PyLong_FromUnsignedLong(intid), *value = PyLong_FromUnsignedLongLong(times);
        if (!key || !value || PyDict_SetItem(counts, key, value))
            Py_CLEAR(counts);
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    return counts;
}

static PyMemberDef MEMBERS[] = {
    {"pmr", T_UINT, offsetof(Preemption, pmr), 0, NULL},
    {"groups", T_UINT, offsetof(Preemption, groups), 0, NULL},
    {"passed", T_UINT, offsetof(Preemption, passed), 0, NULL},
    {"takes", T_UINT, offsetof(Preemption, takes), 0, NULL},
    {"held", T_BOOL, offsetof(Preemption, held), 0, NULL},
    {"split", T_BOOL, offsetof(Preemption, split), 0, NULL},
    {"fiq_group0", T_BOOL, offsetof(Preemption, fiq_group0), 0, NULL},
    {"irq", T_BOOL, offsetof(Preemption, irq), READONLY, NULL},
    {"fiq", T_BOOL, offsetof(Preemption, fiq), READONLY, NULL},
    {"running", T_INT, offsetof(Preemption, running), READONLY, NULL},
    {"best", T_INT, offsetof(Preemption, best), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef GETSET[] = {
    {"account", get_account, set_account, NULL, NULL},
    {"masks", get_masks, set_masks, NULL, NULL},
    {"active", get_active, set_active, NULL, NULL},
    {"sources", get_sources, set_sources, NULL, NULL},
    {"acknowledged", get_acknowledged, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot SLOTS[] = {
    {Py_tp_new, preemption_new},   {Py_tp_init, preemption_init}, {Py_tp_dealloc, preemption_dealloc},
    {Py_tp_methods, METHODS},      {Py_tp_members, MEMBERS},      {Py_tp_getset, GETSET},
    {0, NULL},
};

static PyType_Spec SPEC = {
    .name = "irqframe._native.Preemption",
    .basicsize = sizeof(Preemption),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = SLOTS,
};

int add_preemption(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &SPEC, NULL);
    int added = type ? PyModule_AddObjectRef(module, "Preemption", type) : -1;
    Py_XDECREF(type);
    return added;
}
