/* Selection, acknowledge and end: what is done per interrupt, without Python. */
#include "bits_preemption.h"

/* What waits, in order */

/* Memory for an interrupt of this priority to wait. */
bool preemption_reserve(Preemption *cpu, unsigned priority)
{
    Level *level = &cpu->levels[priority];
    if (level->rows)
        return true;
    size_t words = ((size_t)cpu->banks + 63) / 64;
    level->rows = calloc(1, words * sizeof *level->rows + cpu->banks * sizeof *level->waiting);
    level->waiting = level->rows ? (uint32_t *)(level->rows + words) : NULL;
    return level->rows;
}

static void enter(Preemption *cpu, Row *row, unsigned n, unsigned priority)
{
    Level *level = &cpu->levels[priority];
    size_t number = (size_t)(row - cpu->rows);
    row->waiting |= UINT32_C(1) << n;
    level->waiting[number] |= UINT32_C(1) << n;
    level->rows[number / 64] |= UINT64_C(1) << number % 64;
    cpu->used[priority / 64] |= UINT64_C(1) << priority % 64;
}

static void leave(Preemption *cpu, Row *row, unsigned n, unsigned priority)
{
    Level *level = &cpu->levels[priority];
    size_t number = (size_t)(row - cpu->rows);
    row->waiting &= ~(UINT32_C(1) << n);
    if (level->waiting[number] &= ~(UINT32_C(1) << n))
        return;
    if (level->rows[number / 64] &= ~(UINT64_C(1) << number % 64))
        return;
    for (size_t at = 0; at < ((size_t)cpu->banks + 63) / 64; at++)
        if (level->rows[at])
            return;
    cpu->used[priority / 64] &= ~(UINT64_C(1) << priority % 64);
}

static int waiting_priority(const Preemption *cpu)
{
    for (unsigned at = 0; at < PRIORITY_LEVELS / 64; at++)
        if (cpu->used[at])
            return (int)(at * 64 + (unsigned)__builtin_ctzll(cpu->used[at]));
    return PREEMPTION_IDLE;
}

/* False, and nothing has changed, without memory. */
bool preemption_place(Preemption *cpu, Row *row, unsigned n, bool reached, bool alone)
{
    const Bank *bank = row->bank;
    uint32_t bit = UINT32_C(1) << n;
    uint8_t *placed = &cpu->priority[bank->first + n];
    unsigned priority = bank->priority[n];
    bool waited = row->waiting & bit;
    bool waits = reached && bank_pending(bank) & bank->enabled & ~bank->active & bit &&
                 cpu->passed >> (bank->group >> n & 1) & 1;
    if (waits && !preemption_reserve(cpu, priority))
        return false;
    row->reached = reached ? row->reached | bit : row->reached & ~bit;
    row->alone = alone ? row->alone | bit : row->alone & ~bit;
    if (waited && (!waits || priority != *placed)) {
        leave(cpu, row, n, *placed);
        waited = false;
    }
    *placed = (uint8_t)priority;
    if (waits && !waited)
        enter(cpu, row, n, priority);
    return true;
}

/* Selection */

int preemption_first_priority(const Preemption *cpu)
{
    if (cpu->held)
        return PREEMPTION_IDLE;
    int priority = waiting_priority(cpu);
    return priority <= cpu->offered ? priority : cpu->offered;
}

int64_t preemption_first(const Preemption *cpu)
{
    if (cpu->held)
        return -1;
    int priority = waiting_priority(cpu);
    if (cpu->offered < priority)
        return cpu->offered_intid;
    if (priority == PREEMPTION_IDLE)
        return -1;
    const Level *level = &cpu->levels[priority];
    size_t at = 0;
    while (!level->rows[at])
        at++;
    size_t number = at * 64 + (size_t)__builtin_ctzll(level->rows[at]);
    return (int64_t)(number * BANK_SIZE) + __builtin_ctz(level->waiting[number]);
}

unsigned preemption_group(const Preemption *cpu, uint64_t intid)
{
    const Row *row = preemption_row(cpu, intid);
    return row ? row->bank->group >> intid % BANK_SIZE & 1 : 1;
}

void preemption_update(Preemption *cpu)
{
    int priority = preemption_first_priority(cpu);
    int best = -1;
    bool irq = false, fiq = false;
    if (priority < PREEMPTION_IDLE && (unsigned)priority < cpu->pmr) {
        int64_t intid = preemption_first(cpu);
        unsigned group = preemption_group(cpu, (uint64_t)intid);
        int mask = (int)cpu->masks[group] | PREEMPTION_IDLE;
        if (cpu->groups >> group & 1 && (priority & mask) < (cpu->running & mask)) {
            best = (int)intid;
            fiq = !group && cpu->fiq_group0;
            irq = !fiq;
        }
    }
    cpu->best = best;
    cpu->irq = irq;
    cpu->fiq = fiq;
}

/* Running priorities */

void preemption_recompute(Preemption *cpu)
{
    uint64_t low = cpu->active[0][0] | cpu->active[1][0], high = cpu->active[0][1] | cpu->active[1][1];
    if (low)
        cpu->running = __builtin_ctzll(low) << cpu->shift;
    else if (high)
        cpu->running = (64 + __builtin_ctzll(high)) << cpu->shift;
    else
        cpu->running = PREEMPTION_IDLE;
}

void preemption_run(Preemption *cpu, unsigned priority, unsigned group)
{
    unsigned level = (priority & cpu->masks[group]) >> cpu->shift;
    cpu->account->delivered++;
    cpu->active[group][level / 64] |= UINT64_C(1) << level % 64;
    preemption_recompute(cpu);
}

void preemption_drop(Preemption *cpu, unsigned group)
{
    uint64_t *active = cpu->active[group];
    if (active[0])
        active[0] &= active[0] - 1;
    else
        active[1] &= active[1] - 1;
    preemption_recompute(cpu);
}

/* Whole accesses */

static unsigned take_source(Preemption *cpu, Bank *bank, uint32_t intid, uint32_t bit)
{
    unsigned senders = cpu->sources[intid];
    unsigned left = senders & (senders - 1);
    cpu->sources[intid] = (uint8_t)left;
    if (!left)
        bank_clear(bank, &bank->latch, bit);
    bank_set(bank, &bank->active, bit);
    return senders ? (unsigned)__builtin_ctz(senders) : 0;
}

int64_t preemption_take(Preemption *cpu, unsigned groups)
{
    if (cpu->best < 0)
        return TAKE_NOTHING;
    uint32_t intid = (uint32_t)cpu->best;
    unsigned n = intid % BANK_SIZE;
    uint32_t bit = UINT32_C(1) << n;
    Row *row = preemption_row(cpu, intid);
    unsigned group = row ? row->bank->group >> n & 1 : 1;
    if (!(groups >> group & 1))
        return TAKE_REFUSED;
    if (!row || !(row->alone & bit) || !cpu->account)
        return TAKE_LEFT;
    int64_t taken = intid;
    if (intid < cpu->sources_count)
        taken |= take_source(cpu, row->bank, intid, bit) << 10;
    else
        bank_deliver(row->bank, bit);
    row->acknowledged[n]++;
    preemption_run(cpu, cpu->priority[intid], group);
    preemption_place(cpu, row, n, true, true); /* it is active: it does not wait, and that needs no memory */
    preemption_update(cpu);
    return taken;
}

static bool ends_here(const Row *row, unsigned n)
{
    const Bank *bank = row->bank;
    uint32_t outside = bank->shared ? bank->watched | ~bank->edge : bank->watched;
    return row->alone >> n & 1 && !((bank->active & outside) >> n & 1);
}

/* It ends here, and there is memory. */
static void deactivate(Preemption *cpu, Row *row, unsigned n)
{
    Bank *bank = row->bank;
    uint32_t bit = UINT32_C(1) << n;
    if (!(bank->active & bit))
        return;
    bank_clear(bank, &bank->active, bit);
    bank_settle(bank, bit, cpu->account);
    preemption_place(cpu, row, n, true, true);
}

int preemption_end(Preemption *cpu, uint64_t intid, unsigned groups)
{
    if (intid >= cpu->intids || cpu->running == PREEMPTION_IDLE)
        return ACCESS_DONE;
    unsigned group = preemption_group(cpu, intid);
    return groups >> group & 1 ? preemption_finish(cpu, intid, group) : ACCESS_DONE;
}

int preemption_finish(Preemption *cpu, uint64_t intid, unsigned group)
{
    Row *row = cpu->split ? NULL : preemption_row(cpu, intid);
    unsigned n = intid % BANK_SIZE;
    if (row && (!ends_here(row, n) || !cpu->account))
        return ACCESS_LEFT;
    if (row && !preemption_reserve(cpu, row->bank->priority[n]))
        return ACCESS_NO_MEMORY;
    preemption_drop(cpu, group);
    if (row)
        deactivate(cpu, row, n);
    preemption_update(cpu);
    return ACCESS_DONE;
}

int preemption_release(Preemption *cpu, uint64_t intid)
{
    Row *row = cpu->split && intid < cpu->intids ? preemption_row(cpu, intid) : NULL;
    unsigned n = intid % BANK_SIZE;
    if (!row)
        return ACCESS_DONE;
    if (!ends_here(row, n) || !cpu->account)
        return ACCESS_LEFT;
    if (!preemption_reserve(cpu, row->bank->priority[n]))
        return ACCESS_NO_MEMORY;
    deactivate(cpu, row, n);
    preemption_update(cpu);
    return ACCESS_DONE;
}
