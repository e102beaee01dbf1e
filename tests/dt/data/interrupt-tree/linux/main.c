/* Asks Linux's own functions about every interrupt of a DTB: one line per answer. */
#include "shim.h"
#include "linux.h"

static void answer(const char *kind, const struct device_node *np, int index, int rc, struct of_phandle_args *args)
{
	printf("%s %s %d ", kind, np->full, index);
	if (rc) {
		printf("error %d\n", rc);
		return;
	}
	printf("ok %s", args->np->full);
	for (int i = 0; i < args->args_count; i++)
		printf(" %u", args->args[i]);
	printf("\n");
}

static bool present(const struct device_node *np)
{
	for (; np; np = np->parent)
		if (!of_device_is_available(np))
			return false;
	return true;
}

/* As many indices as of_irq_count would find, and those behind holes. */
static void interrupts(struct device_node *np)
{
	int length = 0, failed = 0;
	bool extended = of_get_property(np, "interrupts-extended", &length);

	if (!extended && !of_get_property(np, "interrupts", &length))
		return;
	for (int index = 0; index < length / 4 && failed < 1 + extended; index++) {
		struct of_phandle_args args = {0};
		int rc = of_irq_parse_one(np, index, &args);
		u32 cells = 1;
		struct device_node *parent = of_irq_find_parent(np);

		if (!extended && parent)
			of_property_read_u32(parent, "#interrupt-cells", &cells);
		if (!extended && cells && (int)((index + 1) * cells * 4) > length)
			break;
		failed = rc ? failed + 1 : 0;
		answer("irq", np, index, rc, &args);
	}
}

/* The MSI of some requester IDs, as a PCI host's msi-map gives them. */
static void messages(struct device_node *np)
{
	static const u32 rids[] = {0, 1, 8, 0x7f, 0x80, 0xff, 0x100, 0x101, 0x200, 0x1000, 0xffff};

	if (!of_get_property(np, "msi-map", NULL))
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(rids); i++) {
		struct of_phandle_args args = {.args_count = 1};
		int rc = of_map_id(np, rids[i], "msi-map", "msi-map-mask", &args.np, &args.args[0]);

		if (!rc && !args.np)
			rc = -ENOENT;
		answer("msi", np, rids[i], rc, &args);
	}
}

static bool is_pci(const struct device_node *np)
{
	const char *type = of_get_property(np, "device_type", NULL);

	return type && !strcmp(type, "pci");
}

/* INTA to INTD of every function below a PCI bus that has a node, and of a function without one behind it. */
static void pins(struct device_node *np, struct pci_bus *bus, int depth)
{
	for (struct device_node *child = np->child; child; child = child->sibling) {
		int length = 0;
		const __be32 *reg = of_get_property(child, "reg", &length);

		if (!reg || length < 4 || !of_device_is_available(child))
			continue;
		struct pci_dev dev = {.bus = bus, .devfn = be32_to_cpup(reg) >> 8 & 0xff, .of_node = child};
		struct pci_bus below = {.number = depth + 1, .self = &dev, .of_node = child};

		for (dev.pin = 1; dev.pin <= 4; dev.pin++) {
			struct of_phandle_args args = {0};

			answer("pin", child, dev.pin, of_irq_parse_pci(&dev, &args), &args);
		}
		if (child->child || is_pci(child))
			pins(child, &below, depth + 1);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	read_dtb(argv[1]);
	for (struct device_node *np = every; np; np = np->all) {
		if (!present(np))
			continue;
		interrupts(np);
		messages(np);
		if (is_pci(np) && !(np->parent && is_pci(np->parent))) {
			struct pci_bus bus = {.of_node = np};

			pins(np, &bus, 0);
		}
	}
	return 0;
}
