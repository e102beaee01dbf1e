// The tests. Each counts on every CPU what came, compares it with what was sent, and prints one line with the counts.
#include "guest.h"

static u64 before[MAX_CPUS];
static struct irq *lines[MAX_LINES];
static u32 line_target[MAX_LINES];
static bool keep_high;

static void begin(void)
{
    for (u32 cpu = 0; cpu < machine.cpus; cpu++)
        before[cpu] = load(&cpus[cpu].taken);
}

// `ok NAME`, and how many interrupts each CPU took; the kicks that gave it work are among them.
static void passed(const char *name)
{
    print("ok %s", name);
    for (u32 cpu = 0; cpu < machine.cpus; cpu++)
        print(" %u", load(&cpus[cpu].taken) - before[cpu]);
    print("\n");
}

static void expect(const char *what, u64 found, u64 wanted)
{
    if (found != wanted)
        fail("%s: %u, not %u", what, found, wanted);
}

// Timer: n ticks on each CPU, all CPUs at once

static void tick(struct irq *irq)
{
    struct cpu *cpu = &cpus[this_cpu()];
    (void)irq;
    if (!(READ("cntv_ctl_el0") & 1 << 2))
        fail("a timer interrupt without ISTATUS");
    if ((int64_t)(READ("cntvct_el0") - READ("cntv_cval_el0")) < 0)
        fail("a timer interrupt before its time");
    if (cpu->ticks + 1 == cpu->ticks_wanted)
        WRITE("cntv_ctl_el0", 0);
    else
        WRITE("cntv_tval_el0", options.interval);
    isb();
    count(&cpu->ticks);
}

static void tick_n_times(void)
{
    struct cpu *cpu = &cpus[this_cpu()];
    cpu->ticks_wanted = cpu->ticks + options.n;
    chip->request_own(machine.timer);
    WRITE("cntv_tval_el0", options.interval);
    WRITE("cntv_ctl_el0", 1);
    isb();
    for (;;) {
        irqs_off();
        bool all = cpu->ticks == cpu->ticks_wanted;
        if (!all)
            wfi();
        irqs_on();
        if (all)
            break;
    }
    settle();
}

static void test_timer(void)
{
    set_handler(machine.timer.number, tick, 0);
    run_on_all(tick_n_times);
    for (u32 cpu = 0; cpu < machine.cpus; cpu++)
        expect("ticks of a CPU", cpus[cpu].ticks, cpus[cpu].ticks_wanted);
    passed("timer");
}

// IPIs: each CPU sends n to every CPU, itself among them, all CPUs at once; the IPI's number is the sender's

static void ipi_taken(struct irq *irq) { count(&cpus[this_cpu()].ipis[irq->hwirq]); }

static void send_n_to_all(void)
{
    u32 me = this_cpu();
    for (u64 turn = 0; turn < options.n; turn++) {
        for (u32 cpu = 0; cpu < machine.cpus; cpu++) {
            u64 wanted = load(&cpus[cpu].ipis[me]) + 1;
            chip->send_ipi(cpu, me);
            wait_until(&cpus[cpu].ipis[me], wanted, "an IPI to be taken");
        }
    }
    settle();
}

static void check_ipis(const char *what)
{
    static u64 last[MAX_CPUS][MAX_CPUS];
    for (u32 cpu = 0; cpu < machine.cpus; cpu++) {
        for (u32 sender = 0; sender < machine.cpus; sender++) {
            expect(what, load(&cpus[cpu].ipis[sender]) - last[cpu][sender], options.n);
            last[cpu][sender] = load(&cpus[cpu].ipis[sender]);
        }
    }
}

static void prepare_ipis(void)
{
    for (u32 cpu = 0; cpu < machine.cpus; cpu++)
        set_handler(cpu, ipi_taken, 0);
}

static void test_ipi(void)
{
    prepare_ipis();
    run_on_all(send_n_to_all);
    check_ipis("IPIs from one CPU to another");
    passed("ipi");
}

// Wired inputs: n of each line, each taken once, on the CPU that the line leads to

static void line_taken(struct irq *irq)
{
    expect("the CPU that took a line's interrupt", this_cpu(), line_target[irq->line]);
    if (!line_source(irq->line).level)
        return;
    if (keep_high)
        keep_high = false;
    else
        lower_line(irq->line);
}

static void prepare_lines(void)
{
    for (u32 line = 0; line < line_count(); line++) {
        if (lines[line])
            continue;
        line_target[line] = line % machine.cpus;
        lower_line(line);
        u32 hwirq = chip->request(line_source(line), line_target[line]);
        set_handler(hwirq, line_taken, line);
        lines[line] = irq_of(hwirq);
    }
}

static void wait_for_line(u32 line, u64 wanted)
{
    u32 cpu = line_target[line];
    u64 elsewhere = irq_total(lines[line]) - load(&lines[line]->count[cpu]);
    wait_until(&lines[line]->count[cpu], wanted - elsewhere, "a line's interrupt to be taken");
}

static void use_line(u32 line, bool twice)
{
    u64 wanted = irq_total(lines[line]) + 1 + twice;
    keep_high = twice;
    if (line_source(line).level)
        raise_line(line);
    else
        pulse_line(line);
    wait_for_line(line, wanted);
}

// A level line that the handler leaves high, every fourth time, is taken again.
static void test_wired(void)
{
    u64 start[MAX_LINES];
    prepare_lines();
    for (u32 line = 0; line < line_count(); line++) {
        start[line] = irq_total(lines[line]);
        for (u64 turn = 0; turn < options.n; turn++)
            use_line(line, line_source(line).level && turn % 4 == 3);
    }
    settle();
    for (u32 line = 0; line < line_count(); line++) {
        u64 again = line_source(line).level ? options.n / 4 : 0;
        expect("interrupts of a line", irq_total(lines[line]) - start[line], options.n + again);
    }
    passed("wired");
}

// Messages: n of each of several, which lead to the CPUs one after the other, and are moved on half-way

static struct message messages[MESSAGES];

static void message_taken(struct irq *irq)
{
    expect("the CPU that took a message", this_cpu(), irq->line);
}

static void send_and_wait(u32 which)
{
    struct irq *irq = irq_of(messages[which].hwirq);
    u64 *counter = &irq->count[irq->line], wanted = load(counter) + 1;
    send_message(&messages[which]);
    wait_until(counter, wanted, "a message to be taken");
}

static void test_msi(void)
{
    for (u32 which = 0; which < MESSAGES; which++) {
        messages[which] = chip->request_message(which, which % machine.cpus);
        set_handler(messages[which].hwirq, message_taken, which % machine.cpus);
    }
    for (u64 turn = 0; turn < options.n; turn++) {
        for (u32 which = 0; which < MESSAGES; which++) {
            struct irq *irq = irq_of(messages[which].hwirq);
            if (turn == options.n / 2) {
                irq->line = (irq->line + 1) % machine.cpus;
                chip->move(irq->hwirq, irq->line);
            }
            send_and_wait(which);
        }
    }
    settle();
    for (u32 which = 0; which < MESSAGES; which++)
        expect("interrupts of a message", irq_total(irq_of(messages[which].hwirq)), options.n);
    passed("msi");
}

// Moves: each line goes round the CPUs, n times, every other time while its interrupt is pending on this CPU, masked

static void move_line(u32 line, u32 cpu)
{
    line_target[line] = cpu;
    dsb();
    chip->move(lines[line]->hwirq, cpu);
}

static void move_pending(u32 line, u32 cpu)
{
    u64 wanted = irq_total(lines[line]) + 1;
    move_line(line, this_cpu());
    irqs_off();
    if (line_source(line).level)
        raise_line(line);
    else
        pulse_line(line);
    move_line(line, cpu);
    irqs_on();
    wait_for_line(line, wanted);
}

static void test_move(void)
{
    prepare_lines();
    for (u32 line = 0; line < line_count(); line++) {
        u64 start = irq_total(lines[line]);
        for (u64 turn = 0; turn < options.n; turn++) {
            u32 cpu = (line_target[line] + 1) % machine.cpus;
            if (turn % 2) {
                move_pending(line, cpu);
            } else {
                move_line(line, cpu);
                use_line(line, false);
            }
        }
        settle();
        expect("interrupts of a line that is moved", irq_total(lines[line]) - start, options.n);
    }
    passed("move");
}

// Hotplug: each CPU but this one goes off and comes back, then IPIs go to and from it as before

static void test_hotplug(void)
{
    prepare_ipis();
    for (u32 cpu = 1; cpu < machine.cpus; cpu++) {
        stop_cpu(cpu);
        start_cpu(cpu);
    }
    run_on_all(send_n_to_all);
    check_ipis("IPIs after a CPU came back");
    passed("hotplug");
}

// Acknowledges when nothing waits: n on each CPU, none of which may have an answer

static void acknowledge_nothing(void)
{
    irqs_off();
    for (u64 turn = 0; turn < options.n; turn++) {
        u32 hwirq = chip->acknowledge();
        if (hwirq != NOTHING)
            fail("an acknowledge of nothing answered %u", (u64)hwirq);
    }
    irqs_on();
}

static void test_spurious(void)
{
    for (u32 cpu = 0; cpu < machine.cpus; cpu++)
        run_on(cpu, acknowledge_nothing);
    passed("spurious");
}

static void try(const char *name, void (*test)(void), const char *missing)
{
    if (!option_lists("tests", name, true))
        return;
    if (missing) {
        print("skip %s: there is no %s\n", name, missing);
        return;
    }
    begin();
    test();
}

static void print_totals(void)
{
    u64 taken = 0, spurious = 0;
    for (u32 cpu = 0; cpu < machine.cpus; cpu++) {
        taken += load(&cpus[cpu].taken);
        spurious += load(&cpus[cpu].spurious);
    }
    print("total INTERRUPTS taken=%u spurious=%u, per CPU", taken, spurious);
    for (u32 cpu = 0; cpu < machine.cpus; cpu++)
        print(" %u", load(&cpus[cpu].taken));
    print("\npassed\n");
}

void run(void)
{
    const char *no_line = line_count() ? NULL : "line";
    try("timer", test_timer, machine.has_timer ? NULL : "timer");
    try("ipi", test_ipi, NULL);
    try("wired", test_wired, no_line);
    try("msi", test_msi, messages_work() ? NULL : "message");
    try("move", test_move, no_line);
    try("hotplug", test_hotplug, NULL);
    try("spurious", test_spurious, NULL);
    print_totals();
}
