// Where a CPU begins, and where it goes on an exception. The header of 64 bytes in front, that of an arm64 Image, is
// written by image.lds; its first instruction branches to `entry`.
//
// 1. The boot CPU comes with the address of the tree in x0, the others with their index (PSCI's context).
// 2. The image runs wherever it is put: `entry` relocates it before anything else.
// 3. Emulated CPUs have no caches: what is written before the MMU is on needs no cleaning.

#define MAIR            0xff00          // attribute 0: device, nGnRnE; attribute 1: normal, write-back
#define TCR             0x200803519     // 39 bits, 4 KiB granule, write-back, inner shareable; no TTBR1; 40 bits out
#define SCTLR           0x30d01805      // the bits that are one, I, C, M
#define STACK_SHIFT     13
#define FRAME           192

        .section .text.start, "ax"
        .global entry
entry:
        msr     daifset, #0xf
        mov     x19, x0
        adrp    x3, image_start
        add     x3, x3, :lo12:image_start
        adrp    x1, rela_start
        add     x1, x1, :lo12:rela_start
        adrp    x2, rela_end
        add     x2, x2, :lo12:rela_end
1:      cmp     x1, x2
        b.hs    2f
        ldp     x4, x5, [x1], #16
        ldr     x6, [x1], #8
        add     x6, x6, x3
        str     x6, [x4, x3]
        b       1b
2:      adrp    x1, bss_start
        add     x1, x1, :lo12:bss_start
        adrp    x2, bss_end
        add     x2, x2, :lo12:bss_end
3:      cmp     x1, x2
        b.hs    4f
        stp     xzr, xzr, [x1], #16
        b       3b
4:      mov     x20, #0
        bl      set_stack
        mov     x0, x19
        bl      prepare
        bl      mmu_on
        b       boot_cpu

        .global secondary_entry
secondary_entry:
        msr     daifset, #0xf
        mov     x20, x0
        bl      set_stack
        bl      mmu_on
        b       secondary_cpu

// x20: the CPU's index.
set_stack:
        msr     spsel, #1
        msr     tpidr_el1, x20
        adrp    x0, stacks
        add     x0, x0, :lo12:stacks
        add     x1, x20, #1
        add     x0, x0, x1, lsl #STACK_SHIFT
        mov     sp, x0
        adrp    x0, vectors
        add     x0, x0, :lo12:vectors
        msr     vbar_el1, x0
        isb
        ret

mmu_on:
        adrp    x0, translation_table
        msr     ttbr0_el1, x0
        ldr     x0, =MAIR
        msr     mair_el1, x0
        ldr     x0, =TCR
        msr     tcr_el1, x0
        isb
        tlbi    vmalle1
        dsb     nsh
        isb
        ldr     x0, =SCTLR
        msr     sctlr_el1, x0
        isb
        ret

        .macro  vector target
        .balign 0x80
        b       \target
        .endm

        .section .vectors, "ax"
        .balign 0x800
vectors:
        .rept   5
        vector  unexpected
        .endr
        vector  interrupt
        .rept   10
        vector  unexpected
        .endr

unexpected:
        mrs     x0, esr_el1
        mrs     x1, elr_el1
        mrs     x2, far_el1
        b       exception_taken

interrupt:
        sub     sp, sp, #FRAME
        stp     x0, x1, [sp, #0]
        stp     x2, x3, [sp, #16]
        stp     x4, x5, [sp, #32]
        stp     x6, x7, [sp, #48]
        stp     x8, x9, [sp, #64]
        stp     x10, x11, [sp, #80]
        stp     x12, x13, [sp, #96]
        stp     x14, x15, [sp, #112]
        stp     x16, x17, [sp, #128]
        stp     x18, x29, [sp, #144]
        str     x30, [sp, #160]
        bl      irq_taken
        ldp     x0, x1, [sp, #0]
        ldp     x2, x3, [sp, #16]
        ldp     x4, x5, [sp, #32]
        ldp     x6, x7, [sp, #48]
        ldp     x8, x9, [sp, #64]
        ldp     x10, x11, [sp, #80]
        ldp     x12, x13, [sp, #96]
        ldp     x14, x15, [sp, #112]
        ldp     x16, x17, [sp, #128]
        ldp     x18, x29, [sp, #144]
        ldr     x30, [sp, #160]
        add     sp, sp, #FRAME
        eret

        .section .stacks, "aw", %nobits
        .balign 16
stacks:
        .skip   8 << STACK_SHIFT
