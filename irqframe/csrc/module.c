/* `irqframe._native`: what is compiled. Everything in it has a twin in Python that behaves the same. */
#include "engine.h"

int add_engine(PyObject *module);

static PyModuleDef_Slot SLOTS[] = {
    {Py_mod_exec, (void *)add_engine},
    {0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, .m_name = "irqframe._native", .m_size = 0, .m_slots = SLOTS,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&MODULE);
}
