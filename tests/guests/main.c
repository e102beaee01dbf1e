// The boot CPU: options of the command line, the irqchip's driver, the tests, the end.
#include "guest.h"

struct options options;

void *memset(void *to, int value, size_t size)
{
    u8 *at = to;
    while (size--)
        *at++ = value;
    return to;
}

void *memcpy(void *to, const void *from, size_t size)
{
    u8 *at = to;
    const u8 *source = from;
    while (size--)
        *at++ = *source++;
    return to;
}

static bool separates(char letter) { return !letter || letter == ' ' || letter == ',' || letter == '='; }

// Behind `word` where it stands between separators in the text, at the end of the option at most; NULL if it does not.
static const char *find(const char *text, const char *word, char end)
{
    for (; *text && *text != end; text++) {
        const char *at = text, *letter = word;
        while (*letter && *at == *letter)
            at++, letter++;
        if (!*letter && separates(*at))
            return at;
        while (!separates(*text))
            text++;
        if (!*text || *text == end)
            break;
    }
    return NULL;
}

// Whether the option `name=a,b,c` has the word; `otherwise` if there is no such option.
bool option_lists(const char *name, const char *word, bool otherwise)
{
    const char *value = find(machine.bootargs, name, 0);
    if (!value || *value != '=')
        return otherwise;
    return find(value + 1, word, ' ') != NULL;
}

u64 option_number(const char *name, u64 otherwise)
{
    const char *value = find(machine.bootargs, name, 0);
    if (!value || *value++ != '=')
        return otherwise;
    u64 number = 0;
    for (; *value >= '0' && *value <= '9'; value++)
        number = 10 * number + *value - '0';
    return number;
}

// Now and then the others are let go on, and more seldom the counter is looked at: either may be expensive.
void wait_until(const u64 *counter, u64 wanted, const char *what)
{
    u64 start = 0, patience = options.patience * READ("cntfrq_el0");
    for (u64 turn = 1; load(counter) != wanted; turn++) {
        if (turn % 64 == 0)
            yield();
        if (turn % 4096)
            continue;
        u64 now = READ("cntvct_el0");
        if (!start)
            start = now;
        if (now - start > patience)
            fail("waited for %s: it is %u, not %u", what, load(counter), wanted);
    }
}

// Time in which an interrupt too many would come.
void settle(void)
{
    for (u32 turn = 0; turn < 5000; turn++)
        asm volatile("" ::: "memory");
}

_Noreturn void power_off(u32 code)
{
    if (machine.testdev)
        write32(machine.testdev + TESTDEV_EXIT, code);
    psci(PSCI_SYSTEM_OFF, 0, 0, 0);
    for (;;) {
    }
}

static void nothing_to_do(struct irq *irq) { (void)irq; }

static void choose_chip(void)
{
    if (machine.chip == NO_CHIP)
        fail("the tree has no interrupt controller that I know");
    chip = machine.chip == RVIC ? &rvic_chip : machine.chip == GICV2 ? &gicv2_chip : &gicv3_chip;
}

void boot_cpu(void)
{
    options.n = option_number("n", 100);
    options.interval = option_number("interval", 1000);
    options.patience = option_number("patience", 5);
    options.handled = machine.testdev && find(machine.bootargs, "handled", 0);
    choose_chip();
    print("guest: %s, %u CPUs, n %u\n", chip->name, (u64)machine.cpus, options.n);
    chip->probe();
    set_handler(KICK, nothing_to_do, 0);
    start_cpus();
    run();
    power_off(0);
}
