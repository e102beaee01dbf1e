/* A GIC's CPU interface, as accesses of its registers. */
#include "gic.h"

enum { SPURIOUS = 1023, OTHER_GROUP = 1022, GICC_INTID = 0x3FF, ICC_INTID = 0xFFFFFF };

/* INTID / 32 of the first extended PPIs; there are 64. */
enum { FIRST_EPPIS = 33 };

/* Bitmaps of groups. */
enum { GROUP_1 = 2, BOTH_GROUPS = 3 };

/* A host interrupt stands behind a line of this bank that is high: Python asks for its level whenever the CPU enters. */
static bool is_sampled(const Preemption *cpu, uint32_t number)
{
    const Row *row = preemption_row(cpu, (uint64_t)number * BANK_SIZE);
    return row && row->bank->watched & row->bank->line;
}

static bool is_any_sampled(const Preemption *cpu)
{
    return is_sampled(cpu, 0) || is_sampled(cpu, FIRST_EPPIS) || is_sampled(cpu, FIRST_EPPIS + 1);
}

bool gicv2_read_iar(Preemption *cpu, uint32_t *value)
{
    if (is_sampled(cpu, 0))
        return false;
    int64_t taken = preemption_take(cpu, cpu->takes);
    *value = taken == TAKE_NOTHING ? SPURIOUS : taken == TAKE_REFUSED ? OTHER_GROUP : (uint32_t)taken;
    return taken != TAKE_LEFT;
}

bool gicv2_read_aiar(Preemption *cpu, uint32_t *value)
{
    if (is_sampled(cpu, 0))
        return false;
    int64_t taken = preemption_take(cpu, GROUP_1);
    *value = taken < 0 ? SPURIOUS : (uint32_t)taken;
    return taken != TAKE_LEFT;
}

bool gicv2_write_eoir(Preemption *cpu, uint32_t value)
{
    if (is_sampled(cpu, 0))
        return false;
    return preemption_end(cpu, value & GICC_INTID, BOTH_GROUPS) == ACCESS_DONE;
}

bool gicv2_write_aeoir(Preemption *cpu, uint32_t value)
{
    if (is_sampled(cpu, 0))
        return false;
    return preemption_end(cpu, value & GICC_INTID, GROUP_1) == ACCESS_DONE;
}

bool gicv2_write_dir(Preemption *cpu, uint32_t value)
{
    if (is_sampled(cpu, 0))
        return false;
    return preemption_release(cpu, value & GICC_INTID) == ACCESS_DONE;
}

bool gicv3_read_iar(Preemption *cpu, unsigned group, uint64_t *value)
{
    if (is_any_sampled(cpu))
        return false;
    int64_t taken = preemption_take(cpu, 1u << group);
    *value = taken < 0 ? SPURIOUS : (uint64_t)taken;
    return taken != TAKE_LEFT;
}

/* Group of the most urgent running priority, Group 0 if both have it; -1 if nothing runs. */
static int running_group(const Preemption *cpu)
{
    for (unsigned word = 0; word < 2; word++) {
        uint64_t group0 = cpu->active[0][word], group1 = cpu->active[1][word];
        if (group0 | group1)
            return (group0 & -group0) - 1 > (group1 & -group1) - 1;
    }
    return -1;
}

static bool is_there(const Row *row, uint64_t intid)
{
    return row->bank->valid >> intid % BANK_SIZE & 1;
}

bool gicv3_write_eoir(Preemption *cpu, unsigned group, uint64_t value)
{
    if (is_any_sampled(cpu))
        return false;
    uint64_t intid = value & ICC_INTID;
    const Row *row = preemption_row(cpu, intid);
    if (!row)
        return false;
    if (!is_there(row, intid) || running_group(cpu) != (int)group)
        return true;
    return preemption_finish(cpu, intid, group) == ACCESS_DONE;
}

bool gicv3_write_dir(Preemption *cpu, uint64_t value)
{
    if (is_any_sampled(cpu))
        return false;
    uint64_t intid = value & ICC_INTID;
    const Row *row = preemption_row(cpu, intid);
    return row && (!is_there(row, intid) || preemption_release(cpu, intid) == ACCESS_DONE);
}
