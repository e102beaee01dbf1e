// GICv3 (Arm IHI 0069): distributor with affinity routing, redistributors, system registers. Everything is Group 1.
#include "guest.h"

enum { CTLR = 0x0000, IGROUPR = 0x0080, ISENABLER = 0x0100, ICENABLER = 0x0180, ICPENDR = 0x0280, ICACTIVER = 0x0380,
       IPRIORITYR = 0x0400, ICFGR = 0x0c00, IROUTER = 0x6000 };
enum { GICR_TYPER = 0x08, GICR_WAKER = 0x14, SGI_FRAME = 0x10000 };
enum { ENABLE = 0x13, WRITE_PENDING = 1u << 31, ASLEEP = 1 << 1, CHILDREN_ASLEEP = 1 << 2, PRIORITY = 0xa0,
       FIRST_SPECIAL = 1020, LAST_SPECIAL = 1023 };

#define ICC_PMR_EL1     "s3_0_c4_c6_0"
#define ICC_IAR1_EL1    "s3_0_c12_c12_0"
#define ICC_EOIR1_EL1   "s3_0_c12_c12_1"
#define ICC_BPR1_EL1    "s3_0_c12_c12_3"
#define ICC_CTLR_EL1    "s3_0_c12_c12_4"
#define ICC_SRE_EL1     "s3_0_c12_c12_5"
#define ICC_IGRPEN1_EL1 "s3_0_c12_c12_7"
#define ICC_SGI1R_EL1   "s3_0_c12_c11_5"

static u64 redistributor[MAX_CPUS];

u64 gicv3_redistributor(u32 cpu) { return redistributor[cpu]; }

static u64 reg(u32 offset) { return machine.distributor + offset; }
static void set_bit(u32 offset, u32 intid) { write32(reg(offset + intid / 32 * 4), 1u << intid % 32); }

static void wait_for_writes(void)
{
    while (read32(reg(CTLR)) & WRITE_PENDING) {
    }
}

static u64 find_redistributor(u64 mpidr)
{
    u32 affinity = (mpidr >> 32 & 0xff) << 24 | (mpidr & 0xffffff);
    u64 frame = machine.redistributors, end = frame + machine.redistributors_size;
    while (frame < end) {
        u64 typer = read64(frame + GICR_TYPER);
        if (typer >> 32 == affinity)
            return frame;
        if (typer & 1 << 4)
            break;
        frame += typer & 1 << 1 ? 0x40000 : 0x20000;    // with the frames of virtual LPIs
    }
    fail("no redistributor has the affinity %x", (u64)affinity);
}

static void probe(void)
{
    write32(reg(CTLR), 0);
    wait_for_writes();
    write32(reg(CTLR), ENABLE);
    wait_for_writes();
    for (u32 cpu = 0; cpu < machine.cpus; cpu++)
        redistributor[cpu] = find_redistributor(machine.mpidr[cpu]);
}

static void wake(u64 frame)
{
    write32(frame + GICR_WAKER, read32(frame + GICR_WAKER) & ~ASLEEP);
    while (read32(frame + GICR_WAKER) & CHILDREN_ASLEEP) {
    }
}

static void cpu_up(void)
{
    u64 frame = redistributor[this_cpu()], own = frame + SGI_FRAME;
    wake(frame);
    write32(own + ICENABLER, 0xffffffff);
    write32(own + ICPENDR, 0xffffffff);
    write32(own + ICACTIVER, 0xffffffff);
    write32(own + IGROUPR, 0xffffffff);
    for (u32 intid = 0; intid < 32; intid++)
        write8(own + IPRIORITYR + intid, PRIORITY);
    write32(own + ISENABLER, (1 << IPIS) - 1);
    WRITE(ICC_SRE_EL1, READ(ICC_SRE_EL1) | 1);
    isb();
    if (!(READ(ICC_SRE_EL1) & 1))
        fail("the GIC's system registers are off");
    WRITE(ICC_PMR_EL1, 0xf0);
    WRITE(ICC_BPR1_EL1, 0);
    WRITE(ICC_CTLR_EL1, 0);
    WRITE(ICC_IGRPEN1_EL1, 1);
    isb();
}

static void cpu_down(void)
{
    u64 frame = redistributor[this_cpu()];
    WRITE(ICC_IGRPEN1_EL1, 0);
    isb();
    write32(frame + SGI_FRAME + ICENABLER, 0xffffffff);
    write32(frame + GICR_WAKER, read32(frame + GICR_WAKER) | ASLEEP);
}

static void send_ipi(u32 cpu, u32 ipi)
{
    u64 mpidr = machine.mpidr[cpu], affinity0 = mpidr & 0xff;
    dsb();
    WRITE(ICC_SGI1R_EL1, (mpidr >> 32 & 0xff) << 48 | affinity0 >> 4 << 44 | (mpidr >> 16 & 0xff) << 32 |
                             (u64)ipi << 24 | (mpidr >> 8 & 0xff) << 16 | 1 << (affinity0 & 0xf));
    isb();
}

static u32 request_own(struct source source)
{
    write32(redistributor[this_cpu()] + SGI_FRAME + ISENABLER, 1u << source.number);
    return source.number;
}

static void move(u32 hwirq, u32 cpu)
{
    if (hwirq >= FIRST_LPI)
        its_move(hwirq, cpu);
    else
        write64(reg(IROUTER + 8 * hwirq), machine.mpidr[cpu] & 0xff00ffffff);
}

static u32 request(struct source source, u32 cpu)
{
    u32 intid = source.number + 32, shift = intid % 16 * 2;
    u64 configuration = reg(ICFGR + intid / 16 * 4), group = reg(IGROUPR + intid / 32 * 4);
    set_bit(ICENABLER, intid);
    wait_for_writes();
    write32(configuration, (read32(configuration) & ~(3u << shift)) | (source.level ? 0u : 2u) << shift);
    write32(group, read32(group) | 1u << intid % 32);
    write8(reg(IPRIORITYR + intid), PRIORITY);
    move(intid, cpu);
    set_bit(ISENABLER, intid);
    return intid;
}

static u32 acknowledge(void)
{
    u32 intid = READ(ICC_IAR1_EL1);
    dsb();
    return intid >= FIRST_SPECIAL && intid <= LAST_SPECIAL ? NOTHING : intid;
}

static void end(u32 hwirq)
{
    WRITE(ICC_EOIR1_EL1, hwirq);
    isb();
}

const struct irqchip gicv3_chip = {
    .name = "gicv3", .probe = probe, .cpu_up = cpu_up, .cpu_down = cpu_down, .send_ipi = send_ipi,
    .request_own = request_own, .request = request, .has_messages = its_present, .request_message = its_request,
    .move = move, .acknowledge = acknowledge, .end = end,
};
