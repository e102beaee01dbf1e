/* Calls that the kernel makes through inline functions of its headers. */
#define of_parse_phandle_with_args(np, list, cells, index, out) \
	__of_parse_phandle_with_args(np, list, cells, -1, index, out)
#define of_for_each_phandle(it, err, np, list, cells, count) \
	for (of_phandle_iterator_init((it), (np), (list), (cells), (count)), err = of_phandle_iterator_next(it); \
	     err == 0; err = of_phandle_iterator_next(it))

static int of_irq_parse_oldworld(struct device_node *np, int index, struct of_phandle_args *out)
{
	(void)np, (void)index, (void)out;
	return -ENODEV;
}
