/* `Account` and `Bank` as Python has them. */
#include "bits_bank.h"

#include <structmember.h>

static void account_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF((PyObject *)type);
}

static int account_init(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {NULL};
    Account *account = (Account *)self;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "", names))
        return -1;
    account->raised = account->delivered = account->coalesced = account->withdrawn = account->resampled = 0;
    return 0;
}

static PyMemberDef ACCOUNT_MEMBERS[] = {
    {"raised", T_ULONGLONG, offsetof(Account, raised), 0, NULL},
    {"delivered", T_ULONGLONG, offsetof(Account, delivered), 0, NULL},
    {"coalesced", T_ULONGLONG, offsetof(Account, coalesced), 0, NULL},
    {"withdrawn", T_ULONGLONG, offsetof(Account, withdrawn), 0, NULL},
    {"resampled", T_ULONGLONG, offsetof(Account, resampled), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot ACCOUNT_SLOTS[] = {
    {Py_tp_new, PyType_GenericNew},     {Py_tp_init, account_init},
    {Py_tp_dealloc, account_dealloc},   {Py_tp_members, ACCOUNT_MEMBERS},
    {0, NULL},
};

static PyType_Spec ACCOUNT_SPEC = {
    .name = "irqframe._native.Account",
    .basicsize = sizeof(Account),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = ACCOUNT_SLOTS,
};

/* The types are told by what frees them: so the check needs no module's state. */
static bool is_derived(PyObject *object, destructor dealloc, const char *name)
{
    for (PyTypeObject *type = Py_TYPE(object); type; type = PyType_GetSlot(type, Py_tp_base))
        if ((destructor)PyType_GetSlot(type, Py_tp_dealloc) == dealloc)
            return true;
    PyErr_Format(PyExc_TypeError, "expected %s, not %S", name, (PyObject *)Py_TYPE(object));
    return false;
}

bool is_account(PyObject *object)
{
    return is_derived(object, account_dealloc, "an Account");
}

/* Bank */

static void bank_release(Bank *bank)
{
    PyObject *priority = bank->priority_bytes, *targets = bank->targets_bytes;
    bank->priority = NULL;
    bank->priority_bytes = bank->targets_bytes = NULL;
    if (priority)
        PyBuffer_Release(&bank->priority_view);
    Py_XDECREF(priority);
    Py_XDECREF(targets);
}

static void bank_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    bank_release((Bank *)self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF((PyObject *)type);
}

bool is_bank(PyObject *object)
{
    if (!is_derived(object, bank_dealloc, "a Bank"))
        return false;
    if (((Bank *)object)->priority)
        return true;
    PyErr_SetString(PyExc_RuntimeError, "the Bank was not initialised");
    return false;
}

static PyObject *bank_bytes(void)
{
    static const char nothing[BANK_SIZE] = {0};
    return PyByteArray_FromStringAndSize(nothing, BANK_SIZE);
}

static int bank_init(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"first", "count", "shared", NULL};
    Bank *bank = (Bank *)self;
    long long first, count = BANK_SIZE;
    int shared = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "L|L$p", names, &first, &count, &shared))
        return -1;
    if (bank->priority) {
        PyErr_SetString(PyExc_RuntimeError, "a Bank is initialised once");
        return -1;
    }
    if (first < 0 || first % BANK_SIZE || first > UINT32_MAX || count < 1 || count > BANK_SIZE) {
        PyErr_Format(PyExc_ValueError, "a bank has 1 to 32 interrupts from a multiple of 32 on, not %lld from %lld",
                     count, first);
        return -1;
    }
    PyObject *priority = bank_bytes(), *targets = bank_bytes();
    if (!priority || !targets || PyObject_GetBuffer(priority, &bank->priority_view, PyBUF_WRITABLE)) {
        Py_XDECREF(priority);
        Py_XDECREF(targets);
        return -1;
    }
    bank->priority_bytes = priority;
    bank->targets_bytes = targets;
    bank->priority = bank->priority_view.buf;
    bank->first = (uint32_t)first;
    bank->valid = UINT32_MAX >> (BANK_SIZE - count);
    bank->shared = (char)shared;
    return 0;
}

static PyObject *get_pending(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLong(bank_pending((Bank *)self));
}

/* Arguments. What is -1 has set an exception. */

static int bits_of(PyObject *argument, uint32_t *bits)
{
    unsigned long value = PyLong_AsUnsignedLong(argument);
    if (value == (unsigned long)-1 && PyErr_Occurred())
        return -1;
    if (value > UINT32_MAX) {
        PyErr_Format(PyExc_OverflowError, "%S has bits of no interrupt", argument);
        return -1;
    }
    *bits = (uint32_t)value;
    return 0;
}

static bool given(const char *name, Py_ssize_t count, Py_ssize_t expected)
{
    if (count == expected)
        return true;
    PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments (%zd given)", name, expected, count);
    return false;
}

static uint32_t *bitmap_of(Bank *bank, PyObject *argument)
{
    struct {
        const char *name;
        uint32_t *bitmap;
    } bitmaps[] = {
        {"enabled", &bank->enabled}, {"latch", &bank->latch}, {"line", &bank->line}, {"edge", &bank->edge},
        {"active", &bank->active},   {"group", &bank->group}, {"owed", &bank->owed},
    };
    const char *name = PyUnicode_AsUTF8AndSize(argument, NULL);
    if (!name)
        return NULL;
    for (size_t at = 0; at < sizeof bitmaps / sizeof *bitmaps; at++)
        if (!strcmp(name, bitmaps[at].name))
            return bitmaps[at].bitmap;
    PyErr_Format(PyExc_AttributeError, "a Bank has no bitmap %R", argument);
    return NULL;
}

/* Methods */

static PyObject *bank_change(PyObject *self, PyObject *const *arguments, Py_ssize_t count, bool set)
{
    Bank *bank = (Bank *)self;
    uint32_t bits, *bitmap;
    if (!given(set ? "set" : "clear", count, 2) || !(bitmap = bitmap_of(bank, arguments[0])) ||
        bits_of(arguments[1], &bits))
        return NULL;
    if (set)
        bank_set(bank, bitmap, bits);
    else
        bank_clear(bank, bitmap, bits);
    Py_RETURN_NONE;
}

static PyObject *method_set(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    return bank_change(self, arguments, count, true);
}

static PyObject *method_clear(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    return bank_change(self, arguments, count, false);
}

static PyObject *method_set_line(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    uint32_t bit;
    if (!given("set_line", count, 4) || bits_of(arguments[0], &bit) || !is_account(arguments[2]))
        return NULL;
    int level = PyObject_IsTrue(arguments[1]), every = PyObject_IsTrue(arguments[3]);
    if (level < 0 || every < 0)
        return NULL;
    return PyLong_FromLong(bank_set_line((Bank *)self, bit, level, (Account *)arguments[2], every));
}

static PyObject *method_pend(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    uint32_t bit;
    if (!given("pend", count, 2) || bits_of(arguments[0], &bit) || !is_account(arguments[1]))
        return NULL;
    return PyLong_FromLong(bank_pend((Bank *)self, bit, (Account *)arguments[1]));
}

static PyObject *method_deliver(PyObject *self, PyObject *argument)
{
    uint32_t bit;
    if (bits_of(argument, &bit))
        return NULL;
    bank_deliver((Bank *)self, bit);
    Py_RETURN_NONE;
}

static PyObject *method_settle(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    uint32_t bit;
    if (!given("settle", count, 2) || bits_of(arguments[0], &bit) || !is_account(arguments[1]))
        return NULL;
    bank_settle((Bank *)self, bit, (Account *)arguments[1]);
    Py_RETURN_NONE;
}

static PyMethodDef BANK_METHODS[] = {
    {"set", (PyCFunction)(void (*)(void))method_set, METH_FASTCALL, NULL},
    {"clear", (PyCFunction)(void (*)(void))method_clear, METH_FASTCALL, NULL},
    {"set_line", (PyCFunction)(void (*)(void))method_set_line, METH_FASTCALL, NULL},
    {"pend", (PyCFunction)(void (*)(void))method_pend, METH_FASTCALL, NULL},
    {"deliver", method_deliver, METH_O, NULL},
    {"settle", (PyCFunction)(void (*)(void))method_settle, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef BANK_MEMBERS[] = {
    {"first", T_UINT, offsetof(Bank, first), READONLY, NULL},
    {"valid", T_UINT, offsetof(Bank, valid), READONLY, NULL},
    {"shared", T_BOOL, offsetof(Bank, shared), READONLY, NULL},
    {"enabled", T_UINT, offsetof(Bank, enabled), 0, NULL},
    {"latch", T_UINT, offsetof(Bank, latch), 0, NULL},
    {"line", T_UINT, offsetof(Bank, line), 0, NULL},
    {"edge", T_UINT, offsetof(Bank, edge), 0, NULL},
    {"active", T_UINT, offsetof(Bank, active), 0, NULL},
    {"group", T_UINT, offsetof(Bank, group), 0, NULL},
    {"owed", T_UINT, offsetof(Bank, owed), 0, NULL},
    {"apart", T_UINT, offsetof(Bank, apart), 0, NULL},
    {"watched", T_UINT, offsetof(Bank, watched), 0, NULL},
    {"priority", T_OBJECT_EX, offsetof(Bank, priority_bytes), READONLY, NULL},
    {"targets", T_OBJECT_EX, offsetof(Bank, targets_bytes), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef BANK_GETSET[] = {
    {"pending", get_pending, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot BANK_SLOTS[] = {
    {Py_tp_new, PyType_GenericNew},   {Py_tp_init, bank_init},       {Py_tp_dealloc, bank_dealloc},
    {Py_tp_methods, BANK_METHODS},    {Py_tp_members, BANK_MEMBERS}, {Py_tp_getset, BANK_GETSET},
    {0, NULL},
};

static PyType_Spec BANK_SPEC = {
    .name = "irqframe._native.Bank",
    .basicsize = sizeof(Bank),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = BANK_SLOTS,
};

int add_bank(PyObject *module)
{
    static const struct {
        const char *name;
        PyType_Spec *spec;
    } types[] = {{"Account", &ACCOUNT_SPEC}, {"Bank", &BANK_SPEC}};
    for (size_t at = 0; at < sizeof types / sizeof *types; at++) {
        PyObject *type = PyType_FromModuleAndSpec(module, types[at].spec, NULL);
        int added = type ? PyModule_AddObjectRef(module, types[at].name, type) : -1;
        Py_XDECREF(type);
        if (added)
            return -1;
    }
    return 0;
}
