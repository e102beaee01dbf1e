/* Exception entry to EL1: the Arm ARM, "Exception entry". The emulator takes none by itself. */
#include "engine.h"

#include <string.h>

/* PSTATE as SPSR_ELx lays it out (Arm ARM, "SPSR_EL1"). */
enum {
    PSTATE_EL1H = 5,
    PSTATE_EL_MASK = 0xC,
    PSTATE_SP = 1,
    PSTATE_AARCH32 = 1 << 4,
    PSTATE_F = 1 << 6,
    PSTATE_I = 1 << 7,
    PSTATE_DAIF = 0xF << 6,
};

/* A Cortex-A72 has no PAN (ID_AA64MMFR1_EL1.PAN is 0): PSTATE in the handler is always this. */
enum { IN_HANDLER = PSTATE_EL1H | PSTATE_DAIF };

/* Offsets into the vector table (Arm ARM, "Vector offsets from vector table base address"): from where, then what. */
enum { FROM_EL1T = 0x000, FROM_EL1H = 0x200, FROM_EL0 = 0x400, FROM_EL0_32 = 0x600, SYNC = 0x000, IRQ = 0x080, FIQ = 0x100 };

/* Exception classes of ESR_ELx (Arm ARM, "ESR_EL1"). */
enum { EC_SHIFT = 26, EC_FETCH_LOWER = 0x20, EC_FETCH = 0x21, EC_DATA_LOWER = 0x24, EC_DATA = 0x25 };

enum { IL = 1 << 25, EXTERNAL_ABORT = 0x10, FAR_NOT_VALID = 1 << 10, WRITE_NOT_READ = 1 << 6 };

/* Numbers of UC_HOOK_INTR, and what the report calls them. */
enum { NUMBER_FETCH_ABORT = 3, NUMBER_DATA_ABORT = 4 };
static const char *const KINDS[] = {[1] = "undefined",  [2] = "svc", [3] = "instruction abort",
                                    [4] = "data abort", [7] = "brk"};
enum { KIND_COUNT = sizeof KINDS / sizeof *KINDS };

enum { STORM = 1000, STORM_GAP = 4 };

static unsigned vectors_from(uint32_t pstate)
{
    if (pstate & PSTATE_EL_MASK)
        return pstate & PSTATE_SP ? FROM_EL1H : FROM_EL1T;
    return pstate & PSTATE_AARCH32 ? FROM_EL0_32 : FROM_EL0;
}

/* SP is SP_EL0 or SP_EL1 by EL and PSTATE.SP; in EL1h it stays. */
static void bank_sp(Engine *engine, uint32_t pstate)
{
    if ((pstate & (PSTATE_EL_MASK | PSTATE_SP)) == PSTATE_EL1H)
        return;
    write_sysreg(engine, SP_EL0, read_register(engine, engine->api.ARM64_REG_SP));
    write_register(engine, engine->api.ARM64_REG_SP, read_sysreg(engine, SP_EL1));
}

static void enter(Engine *engine, uint64_t pc, unsigned vector)
{
    uint32_t pstate = read_pstate(engine), handler = IN_HANDLER;
    bank_sp(engine, pstate);
    write_sysreg(engine, ELR_EL1, pc);
    engine->api.reg_write(engine->uc, engine->api.ARM64_REG_PSTATE, &handler);
    /* A write of PSTATE leaves the translation flags as they were; one of a system register makes them anew. */
    write_sysreg(engine, SPSR_EL1, pstate);
    write_register(engine, engine->api.ARM64_REG_PC, read_sysreg(engine, VBAR_EL1) + vectors_from(pstate) + vector);
}

/* Instructions executed before the one at `pc`: those of its block count only up to it. */
static int64_t executed_until(const Engine *engine, uint64_t pc)
{
    uint64_t into = (pc - engine->block) / 4;
    int64_t now = executed(engine);
    return into < engine->block_size ? now - engine->block_size + (int64_t)into : now;
}

static void count_storm(Engine *engine, const char *kind, uint64_t pc)
{
    int64_t since = executed_until(engine, pc) - engine->last_exception;
    engine->storm = since < STORM_GAP ? engine->storm + 1 : 1;
    engine->last_exception = executed(engine);
    if (engine->storm < STORM)
        return;
    PyOS_snprintf(engine->fault, FAULT_TEXT, "%d exceptions in a row, the last (%s) at 0x%llx", STORM, kind,
                  (unsigned long long)pc);
    stop_guest(engine, STOP_FAULT);
}

static void take(Engine *engine, const char *kind, uint64_t key, unsigned vector)
{
    uint64_t pc = read_register(engine, engine->api.ARM64_REG_PC);
    note(engine, kind, pc, key);
    enter(engine, pc, vector);
    count_storm(engine, kind, pc);
}

bool takes_interrupt(Engine *engine)
{
    uint32_t pstate = read_pstate(engine);
    return (engine->lines & LINE_IRQ && !(pstate & PSTATE_I)) || (engine->lines & LINE_FIQ && !(pstate & PSTATE_F));
}

void enter_interrupt(Engine *engine)
{
    /* FIQ first: the choice is the implementation's (Arm ARM, "Prioritization and recognition of interrupts"). */
    bool fiq = engine->lines & LINE_FIQ && !(read_pstate(engine) & PSTATE_F);
    take(engine, fiq ? "fiq" : "irq", 0, fiq ? FIQ : IRQ);
}

void enter_exception(Engine *engine, uint32_t number)
{
    struct {
        uint32_t syndrome, fsr;
        uint64_t address;
    } exception;
    engine->api.context_save(engine->uc, engine->context);
    memcpy(&exception, (const char *)engine->context + engine->syndrome_offset, sizeof exception);
    write_sysreg(engine, ESR_EL1, exception.syndrome);
    if (number == NUMBER_FETCH_ABORT || number == NUMBER_DATA_ABORT)
        write_sysreg(engine, FAR_EL1, exception.address);
    const char *kind = number < KIND_COUNT ? KINDS[number] : NULL;
    take(engine, kind ? kind : "exception", exception.syndrome, SYNC);
}

/* Where a load or store went is not known: a hook that would be told makes every access of the guest slow. FAR is not
 * valid then, and ESR says so. */
void enter_external_abort(Engine *engine, int error)
{
    bool fetch = error == engine->api.ERR_FETCH_UNMAPPED || error == engine->api.ERR_FETCH_PROT;
    bool lower = !(read_pstate(engine) & PSTATE_EL_MASK);
    uint32_t class = fetch ? (lower ? EC_FETCH_LOWER : EC_FETCH) : (lower ? EC_DATA_LOWER : EC_DATA);
    uint32_t syndrome = class << EC_SHIFT | IL | EXTERNAL_ABORT;
    if (!fetch)
        syndrome |= FAR_NOT_VALID | (error == engine->api.ERR_WRITE_UNMAPPED ? WRITE_NOT_READ : 0);
    write_sysreg(engine, ESR_EL1, syndrome);
    write_sysreg(engine, FAR_EL1, fetch ? read_register(engine, engine->api.ARM64_REG_PC) : 0);
    take(engine, "external abort", syndrome, SYNC);
}
