/* The state of 32 interrupts, compiled: `irqframe/bits/_bank.py` has the rules and is the reference.

   Nothing here needs the GIL. The bits of a shared bank belong to several threads, which is why they are changed so that
   no other thread's change is lost; those of a CPU's own bank have one owner. */
#ifndef IRQFRAME_BITS_BANK_H
#define IRQFRAME_BITS_BANK_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What became of a raise. */
enum { RAISE_UNCHANGED, RAISE_LATCHED, RAISE_COALESCED };

enum { BANK_SIZE = 32 };

typedef struct {
    PyObject_HEAD
    unsigned long long raised, delivered, coalesced, withdrawn, resampled;
} Account;

typedef struct {
    PyObject_HEAD
    uint32_t first, valid;
    uint32_t enabled, latch, line, edge, active, group, owed;
    uint32_t apart, watched;
    char shared;
    uint8_t *priority;                        /* the contents of the next */
    PyObject *priority_bytes, *targets_bytes; /* bytearrays that keep their size while there is a view */
    Py_buffer priority_view;
} Bank;

static inline void bank_set(const Bank *bank, uint32_t *bitmap, uint32_t bits)
{
    if (bank->shared)
        __atomic_fetch_or(bitmap, bits, __ATOMIC_RELAXED);
    else
        *bitmap |= bits;
}

static inline void bank_clear(const Bank *bank, uint32_t *bitmap, uint32_t bits)
{
    if (bank->shared)
        __atomic_fetch_and(bitmap, ~bits, __ATOMIC_RELAXED);
    else
        *bitmap &= ~bits;
}

static inline uint32_t bank_pending(const Bank *bank)
{
    return bank->latch | (bank->line & ~bank->edge);
}

static inline void bank_deliver(Bank *bank, uint32_t bit)
{
    bank_set(bank, &bank->active, bit);
    if (bank->latch & bit)
        bank_clear(bank, &bank->latch, bit);
    if (bank->owed & bit)
        bank_clear(bank, &bank->owed, bit);
}

static inline void bank_settle(Bank *bank, uint32_t bit, Account *account)
{
    if (bit & bank->apart)
        return;
    if (bank_pending(bank) & bit) {
        if (!((bank->owed | bank->active) & bit)) {
            bank_set(bank, &bank->owed, bit);
            account->resampled++;
        }
    } else if (bank->owed & bit) {
        bank_clear(bank, &bank->owed, bit);
        account->withdrawn++;
    }
}

static inline int bank_owe(Bank *bank, uint32_t bit, Account *account)
{
    account->raised++;
    if (bank->owed & bit) {
        account->coalesced++;
        return RAISE_COALESCED;
    }
    bank_set(bank, &bank->owed, bit);
    return RAISE_LATCHED;
}

static inline int bank_pend(Bank *bank, uint32_t bit, Account *account)
{
    bank_set(bank, &bank->latch, bit);
    return bank_owe(bank, bit, account);
}

static inline int bank_set_line(Bank *bank, uint32_t bit, bool level, Account *account, bool every_raise_is_an_edge)
{
    if (!level) {
        bank_clear(bank, &bank->line, bit);
        if (!(bank->edge & bit))
            bank_settle(bank, bit, account);
        return RAISE_UNCHANGED;
    }
    bool was_high = bank->line & bit;
    bank_set(bank, &bank->line, bit);
    if (bank->edge & bit) {
        if (was_high && !every_raise_is_an_edge)
            return RAISE_UNCHANGED;
        return bank_pend(bank, bit, account);
    }
    return was_high ? RAISE_UNCHANGED : bank_owe(bank, bit, account);
}

/* bits_bank.c: whether an object is one, or of a type that is derived from it; if not, an exception is set. */
bool is_bank(PyObject *object);
bool is_account(PyObject *object);
int add_bank(PyObject *module);

#endif
