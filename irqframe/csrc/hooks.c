/* What the emulator calls while the guest runs. */
#include "engine.h"

#include <time.h>

/* Numbers of UC_HOOK_INTR. */
enum { NUMBER_HVC = 11, NUMBER_SMC = 13 };

/* CNTKCTL_EL1: what EL0 may use. */
enum { EL0PCTEN = 1 << 0, EL0VCTEN = 1 << 1, EL0VTEN = 1 << 8, EL0PTEN = 1 << 9 };

/* The virtual timer's registers have CRm 3, the physical one's 2. */
enum { CRM_VIRTUAL = 1 << 3, EL_AND_WIDTH = 0xF };

enum { ISR_I = 1 << 7, ISR_F = 1 << 6, TICK_NS = 16, EL0_OP1 = 3 };

/* Maintenance that reaches the other CPUs (Arm ARM, "A64 system instructions for TLB maintenance" and
 * "... for cache maintenance"): TLBI by CRm 3, or 1 for the outer shareable variants; IC IALLUIS; IC IVAU. */
enum { SYS_IC = 7, SYS_TLBI = 8, TLBI_IS = 3, TLBI_OS = 1, IC_ALL_IS = 1, IC_VA = 5, IC_VA_OP1 = 3 };

static int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* In real time a budget is how often the clock is looked at. */
static bool budget_is_over(Engine *engine)
{
    if (!engine->deadline || monotonic_ns() >= engine->deadline)
        return true;
    engine->done += engine->chunk - engine->left;
    engine->left = engine->chunk;
    return false;
}

/* Why the CPU has to stop before the next block; STOP_NONE: it has not. */
static int reason_to_stop(Engine *engine)
{
    if (engine->flush_tlb || engine->flush_code || engine->failed)
        return STOP_BETWEEN;
    if (engine->left <= 0 && budget_is_over(engine))
        return STOP_BUDGET;
    if (engine->attention)
        return STOP_ATTENTION;
    return engine->lines && takes_interrupt(engine) ? STOP_BETWEEN : STOP_NONE;
}

static void on_block(Uc *uc, uint64_t address, uint32_t size, Engine *engine)
{
    (void)uc;
    if (engine->left <= 0 || engine->held || engine->lines) {
        int why = reason_to_stop(engine);
        if (why != STOP_NONE) {
            stop_guest(engine, why);
            return;
        }
    }
    engine->block = address;
    engine->block_size = size >> 2;
    engine->left -= size >> 2;
}

static void on_exception(Uc *uc, uint32_t number, Engine *engine)
{
    (void)uc;
    if (number == NUMBER_HVC || (number == NUMBER_SMC && engine->smc))
        call_hypercall(engine, number == NUMBER_HVC ? "hvc" : "smc");
    else if (number == NUMBER_SMC)
        write_register(engine, register_number(engine, 0), UINT64_MAX);
    else
        enter_exception(engine, number);
}

static uint32_t encoding_of(const UcCpReg *reg)
{
    return SYSREG(reg->op0, reg->op1, reg->crn, reg->crm, reg->op2);
}

/* What EL0 is kept from is left to the CPU, which takes the exception: of the timer what CNTKCTL_EL1 says, of all else
 * what has another op1 than 3 (Arm ARM, "CNTKCTL_EL1" and "op1"). */
static bool is_trapped(Engine *engine, uint32_t encoding)
{
    if (read_pstate(engine) & EL_AND_WIDTH)
        return false;
    if (!is_timer(encoding) && encoding != CNTPCT_EL0 && encoding != CNTVCT_EL0)
        return (encoding >> 11 & 7) != EL0_OP1;
    unsigned gate = encoding == CNTPCT_EL0   ? EL0PCTEN
                    : encoding == CNTVCT_EL0 ? EL0VCTEN
                    : encoding & CRM_VIRTUAL ? EL0VTEN
                                             : EL0PTEN;
    return !(read_sysreg(engine, CNTKCTL_EL1) & gate);
}

/* A register that is not the emulator's own: PC goes on by hand. */
static void step(Engine *engine)
{
    int pc = engine->api.ARM64_REG_PC;
    write_register(engine, pc, read_register(engine, pc) + 4);
}

/* Both return whether the instruction is done. */
static uint32_t on_msr(Uc *uc, int number, const UcCpReg *reg, Engine *engine)
{
    (void)uc, (void)number;
    uint32_t encoding = encoding_of(reg);
    bool served = serves(engine, encoding);
    if ((!served && !is_timer(encoding)) || is_trapped(engine, encoding))
        return 0;
    if (!call_sysreg_write(engine, encoding, reg->value))
        return 0;
    if (served)
        step(engine);
    return 1;
}

static uint32_t on_mrs(Uc *uc, int number, const UcCpReg *reg, Engine *engine)
{
    (void)uc;
    uint32_t encoding = encoding_of(reg);
    bool served = serves(engine, encoding);
    bool counter = engine->virtual_time && (encoding == CNTVCT_EL0 || encoding == CNTPCT_EL0);
    if ((!served && !counter && encoding != ISR_EL1 && !is_timer(encoding)) || is_trapped(engine, encoding))
        return 0;
    uint64_t value;
    if (counter)
        value = (uint64_t)(engine->counter_base + executed(engine)) / TICK_NS;
    else if (encoding == ISR_EL1)
        value = (engine->lines & LINE_IRQ ? ISR_I : 0) | (engine->lines & LINE_FIQ ? ISR_F : 0);
    else if (!call_sysreg_read(engine, encoding, &value))
        return 0;
    write_register(engine, number, value);
    if (served)
        step(engine);
    return 1;
}

static void tell_others(Engine *engine, bool code)
{
    for (unsigned at = 0; at < engine->others_count; at++) {
        Engine *other = engine->others[at];
        if (code)
            other->flush_code = 1;
        else
            other->flush_tlb = 1;
        other->held = 1;
    }
}

/* Several CPUs only: maintenance that the others have to do too, before they run again. */
static uint32_t on_sys(Uc *uc, int number, const UcCpReg *reg, Engine *engine)
{
    (void)uc, (void)number;
    if (reg->crn == SYS_TLBI && (reg->crm == TLBI_IS || reg->crm == TLBI_OS))
        tell_others(engine, false);
    else if (reg->crn == SYS_IC && (reg->crm == IC_ALL_IS || (reg->crm == IC_VA && reg->op1 == IC_VA_OP1)))
        tell_others(engine, true);
    return 0;
}

static uint64_t on_mmio_read(Uc *uc, uint64_t offset, unsigned size, Frame *frame)
{
    (void)uc;
    return call_mmio_read(frame->engine, frame->base + offset, size);
}

static void on_mmio_write(Uc *uc, uint64_t offset, unsigned size, uint64_t value, Frame *frame)
{
    (void)uc;
    call_mmio_write(frame->engine, frame->base + offset, size, value);
}

static int add_hook(Engine *engine, int type, void *callback, int instruction)
{
    UcHook hook;
    const UcApi *api = &engine->api;
    return type == api->HOOK_INSN ? api->hook_add(engine->uc, &hook, type, callback, engine, 1, 0, instruction)
                                  : api->hook_add(engine->uc, &hook, type, callback, engine, 1, 0);
}

int add_hooks(Engine *engine)
{
    const UcApi *api = &engine->api;
    int error = add_hook(engine, api->HOOK_BLOCK, (void *)on_block, 0);
    error = error ? error : add_hook(engine, api->HOOK_INTR, (void *)on_exception, 0);
    error = error ? error : add_hook(engine, api->HOOK_INSN, (void *)on_msr, api->ARM64_INS_MSR);
    return error ? error : add_hook(engine, api->HOOK_INSN, (void *)on_mrs, api->ARM64_INS_MRS);
}

int add_peer_hook(Engine *engine)
{
    return add_hook(engine, engine->api.HOOK_INSN, (void *)on_sys, engine->api.ARM64_INS_SYS);
}

int map_frame(Engine *engine, Frame *frame, uint64_t size)
{
    return engine->api.mmio_map(engine->uc, frame->base, size, (void *)on_mmio_read, frame, (void *)on_mmio_write, frame);
}
