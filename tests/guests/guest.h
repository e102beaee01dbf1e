// What the parts of the bare-metal guest know of each other.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

enum { MAX_CPUS = 8, MAX_LINES = 8 };

// Registers and barriers

#define READ(name) ({ u64 value_; asm volatile("mrs %0, " name : "=r"(value_)); value_; })
#define WRITE(name, value) asm volatile("msr " name ", %0" ::"r"((u64)(value)))

static inline void isb(void) { asm volatile("isb" ::: "memory"); }
static inline void dsb(void) { asm volatile("dsb sy" ::: "memory"); }
static inline void yield(void) { asm volatile("yield"); }
static inline void wfi(void) { asm volatile("dsb sy\n\twfi" ::: "memory"); }
static inline void irqs_off(void) { asm volatile("msr daifset, #2" ::: "memory"); }
static inline void irqs_on(void) { asm volatile("msr daifclr, #2\n\tisb" ::: "memory"); }
static inline u32 this_cpu(void) { return READ("tpidr_el1"); }

static inline u32 read32(u64 address)
{
    u32 value;
    asm volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static inline u64 read64(u64 address)
{
    u64 value;
    asm volatile("ldr %0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static inline void write8(u64 address, u8 value)
{
    asm volatile("strb %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}

static inline void write32(u64 address, u32 value)
{
    asm volatile("dsb sy\n\tstr %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}

static inline void write64(u64 address, u64 value)
{
    asm volatile("dsb sy\n\tstr %0, [%1]" ::"r"(value), "r"(address) : "memory");
}

static inline u64 load(const u64 *counter) { return __atomic_load_n(counter, __ATOMIC_ACQUIRE); }
static inline void store(u64 *counter, u64 value) { __atomic_store_n(counter, value, __ATOMIC_RELEASE); }

// Counts one more; only the CPU that owns the counter may.
static inline void count(u64 *counter) { store(counter, *counter + 1); }

// The machine, as the tree has it (fdt.c)

enum chip_kind { NO_CHIP, RVIC, GICV2, GICV3 };

// An interrupt as its specifier names it: `number` is an SPI's or input's if `shared`, else an INTID of the CPU's own.
struct source {
    u32 number;
    bool shared;
    bool level;
};

struct machine {
    enum chip_kind chip;
    u64 ram_base, ram_size;
    u32 cpus;
    u64 mpidr[MAX_CPUS];
    bool smc;
    u64 distributor, cpu_interface;
    u64 redistributors, redistributors_size;
    u64 v2m, its;
    bool level_inputs;
    u32 msi_first, msi_count;
    bool has_timer;
    struct source timer;
    u64 uart;
    struct source uart_source;
    u64 testdev;
    u32 lines;
    struct source line[MAX_LINES];
    bool messages;
    u32 device_id;
    const char *bootargs;
};

extern struct machine machine;

void read_tree(const void *tree);

// The irqchip's driver (gicv2.c, gicv3.c, its.c, rvic.c)

enum { NOTHING = 0xffffffff };

struct message {
    u64 address;
    u32 data;
    u32 hwirq;
};

struct irqchip {
    const char *name;
    void (*probe)(void);                                // once, by the boot CPU
    void (*cpu_up)(void);                               // on each CPU, each time it comes up; unmasks the IPIs
    void (*cpu_down)(void);
    void (*send_ipi)(u32 cpu, u32 ipi);
    u32 (*request_own)(struct source source);           // an interrupt of the calling CPU; the hwirq
    u32 (*request)(struct source source, u32 cpu);      // a shared one
    bool (*has_messages)(void);
    struct message (*request_message)(u32 which, u32 cpu);
    void (*move)(u32 hwirq, u32 cpu);
    u32 (*acknowledge)(void);                           // the hwirq, or NOTHING
    void (*end)(u32 hwirq);
};

extern const struct irqchip rvic_chip, gicv2_chip, gicv3_chip;
extern const struct irqchip *chip;

bool its_present(void);
struct message its_request(u32 which, u32 cpu);
void its_move(u32 hwirq, u32 cpu);
u64 gicv3_redistributor(u32 cpu);

// Interrupts (irq.c)

enum { IPIS = 16, KICK = 15, FIRST_LPI = 8192, MESSAGES = 8 };

struct irq {
    u32 hwirq;
    void (*handler)(struct irq *irq);
    u64 line;                   // the handler's
    u64 count[MAX_CPUS];        // by CPU, counted when the interrupt has ended
};

struct irq *irq_of(u32 hwirq);
u64 irq_total(const struct irq *irq);
void set_handler(u32 hwirq, void (*handler)(struct irq *irq), u64 line);

// CPUs (cpu.c)

struct cpu {
    void (*job)(void);
    u64 online;
    u64 taken, spurious;
    u64 ticks, ticks_wanted;
    u64 ipis[MAX_CPUS];         // by sender
} __attribute__((aligned(64)));

extern struct cpu cpus[MAX_CPUS];

void start_cpu(u32 cpu);
void start_cpus(void);
void stop_cpu(u32 cpu);
void run_on(u32 cpu, void (*job)(void));
void run_on_all(void (*job)(void));

enum { PSCI_VERSION = 0x84000000, PSCI_CPU_OFF = 0x84000002, PSCI_CPU_ON = 0xc4000003,
       PSCI_AFFINITY_INFO = 0xc4000004, PSCI_SYSTEM_OFF = 0x84000008 };

struct result {
    u64 x0, x1;
};

struct result hypercall(u64 function, u64 x1, u64 x2, u64 x3);
struct result psci(u64 function, u64 x1, u64 x2, u64 x3);

// Lines and messages that the guest raises itself (devices.c)

enum { TESTDEV_LINES = 0x04, TESTDEV_PULSE = 0x08, TESTDEV_RAISE = 0x0c, TESTDEV_LOWER = 0x10, TESTDEV_MSI_ADDR_LO = 0x14,
       TESTDEV_MSI_ADDR_HI = 0x18, TESTDEV_MSI_DATA = 0x1c, TESTDEV_MSI_SEND = 0x20, TESTDEV_HANDLED = 0x24,
       TESTDEV_MARK = 0x28, TESTDEV_EXIT = 0x2c };

u32 line_count(void);
struct source line_source(u32 line);
void pulse_line(u32 line);
void raise_line(u32 line);
void lower_line(u32 line);
bool messages_work(void);
void send_message(const struct message *message);
void mark(u32 phase);

// Options, waiting, and the end (main.c)

struct options {
    u64 n;
    u64 interval;       // ticks of the counter from one timer interrupt to the next
    u64 patience;       // seconds that something may take
    bool handled;       // tell the test device of each handler
};

extern struct options options;

bool option_lists(const char *name, const char *word, bool otherwise);
u64 option_number(const char *name, u64 otherwise);
void wait_until(const u64 *counter, u64 wanted, const char *what);
void settle(void);
void run(void);         // tests.c or workload.c

void print(const char *format, ...);
_Noreturn void fail(const char *format, ...);
_Noreturn void power_off(u32 code);
void *memset(void *to, int value, size_t size);
