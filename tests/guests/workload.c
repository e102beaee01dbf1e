// The workload by which irqchips are compared: n interrupts of each kind, kind after kind, on a test device that notes
// when each is raised and when its handler runs (the option `handled`). What has to be set up is set up before the first.
//
// 1. A phase begins with its number in MARK; a kind that the machine has not got has no phase; MARK 0 ends the last.
// 2. CPU 0 takes everything but IPIs, which it sends to the others in turn, or to itself if it is alone.
// 3. One interrupt at a time: the next is raised when the one before has ended.
#include "guest.h"

enum { TIMER = 1, IPI, EDGE, LEVEL, MESSAGE, PHASES };

static u32 edge_line, level_line;
static struct irq *edge, *level, *timer;
static struct message message;

static void tick(struct irq *irq)
{
    (void)irq;
    if (++cpus[0].ticks == options.n)
        WRITE("cntv_ctl_el0", 0);
    else
        WRITE("cntv_tval_el0", options.interval);
    isb();
}

static void ipi_taken(struct irq *irq) { (void)irq; }
static void edge_taken(struct irq *irq) { (void)irq; }
static void level_taken(struct irq *irq) { lower_line(irq->line); }

static struct irq *prepare_line(bool is_level, u32 *line, void (*handler)(struct irq *))
{
    for (*line = 0; *line < line_count(); ++*line) {
        struct source source = line_source(*line);
        if (source.level != is_level)
            continue;
        lower_line(*line);
        u32 hwirq = chip->request(source, 0);
        set_handler(hwirq, handler, *line);
        return irq_of(hwirq);
    }
    return NULL;
}

static void prepare_all(void)
{
    if (machine.has_timer) {
        set_handler(machine.timer.number, tick, 0);
        timer = irq_of(chip->request_own(machine.timer));
    }
    set_handler(0, ipi_taken, 0);
    edge = prepare_line(false, &edge_line, edge_taken);
    level = prepare_line(true, &level_line, level_taken);
    if (messages_work()) {
        message = chip->request_message(0, 0);
        set_handler(message.hwirq, edge_taken, 0);
    }
}

static void run_timer(void)
{
    WRITE("cntv_tval_el0", options.interval);
    WRITE("cntv_ctl_el0", 1);
    isb();
    for (bool all = false; !all;) {
        irqs_off();
        all = cpus[0].ticks == options.n;
        if (!all)
            wfi();
        irqs_on();
    }
}

static void run_ipi(u64 turn)
{
    u32 cpu = machine.cpus > 1 ? 1 + turn % (machine.cpus - 1) : 0;
    u64 *counter = &irq_of(0)->count[cpu], wanted = load(counter) + 1;
    chip->send_ipi(cpu, 0);
    wait_until(counter, wanted, "an IPI to be taken");
}

static void run_turn(u32 phase, u64 turn)
{
    struct irq *irq = phase == EDGE ? edge : phase == LEVEL ? level : phase == MESSAGE ? irq_of(message.hwirq) : NULL;
    if (phase == IPI)
        return run_ipi(turn);
    if (phase == EDGE)
        pulse_line(edge_line);
    else if (phase == LEVEL)
        raise_line(level_line);
    else
        send_message(&message);
    wait_until(&irq->count[0], turn + 1, "an interrupt to be taken");
}

static bool possible(u32 phase)
{
    return phase == TIMER ? timer != NULL : phase == IPI ? true : phase == EDGE ? edge != NULL :
           phase == LEVEL ? level != NULL : message.hwirq != 0;
}

static void run_phase(u32 phase)
{
    mark(phase);
    if (phase == TIMER)
        return run_timer();
    for (u64 turn = 0; turn < options.n; turn++)
        run_turn(phase, turn);
}

void run(void)
{
    prepare_all();
    for (u32 phase = TIMER; phase < PHASES; phase++) {
        if (possible(phase))
            run_phase(phase);
    }
    mark(0);
    print("workload done\n");
}
