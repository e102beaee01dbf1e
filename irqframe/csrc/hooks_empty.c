/* Hooks that return at once: the benchmarks' measure for what an exit costs. */
#include "engine.h"

static void on_nothing(Uc *uc, uint32_t number, void *data)
{
    (void)uc, (void)number, (void)data;
}

static uint64_t read_nothing(Uc *uc, uint64_t offset, unsigned size, void *data)
{
    (void)uc, (void)offset, (void)size, (void)data;
    return 0;
}

static void write_nothing(Uc *uc, uint64_t offset, unsigned size, uint64_t value, void *data)
{
    (void)uc, (void)offset, (void)size, (void)value, (void)data;
}

int add_empty_hooks(PyObject *module)
{
    PyObject *addresses = Py_BuildValue("(NNN)", PyLong_FromVoidPtr((void *)on_nothing),
                                        PyLong_FromVoidPtr((void *)read_nothing),
                                        PyLong_FromVoidPtr((void *)write_nothing));
    int failed = !addresses || PyModule_AddObjectRef(module, "EMPTY_HOOKS", addresses);
    Py_XDECREF(addresses);
    return failed ? -1 : 0;
}
