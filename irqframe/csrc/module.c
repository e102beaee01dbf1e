/* `irqframe._native`: what is compiled. Everything in it has a twin in Python that behaves the same. */
#include "bits.h"
#include "bits_preemption.h"

int add_bits(PyObject *module);
int add_empty_hooks(PyObject *module);
int add_engine(PyObject *module);
int add_gic_operations(PyObject *module);
int add_operations(PyObject *module);
int bits_traverse(PyObject *module, visitproc visit, void *arg);
void bits_free(void *module);

static PyModuleDef_Slot SLOTS[] = {
    {Py_mod_exec, (void *)add_engine},
    {Py_mod_exec, (void *)add_empty_hooks},
    {Py_mod_exec, (void *)add_bits},
    {Py_mod_exec, (void *)add_operations},
    {Py_mod_exec, (void *)add_gic_operations},
    {Py_mod_exec, (void *)add_bank},
    {Py_mod_exec, (void *)add_preemption},
    {0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT,
    .m_name = "irqframe._native",
    .m_size = sizeof(Native),
    .m_slots = SLOTS,
    .m_traverse = bits_traverse,
    .m_free = bits_free,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&MODULE);
}
