/* The registers of a GIC's CPU interface that are accessed for every interrupt: what a runner binds its exits to.

   `plugins/vgic/irqframe_vgic/_v2/_interface.py` and `_v3/_interface.py` have the rules. None of these needs the GIL; the
   thread that runs the CPU calls them. One that returns false has changed nothing: Python has to serve the access, as it
   has to while a line is high that stands for a host interrupt. After one that returns true, `preemption_lines` has the
   CPU's lines; nobody was told of them. */
#ifndef IRQFRAME_GIC_H
#define IRQFRAME_GIC_H

#include "bits_preemption.h"

/* Tests call these without Python, by their names in the shared object. */
#pragma GCC visibility push(default)

/* GICC_IAR and GICC_EOIR, and for Group 1 alone GICC_AIAR and GICC_AEOIR; GICC_DIR. */
bool gicv2_read_iar(Preemption *cpu, uint32_t *value);
bool gicv2_read_aiar(Preemption *cpu, uint32_t *value);
bool gicv2_write_eoir(Preemption *cpu, uint32_t value);
bool gicv2_write_aeoir(Preemption *cpu, uint32_t value);
bool gicv2_write_dir(Preemption *cpu, uint32_t value);

/* ICC_IARn_EL1 and ICC_EOIRn_EL1 of a group, 0 or 1; ICC_DIR_EL1. LPIs are left to Python. */
bool gicv3_read_iar(Preemption *cpu, unsigned group, uint64_t *value);
bool gicv3_write_eoir(Preemption *cpu, unsigned group, uint64_t value);
bool gicv3_write_dir(Preemption *cpu, uint64_t value);

#pragma GCC visibility pop

#endif
