/* Arguments as the twins in Python take them: the same ones are refused, with the same exceptions, before any change. */
#include "bits.h"

int bits_count_arguments(const char *name, Py_ssize_t count, Py_ssize_t expected)
{
    if (count == expected)
        return 0;
    PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments (%zd given)", name, expected, count);
    return -1;
}

int bits_idle(const Target *target)
{
    if (!target->busy)
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "the target is being replayed by another thread");
    return -1;
}

/* `argument < other`, as the interpreter has it: 1, 0, or -1 with an exception. */
static int is_below(PyObject *argument, long other)
{
    PyObject *number = PyLong_FromLong(other);
    int below = number ? PyObject_RichCompareBool(argument, number, Py_LT) : -1;
    Py_XDECREF(number);
    return below;
}

/* What is no number that names an INTID at once: it may be one all the same, of another type. */
int bits_intid(Target *target, PyObject *argument, size_t *intid)
{
    PyErr_Clear();
    if (bits_idle(target))
        return -1;
    int below = is_below(argument, 0);
    if (below < 0)
        return -1;
    Py_ssize_t number = below ? -1 : PyNumber_AsSsize_t(argument, PyExc_IndexError);
    if (number == -1 && PyErr_Occurred())
        return -1;
    /* The argument's own methods may have made the target busy, or smaller. */
    if (bits_idle(target))
        return -1;
    if (number < 0 || (size_t)number >= target->limit) {
        PyErr_Format(PyExc_IndexError, "there is no INTID %S", argument);
        return -1;
    }
    *intid = (size_t)number;
    return 0;
}

/* Bits as far as they mean anything, and whether there are others. */
int bits_bits(PyObject *argument, unsigned *bits, bool *outside)
{
    PyObject *number;
    if (PyLong_Check(argument)) {
        unsigned long value = (unsigned long)PyLong_AsLong(argument);
        if (LIKELY(value <= STATE_BITS)) {
            *bits = (unsigned)value;
            *outside = false;
            return 0;
        }
        PyErr_Clear();
        number = Py_NewRef(argument);
    } else {
        PyObject *none = PyLong_FromLong(0);
        number = none ? PyNumber_Or(none, argument) : NULL;
        Py_XDECREF(none);
        if (!number)
            return -1;
    }
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    *bits = (unsigned)(PyLong_AsUnsignedLongLongMask(number) & STATE_BITS);
    *outside = overflow || value < 0 || value > STATE_BITS;
    Py_DECREF(number);
    return PyErr_Occurred() ? -1 : 0;
}

/* Whether a priority is in the range; whether it is an integer at all is found when it is stored, as in Python. */
int bits_priority_fits(PyObject *argument)
{
    int negative = is_below(argument, 0);
    int below = negative ? negative : is_below(argument, PRIORITIES);
    if (negative < 0 || below < 0)
        return -1;
    if (!negative && below)
        return 0;
    PyErr_Format(PyExc_ValueError, "priority %S is not in 0..%d", argument, PRIORITIES - 1);
    return -1;
}
