/* What Linux's interrupt code needs of the kernel, on a DTB in memory: enough to run its functions as they are. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint32_t __be32;
typedef uint32_t phandle;

#define MAX_PHANDLE_ARGS 16
#define OF_IMAP_OLDWORLD_MAC 1
#define OF_IMAP_NO_PHANDLE 2
#define EXPORT_SYMBOL(x)
#define EXPORT_SYMBOL_GPL(x)
#define EPROBE_DEFER 517
#define WARN_ON(x) (!!(x))
#define pr_debug(...) ((void)0)
#define pr_info(...) ((void)0)
#define pr_err(...) ((void)0)
#define pr_warn_once(...) ((void)0)
#define dev_warn(...) ((void)0)
#define dev_err(...) ((void)0)
#define __free(x)
#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))
#define cpu_to_be32(x) __builtin_bswap32(x)
#define be32_to_cpu(x) __builtin_bswap32(x)
#define be32_to_cpup(p) __builtin_bswap32(*(p))

struct property {
	const char *name;
	const void *value;
	int length;
	struct property *next;
};

struct device_node {
	const char *name;
	char *full;
	phandle phandle;
	struct device_node *parent, *child, *last, *sibling, *all;
	struct property *properties;
};

struct of_phandle_args {
	struct device_node *np;
	int args_count;
	u32 args[MAX_PHANDLE_ARGS];
};

struct of_phandle_iterator {
	const char *cells_name;
	int cell_count;
	const struct device_node *parent;
	const __be32 *list_end;
	const __be32 *phandle_end;
	const __be32 *cur;
	u32 cur_count;
	phandle phandle;
	struct device_node *node;
};

struct pci_dev;
struct pci_bus {
	int number;
	struct pci_dev *self;
	struct device_node *of_node;
};

struct pci_dev {
	struct pci_bus *bus;
	unsigned int devfn;
	struct device_node *of_node;
	u8 pin;
	int dev;
};

#define PCI_INTERRUPT_PIN 0x3d
#define PCI_SLOT(devfn) (((devfn) >> 3) & 0x1f)
#define pci_device_to_OF_node(p) ((p)->of_node)
#define pci_bus_to_OF_node(b) ((b)->of_node)

static struct device_node *root, *every, **every_end = &every;
static unsigned int of_irq_workarounds;
static struct device_node *of_irq_dflt_pic;

static inline int pci_read_config_byte(const struct pci_dev *dev, int where, u8 *value)
{
	(void)where;
	*value = dev->pin;
	return 0;
}

/* PCI-to-PCI Bridge Architecture Specification 1.2, table 9-1. */
static inline u8 pci_swizzle_interrupt_pin(const struct pci_dev *dev, u8 pin)
{
	return (pin - 1 + PCI_SLOT(dev->devfn)) % 4 + 1;
}

static inline struct device_node *of_node_get(struct device_node *np) { return np; }
static inline void of_node_put(struct device_node *np) { (void)np; }
static inline struct device_node *of_get_parent(const struct device_node *np) { return np ? np->parent : NULL; }
static inline bool of_node_name_eq(const struct device_node *np, const char *name) { return !strcmp(np->name, name); }

static const void *of_get_property(const struct device_node *np, const char *name, int *length)
{
	for (struct property *p = np ? np->properties : NULL; p; p = p->next)
		if (!strcmp(p->name, name)) {
			if (length)
				*length = p->length;
			return p->value;
		}
	return NULL;
}

static bool of_property_read_bool(const struct device_node *np, const char *name)
{
	return of_get_property(np, name, NULL) != NULL;
}

static int of_property_read_u32_index(const struct device_node *np, const char *name, u32 index, u32 *out)
{
	int length;
	const __be32 *value = of_get_property(np, name, &length);

	if (!value)
		return -EINVAL;
	if (length == 0)
		return -ENODATA;
	if ((uint64_t)length < (index + 1ull) * 4)
		return -EOVERFLOW;
	*out = be32_to_cpup(value + index);
	return 0;
}

static int of_property_read_u32(const struct device_node *np, const char *name, u32 *out)
{
	return of_property_read_u32_index(np, name, 0, out);
}

static struct device_node *of_find_node_by_phandle(phandle handle)
{
	for (struct device_node *np = every; handle && np; np = np->all)
		if (np->phandle == handle)
			return np;
	return NULL;
}

static bool of_device_is_available(const struct device_node *np)
{
	const char *status = of_get_property(np, "status", NULL);

	return np && (!status || !strcmp(status, "okay") || !strcmp(status, "ok"));
}

static bool of_device_compatible_match(const struct device_node *np, const char *const *wanted)
{
	int length;
	const char *list = of_get_property(np, "compatible", &length);

	for (; list && *wanted; wanted++)
		for (const char *one = list; one < list + length; one += strlen(one) + 1)
			if (!strcmp(one, *wanted))
				return true;
	return false;
}

/* The DTB: dtc wrote it, so it is taken as sound. */

static struct device_node *grow(struct device_node *parent, const char *name)
{
	struct device_node *np = calloc(1, sizeof(*np));
	const char *above = parent && parent->parent ? parent->full : "";

	np->name = name;
	np->parent = parent;
	np->full = malloc(strlen(above) + strlen(name) + 2);
	sprintf(np->full, "%s/%s", above, name);
	if (parent) {
		*(parent->last ? &parent->last->sibling : &parent->child) = np;
		parent->last = np;
	}
	*every_end = np;
	every_end = &np->all;
	return np;
}

static void read_dtb(const char *file)
{
	FILE *stream = fopen(file, "rb");
	char *blob = calloc(1, 16 << 20);
	struct device_node *np = NULL;

	if (!stream || fread(blob, 1, 16 << 20, stream) < 40)
		exit(1);
	fclose(stream);
	const __be32 *header = (const __be32 *)blob, *at = (const __be32 *)(blob + be32_to_cpu(header[2]));
	const char *strings = blob + be32_to_cpu(header[3]);

	for (;;) {
		u32 token = be32_to_cpup(at++);

		if (token == 1) {
			np = grow(np, (const char *)at);
			root = root ? root : np;
			at += strlen((const char *)at) / 4 + 1;
		} else if (token == 2) {
			np = np->parent;
		} else if (token == 3) {
			struct property *p = calloc(1, sizeof(*p)), **end = &np->properties;

			p->length = be32_to_cpu(at[0]);
			p->name = strings + be32_to_cpu(at[1]);
			p->value = at + 2;
			at += 2 + (p->length + 3) / 4;
			while (*end)
				end = &(*end)->next;
			*end = p;
			if (!strcmp(p->name, "phandle") || (!strcmp(p->name, "linux,phandle") && !np->phandle))
				np->phandle = be32_to_cpup((const __be32 *)p->value);
		} else if (token == 9) {
			return;
		}
	}
}
