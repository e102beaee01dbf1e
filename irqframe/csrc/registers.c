/* Registers of the CPU, by the emulator's number and, for system registers, by encoding. */
#include "engine.h"

int register_number(const Engine *engine, unsigned x)
{
    const UcApi *api = &engine->api;
    return x < 29 ? api->ARM64_REG_X0 + (int)x : x == 29 ? api->ARM64_REG_X29 : api->ARM64_REG_X30;
}

uint64_t read_register(Engine *engine, int number)
{
    uint64_t value = 0;
    engine->api.reg_read(engine->uc, number, &value);
    return value;
}

/* By a batch of one: after `uc_reg_write` of PC a store to where nothing is would leave PC at the start of its block. */
void write_register(Engine *engine, int number, uint64_t value)
{
    void *const place = &value;
    engine->api.reg_write_batch(engine->uc, &number, &place, 1);
}

/* x1 to x3. */
void read_arguments(Engine *engine, uint64_t x[CALL_REGISTERS])
{
    int x0 = engine->api.ARM64_REG_X0, numbers[] = {x0 + 1, x0 + 2, x0 + 3};
    void *places[] = {&x[1], &x[2], &x[3]};
    engine->api.reg_read_batch(engine->uc, numbers, places, CALL_REGISTERS - 1);
}

/* x0 to x3. */
void write_results(Engine *engine, uint64_t x[CALL_REGISTERS])
{
    int x0 = engine->api.ARM64_REG_X0, numbers[] = {x0, x0 + 1, x0 + 2, x0 + 3};
    void *const places[] = {&x[0], &x[1], &x[2], &x[3]};
    engine->api.reg_write_batch(engine->uc, numbers, places, CALL_REGISTERS);
}

uint32_t read_pstate(Engine *engine)
{
    uint32_t pstate = 0;
    engine->api.reg_read(engine->uc, engine->api.ARM64_REG_PSTATE, &pstate);
    return pstate;
}

static UcCpReg cp_reg(uint32_t encoding, uint64_t value)
{
    return (UcCpReg){.op0 = encoding >> 14,
                     .op1 = encoding >> 11 & 7,
                     .crn = encoding >> 7 & 15,
                     .crm = encoding >> 3 & 15,
                     .op2 = encoding & 7,
                     .value = value};
}

uint64_t read_sysreg(Engine *engine, uint32_t encoding)
{
    UcCpReg reg = cp_reg(encoding, 0);
    engine->api.reg_read(engine->uc, engine->api.ARM64_REG_CP_REG, &reg);
    return reg.value;
}

void write_sysreg(Engine *engine, uint32_t encoding, uint64_t value)
{
    UcCpReg reg = cp_reg(encoding, value);
    engine->api.reg_write(engine->uc, engine->api.ARM64_REG_CP_REG, &reg);
}
