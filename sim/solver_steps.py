"""A bound on the steps of a solver, so that it comes to an end whatever its devices do."""

from memtwin.sim.errors import InputError

__all__ = ["Steps"]


class Steps:
    """Counts the steps of a solver of continuous time against an allowance that grows with simulated time.

    Parameters
    ----------
    solver : str
        What the message calls it: ``"physics"``.
    each : int
        Steps that one interval of simulated time adds to the allowance: many times what a device takes that the
        interval resolves.
    interval : str
        What the message calls the interval: ``"half-period"``.
    advice : str
        What a user can do.
    """

    def __init__(self, solver: str, each: int, interval: str, advice: str) -> None:
        self.each, self.left = each, each
        self._message = (
            f"{solver}: expected at most {each} steps in a {interval}, which the devices are too fast for; {advice}"
        )

    def allow(self, intervals: int = 1) -> None:
        """Begin so many intervals; what others left over is kept."""
        self.left += intervals * self.each

    def take(self) -> None:
        """Take a step.

        Raises
        ------
        InputError
            If the allowance is used up.
        """
        self.left -= 1
        if self.left < 0:
            raise InputError(self._message)
