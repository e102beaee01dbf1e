"""What `irqframe run` cannot see from outside: a device that keeps its line high is heard until it is served."""

from irqframe_toy._latch import ALL, Latch, Register

LINE = 5


def test_a_line_that_is_still_high_interrupts_again() -> None:
    """The end of an interrupt looks at the line."""
    latch = Latch()
    latch.write(Register.ENABLE_SET, 1 << LINE)
    latch.set_line(LINE, 1)
    assert latch.read(Register.CLAIM) == LINE
    assert latch.read(Register.CLAIM) == ALL  # it is disabled while it is handled

    latch.write(Register.ENABLE_SET, 1 << LINE)
    assert latch.read(Register.CLAIM) == LINE

    latch.set_line(LINE, 0)
    latch.write(Register.ENABLE_SET, 1 << LINE)
    assert latch.read(Register.CLAIM) == ALL
