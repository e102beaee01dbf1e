/* One AArch64 CPU: what its hooks and its run loop share. */
#ifndef IRQFRAME_ENGINE_H
#define IRQFRAME_ENGINE_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "operation.h"
#include "unicorn_api.h"

/* `Stop`, and two that Python never sees: the CPU was stopped for what is done between two blocks, or was not. */
enum stop { STOP_BUDGET, STOP_WFI, STOP_ATTENTION, STOP_FAULT, STOP_BETWEEN, STOP_NONE };

/* Who serves what leaves the guest, in the order of `Exits`. */
enum exit { EXIT_HYPERCALL, EXIT_MMIO_READ, EXIT_MMIO_WRITE, EXIT_SYSREG_READ, EXIT_SYSREG_WRITE, EXIT_LINES, EXITS };

/* x0 to x3. */
enum { CALL_REGISTERS = 4 };

enum { RECENT = 16, SYSREGS = 1 << 16, FAULT_TEXT = 160 };

typedef struct {
    const char *kind;
    uint64_t pc;
    uint64_t key;
} Recent;

typedef struct Engine Engine;

typedef struct {
    Engine *engine;
    uint64_t base;
} Frame;

/* An exit that an operation serves; `key` is a function id, an address or an encoding. */
typedef struct {
    Operation *operation;
    uint64_t key;
    uint64_t count;         /* how often, since Python was told */
    enum exit exit;
} Bound;

struct Engine {
    PyObject_HEAD
    /* What the block hook looks at. */
    int64_t left;           /* instructions of this chunk that are not executed yet */
    volatile int held;      /* the next block is not to begin: something below says why */
    int lines;
    uint64_t block;         /* where the last block began, and how many instructions it has */
    uint32_t block_size;

    volatile int attention, flush_tlb, flush_code; /* set by any thread, `held` after them */
    int stop;               /* why the CPU was stopped, STOP_NONE while it was not */
    int failed;             /* an exit raised; the exception is set */

    int64_t done;           /* executed before this chunk */
    int64_t chunk;          /* how many this chunk had */
    int64_t deadline;       /* host's monotonic clock, ns; 0: none */
    int64_t counter_base;

    UcApi api;
    Uc *uc;
    void *context;
    size_t syndrome_offset;
    PyThreadState *thread;  /* of run(), while the guest executes */

    int virtual_time, smc;
    int64_t last_exception; /* `executed` at the last one, and how many came in a row with next to nothing between */
    int storm;
    Recent recent[RECENT];
    unsigned recent_count;
    char fault[FAULT_TEXT];

    PyObject *exits[EXITS];
    PyObject *peers;        /* the other CPUs, a tuple; `others` points into it */
    Engine **others;
    unsigned others_count;
    Frame *frames;
    unsigned char *served;  /* a bit per system register that the exits serve */

    /* Exits that operations serve. */
    int settled;            /* there are some, and Python has nothing to do before the next exit */
    unsigned bound_shift;  /* of the hash */
    unsigned bound_count;
    Bound *bound;
    unsigned *places;       /* by hash, one more than the place in `bound`; 0: free */
    unsigned *untold;       /* places in `bound` of those with a count */
    unsigned untold_count;
    PyObject *tell;
};

/* registers.c */
uint64_t read_register(Engine *engine, int number);
void write_register(Engine *engine, int number, uint64_t value);
void read_arguments(Engine *engine, uint64_t x[CALL_REGISTERS]);
void write_results(Engine *engine, uint64_t x[CALL_REGISTERS]);
uint32_t read_pstate(Engine *engine);
uint64_t read_sysreg(Engine *engine, uint32_t encoding);
void write_sysreg(Engine *engine, uint32_t encoding, uint64_t value);
int register_number(const Engine *engine, unsigned x);

/* run.c */
int64_t executed(const Engine *engine);
void stop_guest(Engine *engine, int why);
void note(Engine *engine, const char *kind, uint64_t pc, uint64_t key);
bool serves(const Engine *engine, uint32_t encoding);
int run_engine(Engine *engine, int64_t budget, int64_t deadline);

/* exits.c: what a move of a system register returns is whether it was served. */
void call_hypercall(Engine *engine, const char *kind);
uint64_t call_mmio_read(Engine *engine, uint64_t gpa, unsigned size);
void call_mmio_write(Engine *engine, uint64_t gpa, unsigned size, uint64_t value);
bool call_sysreg_read(Engine *engine, uint32_t encoding, uint64_t *value);
bool call_sysreg_write(Engine *engine, uint32_t encoding, uint64_t value);

/* bound.c */
Bound *find_bound(const Engine *engine, enum exit exit, uint64_t key);
bool serve(Engine *engine, Bound *bound, const char *kind, uint64_t key, const uint64_t *in, uint64_t *out);
void ask_lines(Engine *engine);
int tell_bound(Engine *engine);
int take_bound(Engine *engine, PyObject *rows, PyObject *tell);
void forget_bound(Engine *engine);

/* exceptions.c */
bool takes_interrupt(Engine *engine);
void enter_interrupt(Engine *engine);
void enter_exception(Engine *engine, uint32_t number);
void enter_external_abort(Engine *engine, int error);

/* hooks.c */
int add_hooks(Engine *engine);
int add_peer_hook(Engine *engine);
int map_frame(Engine *engine, Frame *frame, uint64_t size);

/* A system register: op0, op1, CRn, CRm, op2 as bits 20 to 5 of MRS and MSR have them. */
#define SYSREG(op0, op1, crn, crm, op2)                                                                                \
    ((uint32_t)(op0) << 14 | (uint32_t)(op1) << 11 | (uint32_t)(crn) << 7 | (uint32_t)(crm) << 3 | (uint32_t)(op2))

#define SP_EL0 SYSREG(3, 0, 4, 1, 0)
#define SP_EL1 SYSREG(3, 4, 4, 1, 0)
#define SPSR_EL1 SYSREG(3, 0, 4, 0, 0)
#define ELR_EL1 SYSREG(3, 0, 4, 0, 1)
#define ESR_EL1 SYSREG(3, 0, 5, 2, 0)
#define FAR_EL1 SYSREG(3, 0, 6, 0, 0)
#define VBAR_EL1 SYSREG(3, 0, 12, 0, 0)
#define SCTLR_EL1 SYSREG(3, 0, 1, 0, 0)
#define ISR_EL1 SYSREG(3, 0, 12, 1, 0)
#define CNTKCTL_EL1 SYSREG(3, 0, 14, 1, 0)
#define CNTPCT_EL0 SYSREG(3, 3, 14, 0, 1)
#define CNTVCT_EL0 SYSREG(3, 3, 14, 0, 2)

/* The EL1 timers' TVAL, CTL and CVAL: S3_3_C14_C2_0 to 2 physical, C3 virtual. */
static inline bool is_timer(uint32_t encoding)
{
    uint32_t of_timer = encoding & ~(uint32_t)7;
    return (of_timer == SYSREG(3, 3, 14, 2, 0) || of_timer == SYSREG(3, 3, 14, 3, 0)) && (encoding & 7) <= 2;
}

#endif
