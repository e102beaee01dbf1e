// Interrupts that the guest raises itself: lines and messages of the test device. Without one (QEMU) the UART is a line,
// level-triggered, since its transmit interrupt stays raised under its mask; and a message is a store of the CPU's own.
#include "guest.h"

enum { UART_MASK = 0x38, UART_TRANSMIT = 1 << 5 };

u32 line_count(void) { return machine.testdev ? machine.lines : machine.uart_source.shared; }
struct source line_source(u32 line) { return machine.testdev ? machine.line[line] : machine.uart_source; }
void pulse_line(u32 line) { write32(machine.testdev + TESTDEV_PULSE, line); }

void raise_line(u32 line)
{
    if (machine.testdev)
        write32(machine.testdev + TESTDEV_RAISE, line);
    else
        write32(machine.uart + UART_MASK, UART_TRANSMIT);
}

void lower_line(u32 line)
{
    if (machine.testdev)
        write32(machine.testdev + TESTDEV_LOWER, line);
    else
        write32(machine.uart + UART_MASK, 0);
}

// The rVID's doorbell is no register: only a device that the VM knows can send it a message.
bool messages_work(void)
{
    return chip->has_messages() && (machine.testdev ? machine.messages : machine.chip != RVIC);
}

void send_message(const struct message *message)
{
    if (!machine.testdev) {
        write32(message->address, message->data);
        return;
    }
    write32(machine.testdev + TESTDEV_MSI_ADDR_LO, message->address);
    write32(machine.testdev + TESTDEV_MSI_ADDR_HI, message->address >> 32);
    write32(machine.testdev + TESTDEV_MSI_DATA, message->data);
    write32(machine.testdev + TESTDEV_MSI_SEND, 1);
}

void mark(u32 phase)
{
    if (machine.testdev)
        write32(machine.testdev + TESTDEV_MARK, phase);
}
