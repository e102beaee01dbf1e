// What every IRQ exception does, whatever the irqchip: one acknowledge, the handler, the end.
#include "guest.h"

enum { WIRED = 1024 };

static struct irq irqs[WIRED + MESSAGES];

const struct irqchip *chip;

struct irq *irq_of(u32 hwirq)
{
    u32 slot = hwirq < WIRED ? hwirq : hwirq - FIRST_LPI + WIRED;
    if (slot >= WIRED + MESSAGES)
        fail("there is no interrupt %u", (u64)hwirq);
    return &irqs[slot];
}

u64 irq_total(const struct irq *irq)
{
    u64 total = 0;
    for (u32 cpu = 0; cpu < machine.cpus; cpu++)
        total += load(&irq->count[cpu]);
    return total;
}

void set_handler(u32 hwirq, void (*handler)(struct irq *irq), u64 line)
{
    struct irq *irq = irq_of(hwirq);
    irq->hwirq = hwirq;
    irq->line = line;
    irq->handler = handler;
}

void irq_taken(void)
{
    u32 me = this_cpu();
    u32 hwirq = chip->acknowledge();
    if (hwirq == NOTHING) {
        count(&cpus[me].spurious);
        return;
    }
    struct irq *irq = irq_of(hwirq);
    if (options.handled)
        write32(machine.testdev + TESTDEV_HANDLED, hwirq);
    if (!irq->handler)
        fail("interrupt %u was not asked for", (u64)hwirq);
    count(&cpus[me].taken);
    irq->handler(irq);
    chip->end(hwirq);
    count(&irq->count[me]);
}
