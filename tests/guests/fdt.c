// The tree that X0 points to: one walk over a flattened device tree (Devicetree Specification, chapter 5), which notes
// what the guest needs. Addresses are taken as they are; `ranges` are identities on the machines that it runs on.
#include "guest.h"

enum { BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4, END = 9, DEPTH = 12 };

struct cells {
    const u8 *data;
    u32 count;
};

// A node while the walk is in it; the first three are its children's too.
struct node {
    u32 address_cells, size_cells, parent;
    const char *name;
    const char *compatible;
    u32 compatible_size;
    u32 own_address_cells, own_size_cells, phandle, msi_parent, msi_id;
    bool noted, level_inputs, messages;
    struct cells reg, interrupts, range;
    const char *method, *bootargs, *device_type;
};

// Interrupts of a device, until every controller has been seen.
struct wanted {
    u32 parent;
    struct cells cells;
};

static struct {
    u32 gic, rvic, rvid;
    struct wanted timer, uart, testdev;
} seen;

struct machine machine;

static u32 be32(const u8 *at) { return (u32)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]; }
static u32 cell(struct cells cells, u32 index) { return index < cells.count ? be32(cells.data + 4 * index) : 0; }

static u64 number(struct cells cells, u32 at, u32 width)
{
    u64 value = 0;
    for (u32 i = 0; i < width; i++)
        value = value << 32 | cell(cells, at + i);
    return value;
}

static bool equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static bool is(const struct node *node, const char *what)
{
    for (u32 at = 0; at < node->compatible_size; at++) {
        if (equal(node->compatible + at, what))
            return true;
        while (at < node->compatible_size && node->compatible[at])
            at++;
    }
    return false;
}

static u64 reg_address(const struct node *node, u32 index)
{
    return number(node->reg, index * (node->address_cells + node->size_cells), node->address_cells);
}

static u64 reg_size(const struct node *node, u32 index)
{
    u32 width = node->address_cells + node->size_cells;
    return number(node->reg, index * width + node->address_cells, node->size_cells);
}

static void note_chip(const struct node *node)
{
    if (is(node, "arm,gic-v3")) {
        machine.chip = GICV3;
        machine.redistributors = reg_address(node, 1);
        machine.redistributors_size = reg_size(node, 1);
    } else if (is(node, "arm,cortex-a15-gic") || is(node, "arm,gic-400") || is(node, "arm,cortex-a7-gic")) {
        machine.chip = GICV2;
        machine.cpu_interface = reg_address(node, 1);
    } else {
        return;
    }
    machine.distributor = reg_address(node, 0);
    seen.gic = node->phandle;
}

static void note_rvid(const struct node *node)
{
    seen.rvid = node->phandle;
    machine.level_inputs = node->level_inputs;
    if (node->messages) {
        machine.msi_first = cell(node->range, 0);
        machine.msi_count = cell(node->range, 1);
    }
}

static void note_device(const struct node *node)
{
    struct wanted wanted = {node->parent, node->interrupts};
    if (is(node, "arm,pl011") && !machine.uart) {
        machine.uart = reg_address(node, 0);
        seen.uart = wanted;
    } else if (is(node, "irqframe,testdev")) {
        machine.testdev = reg_address(node, 0);
        machine.messages = node->msi_parent != 0;
        machine.device_id = node->msi_id;
        seen.testdev = wanted;
    } else if (is(node, "arm,armv8-timer") || is(node, "arm,armv7-timer")) {
        machine.has_timer = true;
        seen.timer = wanted;
    }
}

static void note(struct node *node)
{
    if (node->noted)
        return;
    node->noted = true;
    note_chip(node);
    note_device(node);
    if (is(node, "arm,gic-v2m-frame"))
        machine.v2m = reg_address(node, 0);
    else if (is(node, "arm,gic-v3-its"))
        machine.its = reg_address(node, 0);
    else if (is(node, "arm,rvic"))
        machine.chip = RVIC, seen.rvic = node->phandle;
    else if (is(node, "arm,rvid"))
        note_rvid(node);
    if (node->method)
        machine.smc = equal(node->method, "smc");
    if (node->bootargs && equal(node->name, "chosen"))
        machine.bootargs = node->bootargs;
    if (node->device_type && equal(node->device_type, "cpu") && machine.cpus < MAX_CPUS)
        machine.mpidr[machine.cpus++] = reg_address(node, 0);
    if (node->device_type && equal(node->device_type, "memory") && !machine.ram_size) {
        machine.ram_base = reg_address(node, 0);
        machine.ram_size = reg_size(node, 0);
    }
}

static void property(struct node *node, const char *name, const u8 *data, u32 size)
{
    struct cells cells = {data, size / 4};
    const char *text = (const char *)data;
    if (equal(name, "compatible"))
        node->compatible = text, node->compatible_size = size;
    else if (equal(name, "#address-cells"))
        node->own_address_cells = cell(cells, 0);
    else if (equal(name, "#size-cells"))
        node->own_size_cells = cell(cells, 0);
    else if (equal(name, "interrupt-parent"))
        node->parent = cell(cells, 0);
    else if (equal(name, "phandle"))
        node->phandle = cell(cells, 0);
    else if (equal(name, "reg"))
        node->reg = cells;
    else if (equal(name, "interrupts"))
        node->interrupts = cells;
    else if (equal(name, "msi-parent"))
        node->msi_parent = cell(cells, 0), node->msi_id = cell(cells, 1);
    else if (equal(name, "msi-controller"))
        node->messages = true;
    else if (equal(name, "msi-range"))
        node->range = cells;
    else if (equal(name, "irqframe,level-inputs"))
        node->level_inputs = true;
    else if (equal(name, "method"))
        node->method = text;
    else if (equal(name, "bootargs"))
        node->bootargs = text;
    else if (equal(name, "device_type"))
        node->device_type = text;
}

// One interrupt of a device's specifiers; how many cells it had, 0 if there is none.
static u32 take_source(const struct wanted *wanted, u32 at, struct source *source)
{
    struct cells cells = wanted->cells;
    u32 width = wanted->parent == seen.gic ? 3 : wanted->parent == seen.rvid && !machine.level_inputs ? 1 : 2;
    if (at + width > cells.count)
        return 0;
    if (width == 3) {
        source->shared = cell(cells, at) == 0;
        source->number = cell(cells, at + 1) + (source->shared ? 0 : 16);
        source->level = cell(cells, at + 2) & 0xc;
    } else {
        source->shared = wanted->parent == seen.rvid;
        source->number = cell(cells, at);
        source->level = width == 2 && cell(cells, at + 1) & 0xc;
    }
    return width;
}

static void resolve(void)
{
    struct source skipped;
    u32 at = 0, width;
    for (u32 i = 0; i < 2; i++)
        at += take_source(&seen.timer, at, &skipped);
    machine.has_timer = take_source(&seen.timer, at, &machine.timer);
    take_source(&seen.uart, 0, &machine.uart_source);
    at = 0;
    while (machine.lines < MAX_LINES && (width = take_source(&seen.testdev, at, &machine.line[machine.lines]))) {
        at += width;
        machine.lines++;
    }
}

void read_tree(const void *tree)
{
    static struct node path[DEPTH];
    const u8 *header = tree, *at = header + be32(header + 8);
    const char *strings = (const char *)header + be32(header + 12);
    u32 depth = 0;
    machine.bootargs = "";
    for (;;) {
        u32 token = be32(at);
        at += 4;
        if (token == BEGIN_NODE) {
            struct node *outer = &path[depth];
            if (depth)
                note(outer);
            if (++depth == DEPTH)
                depth--;
            struct node *node = &path[depth];
            *node = (struct node){.address_cells = outer->own_address_cells, .size_cells = outer->own_size_cells,
                                  .parent = outer->parent, .name = (const char *)at,
                                  .own_address_cells = 2, .own_size_cells = 1};
            while (*at++) {
            }
        } else if (token == PROP) {
            u32 size = be32(at);
            property(&path[depth], strings + be32(at + 4), at + 8, size);
            at += 8 + size;
        } else if (token == END_NODE) {
            note(&path[depth--]);
        } else if (token == END) {
            break;
        }
        at = (const u8 *)(((u64)at + 3) & ~3ul);
    }
    resolve();
}
