/* The engine's functions and numbers that are used, as its Python binding has them: this module includes none of its
 * headers and links to nothing of it. Addresses and numbers are handed over when an `Engine` is made. */
#ifndef IRQFRAME_UNICORN_API_H
#define IRQFRAME_UNICORN_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void Uc;
typedef size_t UcHook;

/* A system register as hooks and register accesses name it. */
typedef struct {
    uint32_t crn, crm, op0, op1, op2;
    uint64_t value;
} UcCpReg;

/* Name and type of each function. */
#define UC_FUNCTIONS(X)                                                                                                \
    X(reg_read, int, (Uc *, int, void *))                                                                              \
    X(reg_write, int, (Uc *, int, const void *))                                                                       \
    X(reg_read_batch, int, (Uc *, int *, void **, int))                                                                \
    X(reg_write_batch, int, (Uc *, int *, void *const *, int))                                                         \
    X(emu_start, int, (Uc *, uint64_t, uint64_t, uint64_t, size_t))                                                    \
    X(emu_stop, int, (Uc *))                                                                                           \
    X(hook_add, int, (Uc *, UcHook *, int, void *, void *, uint64_t, uint64_t, ...))                                   \
    X(mmio_map, int, (Uc *, uint64_t, uint64_t, void *, void *, void *, void *))                                       \
    X(context_alloc, int, (Uc *, void **))                                                                             \
    X(context_save, int, (Uc *, void *))                                                                               \
    X(context_free, int, (void *))                                                                                     \
    X(ctl, int, (Uc *, int, ...))

#define UC_NUMBERS(X)                                                                                                  \
    X(ARM64_REG_X0)                                                                                                    \
    X(ARM64_REG_X29)                                                                                                   \
    X(ARM64_REG_X30)                                                                                                   \
    X(ARM64_REG_SP)                                                                                                    \
    X(ARM64_REG_PC)                                                                                                    \
    X(ARM64_REG_PSTATE)                                                                                                \
    X(ARM64_REG_CP_REG)                                                                                                \
    X(ARM64_INS_MRS)                                                                                                   \
    X(ARM64_INS_MSR)                                                                                                   \
    X(ARM64_INS_SYS)                                                                                                   \
    X(HOOK_INTR)                                                                                                       \
    X(HOOK_INSN)                                                                                                       \
    X(HOOK_BLOCK)                                                                                                      \
    X(ERR_READ_UNMAPPED)                                                                                               \
    X(ERR_WRITE_UNMAPPED)                                                                                              \
    X(ERR_FETCH_UNMAPPED)                                                                                              \
    X(ERR_FETCH_PROT)                                                                                                  \
    X(CTL_IO_WRITE)                                                                                                    \
    X(CTL_TB_FLUSH)                                                                                                    \
    X(CTL_TLB_FLUSH)

typedef struct {
#define X(name, returns, takes) returns(*name) takes;
    UC_FUNCTIONS(X)
#undef X
#define X(name) int name;
    UC_NUMBERS(X)
#undef X
} UcApi;

#endif
