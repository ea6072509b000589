"""Progress shows what is slow, keeps silent about what is quick, and writes plain lines off a terminal."""

import io

import pytest

from tierkit.progress import quiet, show


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_what_takes_less_than_two_seconds_shows_nothing(stream: io.StringIO) -> None:
    clock = Clock()
    with show(stream, clock=clock) as progress:
        for done in range(11):
            progress("drawing", done, 10)
            clock.now += 0.18
    assert stream.getvalue() == ""


def test_lines_tell_stage_and_share_now_and_then() -> None:
    clock, stream = Clock(), io.StringIO()
    with show(stream, clock=clock) as progress:
        for done in range(21):
            progress("simulating", done, 20)
            clock.now += 1
        progress("writing", 0, 1)
        clock.now += 0.5
        progress("writing", 1, 1)
    assert stream.getvalue().splitlines() == [
        "[   2 s] simulating 10 %",
        "[   7 s] simulating 35 %",
        "[  12 s] simulating 60 %",
        "[  17 s] simulating 85 %",
        "[  20 s] simulating 100 %",
        "[  21 s] writing",
    ]


def test_a_stage_that_told_a_share_tells_its_end_however_soon() -> None:
    clock, stream = Clock(), io.StringIO()
    with show(stream, clock=clock) as progress:
        for done, seconds in enumerate((3, 4, 3, 0.2, 0)):
            progress("training", done, 4)
            clock.now += seconds
    assert stream.getvalue().splitlines() == [
        "[   3 s] training 25 %",
        "[  10 s] training 75 %",
        "[  10 s] training 100 %",
    ]


def test_bars_show_on_a_terminal_and_go_away_at_the_end() -> None:
    clock, stream = Clock(), Terminal()
    with show(stream, clock=clock) as progress:
        progress("simulating", 0, 20)
        clock.now += 3
        progress("simulating", 5, 20)
        progress("simulating", 20, 20)
    shown = stream.getvalue()
    assert "simulating" in shown
    assert "20/20" in shown
    assert shown.rstrip().endswith("\x1b[2K"), "the bar is erased"


def test_bars_go_away_even_if_the_job_fails() -> None:
    clock, stream = Clock(), Terminal()

    def job() -> None:
        with show(stream, clock=clock) as progress:
            clock.now += 3
            progress("simulating", 1, 20)
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        job()
    assert stream.getvalue().rstrip().endswith("\x1b[2K")


def test_quiet_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    quiet("simulating", 1, 2)
    assert capfd.readouterr() == ("", "")
