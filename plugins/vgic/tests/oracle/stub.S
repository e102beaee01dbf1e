// What every vCPU of the oracle runs: entries of a ring in shared memory, each by the vCPU that it names.
//
// x0 on entry: the vCPU's number. The ring is 0x20000 behind the start: the number of the next entry, at 64 the number
// of entries that there are, at 0x1000 the entries. An entry is eight doublewords: vCPU, address of the instructions
// to run, x0, x1; then what came of it: x0, ESR_EL1 if they faulted, ISR_EL1 afterwards.
// Whoever ran an entry makes the next one current, so entries run in order, whichever vCPUs they name. A vCPU yields to
// the others if the entry is another's, but not while there is none: leaving the translated code costs QEMU a lock, which
// the thread that sets lines would wait for.

        .text
start:
        msr     daifset, #0xf
        adr     x2, start
        msr     vbar_el1, x2
        isb
        mov     x18, x0
        adr     x19, start
        add     x19, x19, #0x20, lsl #12
        add     x20, x19, #0x1, lsl #12
        add     x17, x19, #64
wait:
        ldar    x21, [x19]
        ldar    x22, [x17]
        cmp     x21, x22
        b.eq    wait
        and     x23, x21, #1023
        add     x23, x20, x23, lsl #6
        ldp     x24, x9, [x23]
        cmp     x24, x18
        b.ne    others
        ldp     x0, x1, [x23, #16]
        mov     x28, #0
        blr     x9
        mrs     x4, isr_el1
        stp     x0, x28, [x23, #32]
        str     x4, [x23, #48]
        add     x21, x21, #1
        stlr    x21, [x19]
        b       wait
others:
        yield
        b       wait

// A synchronous exception at this level: note what it was, and go on behind the instruction.
        .org    0x200
        mrs     x28, esr_el1
        mrs     x25, elr_el1
        add     x25, x25, #4
        msr     elr_el1, x25
        eret
