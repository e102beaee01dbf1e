// CPUs: translation table, start and stop by PSCI, jobs that the boot CPU gives to the others.
#include "guest.h"

enum { ON = 0, OFF = 1, ALREADY_ON = -4, BLOCKS = 512 };

struct cpu cpus[MAX_CPUS];
u64 translation_table[BLOCKS] __attribute__((aligned(4096)));

extern char secondary_entry[];

// Identity, in blocks of 1 GiB: RAM is normal memory, everything else device memory that nothing executes from.
void prepare(const void *tree)
{
    read_tree(tree);
    for (u64 i = 0; i < BLOCKS; i++) {
        u64 address = i << 30;
        bool ram = address + (1ul << 30) > machine.ram_base && address < machine.ram_base + machine.ram_size;
        // Valid block, access flag; normal: attribute 1, inner shareable; device: attribute 0, PXN, UXN.
        translation_table[i] = address | 0x401 | (ram ? 0x304 : 3ul << 53);
    }
}

static struct result call(bool smc, u64 function, u64 a, u64 b, u64 c)
{
    register u64 x0 asm("x0") = function;
    register u64 x1 asm("x1") = a;
    register u64 x2 asm("x2") = b;
    register u64 x3 asm("x3") = c;
    if (smc)
        asm volatile("smc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
    else
        asm volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
    return (struct result){x0, x1};
}

struct result hypercall(u64 function, u64 x1, u64 x2, u64 x3) { return call(false, function, x1, x2, x3); }
struct result psci(u64 function, u64 x1, u64 x2, u64 x3) { return call(machine.smc, function, x1, x2, x3); }

void start_cpu(u32 cpu)
{
    u64 x0 = psci(PSCI_CPU_ON, machine.mpidr[cpu], (u64)secondary_entry, cpu).x0;
    if (x0)
        fail("CPU_ON of CPU %u answered %x", (u64)cpu, x0);
    wait_until(&cpus[cpu].online, 1, "a CPU to come up");
    x0 = psci(PSCI_CPU_ON, machine.mpidr[cpu], (u64)secondary_entry, cpu).x0;
    if ((int)x0 != ALREADY_ON)
        fail("CPU_ON of CPU %u, which is on, answered %x", (u64)cpu, x0);
}

void start_cpus(void)
{
    chip->cpu_up();
    cpus[0].online = 1;
    irqs_on();
    for (u32 cpu = 1; cpu < machine.cpus; cpu++)
        start_cpu(cpu);
}

static void switch_off(void)
{
    irqs_off();
    chip->cpu_down();
    cpus[this_cpu()].job = NULL;
    store(&cpus[this_cpu()].online, 0);
    u64 x0 = psci(PSCI_CPU_OFF, 0, 0, 0).x0;
    fail("CPU_OFF came back with %x", x0);
}

static void give(u32 cpu, void (*job)(void))
{
    __atomic_store_n(&cpus[cpu].job, job, __ATOMIC_RELEASE);
    chip->send_ipi(cpu, KICK);
}

void stop_cpu(u32 cpu)
{
    u64 x0;
    u64 patience = options.patience * READ("cntfrq_el0"), start = READ("cntvct_el0");
    give(cpu, switch_off);
    wait_until(&cpus[cpu].online, 0, "a CPU to go off");
    while ((x0 = psci(PSCI_AFFINITY_INFO, machine.mpidr[cpu], 0, 0).x0) != OFF) {
        if (x0 != ON || READ("cntvct_el0") - start > patience)
            fail("AFFINITY_INFO of CPU %u, which goes off, answered %x", (u64)cpu, x0);
        yield();
    }
}

// Interrupts are masked while the CPU looks for a job and sleeps; a kick in between wakes it, and is taken afterwards.
void secondary_cpu(void)
{
    struct cpu *cpu = &cpus[this_cpu()];
    chip->cpu_up();
    store(&cpu->online, 1);
    for (;;) {
        irqs_off();
        void (*job)(void) = __atomic_load_n(&cpu->job, __ATOMIC_ACQUIRE);
        if (!job)
            wfi();
        irqs_on();
        if (job) {
            job();
            __atomic_store_n(&cpu->job, NULL, __ATOMIC_RELEASE);
        }
    }
}

void run_on(u32 cpu, void (*job)(void))
{
    if (cpu == this_cpu())
        return job();
    give(cpu, job);
    wait_until((u64 *)&cpus[cpu].job, 0, "a job to be done");
}

void run_on_all(void (*job)(void))
{
    for (u32 cpu = 1; cpu < machine.cpus; cpu++)
        give(cpu, job);
    job();
    for (u32 cpu = 1; cpu < machine.cpus; cpu++)
        wait_until((u64 *)&cpus[cpu].job, 0, "a job to be done");
}
