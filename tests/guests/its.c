// The ITS of a GICv3 (Arm IHI 0069, chapter 5): message n is event n of one device, LPI 8192 + n, in its CPU's collection.
#include "guest.h"

enum { GITS_CTLR = 0x0000, GITS_TYPER = 0x0008, GITS_CBASER = 0x0080, GITS_CWRITER = 0x0088, GITS_CREADR = 0x0090,
       GITS_BASER = 0x0100, GITS_TRANSLATER = 0x10040 };
enum { GICR_CTLR = 0x00, GICR_TYPER = 0x08, GICR_PROPBASER = 0x70, GICR_PENDBASER = 0x78 };
enum { MAPD = 0x08, MAPC = 0x09, MAPTI = 0x0a, MOVI = 0x01, INV = 0x0c, SYNC = 0x05 };
enum { ID_BITS = 14, LPIS = (1 << ID_BITS) - FIRST_LPI, EVENT_BITS = 5, FRAME = 0x10000, QUEUE = 0x10000,
       PRIORITY = 0xa0, DEVICES = 1, COLLECTIONS = 4 };

#define VALID (1ul << 63)
#define IN_TABLES __attribute__((section(".tables"), aligned(FRAME)))

static u8 configuration[FRAME] IN_TABLES;
static u8 pending[MAX_CPUS][FRAME] IN_TABLES;
static u64 queue[QUEUE / 8] IN_TABLES;
static u8 device_table[FRAME] IN_TABLES;
static u8 collection_table[FRAME] IN_TABLES;
static u8 translations[FRAME] IN_TABLES;

static bool ready;
static u32 written, device;

bool its_present(void) { return machine.its != 0; }

// How a command names a redistributor: by its address, or by its processor number.
static u64 target(u32 cpu)
{
    u64 frame = gicv3_redistributor(cpu);
    if (read64(machine.its + GITS_TYPER) & 1 << 19)
        return frame;
    return (read64(frame + GICR_TYPER) >> 8 & 0xffff) << 16;
}

static void command(u64 a, u64 b, u64 c)
{
    u64 patience = options.patience * READ("cntfrq_el0"), start = READ("cntvct_el0");
    u64 *entry = queue + written / 8;
    entry[0] = a, entry[1] = b, entry[2] = c, entry[3] = 0;
    written = (written + 32) % QUEUE;
    write64(machine.its + GITS_CWRITER, written);
    while (read64(machine.its + GITS_CREADR) != written) {
        if (READ("cntvct_el0") - start > patience)
            fail("the ITS does not do its command %x: CREADR is %x", a, read64(machine.its + GITS_CREADR));
    }
}

static void sync(u32 cpu) { command(SYNC, 0, target(cpu)); }

static void give_table(u32 which)
{
    u64 at = machine.its + GITS_BASER + 8 * which, value = read64(at);
    u32 type = value >> 56 & 7;
    if (type != DEVICES && type != COLLECTIONS)
        return;
    u64 table = (u64)(type == DEVICES ? device_table : collection_table);
    u64 room = FRAME / ((value >> 48 & 0x1f) + 1);
    if (type == DEVICES && device >= room)
        fail("a device table of %u entries has none for device %u", room, (u64)device);
    write64(at, VALID | table | 2 << 8);                // one page of 64 KiB, flat
    if ((read64(at) >> 8 & 3) != 2)
        fail("the ITS has no pages of 64 KiB");
}

static void enable_lpis(u32 cpu)
{
    u64 frame = gicv3_redistributor(cpu);
    write64(frame + GICR_PROPBASER, (u64)configuration | (ID_BITS - 1));
    write64(frame + GICR_PENDBASER, (u64)pending[cpu] | 1ul << 62);
    write32(frame + GICR_CTLR, read32(frame + GICR_CTLR) | 1);
    command(MAPC, 0, VALID | target(cpu) | cpu);
    sync(cpu);
}

static void probe(void)
{
    // A message that a CPU stores comes from device 0.
    device = machine.testdev ? machine.device_id : 0;
    memset(configuration, PRIORITY, LPIS);
    memset(pending, 0, sizeof pending);
    memset(device_table, 0, sizeof device_table);
    memset(collection_table, 0, sizeof collection_table);
    memset(translations, 0, sizeof translations);
    for (u32 which = 0; which < 8; which++)
        give_table(which);
    write64(machine.its + GITS_CBASER, VALID | (u64)queue | (QUEUE / 4096 - 1));
    write64(machine.its + GITS_CWRITER, 0);
    write32(machine.its + GITS_CTLR, 1);
    for (u32 cpu = 0; cpu < machine.cpus; cpu++)
        enable_lpis(cpu);
    command(MAPD | (u64)device << 32, EVENT_BITS - 1, VALID | (u64)translations);
    ready = true;
}

struct message its_request(u32 which, u32 cpu)
{
    u32 lpi = FIRST_LPI + which;
    if (!ready)
        probe();
    command(MAPTI | (u64)device << 32, (u64)lpi << 32 | which, cpu);
    configuration[which] = PRIORITY | 1;
    dsb();
    command(INV | (u64)device << 32, which, 0);
    sync(cpu);
    return (struct message){machine.its + GITS_TRANSLATER, which, lpi};
}

void its_move(u32 hwirq, u32 cpu)
{
    command(MOVI | (u64)device << 32, hwirq - FIRST_LPI, cpu);
    sync(cpu);
}
