/* Operations on a GIC's CPU interface: accesses of the registers that a guest needs for every interrupt. */
#include "bits.h"
#include "gic.h"
#include "operation.h"

/* Bytes of an access of GICC; others are Python's. */
enum { WORD = 4 };

typedef struct {
    Preemption *cpu;
} Access;

static Preemption *cpu_of(const Operation *operation)
{
    return ((const Access *)operation->data)->cpu;
}

static unsigned lines(const Operation *operation)
{
    return preemption_lines(cpu_of(operation));
}

/* GICv2 */

static bool load_iar(Operation *operation, const uint64_t *in, uint64_t *out)
{
    uint32_t value;
    if (in[0] != WORD || !gicv2_read_iar(cpu_of(operation), &value))
        return false;
    out[0] = value;
    return true;
}

static bool load_aiar(Operation *operation, const uint64_t *in, uint64_t *out)
{
    uint32_t value;
    if (in[0] != WORD || !gicv2_read_aiar(cpu_of(operation), &value))
        return false;
    out[0] = value;
    return true;
}

static bool store_eoir(Operation *operation, const uint64_t *in, uint64_t *out)
{
    (void)out;
    return in[0] == WORD && gicv2_write_eoir(cpu_of(operation), (uint32_t)in[1]);
}

static bool store_aeoir(Operation *operation, const uint64_t *in, uint64_t *out)
{
    (void)out;
    return in[0] == WORD && gicv2_write_aeoir(cpu_of(operation), (uint32_t)in[1]);
}

static bool store_dir(Operation *operation, const uint64_t *in, uint64_t *out)
{
    (void)out;
    return in[0] == WORD && gicv2_write_dir(cpu_of(operation), (uint32_t)in[1]);
}

/* GICv3 */

static bool read_iar0(Operation *operation, const uint64_t *in, uint64_t *out)
{
    (void)in;
    return gicv3_read_iar(cpu_of(operation), 0, out);
}

static bool read_iar1(Operation *operation, const uint64_t *in, uint64_t *out)
{
    (void)in;
    return gicv3_read_iar(cpu_of(operation), 1, out);
}

static bool write_eoir0(Operation *operation, const uint64_t *in, uint64_t *out)
{
    (void)out;
    return gicv3_write_eoir(cpu_of(operation), 0, in[0]);
}

static bool write_eoir1(Operation *operation, const uint64_t *in, uint64_t *out)
{
    (void)out;
    return gicv3_write_eoir(cpu_of(operation), 1, in[0]);
}

static bool write_dir(Operation *operation, const uint64_t *in, uint64_t *out)
{
    (void)out;
    return gicv3_write_dir(cpu_of(operation), in[0]);
}

static const struct {
    const char *name;
    OperationKind kind;
} REGISTERS[] = {
    {"GICC_IAR", {1, load_iar, lines, NULL, NULL}},
    {"GICC_AIAR", {1, load_aiar, lines, NULL, NULL}},
    {"GICC_EOIR", {2, store_eoir, lines, NULL, NULL}},
    {"GICC_AEOIR", {2, store_aeoir, lines, NULL, NULL}},
    {"GICC_DIR", {2, store_dir, lines, NULL, NULL}},
    {"ICC_IAR0_EL1", {0, read_iar0, lines, NULL, NULL}},
    {"ICC_IAR1_EL1", {0, read_iar1, lines, NULL, NULL}},
    {"ICC_EOIR0_EL1", {1, write_eoir0, lines, NULL, NULL}},
    {"ICC_EOIR1_EL1", {1, write_eoir1, lines, NULL, NULL}},
    {"ICC_DIR_EL1", {1, write_dir, lines, NULL, NULL}},
};

/* Making */

static const OperationKind *kind_of(PyObject *name)
{
    for (size_t at = 0; at < sizeof REGISTERS / sizeof *REGISTERS; at++)
        if (!PyUnicode_CompareWithASCIIString(name, REGISTERS[at].name))
            return &REGISTERS[at].kind;
    return NULL;
}

/* accessing(name, cpu); None for any other register */
static PyObject *accessing(PyObject *module, PyObject *arguments)
{
    const Native *native = PyModule_GetState(module);
    PyObject *name, *object;
    Preemption *cpu = NULL;
    if (!PyArg_ParseTuple(arguments, "UO", &name, &object) || !(cpu = preemption_of(object)))
        return NULL;
    const OperationKind *kind = kind_of(name);
    if (!kind)
        Py_RETURN_NONE;
    Operation *operation = operation_new(native->operation, kind, sizeof(Access), object);
    if (operation)
        ((Access *)operation->data)->cpu = cpu;
    return (PyObject *)operation;
}

static PyMethodDef FUNCTIONS[] = {
    {"accessing", accessing, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

/* After the type `Operation` was added. */
int add_gic_operations(PyObject *module)
{
    return PyModule_AddFunctions(module, FUNCTIONS);
}
