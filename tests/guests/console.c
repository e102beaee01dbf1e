// The PL011: what the guest says. DR is at 0, FR at 0x18 (bit 5: the FIFO is full).
#include "guest.h"

static u64 talking;

static void put(char letter)
{
    if (!machine.uart)
        return;
    while (read32(machine.uart + 0x18) & 1 << 5) {
    }
    write32(machine.uart, letter);
}

static void put_number(u64 value, u32 base)
{
    char digits[20];
    u32 length = 0;
    do
        digits[length++] = "0123456789abcdef"[value % base];
    while (value /= base);
    while (length)
        put(digits[--length]);
}

// %s: a text; %u: a u64 in decimal; %x: in hexadecimal, with 0x.
static void print_list(const char *format, va_list list)
{
    for (; *format; format++) {
        if (*format != '%') {
            put(*format);
        } else if (*++format == 's') {
            for (const char *text = va_arg(list, const char *); *text; text++)
                put(*text);
        } else if (*format == 'u') {
            put_number(va_arg(list, u64), 10);
        } else {
            put('0'), put('x'), put_number(va_arg(list, u64), 16);
        }
    }
}

void print(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    print_list(format, list);
    va_end(list);
}

_Noreturn void fail(const char *format, ...)
{
    va_list list;
    irqs_off();
    // The first that fails speaks; another would talk into it.
    while (__atomic_exchange_n(&talking, 1, __ATOMIC_ACQUIRE)) {
    }
    va_start(list, format);
    print("\nFAIL on CPU %u: ", (u64)this_cpu());
    print_list(format, list);
    print("\n");
    power_off(1);
}

_Noreturn void exception_taken(u64 esr, u64 elr, u64 far)
{
    fail("exception, ESR %x ELR %x FAR %x", esr, elr, far);
}
