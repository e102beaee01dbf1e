/* The run loop: the emulator is started again and again until something happens that Python has to know. */
#include "engine.h"

int64_t executed(const Engine *engine)
{
    return engine->done + engine->chunk - engine->left;
}

bool serves(const Engine *engine, uint32_t encoding)
{
    return engine->served[encoding >> 3] >> (encoding & 7) & 1;
}

void stop_guest(Engine *engine, int why)
{
    engine->stop = why;
    engine->api.emu_stop(engine->uc);
}

void note(Engine *engine, const char *kind, uint64_t pc, uint64_t key)
{
    engine->recent[engine->recent_count++ % RECENT] = (Recent){kind, pc, key};
}

/* A control that writes and takes no argument; the word is laid out as the header's UC_CTL does. */
enum { CTL_DIRECTION = 30 };

static void control(Engine *engine, int type)
{
    engine->api.ctl(engine->uc, (int)((uint32_t)type | (uint32_t)engine->api.CTL_IO_WRITE << CTL_DIRECTION));
}

static void flush(Engine *engine)
{
    if (engine->flush_code) {
        engine->flush_code = 0;
        control(engine, engine->api.CTL_TB_FLUSH);
    }
    if (engine->flush_tlb) {
        engine->flush_tlb = 0;
        control(engine, engine->api.CTL_TLB_FLUSH);
    }
}

static int fail(Engine *engine, int error)
{
    PyOS_snprintf(engine->fault, FAULT_TEXT, "the emulator gave up with error %d", error);
    return STOP_FAULT;
}

/* What waits for the gap between two blocks. */
static void between(Engine *engine)
{
    /* Another thread sets its flag, then `held`: either its `held` comes after this one, or its flag is seen below. */
    engine->held = 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    flush(engine);
    if (engine->attention)
        engine->held = 1;
    if (engine->lines && takes_interrupt(engine))
        enter_interrupt(engine);
}

/* Runs until the emulator returns; STOP_NONE if there is no reason to return to Python. */
static int run_once(Engine *engine)
{
    const UcApi *api = &engine->api;
    engine->stop = STOP_NONE;
    between(engine);
    if (engine->stop != STOP_NONE)
        return engine->stop;
    int error = api->emu_start(engine->uc, read_register(engine, api->ARM64_REG_PC), 0, 0, 0);
    /* The only pages that may not be fetched from are those of frames. */
    if (error == api->ERR_READ_UNMAPPED || error == api->ERR_WRITE_UNMAPPED || error == api->ERR_FETCH_UNMAPPED ||
        error == api->ERR_FETCH_PROT) {
        enter_external_abort(engine, error);
        return engine->stop;
    }
    if (error)
        return fail(engine, error);
    return engine->stop == STOP_NONE ? STOP_WFI : engine->stop == STOP_BETWEEN ? STOP_NONE : engine->stop;
}

int run_engine(Engine *engine, int64_t budget, int64_t deadline)
{
    engine->done = executed(engine);
    engine->chunk = engine->left = budget;
    engine->deadline = deadline;
    engine->failed = 0;
    engine->fault[0] = 0;
    int stop;
    do
        stop = run_once(engine);
    while (stop == STOP_NONE && !engine->failed);
    if (stop == STOP_ATTENTION)
        engine->attention = 0;
    return stop;
}
