// GICv2 (Arm IHI 0048): distributor, CPU interfaces, GICv2m frames. What has no group register is Group 0, and an IRQ.
#include "guest.h"

enum { CTLR = 0x000, ISENABLER = 0x100, ICENABLER = 0x180, ICPENDR = 0x280, ICACTIVER = 0x380, IPRIORITYR = 0x400,
       ITARGETSR = 0x800, ICFGR = 0xc00, SGIR = 0xf00 };
enum { GICC_CTLR = 0x00, GICC_PMR = 0x04, GICC_BPR = 0x08, GICC_IAR = 0x0c, GICC_EOIR = 0x10 };
enum { MSI_TYPER = 0x008, MSI_SETSPI = 0x040 };
enum { PRIORITY = 0xa0, FIRST_SPECIAL = 1020 };

static u8 interface_bit[MAX_CPUS];
static u32 acknowledged[MAX_CPUS];      // an SGI ends with its source CPU

static u64 reg(u32 offset) { return machine.distributor + offset; }
static void set_bit(u32 offset, u32 intid) { write32(reg(offset + intid / 32 * 4), 1u << intid % 32); }

static void probe(void)
{
    write32(reg(CTLR), 1);
}

static void cpu_up(void)
{
    u32 me = this_cpu();
    write32(reg(ICENABLER), 0xffffffff);
    write32(reg(ICPENDR), 0xffffffff);
    write32(reg(ICACTIVER), 0xffffffff);
    for (u32 intid = 0; intid < 32; intid++)
        write8(reg(IPRIORITYR + intid), PRIORITY);
    // ITARGETSR0 is a CPU's own mask, in each byte.
    interface_bit[me] = read32(reg(ITARGETSR)) & 0xff;
    if (!interface_bit[me] && machine.cpus > 1)
        fail("ITARGETSR0 is 0");
    write32(reg(ISENABLER), (1 << IPIS) - 1);
    write32(machine.cpu_interface + GICC_BPR, 0);
    write32(machine.cpu_interface + GICC_PMR, 0xf0);
    write32(machine.cpu_interface + GICC_CTLR, 1);
}

static void cpu_down(void)
{
    write32(reg(ICENABLER), 0xffffffff);
    write32(machine.cpu_interface + GICC_CTLR, 0);
}

static void send_ipi(u32 cpu, u32 ipi)
{
    u32 target = machine.cpus > 1 ? interface_bit[cpu] : 1;
    write32(reg(SGIR), target << 16 | ipi);
}

static u32 request_own(struct source source)
{
    set_bit(ISENABLER, source.number);
    return source.number;
}

static void move(u32 hwirq, u32 cpu)
{
    write8(reg(ITARGETSR + hwirq), interface_bit[cpu]);
}

static u32 request(struct source source, u32 cpu)
{
    u32 intid = source.number + 32, shift = intid % 16 * 2;
    u64 configuration = reg(ICFGR + intid / 16 * 4);
    set_bit(ICENABLER, intid);
    write32(configuration, (read32(configuration) & ~(3u << shift)) | (source.level ? 0u : 2u) << shift);
    write8(reg(IPRIORITYR + intid), PRIORITY);
    move(intid, cpu);
    set_bit(ISENABLER, intid);
    return intid;
}

static bool has_messages(void) { return machine.v2m != 0; }

static struct message request_message(u32 which, u32 cpu)
{
    u32 typer = read32(machine.v2m + MSI_TYPER), first = typer >> 16 & 0x3ff, frame = typer & 0x3ff;
    if (which >= frame)
        fail("the v2m frame has %u SPIs only", (u64)frame);
    u32 intid = request((struct source){first + which - 32, true, false}, cpu);
    return (struct message){machine.v2m + MSI_SETSPI, intid, intid};
}

static u32 acknowledge(void)
{
    u32 value = read32(machine.cpu_interface + GICC_IAR), intid = value & 0x3ff;
    if (intid >= FIRST_SPECIAL)
        return NOTHING;
    acknowledged[this_cpu()] = value;
    return intid;
}

static void end(u32 hwirq)
{
    (void)hwirq;
    write32(machine.cpu_interface + GICC_EOIR, acknowledged[this_cpu()]);
}

const struct irqchip gicv2_chip = {
    .name = "gicv2", .probe = probe, .cpu_up = cpu_up, .cpu_down = cpu_down, .send_ipi = send_ipi,
    .request_own = request_own, .request = request, .has_messages = has_messages, .request_message = request_message,
    .move = move, .acknowledge = acknowledge, .end = end,
};
