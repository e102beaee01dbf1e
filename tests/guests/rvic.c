// rVIC and rVID, by hypercall (Arm DEN 0103, alpha, with the numbers of the KVM/arm64 series of September 2020).
//
// 1. INTIDs 0 to 15 are IPIs, those below T a CPU's own, the others are given to inputs in the order of the requests.
// 2. One acknowledge per exception. It masks; the end is CLEAR_MASKED, and RESAMPLE before it if it is level-triggered.
// 3. An rVIC comes up with what it had: everything is masked and cleared on a CPU that starts.
#include "guest.h"

enum { RVID_VERSION = 0xc5000100, RVID_MAP, RVID_UNMAP, RVID_SET_TRIGGER };
enum { RVIC_VERSION = 0xc5000200, RVIC_INFO, RVIC_ENABLE, RVIC_DISABLE, RVIC_SET_MASKED, RVIC_CLEAR_MASKED,
       RVIC_IS_PENDING, RVIC_SIGNAL, RVIC_CLEAR_PENDING, RVIC_ACKNOWLEDGE, RVIC_RESAMPLE };
enum { TRUSTED = 0, UNTRUSTED = 1 };                    // keys of INFO
enum { SUCCESS = 0, DISABLED = 3, NO_INTERRUPTS = 4 };  // status words
enum { VERSION = 3, DOORBELL = 0xba5e0000, EDGE = 1, LEVEL = 4, ROUTES = 32 };

// An input in use, by INTID - T; `cpu` is where it is taken (the effective affinity).
static struct {
    u32 input, cpu;
    bool level;
} routes[ROUTES];

static u32 trusted, total, used;
static bool level_own[64];

static u64 mpidr(u32 cpu) { return machine.mpidr[cpu]; }

static u64 call(u64 function, u64 x1, u64 x2, u64 x3)
{
    struct result result = hypercall(function, x1, x2, x3);
    if (result.x0 != SUCCESS)
        fail("%x of %x, %x, %x answered %x", function, x1, x2, x3, result.x0);
    return result.x1;
}

static void probe(void)
{
    if (call(RVIC_VERSION, 0, 0, 0) != VERSION || call(RVID_VERSION, 0, 0, 0) != VERSION)
        fail("rVIC and rVID are not of version 0.3");
    trusted = call(RVIC_INFO, TRUSTED, 0, 0);
    total = trusted + call(RVIC_INFO, UNTRUSTED, 0, 0);
}

static void cpu_up(void)
{
    u64 me = mpidr(this_cpu());
    call(RVIC_DISABLE, 0, 0, 0);
    for (u32 intid = 0; intid < total; intid++) {
        call(RVIC_SET_MASKED, me, intid, 0);
        call(RVIC_CLEAR_PENDING, me, intid, 0);
    }
    call(RVIC_ENABLE, 0, 0, 0);
    for (u32 ipi = 0; ipi < IPIS; ipi++)
        call(RVIC_CLEAR_MASKED, me, ipi, 0);
}

static void cpu_down(void)
{
    call(RVIC_DISABLE, 0, 0, 0);
    u64 x0 = hypercall(RVIC_SIGNAL, mpidr(this_cpu()), KICK, 0).x0;
    if (x0 != DISABLED)
        fail("SIGNAL to an rVIC that is disabled answered %x", x0);
}

static void send_ipi(u32 cpu, u32 ipi)
{
    dsb();
    call(RVIC_SIGNAL, mpidr(cpu), ipi, 0);
}

static u32 request_own(struct source source)
{
    if (source.number >= trusted || source.number >= sizeof level_own)
        fail("INTID %u is not trusted", (u64)source.number);
    level_own[source.number] = source.level;
    call(RVIC_CLEAR_MASKED, mpidr(this_cpu()), source.number, 0);
    return source.number;
}

static u32 request(struct source source, u32 cpu)
{
    u32 intid = trusted + used;
    if (used == ROUTES || intid >= total)
        fail("no INTID is left for input %u", (u64)source.number);
    routes[used].input = source.number;
    routes[used].cpu = cpu;
    routes[used++].level = source.level;
    call(RVIC_SET_MASKED, mpidr(cpu), intid, 0);
    call(RVIC_CLEAR_PENDING, mpidr(cpu), intid, 0);
    if (machine.level_inputs)
        call(RVID_SET_TRIGGER, source.number, source.level ? LEVEL : EDGE, 0);
    call(RVID_MAP, source.number, mpidr(cpu), intid);
    call(RVIC_CLEAR_MASKED, mpidr(cpu), intid, 0);
    return intid;
}

static bool has_messages(void) { return machine.msi_count != 0; }

static struct message request_message(u32 which, u32 cpu)
{
    if (which >= machine.msi_count)
        fail("msi-range has %u inputs only", (u64)machine.msi_count);
    u32 input = machine.msi_first + which;
    return (struct message){DOORBELL, input, request((struct source){input, true, false}, cpu)};
}

// What is pending does not follow the input: it is moved by hand, while the interrupt is masked on both CPUs.
static void move(u32 hwirq, u32 cpu)
{
    u32 slot = hwirq - trusted, old = routes[slot].cpu;
    if (cpu == old)
        return;
    call(RVIC_SET_MASKED, mpidr(old), hwirq, 0);
    call(RVIC_SET_MASKED, mpidr(cpu), hwirq, 0);
    call(RVID_MAP, routes[slot].input, mpidr(cpu), hwirq);
    if (call(RVIC_IS_PENDING, mpidr(old), hwirq, 0)) {
        call(RVIC_CLEAR_PENDING, mpidr(old), hwirq, 0);
        call(RVIC_SIGNAL, mpidr(cpu), hwirq, 0);
    }
    routes[slot].cpu = cpu;
    call(RVIC_CLEAR_MASKED, mpidr(cpu), hwirq, 0);
}

static u32 acknowledge(void)
{
    struct result result = hypercall(RVIC_ACKNOWLEDGE, 0, 0, 0);
    if (result.x0 == NO_INTERRUPTS)
        return NOTHING;
    if (result.x0 != SUCCESS)
        fail("ACKNOWLEDGE answered %x", result.x0);
    return result.x1;
}

static void end(u32 hwirq)
{
    bool shared = hwirq >= trusted;
    if (shared ? routes[hwirq - trusted].level : level_own[hwirq])
        call(RVIC_RESAMPLE, hwirq, 0, 0);
    call(RVIC_CLEAR_MASKED, mpidr(shared ? routes[hwirq - trusted].cpu : this_cpu()), hwirq, 0);
}

const struct irqchip rvic_chip = {
    .name = "rvic", .probe = probe, .cpu_up = cpu_up, .cpu_down = cpu_down, .send_ipi = send_ipi,
    .request_own = request_own, .request = request, .has_messages = has_messages, .request_message = request_message,
    .move = move, .acknowledge = acknowledge, .end = end,
};
