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

/* What a hook needs to go on behind an instruction that the emulator does not know. */
typedef struct {
    int (*reg_read)(Uc *, int, void *);
    int (*reg_write)(Uc *, int, const void *);
    int pc;
} Stepping;

/* MRS and MSR. */
static uint32_t move_nothing(Uc *uc, int number, const UcCpReg *reg, const Stepping *with)
{
    (void)number, (void)reg;
    uint64_t pc = 0;
    with->reg_read(uc, with->pc, &pc);
    pc += 4;
    with->reg_write(uc, with->pc, &pc);
    return 1;
}

int add_empty_hooks(PyObject *module)
{
    PyObject *addresses = Py_BuildValue("(NNNN)", PyLong_FromVoidPtr((void *)on_nothing),
                                        PyLong_FromVoidPtr((void *)read_nothing),
                                        PyLong_FromVoidPtr((void *)write_nothing),
                                        PyLong_FromVoidPtr((void *)move_nothing));
    int failed = !addresses || PyModule_AddObjectRef(module, "EMPTY_HOOKS", addresses);
    Py_XDECREF(addresses);
    return failed ? -1 : 0;
}
